//! Products against what this machine's multiply-adds can give, measured in the same run: GFLOP/s and, for few rows, GB/s.
//!
//! `cargo bench -p yuan-kernels --bench gemm -- [threads…] [dense] [mixture]`; the best of several runs counts, since others may use the machine.
#![allow(clippy::print_stdout)]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;
use yuan_kernels::gemm::{Chosen, DType, Gate, Matrix, Precision, Start, experts, grouped, matmul};
use yuan_kernels::isa::Isa;

fn numbers(len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5).collect()
}

/// The shortest of some runs, in seconds: for about `budget` seconds, thrice at least.
fn best(budget: f64, mut f: impl FnMut()) -> f64 {
    f();
    let (begin, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || begin.elapsed().as_secs_f64() < budget {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// Multiply-adds of a register loop, in GFLOP/s of all threads of the pool together.
fn peak() -> f64 {
    const TURNS: usize = 1 << 22;
    let seconds = best(0.5, || {
        rayon::broadcast(|_| chains(TURNS));
    });
    (rayon::current_num_threads() * TURNS * chains_flops()) as f64 / seconds / 1e9
}

fn chains_flops() -> usize {
    2 * 16 * if wide() { 16 } else { 8 }
}

fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn chains(turns: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::asm;
        // SAFETY: registers only, on a CPU asked for the instructions.
        unsafe {
            if wide() {
                asm!(
                    "vpxord zmm16, zmm16, zmm16", "vpxord zmm17, zmm17, zmm17", "2:",
                    "vfmadd231ps zmm0, zmm16, zmm17", "vfmadd231ps zmm1, zmm16, zmm17", "vfmadd231ps zmm2, zmm16, zmm17",
                    "vfmadd231ps zmm3, zmm16, zmm17", "vfmadd231ps zmm4, zmm16, zmm17", "vfmadd231ps zmm5, zmm16, zmm17",
                    "vfmadd231ps zmm6, zmm16, zmm17", "vfmadd231ps zmm7, zmm16, zmm17", "vfmadd231ps zmm8, zmm16, zmm17",
                    "vfmadd231ps zmm9, zmm16, zmm17", "vfmadd231ps zmm10, zmm16, zmm17", "vfmadd231ps zmm11, zmm16, zmm17",
                    "vfmadd231ps zmm12, zmm16, zmm17", "vfmadd231ps zmm13, zmm16, zmm17", "vfmadd231ps zmm14, zmm16, zmm17",
                    "vfmadd231ps zmm15, zmm16, zmm17",
                    "sub {n}, 1", "jnz 2b", n = inout(reg) turns => _,
                    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _,
                    out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _,
                    out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _);
                return;
            }
        }
    }
    let mut sums = [[0.0_f32; 8]; 16];
    for _ in 0..turns {
        for sum in &mut sums {
            for sum in sum {
                *sum = black_box(0.5_f32).mul_add(0.5, *sum);
            }
        }
    }
    black_box(sums);
}

fn pack(out: usize, columns: usize, dtype: DType) -> Matrix {
    let weights = numbers(out * columns);
    Matrix::pack(out, columns, dtype, |first, rows| {
        rows.copy_from_slice(&weights[first * columns..][..rows.len()]);
        Ok::<_, Infallible>(())
    })
    .expect("reading a slice cannot fail")
}

/// How weights are held and multiplied: a name, the storage, the precision.
const FORMS: [(&str, DType, Precision); 4] = [
    ("f32", DType::F32, Precision::F32),
    ("f16", DType::F16, Precision::F32),
    ("bf16", DType::Bf16, Precision::F32),
    ("bf16 by bf16", DType::Bf16, Precision::Bf16),
];

fn report(what: &str, flops: f64, bytes: f64, peak: f64, seconds: f64) {
    let gflops = flops / seconds / 1e9;
    let share = 100.0 * gflops / peak;
    println!(
        "{what:48} {:9.3} ms {gflops:8.1} GFLOP/s {share:6.1} % {:6.1} GB/s",
        seconds * 1e3,
        bytes / seconds / 1e9
    );
}

fn bytes(dtype: DType, weights: usize) -> f64 {
    (weights * if dtype == DType::F32 { 4 } else { 2 }) as f64
}

fn dense(peak: f64) {
    for rows in [1, 4, 16, 64, 512, 2048] {
        for (columns, out) in [(512, 1024), (1024, 2048), (2048, 4096)] {
            let x = numbers(rows * columns);
            let mut y = vec![0.0; rows * out];
            for (name, dtype, precision) in FORMS {
                let w = pack(out, columns, dtype).with_precision(precision);
                let seconds = best(0.2, || matmul(black_box(&x), &w, Start::Zero, black_box(&mut y)));
                let flops = 2.0 * (rows * columns * out) as f64;
                report(
                    &format!("{rows} × {columns} → {out} {name}"),
                    flops,
                    bytes(dtype, columns * out),
                    peak,
                    seconds,
                );
            }
        }
    }
}

/// 16 experts, two for each token.
fn mixture(peak: f64) {
    const EXPERTS: usize = 16;
    for hidden in [512, 1024] {
        let width = 2 * hidden;
        for tokens in [1, 64, 512, 2048] {
            let x = numbers(tokens * hidden);
            let ids: Vec<u32> = (0..tokens as u32)
                .flat_map(|t| {
                    let first = t.wrapping_mul(2_654_435_761) >> 28;
                    [first, (first + 1 + (t.wrapping_mul(40_503) >> 8) % 15) % 16]
                })
                .collect();
            let mut order: Vec<u32> = (0..ids.len() as u32).collect();
            order.sort_by_key(|&a| ids[a as usize]);
            let row_of: Vec<u32> = order.iter().map(|a| a / 2).collect();
            let offsets: Vec<usize> =
                (0..=EXPERTS).map(|e| order.partition_point(|&a| (ids[a as usize] as usize) < e)).collect();
            let weights = vec![0.5; ids.len()];
            for (name, dtype, precision) in FORMS {
                let matrices = |out, columns| -> Vec<Matrix> {
                    (0..EXPERTS).map(|_| pack(out, columns, dtype).with_precision(precision)).collect()
                };
                let (gate_up, down) = (matrices(2 * width, hidden), matrices(hidden, width));
                let used = offsets.windows(2).filter(|edges| edges[0] < edges[1]).count();
                let mut y = vec![0.0; ids.len() * 2 * width];
                let seconds =
                    best(0.2, || grouped(black_box(&x), Some(&row_of), &offsets, &gate_up, black_box(&mut y)));
                let flops = 2.0 * (ids.len() * hidden * 2 * width) as f64;
                let what = format!("{tokens} tokens × 2 of 16, {hidden} → {} {name}", 2 * width);
                report(&what, flops, bytes(dtype, used * hidden * 2 * width), peak, seconds);
                let mut out = vec![0.0; x.len()];
                let chosen = Chosen { experts: &ids, weights: &weights, top_k: 2 };
                let seconds =
                    best(0.2, || experts(black_box(&x), chosen, &gate_up, Gate::First, &down, black_box(&mut out)));
                let what = format!("{tokens} tokens × 2 MLPs of 16, {hidden}, {width} {name}");
                report(&what, 1.5 * flops, bytes(dtype, used * hidden * 3 * width), peak, seconds);
            }
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let named: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let asked =
        |part: &str| !words.iter().any(|word| word.parse::<usize>().is_err()) || words.iter().any(|word| word == part);
    let threads = if named.is_empty() { vec![1, 2] } else { named };
    for threads in threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let peak = peak();
            println!("{:?}, threads {threads}: peak {peak:.1} GFLOP/s of f32", Isa::current());
            if asked("dense") {
                dense(peak);
            }
            if asked("mixture") {
                mixture(peak);
            }
        });
    }
}
