//! Rows turned into what the kernels read: the row the faster index.

use crate::isa::Isa;

/// `rows` of `columns` → `[columns, stride]`; what lies beyond the rows stays.
///
/// # Safety
/// Each row is valid for `columns` reads, `to` for `columns · stride` writes; `stride` is not less than the number of rows.
pub(super) unsafe fn transpose(rows: &[*const f32], columns: usize, stride: usize, to: *mut f32) {
    // SAFETY: the caller's promise, block by block; `Isa::current` names only instructions this CPU has.
    unsafe {
        match Isa::current() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => {
                for first in (0..rows.len()).step_by(16) {
                    x86::sixteen(&rows[first..rows.len().min(first + 16)], columns, stride, to.add(first));
                }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                for first in (0..rows.len()).step_by(8) {
                    x86::eight(&rows[first..rows.len().min(first + 8)], columns, stride, to.add(first));
                }
            }
            _ => plain(rows, 0..columns, stride, to),
        }
    }
}

/// Some columns, a number at a time.
unsafe fn plain(rows: &[*const f32], columns: std::ops::Range<usize>, stride: usize, to: *mut f32) {
    const BLOCK: usize = 16;
    for first in columns.clone().step_by(BLOCK) {
        for (r, row) in rows.iter().enumerate() {
            for k in first..columns.end.min(first + BLOCK) {
                // SAFETY: as for `transpose`.
                unsafe { *to.add(k * stride + r) = *row.add(k) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// At most sixteen rows, by blocks of 16 × 16.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
    pub(super) unsafe fn sixteen(rows: &[*const f32], columns: usize, stride: usize, to: *mut f32) {
        let mask = ((1_u32 << rows.len()) - 1) as __mmask16;
        let whole = columns / 16 * 16;
        // SAFETY: as for `transpose`; lanes without a row are neither read nor written.
        unsafe {
            for first in (0..whole).step_by(16) {
                let mut a = [_mm512_setzero_ps(); 16];
                for (a, row) in a.iter_mut().zip(rows) {
                    *a = _mm512_loadu_ps(row.add(first));
                }
                // Pairs, then fours of rows within each quarter; b[4i + j] holds columns 4q + j of rows 4i… in quarter q.
                let mut b = [_mm512_setzero_ps(); 16];
                for i in 0..4 {
                    let low0 = _mm512_castps_pd(_mm512_unpacklo_ps(a[4 * i], a[4 * i + 1]));
                    let high0 = _mm512_castps_pd(_mm512_unpackhi_ps(a[4 * i], a[4 * i + 1]));
                    let low1 = _mm512_castps_pd(_mm512_unpacklo_ps(a[4 * i + 2], a[4 * i + 3]));
                    let high1 = _mm512_castps_pd(_mm512_unpackhi_ps(a[4 * i + 2], a[4 * i + 3]));
                    b[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low0, low1));
                    b[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low0, low1));
                    b[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high0, high1));
                    b[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high0, high1));
                }
                // Quarters to their columns.
                for j in 0..4 {
                    let low01 = _mm512_shuffle_f32x4::<0x44>(b[j], b[4 + j]);
                    let high01 = _mm512_shuffle_f32x4::<0xee>(b[j], b[4 + j]);
                    let low23 = _mm512_shuffle_f32x4::<0x44>(b[8 + j], b[12 + j]);
                    let high23 = _mm512_shuffle_f32x4::<0xee>(b[8 + j], b[12 + j]);
                    let columns = [
                        _mm512_shuffle_f32x4::<0x88>(low01, low23),
                        _mm512_shuffle_f32x4::<0xdd>(low01, low23),
                        _mm512_shuffle_f32x4::<0x88>(high01, high23),
                        _mm512_shuffle_f32x4::<0xdd>(high01, high23),
                    ];
                    for (q, column) in columns.into_iter().enumerate() {
                        _mm512_mask_storeu_ps(to.add((first + 4 * q + j) * stride), mask, column);
                    }
                }
            }
            super::plain(rows, whole..columns, stride, to);
        }
    }

    /// At most eight rows, by blocks of 8 × 8.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn eight(rows: &[*const f32], columns: usize, stride: usize, to: *mut f32) {
        let whole = columns / 8 * 8;
        // SAFETY: as for `transpose`; lanes without a row are neither read nor written.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(rows.len() as i32), lanes);
            for first in (0..whole).step_by(8) {
                let mut a = [_mm256_setzero_ps(); 8];
                for (a, row) in a.iter_mut().zip(rows) {
                    *a = _mm256_loadu_ps(row.add(first));
                }
                let mut b = [_mm256_setzero_ps(); 8];
                for i in 0..2 {
                    let low0 = _mm256_castps_pd(_mm256_unpacklo_ps(a[4 * i], a[4 * i + 1]));
                    let high0 = _mm256_castps_pd(_mm256_unpackhi_ps(a[4 * i], a[4 * i + 1]));
                    let low1 = _mm256_castps_pd(_mm256_unpacklo_ps(a[4 * i + 2], a[4 * i + 3]));
                    let high1 = _mm256_castps_pd(_mm256_unpackhi_ps(a[4 * i + 2], a[4 * i + 3]));
                    b[4 * i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low0, low1));
                    b[4 * i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low0, low1));
                    b[4 * i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high0, high1));
                    b[4 * i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high0, high1));
                }
                for j in 0..4 {
                    let low = _mm256_permute2f128_ps::<0x20>(b[j], b[4 + j]);
                    let high = _mm256_permute2f128_ps::<0x31>(b[j], b[4 + j]);
                    _mm256_maskstore_ps(to.add((first + j) * stride), mask, low);
                    _mm256_maskstore_ps(to.add((first + 4 + j) * stride), mask, high);
                }
            }
            super::plain(rows, whole..columns, stride, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::force;

    #[test]
    fn every_path_moves_every_number_and_touches_no_other() {
        let x: Vec<f32> = (0..32 * 70).map(|i| i as f32).collect();
        for isa in Isa::all() {
            for (rows, columns, stride) in
                [(1, 70, 1), (5, 16, 6), (8, 33, 8), (14, 70, 14), (16, 48, 20), (31, 35, 32)]
            {
                let pointers: Vec<*const f32> = (0..rows).map(|r| x[r * columns..].as_ptr()).collect();
                let mut to = vec![-1.0; columns * stride];
                // SAFETY: the rows are `columns` long each, `to` is columns · stride.
                force(isa, || unsafe { transpose(&pointers, columns, stride, to.as_mut_ptr()) });
                for (i, &value) in to.iter().enumerate() {
                    let (k, r) = (i / stride, i % stride);
                    let expected = if r < rows { (r * columns + k) as f32 } else { -1.0 };
                    assert_eq!(value, expected, "{isa:?} {rows} {columns} {stride}: [{k}, {r}]");
                }
            }
        }
    }
}
