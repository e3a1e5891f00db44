// Attention on tensor cores, for 16-bit types and heads of a multiple of 16 values.

// Rows of a block, 16 for each warp, and keys of a tile.
#define ROWS 64
#define KEYS 64
// Rows of shared memory lie eight values further apart than they are long, so that eight of them meet all banks.
#define PITCH (HEAD + 8)

// Begins to copy a tile of rows to shared memory; zeros for rows that are not there.
DEVICE void load_tile(u16* to, const element* from, u64 stride, u32 rows) {
    for (u32 place = threadIdx.x; place < KEYS * (HEAD / 8); place += 128) {
        u32 row = place / (HEAD / 8), column = place % (HEAD / 8) * 8;
        bool is_there = row < rows;
        copy_async(to + row * PITCH + column, from + (is_there ? row * stride + column : 0), is_there);
    }
}

// scores[n] = queries of the warp's 16 rows times keys 8n to 8n + 7.
DEVICE void query_keys(float (&scores)[KEYS / 8][4], const u16* query, const u16* key) {
    u32 lane = threadIdx.x % 32;
    for (u32 tile = 0; tile < KEYS / 8; tile++) {
        for (u32 place = 0; place < 4; place++) scores[tile][place] = 0.0f;
    }
#pragma unroll
    for (u32 depth = 0; depth < HEAD; depth += 16) {
        u32 a[4], b[4];
        load_matrices(a, query + lane % 16 * PITCH + depth + lane / 16 * 8);
#pragma unroll
        for (u32 tile = 0; tile < KEYS / 8; tile += 2) {
            load_matrices(b, key + (tile * 8 + lane / 16 * 8 + lane % 8) * PITCH + depth + lane / 8 % 2 * 8);
            multiply_add(scores[tile], a, b[0], b[1]);
            multiply_add(scores[tile + 1], a, b[2], b[3]);
        }
    }
}

// sums[n] += weights of the warp's 16 rows times columns 8n to 8n + 7 of the values.
DEVICE void weigh_values(float (&sums)[HEAD / 8][4], const float (&weights)[KEYS / 8][4], const u16* value) {
    u32 lane = threadIdx.x % 32;
#pragma unroll
    for (u32 depth = 0; depth < KEYS / 16; depth++) {
        const float* low = weights[2 * depth];
        const float* high = weights[2 * depth + 1];
        u32 a[4] = {pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]), pack(high[2], high[3])};
#pragma unroll
        for (u32 tile = 0; tile < HEAD / 8; tile += 2) {
            u32 b[4];
            load_matrices_transposed(b, value + (depth * 16 + lane % 16) * PITCH + tile * 8 + lane / 16 * 8);
            multiply_add(sums[tile], a, b[0], b[1]);
            multiply_add(sums[tile + 1], a, b[2], b[3]);
        }
    }
}

// Blocks are [tasks, heads] of four warps; a lane has two values side by side of rows lane / 4 and lane / 4 + 8 of its
// warp in every tile of eight columns. While keys are multiplied, values come in, and the other way round.
KERNEL(128, attention_tensor)(element* out, const element* queries, u64 query_stride, const element* keys,
                              u64 key_stride, const element* values, u64 value_stride, const u64* caches,
                              const u32* tasks, const u32* sequences, const u32* first_keys, u32 group, float scale,
                              u32 window) {
    u16* query = (u16*)dynamic_shared();
    u16* key = query + ROWS * PITCH;
    u16* value = key + KEYS * PITCH;
    u32 head = blockIdx.y, heads = gridDim.y, lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
    Task task = task_of(tasks, sequences, caches, keys, key_stride, values, value_stride, head / group);
    u32 first, last_first, end = task.own_key + task.rows;
    span(task, first_keys, window, first, last_first);
    first = first / KEYS * KEYS;
    load_tile(query, queries + task.first_row * query_stride + head * HEAD, query_stride, task.rows);
    // A block whose rows see nothing has no tile.
    if (first < end) load_tile(key, task.keys + first * key_stride, key_stride, end - first);

    // Powers of two are faster than those of e.
    scale *= 1.4426950408889634f;
    float sums[HEAD / 8][4], scores[KEYS / 8][4], maxima[2], totals[2];
    u32 firsts[2], owns[2];
    for (u32 half = 0; half < 2; half++) {
        u32 row = warp_row + lane / 4 + 8 * half;
        maxima[half] = -INFINITE;
        totals[half] = 0.0f;
        owns[half] = task.own_key + row;
        firsts[half] = row < task.rows ? first_key(task, row, first_keys, window) : 0xffffffffu;
    }
    for (u32 tile = 0; tile < HEAD / 8; tile++) {
        for (u32 place = 0; place < 4; place++) sums[tile][place] = 0.0f;
    }
    for (u32 tile = first; tile < end; tile += KEYS) {
        wait_for_copies();
        __syncthreads();
        load_tile(value, task.values + tile * value_stride, value_stride, end - tile);
        query_keys(scores, query + warp_row * PITCH, key);
        wait_for_copies();
        __syncthreads();
        if (tile + KEYS < end) {
            load_tile(key, task.keys + (tile + KEYS) * key_stride, key_stride, end - tile - KEYS);
        }
        bool is_whole = task.rows == ROWS && tile >= last_first && tile + KEYS - 1 <= task.own_key;
        float shrinks[2];
        for (u32 half = 0; half < 2; half++) {
            float max = maxima[half];
            for (u32 column = 0; column < KEYS / 8; column++) {
                for (u32 place = 2 * half; place < 2 * half + 2; place++) {
                    u32 number = tile + column * 8 + lane % 4 * 2 + place % 2;
                    bool is_seen = is_whole || (number >= firsts[half] && number <= owns[half]);
                    scores[column][place] = is_seen ? scores[column][place] * scale : -INFINITE;
                    max = fmaxf(max, scores[column][place]);
                }
            }
            max = fmaxf(max, shuffle_xor(max, 1));
            max = fmaxf(max, shuffle_xor(max, 2));
            float base = max == -INFINITE ? 0.0f : max;
            shrinks[half] = exp2f(maxima[half] - base);
            maxima[half] = max;
            totals[half] *= shrinks[half];
            for (u32 column = 0; column < KEYS / 8; column++) {
                for (u32 place = 2 * half; place < 2 * half + 2; place++) {
                    scores[column][place] = exp2f(scores[column][place] - base);
                    totals[half] += scores[column][place];
                }
            }
        }
        for (u32 column = 0; column < HEAD / 8; column++) {
            for (u32 place = 0; place < 4; place++) sums[column][place] *= shrinks[place / 2];
        }
        weigh_values(sums, scores, value);
    }
    // Copies of queries may still be on their way where there was no tile.
    wait_for_copies();
    for (u32 half = 0; half < 2; half++) {
        float total = totals[half];
        total += shuffle_xor(total, 1);
        total += shuffle_xor(total, 2);
        float share = total == 0.0f ? 0.0f : 1.0f / total;
        u32 row = warp_row + lane / 4 + 8 * half;
        if (row >= task.rows) continue;
        u32* to = (u32*)(out + ((u64)(task.first_row + row) * heads + head) * HEAD);
        for (u32 column = 0; column < HEAD / 8; column++) {
            to[column * 4 + lane % 4] = pack(sums[column][2 * half] * share, sums[column][2 * half + 1] * share);
        }
    }
}
