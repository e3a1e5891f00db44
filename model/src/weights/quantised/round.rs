//! Weights to GPTQ's packing by rounding: no data is needed, and 8 bits lose next to nothing.

use half::f16;

/// How matrices are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Bits of a weight: 4 or 8.
    pub bits: u32,
    /// Inputs that share a scale.
    pub group_size: usize,
}

impl Packing {
    /// Integers of successive weights in 32 bits.
    fn packed(self) -> usize {
        32 / self.bits as usize
    }

    /// Whether a matrix `[rows, columns]` fills whole integers both ways, as the layout asks.
    pub fn fits(self, rows: usize, columns: usize) -> bool {
        rows.is_multiple_of(self.packed()) && columns.is_multiple_of(self.packed()) && rows * columns > 0
    }

    /// The parts of a matrix `[rows, columns]`: name behind the module's, type, shape, as they are written.
    pub fn parts(self, rows: usize, columns: usize) -> [(&'static str, &'static str, Vec<usize>, usize); 4] {
        let (packed, groups) = (self.packed(), columns.div_ceil(self.group_size));
        [
            ("qweight", "I32", vec![columns / packed, rows], 4),
            ("qzeros", "I32", vec![groups, rows / packed], 4),
            ("scales", "F16", vec![groups, rows], 2),
            ("g_idx", "I32", vec![columns], 4),
        ]
    }

    /// Packs a matrix `[rows, columns]`: the bytes of [`parts`](Self::parts). Each weight is the nearest of `2^bits - 1` multiples of its
    /// group's scale, which is the greatest weight's over `2^(bits-1) - 1` in f16: zero stays zero.
    ///
    /// `None` if a weight is no finite number, or a scale larger than f16 holds.
    ///
    /// # Panics
    /// If `weights` is not `rows · columns` long.
    pub fn pack(self, weights: &[f32], rows: usize, columns: usize) -> Option<[Vec<u8>; 4]> {
        assert_eq!(weights.len(), rows * columns, "a matrix of {rows} rows of {columns}");
        let (packed, groups) = (self.packed(), columns.div_ceil(self.group_size));
        let most = (1_i32 << (self.bits - 1)) - 1;
        let mut words = vec![0_u32; columns / packed * rows];
        let mut scales = vec![f16::ZERO; groups * rows];
        for (row, weights) in weights.chunks_exact(columns).enumerate() {
            for (group, members) in weights.chunks(self.group_size).enumerate() {
                let greatest = members
                    .iter()
                    .try_fold(0.0_f32, |greatest, weight| weight.is_finite().then(|| greatest.max(weight.abs())))?;
                let scale = f16::from_f32(greatest / most as f32);
                if !scale.is_finite() {
                    return None;
                }
                scales[group * rows + row] = scale;
                let scale = scale.to_f32();
                for (column, weight) in (group * self.group_size..).zip(members) {
                    let steps = if scale > 0.0 { (weight / scale).round_ties_even() as i32 } else { 0 };
                    let stored = (steps.clamp(-most, most) + most + 1) as u32;
                    words[column / packed * rows + row] |= stored << (column % packed * self.bits as usize);
                }
            }
        }
        // Zeros are stored less one: as many ones as there are bits but for the highest.
        let zero = (0..packed).fold(0, |word, place| word | (most as u32) << (place * self.bits as usize));
        let group_of = (0..columns).map(|column| (column / self.group_size) as u32);
        let bytes = |words: &mut dyn Iterator<Item = u32>| words.flat_map(u32::to_le_bytes).collect();
        Some([
            bytes(&mut words.into_iter()),
            bytes(&mut std::iter::repeat_n(zero, groups * rows / packed)),
            scales.into_iter().flat_map(f16::to_le_bytes).collect(),
            bytes(&mut group_of.into_iter()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_by_hand() {
        let packing = Packing { bits: 8, group_size: 2 };
        // Scales 0.5, 0 and 1/64 where the greatest are 63.5 and 127/64.
        let mut weights = [0.0; 16];
        weights[..4].copy_from_slice(&[63.5, -0.3, 127.0 / 64.0, -1.0 / 64.0]);
        let [qweight, qzeros, scales, g_idx] = packing.pack(&weights, 4, 4).unwrap();
        assert_eq!(qweight[..4], [255, 127, 255, 127], "-0.3 is nearer to one step than to none");
        assert!(qweight[4..].iter().all(|stored| *stored == 128));
        assert_eq!(qzeros, [127; 8]);
        let scale = |place: usize| f16::from_le_bytes([scales[2 * place], scales[2 * place + 1]]).to_f32();
        assert_eq!([scale(0), scale(1), scale(4)], [0.5, 0.0, 1.0 / 64.0]);
        assert_eq!(g_idx, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn what_cannot_be_packed() {
        let packing = Packing { bits: 4, group_size: 128 };
        assert!(packing.fits(8, 16) && !packing.fits(4, 16) && !packing.fits(8, 12) && !packing.fits(0, 8));
        let mut weights = [0.5; 64];
        weights[3] = f32::NAN;
        assert_eq!(packing.pack(&weights, 8, 8), None);
        weights[3] = 7.0e6;
        assert_eq!(packing.pack(&weights, 8, 8), None);
        weights[3] = 4.0e5;
        assert!(packing.pack(&weights, 8, 8).is_some());
    }
}
