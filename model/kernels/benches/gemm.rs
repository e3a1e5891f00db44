//! Products against what this machine's multiply-adds can give, measured in the same run: GFLOP/s and, for few rows, GB/s.
//!
//! `cargo bench -p yuan-kernels --bench gemm [threads…]`; the best of several runs counts, since others may use the machine.
#![allow(clippy::print_stdout)]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;
use yuan_kernels::gemm::{DType, Matrix, Start, matmul};

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
                asm!("2:",
                    "vfmadd231ps zmm0, zmm16, zmm17", "vfmadd231ps zmm1, zmm16, zmm17", "vfmadd231ps zmm2, zmm16, zmm17",
                    "vfmadd231ps zmm3, zmm16, zmm17", "vfmadd231ps zmm4, zmm16, zmm17", "vfmadd231ps zmm5, zmm16, zmm17",
                    "vfmadd231ps zmm6, zmm16, zmm17", "vfmadd231ps zmm7, zmm16, zmm17", "vfmadd231ps zmm8, zmm16, zmm17",
                    "vfmadd231ps zmm9, zmm16, zmm17", "vfmadd231ps zmm10, zmm16, zmm17", "vfmadd231ps zmm11, zmm16, zmm17",
                    "vfmadd231ps zmm12, zmm16, zmm17", "vfmadd231ps zmm13, zmm16, zmm17", "vfmadd231ps zmm14, zmm16, zmm17",
                    "vfmadd231ps zmm15, zmm16, zmm17",
                    "sub {n}, 1", "jnz 2b", n = inout(reg) turns => _,
                    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _,
                    out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _,
                    out("zmm13") _, out("zmm14") _, out("zmm15") _);
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

fn dense(peak: f64) {
    for rows in [1, 4, 16, 64, 512, 2048] {
        for (columns, out) in [(512, 1024), (1024, 2048), (2048, 4096)] {
            let x = numbers(rows * columns);
            let mut y = vec![0.0; rows * out];
            for dtype in [DType::F32, DType::F16, DType::Bf16] {
                let w = pack(out, columns, dtype);
                let seconds = best(0.1, || matmul(black_box(&x), &w, Start::Zero, black_box(&mut y)));
                let gflops = 2.0 * (rows * columns * out) as f64 / seconds / 1e9;
                let bytes = (columns * out * if dtype == DType::F32 { 4 } else { 2 }) as f64;
                println!(
                    "rows {rows:5} in {columns:5} out {out:5} {dtype:?}: {:9.3} ms {gflops:7.1} GFLOP/s {:5.1} % {:6.1} GB/s",
                    seconds * 1e3,
                    100.0 * gflops / peak,
                    bytes / seconds / 1e9
                );
            }
        }
    }
}

fn main() {
    let named: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let threads = if named.is_empty() { vec![1, 2] } else { named };
    for threads in threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let peak = peak();
            println!("threads {threads}: peak {peak:.1} GFLOP/s of f32");
            dense(peak);
        });
    }
}
