// Probabilities of tokens, from logits that are read part by part.

// Carries maximum, sum of powers and the own logit of each row, [rows, 3], over the next `columns` logits, of which the
// first belongs to token `first`. `is_first` begins anew. A block for each row.
KERNEL(256, score_part)(float* running, const float* logits, const u32* ids, u32 columns, u32 first, u32 is_first) {
    __shared__ float parts[8];
    running += (u64)blockIdx.x * 3;
    logits += (u64)blockIdx.x * columns;
    float before = is_first ? -INFINITE : running[0], sum_before = is_first ? 0.0f : running[1];
    // One pass: each thread carries a maximum of its own.
    float max = -INFINITE, sum = 0.0f;
    for (u32 place = threadIdx.x; place < columns; place += 256) {
        float logit = logits[place];
        if (logit > max) {
            sum = sum * expf(max - logit) + 1.0f;
            max = logit;
        } else if (logit != -INFINITE) {
            sum += expf(logit - max);
        }
    }
    float all = fmaxf(block_max(max, parts), before);
    sum = block_sum(max == -INFINITE ? sum : sum * expf(max - all), parts);
    if (threadIdx.x != 0) return;
    running[0] = all;
    running[1] = (sum_before == 0.0f ? 0.0f : sum_before * expf(before - all)) + sum;
    u32 own = ids[blockIdx.x] - first;
    if (own < columns) running[2] = logits[own];
}
