// The hardware as kernels see it, on a CPU: a stand-in for kernels/device.cuh. Each thread of a block is a fibre that
// runs until it waits for others; blocks run one after the other. Whoever waits in vain, or where others do not, ends the
// program, as does what reads a copy of copy_async before waiting for it (its bytes are none) or writes behind shared
// memory.

#include <csetjmp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <utility>
#include <vector>
#include <ucontext.h>

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE static inline
#define __shared__ static
#define KERNEL(THREADS, NAME)              \
    constexpr u32 NAME##_threads = THREADS; \
    static void NAME

using std::max;
using std::min;
typedef std::source_location Place;

struct Index {
    u32 x, y, z;
};
static Index threadIdx, blockIdx, gridDim;

// ---- fibres ----

// Whoever comes last lets the others go on.
struct Barrier {
    u32 arrived, generation, line;
};

struct PendingCopy {
    void* to;
    const void* from;
};

struct Fibre {
    ucontext_t start;
    jmp_buf state;
    char* stack;
    bool has_started, is_done;
    std::vector<PendingCopy> copies;
};

struct Warp {
    Barrier barrier;
    // What lanes give each other, for a barrier and the next one.
    u64 given[2][32];
};

static Fibre fibres[1024];
static Warp warps[32];
static Barrier block_barrier;
static jmp_buf scheduler;
static u32 current, alive, progress;
static std::vector<char> shared_bytes;
static const size_t STACK = 1 << 16, GUARD = 64;

[[noreturn]] static void fail(const char* what, u32 line) {
    fprintf(stderr, "emulated kernel: %s (line %u), block %u,%u thread %u\n", what, line, blockIdx.x, blockIdx.y, current);
    abort();
}

static void switch_away() {
    if (_setjmp(fibres[current].state) == 0) _longjmp(scheduler, 1);
}

static void meet(Barrier& barrier, u32 needed, u32 line) {
    if (barrier.arrived != 0 && barrier.line != line) fail("threads wait for each other at different places", line);
    barrier.line = line;
    u32 generation = barrier.generation;
    progress++;
    if (++barrier.arrived == needed) {
        barrier.arrived = 0;
        barrier.generation++;
        return;
    }
    while (barrier.generation == generation) switch_away();
}

static void sync_block(Place place = Place::current()) { meet(block_barrier, alive, place.line()); }
#define __syncthreads() sync_block()

// The values of all lanes at one place. A lane cannot be two exchanges ahead of another.
static const u64* exchange(u64 value, u32 line) {
    Warp& warp = warps[current / 32];
    u64* given = warp.given[warp.barrier.generation % 2];
    given[current % 32] = value;
    meet(warp.barrier, 32, line);
    return given;
}

static void (*run_thread)(void* const*);
static void* const* thread_args;

static void begin_fibre() {
    run_thread(thread_args);
    fibres[current].is_done = true;
    alive--;
    progress++;
    if (alive > 0 && block_barrier.arrived == alive) {
        block_barrier.arrived = 0;
        block_barrier.generation++;
    }
    _longjmp(scheduler, 1);
}

static void run_block(u32 threads, bool is_reversed) {
    alive = threads;
    block_barrier = Barrier{};
    for (Warp& warp : warps) warp.barrier = Barrier{};
    for (u32 thread = 0; thread < threads; thread++) {
        Fibre& fibre = fibres[thread];
        if (!fibre.stack) fibre.stack = (char*)malloc(STACK);
        fibre.has_started = fibre.is_done = false;
        fibre.copies.clear();
        getcontext(&fibre.start);
        fibre.start.uc_stack.ss_sp = fibre.stack;
        fibre.start.uc_stack.ss_size = STACK;
        fibre.start.uc_link = nullptr;
        makecontext(&fibre.start, begin_fibre, 0);
    }
    // Kept in memory: registers are lost at each return to here.
    static u32 number;
    while (alive > 0) {
        progress = 0;
        for (number = 0; number < threads; number++) {
            current = is_reversed ? threads - 1 - number : number;
            if (fibres[current].is_done) continue;
            threadIdx.x = current;
            if (_setjmp(scheduler) == 0) {
                if (fibres[current].has_started) _longjmp(fibres[current].state, 1);
                fibres[current].has_started = true;
                setcontext(&fibres[current].start);
            }
        }
        if (progress == 0) fail("threads wait for others that do not come", block_barrier.line);
    }
}

// ---- what kernels ask of the hardware ----

static void* dynamic_shared() {
    char* bytes = shared_bytes.data();
    return bytes + (256 - (size_t)bytes % 256) % 256;
}

static u32 bits_of(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static float __int_as_float(u32 bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static float from_bfloat(u16 bits) { return __int_as_float((u32)bits << 16); }

static u16 to_bfloat(float value) {
    u32 bits = bits_of(value);
    if (value != value) return 0x7fff;
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float from_half(u16 bits) {
    _Float16 value;
    memcpy(&value, &bits, 2);
    return (float)value;
}

static u16 to_half(float value) {
    _Float16 half = (_Float16)value;
    u16 bits;
    memcpy(&bits, &half, 2);
    return bits;
}

static float shuffle(float value, u32 lane, Place place = Place::current()) {
    return __int_as_float((u32)exchange(bits_of(value), place.line())[lane % 32]);
}

static float shuffle_xor(float value, u32 mask, Place place = Place::current()) {
    return __int_as_float((u32)exchange(bits_of(value), place.line())[(current ^ mask) % 32]);
}

static u32 shuffle_xor(u32 value, u32 mask, Place place = Place::current()) {
    return (u32)exchange(value, place.line())[(current ^ mask) % 32];
}

static void copy_async(void* to, const void* from, bool is_there) {
    if ((size_t)to % 16 != 0 || (size_t)from % 16 != 0) fail("a copy is not of aligned 16 bytes", 0);
    memset(to, 0xff, 16);
    fibres[current].copies.push_back(PendingCopy{to, is_there ? from : nullptr});
}

static void wait_for_copies() {
    for (const PendingCopy& copy : fibres[current].copies) {
        if (copy.from) memcpy(copy.to, copy.from, 16);
        else memset(copy.to, 0, 16);
    }
    fibres[current].copies.clear();
}

static void load_matrices(u32 (&out)[4], const void* row, Place place = Place::current()) {
    if ((size_t)row % 16 != 0) fail("a row of a matrix is not aligned", place.line());
    const u64* rows = exchange((u64)row, place.line());
    u32 lane = current % 32;
    for (u32 matrix = 0; matrix < 4; matrix++) {
        const u16* values = (const u16*)rows[matrix * 8 + lane / 4];
        out[matrix] = values[lane % 4 * 2] | (u32)values[lane % 4 * 2 + 1] << 16;
    }
}

static void load_matrices_transposed(u32 (&out)[4], const void* row, Place place = Place::current()) {
    if ((size_t)row % 16 != 0) fail("a row of a matrix is not aligned", place.line());
    const u64* rows = exchange((u64)row, place.line());
    u32 lane = current % 32;
    for (u32 matrix = 0; matrix < 4; matrix++) {
        const u64* own = rows + matrix * 8 + lane % 4 * 2;
        out[matrix] = ((const u16*)own[0])[lane / 4] | (u32)((const u16*)own[1])[lane / 4] << 16;
    }
}

static float half_of(u64 pair, u32 high) {
    u16 bits = (u16)(pair >> 16 * high);
    return ELEMENT == 1 ? from_half(bits) : from_bfloat(bits);
}

// By the tables of fragments in NVIDIA's PTX ISA, section 9.7.14.5.8: of a, registers are rows 0-7 and 8-15 of depths
// 0-7, then of depths 8-15; of b, depths 0-7 and 8-15.
static void multiply_add(float (&sums)[4], const u32 (&a)[4], u32 b0, u32 b1, Place place = Place::current()) {
    u64 given[3][32];
    memcpy(given[0], exchange(a[0] | (u64)a[1] << 32, place.line()), 256);
    memcpy(given[1], exchange(a[2] | (u64)a[3] << 32, place.line()), 256);
    memcpy(given[2], exchange(b0 | (u64)b1 << 32, place.line()), 256);
    u32 lane = current % 32;
    for (u32 number = 0; number < 4; number++) {
        u32 row = lane / 4, column = lane % 4 * 2 + number % 2;
        for (u32 depth = 0; depth < 16; depth++) {
            u32 place_in_eight = depth % 8;
            u64 of_a = given[depth / 8][row * 4 + place_in_eight / 2] >> 32 * (number / 2);
            u64 of_b = given[2][column * 4 + place_in_eight / 2] >> 32 * (depth / 8);
            sums[number] += half_of(of_a, depth % 2) * half_of(of_b, depth % 2);
        }
    }
}

// ---- launches ----

struct Entry {
    const char* name;
    u32 threads;
    void (*run)(void* const*);
};
static std::vector<Entry> entries;

template <typename... A, size_t... I>
static void call(void (*kernel)(A...), void* const* args, std::index_sequence<I...>) {
    kernel(*(A*)args[I]...);
}

template <typename... A>
static void call(void (*kernel)(A...), void* const* args) {
    call(kernel, args, std::index_sequence_for<A...>());
}

// A line for each kernel follows the sources.
#define EMULATED(NAME) \
    static int NAME##_entry = (entries.push_back(Entry{#NAME, NAME##_threads, [](void* const* args) { call(NAME, args); }}), 0);

// Runs a kernel. 0 if there is none of that name for so many threads.
extern "C" int emulate(const char* name, u32 width, u32 height, u32 threads, u32 shared, void* const* args, int is_reversed) {
    for (const Entry& entry : entries) {
        if (strcmp(entry.name, name) != 0) continue;
        if (entry.threads != threads || threads % 32 != 0) return 0;
        shared_bytes.resize(shared + GUARD + 256);
        gridDim = Index{width, height, 1};
        run_thread = entry.run;
        thread_args = args;
        for (blockIdx.y = 0; blockIdx.y < height; blockIdx.y++) {
            for (blockIdx.x = 0; blockIdx.x < width; blockIdx.x++) {
                memset(shared_bytes.data(), 0xff, shared_bytes.size());
                run_block(threads, is_reversed != 0);
                const char* behind = (char*)dynamic_shared() + shared;
                for (size_t byte = 0; byte < GUARD; byte++) {
                    if (behind[byte] != (char)0xff) fail("shared memory is too small", 0);
                }
            }
        }
        return 1;
    }
    return 0;
}
