// Operations on rows. Lengths of rows that are read 16 bytes at once are multiples of that; the host sees to it.

// out[r] = x[r] / sqrt(mean(x[r]^2) + eps) * weight. A block for each row.
KERNEL(256, rms_norm)(element* out, const element* x, const float* weight, u32 width, float eps) {
    __shared__ float parts[8];
    x += (u64)blockIdx.x * width;
    out += (u64)blockIdx.x * width;
    float sum = 0.0f;
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        Lanes lanes = *(const Lanes*)(x + place);
        for (u32 lane = 0; lane < LANE_VALUES; lane++) {
            float value = widen(lanes.values[lane]);
            sum += value * value;
        }
    }
    float scale = 1.0f / sqrtf(block_sum(sum, parts) / width + eps);
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        Lanes lanes = *(const Lanes*)(x + place);
        for (u32 lane = 0; lane < LANE_VALUES; lane++) {
            lanes.values[lane] = narrow(widen(lanes.values[lane]) * scale * weight[place + lane]);
        }
        *(Lanes*)(out + place) = lanes;
    }
}

// x += y, of `count` values.
KERNEL(256, add)(element* x, const element* y, u64 count) {
    u64 place = ((u64)blockIdx.x * 256 + threadIdx.x) * LANE_VALUES;
    if (place >= count) return;
    Lanes a = *(const Lanes*)(x + place), b = *(const Lanes*)(y + place);
    for (u32 lane = 0; lane < LANE_VALUES; lane++) {
        a.values[lane] = narrow(widen(a.values[lane]) + widen(b.values[lane]));
    }
    *(Lanes*)(x + place) = a;
}

// x[r] += bias. A block for each row.
KERNEL(256, add_bias)(element* x, const float* bias, u32 width) {
    x += (u64)blockIdx.x * width;
    for (u32 place = threadIdx.x; place < width; place += 256) x[place] = narrow(widen(x[place]) + bias[place]);
}

// out[r] = x[rows[r]], or x[r] without `rows`: `width` values of rows that are `stride` and `out_stride` apart.
// A block for each row.
KERNEL(256, gather)(element* out, const element* x, const u32* rows, u32 width, u32 stride, u32 out_stride) {
    u32 row = rows ? rows[blockIdx.x] : blockIdx.x;
    x += (u64)row * stride;
    out += (u64)blockIdx.x * out_stride;
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        *(Lanes*)(out + place) = *(const Lanes*)(x + place);
    }
}

// Each row behind the one before it. `previous[r]` is that row of `x`, or `rows + s` for row `s` of `before`, or the
// highest number for zeros. A block for each row.
KERNEL(256, pairs)(element* out, const element* x, const u32* previous, const u64* before, u32 rows, u32 width) {
    u32 row = previous[blockIdx.x];
    const element* first = row < rows ? x + (u64)row * width : 0;
    if (row >= rows && before) first = (const element*)before[row - rows];
    x += (u64)blockIdx.x * width;
    out += (u64)blockIdx.x * 2 * width;
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        Lanes lanes;
        for (u32 lane = 0; lane < LANE_VALUES; lane++) lanes.values[lane] = narrow(0.0f);
        *(Lanes*)(out + place) = first ? *(const Lanes*)(first + place) : lanes;
        *(Lanes*)(out + width + place) = *(const Lanes*)(x + place);
    }
}

// Turns the first 2 * half values of heads in place, by the angles [rows, half] of their rows. A block for each row.
KERNEL(256, rope)(element* x, const float* cos, const float* sin, u32 columns, u32 heads, u32 width, u32 half) {
    x += (u64)blockIdx.x * columns;
    cos += (u64)blockIdx.x * half;
    sin += (u64)blockIdx.x * half;
    for (u32 place = threadIdx.x; place < heads * half; place += 256) {
        u32 angle = place % half;
        element* first = x + place / half * width + angle;
        element* second = first + half;
        float a = widen(*first), b = widen(*second), c = cos[angle], s = sin[angle];
        *first = narrow(a * c - b * s);
        *second = narrow(b * c + a * s);
    }
}

// x[r] *= sigmoid(gate[r]). A block for each row.
KERNEL(256, sigmoid_gate)(element* x, const float* gate, u32 width) {
    float share = sigmoid(gate[blockIdx.x]);
    x += (u64)blockIdx.x * width;
    for (u32 place = threadIdx.x; place < width; place += 256) x[place] = narrow(widen(x[place]) * share);
}

// What lies between the products of an MLP: silu of all values (gate 0), of the first half times the second (1), of
// the second half times the first (2). A block for each row.
KERNEL(256, activate)(element* out, const element* x, u32 width, u32 gate) {
    x += (u64)blockIdx.x * (gate ? 2 * width : width);
    out += (u64)blockIdx.x * width;
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        Lanes a = *(const Lanes*)(x + place);
        Lanes b = gate ? *(const Lanes*)(x + width + place) : a;
        for (u32 lane = 0; lane < LANE_VALUES; lane++) {
            float first = widen(a.values[lane]), second = widen(b.values[lane]);
            float value = gate == 0   ? first * sigmoid(first)
                          : gate == 1 ? first * sigmoid(first) * second
                                      : first * (second * sigmoid(second));
            a.values[lane] = narrow(value);
        }
        *(Lanes*)(out + place) = a;
    }
}
