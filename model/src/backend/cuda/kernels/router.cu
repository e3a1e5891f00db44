// Which experts see a row, and rows sorted by expert.

// Logits of Yuan's Attention Router: out[r, e] = sum over j of softmax_j(query_e * key_j) * value_j, without scaling.
// A thread for each expert, `256 / experts` rows for each block.
KERNEL(256, attention_router)(float* out, const float* x, u32 rows, u32 experts) {
    __shared__ float keys[256], values[256];
    u32 together = 256 / experts;
    u32 row = blockIdx.x * together + threadIdx.x / experts, expert = threadIdx.x % experts;
    bool is_there = threadIdx.x < together * experts && row < rows;
    if (is_there) {
        x += (u64)row * 3 * experts;
        keys[threadIdx.x] = x[experts + expert];
        values[threadIdx.x] = x[2 * experts + expert];
    }
    __syncthreads();
    if (!is_there) return;
    float query = x[expert], max = -INFINITE, sum = 0.0f, weighted = 0.0f;
    const float* key = keys + threadIdx.x - expert;
    const float* value = values + threadIdx.x - expert;
    for (u32 other = 0; other < experts; other++) max = fmaxf(max, query * key[other]);
    for (u32 other = 0; other < experts; other++) {
        float power = expf(query * key[other] - max);
        sum += power;
        weighted += power * value[other];
    }
    out[(u64)row * experts + expert] = weighted / sum;
}

// The largest logits of each row, of equal ones the first, and their weights: a softmax over them (of_all 0) or their
// share of one over all (1). What is no number comes last. A warp for each row.
KERNEL(128, top_k)(u32* ids, float* weights, const float* logits, u32 rows, u32 experts, u32 taken, u32 of_all) {
    u32 row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float own[8], max = 0.0f, sum = 0.0f;
    u32 used = 0;
    for (u32 number = 0; number < 8; number++) {
        u32 expert = number * 32 + lane;
        own[number] = expert < experts ? logits[(u64)row * experts + expert] : -INFINITE;
        if (expert >= experts) used |= 1u << number;
    }
    for (u32 number = 0; number < taken; number++) {
        // A number beats none, a larger one a smaller, the first of equal ones the others.
        u32 best = 0xffffffffu, is_none = 1;
        float best_logit = -INFINITE;
        for (u32 place = 0; place < 8; place++) {
            u32 none = own[place] != own[place];
            bool is_better = best == 0xffffffffu || none < is_none || (!none && !is_none && own[place] > best_logit);
            if (!(used >> place & 1) && is_better) {
                best = place * 32 + lane;
                is_none = none;
                best_logit = own[place];
            }
        }
        for (u32 mask = 16; mask > 0; mask /= 2) {
            u32 other = shuffle_xor(best, mask), other_none = shuffle_xor(is_none, mask);
            float logit = shuffle_xor(best_logit, mask);
            bool is_equal = other_none == is_none && (is_none || logit == best_logit);
            bool is_better = other_none < is_none || (!other_none && !is_none && logit > best_logit);
            if (other != 0xffffffffu && (best == 0xffffffffu || is_better || (is_equal && other < best))) {
                best = other;
                is_none = other_none;
                best_logit = logit;
            }
        }
        if (best % 32 == lane) used |= 1u << best / 32;
        if (number == 0) max = best_logit;
        float power = expf(best_logit - max);
        sum += power;
        if (lane == 0) {
            ids[(u64)row * taken + number] = best;
            weights[(u64)row * taken + number] = power;
        }
    }
    if (of_all) {
        sum = 0.0f;
        for (u32 number = 0; number < 8; number++) {
            if (number * 32 + lane < experts) sum += expf(own[number] - max);
        }
        sum = warp_sum(sum);
    }
    if (lane == 0) {
        for (u32 number = 0; number < taken; number++) weights[(u64)row * taken + number] /= sum;
    }
}

#define SORTED 1024

// How often each expert occurs among 1024 ids: counts[block, expert]. A thread for each expert.
KERNEL(256, count_experts)(u32* counts, const u32* ids, u32 count, u32 experts) {
    __shared__ u32 own[SORTED];
    u32 first = blockIdx.x * SORTED, len = min(count - first, (u32)SORTED);
    for (u32 place = threadIdx.x; place < len; place += 256) own[place] = ids[first + place];
    __syncthreads();
    if (threadIdx.x >= experts) return;
    u32 found = 0;
    for (u32 place = 0; place < len; place++) found += own[place] == threadIdx.x;
    counts[(u64)blockIdx.x * experts + threadIdx.x] = found;
}

// Counts become the first sorted place of each block and expert; offsets[e] is the first of an expert, and
// offsets[experts] the number of all. One block.
KERNEL(256, sum_counts)(u32* counts, u32* offsets, u32 blocks, u32 experts) {
    __shared__ u32 totals[256];
    u32 expert = threadIdx.x, sum = 0;
    if (expert < experts) {
        for (u32 block = 0; block < blocks; block++) sum += counts[(u64)block * experts + expert];
        totals[expert] = sum;
    }
    __syncthreads();
    if (expert >= experts) return;
    u32 place = 0;
    for (u32 other = 0; other < expert; other++) place += totals[other];
    offsets[expert] = place;
    if (expert + 1 == experts) offsets[experts] = place + sum;
    for (u32 block = 0; block < blocks; block++) {
        u32 found = counts[(u64)block * experts + expert];
        counts[(u64)block * experts + expert] = place;
        place += found;
    }
}

// The sorted place of each id, and the row of each sorted place: stable, so by expert and within one by row.
KERNEL(256, sort_rows)(u32* places, u32* rows, const u32* ids, const u32* counts, u32 count, u32 experts, u32 taken) {
    __shared__ u32 own[SORTED];
    u32 first = blockIdx.x * SORTED, len = min(count - first, (u32)SORTED);
    for (u32 place = threadIdx.x; place < len; place += 256) own[place] = ids[first + place];
    __syncthreads();
    if (threadIdx.x >= experts) return;
    u32 sorted = counts[(u64)blockIdx.x * experts + threadIdx.x];
    for (u32 place = 0; place < len; place++) {
        if (own[place] == threadIdx.x) {
            places[first + place] = sorted;
            rows[sorted] = (first + place) / taken;
            sorted++;
        }
    }
}

// out[r] = sum over k of weights[r, k] * x[places[r, k]], in the order of k. A block for each row.
KERNEL(256, weighted_sum)(element* out, const element* x, const u32* places, const float* weights, u32 taken,
                          u32 width) {
    places += (u64)blockIdx.x * taken;
    weights += (u64)blockIdx.x * taken;
    out += (u64)blockIdx.x * width;
    for (u32 place = threadIdx.x * LANE_VALUES; place < width; place += 256 * LANE_VALUES) {
        float sums[LANE_VALUES];
        for (u32 lane = 0; lane < LANE_VALUES; lane++) sums[lane] = 0.0f;
        for (u32 number = 0; number < taken; number++) {
            Lanes lanes = *(const Lanes*)(x + (u64)places[number] * width + place);
            for (u32 lane = 0; lane < LANE_VALUES; lane++) sums[lane] += weights[number] * widen(lanes.values[lane]);
        }
        Lanes lanes;
        for (u32 lane = 0; lane < LANE_VALUES; lane++) lanes.values[lane] = narrow(sums[lane]);
        *(Lanes*)(out + place) = lanes;
    }
}
