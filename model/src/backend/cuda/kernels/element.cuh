// The type of activations: ELEMENT is 0 for fp32, 1 for fp16, 2 for bf16. Everything is computed in fp32.

#if ELEMENT == 0
typedef float element;
DEVICE float widen(element value) { return value; }
DEVICE element narrow(float value) { return value; }
#else
struct element {
    u16 bits;
};
#if ELEMENT == 1
DEVICE float widen(element value) { return from_half(value.bits); }
DEVICE element narrow(float value) { return element{to_half(value)}; }
#else
DEVICE float widen(element value) { return from_bfloat(value.bits); }
DEVICE element narrow(float value) { return element{to_bfloat(value)}; }
#endif
// Two values as tensor cores take them, the first in the low half.
DEVICE u32 pack(float first, float second) { return (u32)narrow(first).bits | (u32)narrow(second).bits << 16; }
#endif

// As many values as are read at once: 16 bytes.
#define LANE_VALUES (16 / sizeof(element))
struct alignas(16) Lanes {
    element values[LANE_VALUES];
};

#define INFINITE __int_as_float(0x7f800000)

DEVICE float warp_sum(float value) {
    for (u32 mask = 16; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
    return value;
}

DEVICE float warp_max(float value) {
    for (u32 mask = 16; mask > 0; mask /= 2) value = fmaxf(value, shuffle_xor(value, mask));
    return value;
}

DEVICE u32 warp_min(u32 value) {
    for (u32 mask = 16; mask > 0; mask /= 2) value = min(value, shuffle_xor(value, mask));
    return value;
}

DEVICE u32 warp_max(u32 value) {
    for (u32 mask = 16; mask > 0; mask /= 2) value = max(value, shuffle_xor(value, mask));
    return value;
}

// The sum over a block of 256 threads, in one order; every thread gets it. `parts` are eight values of shared memory.
DEVICE float block_sum(float value, float* parts) {
    value = warp_sum(value);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = 0.0f;
    for (u32 warp = 0; warp < 8; warp++) sum += parts[warp];
    return sum;
}

// The maximum over a block of 256 threads.
DEVICE float block_max(float value, float* parts) {
    value = warp_max(value);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float max = parts[0];
    for (u32 warp = 1; warp < 8; warp++) max = fmaxf(max, parts[warp]);
    return max;
}

DEVICE float sigmoid(float value) { return 1.0f / (1.0f + expf(-value)); }
