//! Bands and rows for a threshold, as datasketch chooses them.
//!
//! Source: Zhu et al. 2016, "LSH Ensemble", as in datasketch's `_optimal_param`: least mean of the area of false positives
//! (the S-curve below the threshold) and of false negatives (1 − S-curve above it).

/// Nodes and weights of Gauss and Legendre on [0, 1], eight of them.
const NODES: [(f64, f64); 8] = [
    (0.019_855_071_751_231_86, 0.050_614_268_145_188_13),
    (0.101_666_761_293_186_64, 0.111_190_517_226_687_24),
    (0.237_233_795_041_835_5, 0.156_853_322_938_943_63),
    (0.408_282_678_752_175_1, 0.181_341_891_689_181),
    (0.591_717_321_247_825, 0.181_341_891_689_181),
    (0.762_766_204_958_164_5, 0.156_853_322_938_943_63),
    (0.898_333_238_706_813_4, 0.111_190_517_226_687_24),
    (0.980_144_928_248_768_1, 0.050_614_268_145_188_13),
];
/// Pieces of an interval that are integrated each.
const PIECES: usize = 24;

/// Bands and rows of at most `permutations`. Of equals the one with fewer bands, then fewer rows.
pub(super) fn bands_and_rows(threshold: f64, permutations: usize) -> (usize, usize) {
    let (mut least, mut best) = (f64::INFINITY, (0, 0));
    for bands in 1..=permutations {
        for rows in 1..=permutations / bands {
            let missed = |similarity: f64| (1.0 - similarity.powi(rows as i32)).powi(bands as i32);
            let positives = integral(0.0, threshold, |similarity| 1.0 - missed(similarity));
            let negatives = integral(threshold, 1.0, missed);
            let error = 0.5 * positives + 0.5 * negatives;
            if error < least {
                (least, best) = (error, (bands, rows));
            }
        }
    }
    best
}

fn integral(from: f64, to: f64, function: impl Fn(f64) -> f64) -> f64 {
    let width = (to - from) / PIECES as f64;
    let piece = |number: usize| {
        let start = from + width * number as f64;
        NODES.iter().map(|(node, weight)| weight * function(start + width * node)).sum::<f64>()
    };
    width * (0..PIECES).map(piece).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_scipys_integrals() {
        // Data-Juicer's `optimal_param` with scipy 1.17.1: `tests/oracle/dedup_compat.py parameters`.
        for (threshold, permutations, expected) in [
            (0.5, 64, (14, 4)),
            (0.6, 64, (10, 6)),
            (0.7, 64, (8, 8)),
            (0.75, 64, (7, 9)),
            (0.8, 64, (5, 11)),
            (0.85, 64, (4, 15)),
            (0.9, 64, (3, 21)),
            (0.95, 64, (2, 32)),
            (0.5, 128, (25, 5)),
            (0.6, 128, (18, 7)),
            (0.7, 128, (14, 9)),
            (0.75, 128, (11, 11)),
            (0.8, 128, (9, 13)),
            (0.85, 128, (8, 16)),
            (0.9, 128, (5, 25)),
            (0.95, 128, (3, 42)),
            (0.5, 240, (40, 6)),
            (0.6, 240, (30, 8)),
            (0.7, 240, (24, 10)),
            (0.75, 240, (20, 12)),
            (0.8, 240, (16, 15)),
            (0.85, 240, (12, 20)),
            (0.9, 240, (9, 26)),
            (0.95, 240, (5, 48)),
            (0.5, 250, (41, 6)),
            (0.6, 250, (31, 8)),
            (0.7, 250, (25, 10)),
            (0.75, 250, (20, 12)),
            (0.8, 250, (16, 15)),
            (0.85, 250, (13, 19)),
            (0.9, 250, (9, 27)),
            (0.95, 250, (5, 50)),
            (0.5, 256, (42, 6)),
            (0.6, 256, (32, 8)),
            (0.7, 256, (25, 10)),
            (0.75, 256, (21, 12)),
            (0.8, 256, (17, 15)),
            (0.85, 256, (13, 19)),
            (0.9, 256, (9, 28)),
            (0.95, 256, (5, 51)),
        ] {
            assert_eq!(bands_and_rows(threshold, permutations), expected, "{threshold} {permutations}");
        }
    }
}
