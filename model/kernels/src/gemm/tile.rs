//! The innermost loops: a few rows of x by a few columns of Wᵀ, held in registers over a block of inputs.
//!
//! A sum never leaves its lane and meets its products in the order of the inputs: what is held in registers, how wide they are
//! and where a block ends changes no bit.

#![expect(clippy::needless_range_loop, reason = "counted loops over registers")]

use crate::gemm::PANEL;
use crate::gemm::vector::{Bf16, F16, F32, Vector, Weights};
use crate::isa::Isa;

/// Most rows of a tile on any path.
pub(super) const MAX_ROWS: usize = 14;
/// Most columns a tile function covers.
pub(super) const MAX_COLUMNS: usize = 4 * PANEL;

/// The operands of one tile. Strides are in elements.
pub(super) struct Tile {
    /// Inputs to sum over.
    pub inputs: usize,
    /// Packed x, `[inputs, rows]`.
    pub x: *const f32,
    /// The first panel's weights, from the first input of the block.
    pub weights: *const u8,
    /// From one panel to the next.
    pub panel_stride: usize,
    /// The first column within the first panel.
    pub column: usize,
    /// What is read soon, fetched into the second cache meanwhile, for the first panel. Need not be valid.
    pub ahead: *const u8,
    /// How far to go on, in bytes, with each input.
    pub ahead_stride: usize,
    /// What the sums start from, `[rows, columns]`.
    pub from: *const f32,
    /// From one row of `from` to the next: 0 for a bias.
    pub from_stride: usize,
    /// Where the sums go, `[rows, columns]`.
    pub to: *mut f32,
    /// From one row of `to` to the next.
    pub to_stride: usize,
}

/// # Safety
/// The operands are valid for the shapes above; the CPU has the instructions of the table the function is from.
pub(super) type TileFn = unsafe fn(&Tile);

/// The functions for one kind of weights, by rows.
pub(super) struct Tiles {
    /// One unit of columns.
    pub one: [Option<TileFn>; MAX_ROWS + 1],
    /// Several units at once: few rows leave registers free, and sums to wait for.
    pub wide: [Option<(TileFn, usize)>; MAX_ROWS + 1],
}

/// What a set of instructions computes tiles with.
pub(super) struct Kernels {
    /// Most rows of a tile.
    pub rows: usize,
    /// Columns of a unit, a divisor of [`PANEL`].
    pub unit: usize,
    /// Bytes of packed x that the second cache keeps beside the panels that pass: a quarter of what such CPUs have.
    pub cache: usize,
    /// Weights of 32 bits.
    pub f32: Tiles,
    /// IEEE halves; tiles of too many rows are left out: such weights are widened first.
    pub f16: Tiles,
    /// Pairs of bf16, likewise.
    pub bf16: Tiles,
}

/// A tile of `R` rows by `U` units of two vectors.
///
/// No closures here: they would not be compiled for the caller's instructions.
#[inline(always)]
unsafe fn tile<V: Vector, W: Weights, const R: usize, const U: usize>(t: &Tile) {
    let units = PANEL / (2 * V::LANES);
    // SAFETY: the caller's operands cover the tile; unit `u` lies in the panel and columns computed here.
    unsafe {
        let mut panels = [(t.weights.cast::<W::Element>(), t.column); U];
        for (u, panel) in panels.iter_mut().enumerate() {
            let unit = t.column / (2 * V::LANES) + u;
            *panel = (panel.0.add(unit / units * t.panel_stride), unit % units * 2 * V::LANES);
        }
        let mut ahead = [t.ahead; U];
        for u in 0..U {
            ahead[u] = t.ahead.wrapping_add(panels[u].0.cast::<u8>().addr() - t.weights.addr());
        }
        let mut sums = [[[V::load(t.from); 2]; U]; R];
        for r in 0..R {
            for u in 0..U {
                for v in 0..2 {
                    sums[r][u][v] = V::load(t.from.add(r * t.from_stride + (2 * u + v) * V::LANES));
                }
            }
        }
        // The lines the sums go to are far away more often than not: fetched while the products are summed.
        for r in 0..R {
            for u in 0..U {
                V::prefetch(t.to.add(r * t.to_stride + 2 * u * V::LANES));
                V::prefetch(t.to.add(r * t.to_stride + (2 * u + 1) * V::LANES));
            }
        }
        for pair in 0..t.inputs / 2 {
            for u in 0..U {
                V::prefetch_far(ahead[u].wrapping_add(2 * pair * t.ahead_stride));
            }
            step::<V, W, R, U>(&mut sums, &panels, t.x, 2 * pair, false);
            for u in 0..U {
                V::prefetch_far(ahead[u].wrapping_add((2 * pair + 1) * t.ahead_stride));
            }
            step::<V, W, R, U>(&mut sums, &panels, t.x, 2 * pair + 1, true);
        }
        if t.inputs % 2 == 1 {
            step::<V, W, R, U>(&mut sums, &panels, t.x, t.inputs - 1, false);
        }
        for r in 0..R {
            for u in 0..U {
                for v in 0..2 {
                    sums[r][u][v].store(t.to.add(r * t.to_stride + (2 * u + v) * V::LANES));
                }
            }
        }
    }
}

/// Adds the products of input `k`.
#[inline(always)]
unsafe fn step<V: Vector, W: Weights, const R: usize, const U: usize>(
    sums: &mut [[[V; 2]; U]; R],
    panels: &[(*const W::Element, usize); U],
    x: *const f32,
    k: usize,
    odd: bool,
) {
    // SAFETY: as for the tile.
    unsafe {
        let mut w = [[V::splat(x); 2]; U];
        for u in 0..U {
            for v in 0..2 {
                w[u][v] = W::load(panels[u].0, k, odd, panels[u].1 + v * V::LANES);
            }
        }
        for r in 0..R {
            let x = V::splat(x.add(k * R + r));
            for u in 0..U {
                for v in 0..2 {
                    sums[r][u][v] = x.mul_add(w[u][v], sums[r][u][v]);
                }
            }
        }
    }
}

/// Tables of tile functions compiled for one set of instructions.
macro_rules! kernels {
    ($module:ident, $vector:ty, $(#[$features:meta],)? cache: $cache:expr, rows: [$($r:literal)*], narrow: [$($n:literal)*], wide: [$(($wr:literal, $wu:literal))*]) => {
        mod $module {
            use super::*;

            $(#[$features])?
            unsafe fn run<W: Weights, const R: usize, const U: usize>(t: &Tile) {
                // SAFETY: the caller's promise.
                unsafe { tile::<$vector, W, R, U>(t) }
            }

            const fn wide<W: Weights>() -> [Option<(TileFn, usize)>; MAX_ROWS + 1] {
                let mut all: [Option<(TileFn, usize)>; MAX_ROWS + 1] = [None; MAX_ROWS + 1];
                $(all[$wr] = Some((run::<W, $wr, $wu> as TileFn, $wu));)*
                all
            }

            const fn narrow<W: Weights>() -> Tiles {
                let mut one: [Option<TileFn>; MAX_ROWS + 1] = [None; MAX_ROWS + 1];
                $(one[$n] = Some(run::<W, $n, 1> as TileFn);)*
                Tiles { one, wide: wide::<W>() }
            }

            const fn f32() -> Tiles {
                let mut one: [Option<TileFn>; MAX_ROWS + 1] = [None; MAX_ROWS + 1];
                $(one[$r] = Some(run::<F32, $r, 1> as TileFn);)*
                Tiles { one, wide: wide::<F32>() }
            }

            pub(super) static KERNELS: Kernels = Kernels {
                rows: [$($r),*].len(),
                unit: 2 * <$vector as Vector>::LANES,
                cache: $cache,
                f32: f32(),
                f16: narrow::<F16>(),
                bf16: narrow::<Bf16>(),
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512, std::arch::x86_64::__m512, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")],
    cache: 1 << 19, rows: [1 2 3 4 5 6 7 8 9 10 11 12 13 14], narrow: [1 2 3 4 5 6 7 8 9 10 11 12],
    wide: [(1, 4) (2, 4) (3, 2) (4, 2) (5, 2) (6, 2)]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, std::arch::x86_64::__m256, #[target_feature(enable = "avx2,fma,f16c")],
    cache: 1 << 18, rows: [1 2 3 4 5 6], narrow: [1 2 3 4 5], wide: [(1, 4) (2, 2)]);
kernels!(portable, crate::gemm::vector::Eight,
    cache: 1 << 18, rows: [1 2 3 4 5 6], narrow: [1 2 3 4 5], wide: [(1, 4) (2, 2)]);

/// The kernels of a set of instructions, which the CPU must have.
pub(super) fn kernels(isa: Isa) -> &'static Kernels {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Amx => &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => &avx2::KERNELS,
        _ => &portable::KERNELS,
    }
}
