// Causal attention over sequences laid end to end, without a matrix of all scores (Dao 2023, arXiv:2307.08691).
// HEAD is the width of a head.

// A block's rows and the keys they may see. Rows are rows of the arrays of queries and results; keys and values belong
// to one sequence and one head.
struct Task {
    u32 first_row, rows;
    // The key of the first row; those of the following rows follow.
    u32 own_key;
    const element* keys;
    const element* values;
};

// `tasks` are [first row, rows, sequence] and `sequences` [first row, rows]. Keys and values of a sequence are its rows
// of `keys` and `values`, or with `caches` what lies at [address of keys, address of values, number of keys].
DEVICE Task task_of(const u32* tasks, const u32* sequences, const u64* caches, const element* keys, u64 key_stride,
                    const element* values, u64 value_stride, u32 kv_head) {
    const u32* own = tasks + 3 * blockIdx.x;
    u32 sequence = own[2], first = sequences[2 * sequence], rows = sequences[2 * sequence + 1], count = rows;
    if (caches) {
        keys = (const element*)caches[3 * sequence];
        values = (const element*)caches[3 * sequence + 1];
        count = (u32)caches[3 * sequence + 2];
    } else {
        keys += first * key_stride;
        values += first * value_stride;
    }
    return Task{own[0], own[1], count - rows + own[0] - first, keys + kv_head * HEAD, values + kv_head * HEAD};
}

// The first key that a row, counted in its task, sees: one of its sequence's or, if there is a window, one in it.
DEVICE u32 first_key(const Task& task, u32 row, const u32* first_keys, u32 window) {
    u32 end = task.own_key + row + 1;
    return max(first_keys[task.first_row + row], window != 0 && end > window ? end - window : 0u);
}

// The first key that any row of a task sees, and the last of the first keys. All lanes of a warp take part.
DEVICE void span(const Task& task, const u32* first_keys, u32 window, u32& first, u32& last_first) {
    u32 lowest = 0xffffffffu, highest = 0;
    for (u32 row = threadIdx.x % 32; row < task.rows; row += 32) {
        u32 own = first_key(task, row, first_keys, window);
        lowest = min(lowest, own);
        highest = max(highest, own);
    }
    first = warp_min(lowest);
    last_first = warp_max(highest);
}

// Rows of a plain block, and keys of its tiles: one for each lane.
#define PLAIN_ROWS 16
#define PLAIN_KEYS 32
#define COLUMNS ((HEAD + 31) / 32)

// Attention in fp32 for heads of any width. Blocks are [tasks, heads], with four warps of four rows; shared memory holds
// queries, keys and values of a tile as floats.
KERNEL(128, attention_plain)(element* out, const element* queries, u64 query_stride, const element* keys,
                             u64 key_stride, const element* values, u64 value_stride, const u64* caches,
                             const u32* tasks, const u32* sequences, const u32* first_keys, u32 group, float scale,
                             u32 window) {
    float* query = (float*)dynamic_shared();
    float* key = query + PLAIN_ROWS * HEAD;
    float* value = key + PLAIN_KEYS * (HEAD + 1);
    u32 head = blockIdx.y, heads = gridDim.y, lane = threadIdx.x % 32, own = threadIdx.x / 32 * 4;
    Task task = task_of(tasks, sequences, caches, keys, key_stride, values, value_stride, head / group);
    u32 first, last_first;
    span(task, first_keys, window, first, last_first);
    queries += task.first_row * query_stride + head * HEAD;
    for (u32 place = threadIdx.x; place < PLAIN_ROWS * HEAD; place += 128) {
        u32 row = place / HEAD;
        query[place] = row < task.rows ? widen(queries[row * query_stride + place % HEAD]) : 0.0f;
    }
    float sums[4][COLUMNS], maxima[4], totals[4];
    u32 firsts[4];
#pragma unroll
    for (u32 row = 0; row < 4; row++) {
        maxima[row] = -INFINITE;
        totals[row] = 0.0f;
        firsts[row] = own + row < task.rows ? first_key(task, own + row, first_keys, window) : 0xffffffffu;
        for (u32 column = 0; column < COLUMNS; column++) sums[row][column] = 0.0f;
    }
    u32 end = task.own_key + task.rows;
    for (u32 tile = first / PLAIN_KEYS * PLAIN_KEYS; tile < end; tile += PLAIN_KEYS) {
        __syncthreads();
        for (u32 place = threadIdx.x; place < PLAIN_KEYS * HEAD; place += 128) {
            u32 row = place / HEAD, column = place % HEAD;
            bool is_there = tile + row < end;
            key[row * (HEAD + 1) + column] = is_there ? widen(task.keys[(tile + row) * key_stride + column]) : 0.0f;
            value[place] = is_there ? widen(task.values[(tile + row) * value_stride + column]) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (u32 row = 0; row < 4; row++) {
            float score = 0.0f;
            for (u32 column = 0; column < HEAD; column++) {
                score += query[(own + row) * HEAD + column] * key[lane * (HEAD + 1) + column];
            }
            bool is_seen = tile + lane >= firsts[row] && tile + lane <= task.own_key + own + row;
            score = is_seen ? score * scale : -INFINITE;
            float max = fmaxf(maxima[row], warp_max(score));
            if (max == -INFINITE) continue;
            float power = expf(score - max), shrink = expf(maxima[row] - max);
            maxima[row] = max;
            totals[row] = totals[row] * shrink + warp_sum(power);
            for (u32 column = 0; column < COLUMNS; column++) sums[row][column] *= shrink;
            for (u32 other = 0; other < PLAIN_KEYS; other++) {
                float weight = shuffle(power, other);
                for (u32 column = 0; column < COLUMNS; column++) {
                    if (column * 32 + lane < HEAD) {
                        sums[row][column] += weight * value[other * HEAD + column * 32 + lane];
                    }
                }
            }
        }
    }
    out += ((u64)task.first_row * heads + head) * HEAD;
#pragma unroll
    for (u32 row = 0; row < 4; row++) {
        float share = totals[row] == 0.0f ? 0.0f : 1.0f / totals[row];
#pragma unroll
        for (u32 column = 0; column < COLUMNS; column++) {
            if (own + row < task.rows && column * 32 + lane < HEAD) {
                out[(u64)(own + row) * heads * HEAD + column * 32 + lane] = narrow(sums[row][column] * share);
            }
        }
    }
}

// The mean of all values of a sequence, for rows that see none: `tasks` are [row, 1, sequence]. Blocks are [tasks, heads].
KERNEL(128, attention_mean)(element* out, const element* values, u64 value_stride, const u64* caches, const u32* tasks,
                            const u32* sequences, u32 group) {
    u32 head = blockIdx.y, heads = gridDim.y;
    Task task = task_of(tasks, sequences, caches, values, value_stride, values, value_stride, head / group);
    u32 sequence = tasks[3 * blockIdx.x + 2];
    u32 count = caches ? (u32)caches[3 * sequence + 2] : sequences[2 * sequence + 1];
    for (u32 column = threadIdx.x; column < HEAD; column += 128) {
        float sum = 0.0f;
        for (u32 key = 0; key < count; key++) sum += widen(task.values[key * value_stride + column]);
        out[((u64)task.first_row * heads + head) * HEAD + column] = narrow(sum / count);
    }
}
