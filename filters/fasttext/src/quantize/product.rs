//! From a matrix to codes of its rows.

use super::kmeans::{Columns, centroids};
use super::prune::norms;
use crate::libstdcxx::random::MinStdRand;
use crate::train::kernels::Level;
use crate::train::weights::Weights;
use crate::{CENTROIDS, Error, ProductQuantiser, QuantisedMatrix, QuantisedNorms, Result};

/// Points that centroids are looked for in; of more rows a part is drawn.
const MOST_POINTS: usize = 256 * CENTROIDS;

/// Where the random numbers of every quantiser start.
const SEED: i64 = 1234;

/// Rows that a thread codes at least.
const SHARE: usize = 256;

/// Quantises a matrix in pieces of `piece_length` elements; with `quantise_norms` rows are brought to length 1 first and their lengths
/// quantised apart.
///
/// # Errors
/// [`Error::Option`] for fewer than 256 rows; [`Error::NotANumber`] for norms of NaN; [`Error::Cancelled`] when `stop` says so.
pub(super) fn quantise_matrix(
    mut matrix: Weights,
    piece_length: usize,
    quantise_norms: bool,
    threads: usize,
    stop: &dyn Fn() -> bool,
) -> Result<QuantisedMatrix> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    if rows < CENTROIDS {
        let problem = format!("a matrix of {rows} rows is too small to be quantised; {CENTROIDS} are needed at least");
        return Err(Error::Option { option: "model", problem });
    }
    let quantised_norms = if quantise_norms {
        let norms = norms(&matrix)?;
        for (row, &norm) in matrix.as_mut_slice().chunks_exact_mut(columns).zip(&norms) {
            if norm != 0.0 {
                row.iter_mut().for_each(|value| *value /= norm);
            }
        }
        let quantiser = find_quantiser(&norms, 1, 1, threads, stop)?;
        let codes = encode(&norms, &quantiser, threads).into();
        Some(QuantisedNorms { codes, quantiser })
    } else {
        None
    };
    let quantiser = find_quantiser(matrix.as_slice(), columns, piece_length, threads, stop)?;
    let codes = encode(matrix.as_slice(), &quantiser, threads).into();
    QuantisedMatrix::new(rows, quantiser, codes, quantised_norms)
}

/// Finds the centroids of all pieces, one piece after the other, from up to 65,536 rows drawn anew for each.
fn find_quantiser(
    matrix: &[f32],
    columns: usize,
    piece_length: usize,
    threads: usize,
    stop: &dyn Fn() -> bool,
) -> Result<ProductQuantiser> {
    let rows = matrix.len() / columns;
    let mut generator = MinStdRand::new(SEED);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let used = rows.min(MOST_POINTS);
    let mut all = Vec::with_capacity(CENTROIDS * columns);
    let mut points = Vec::new();
    for start in (0..columns).step_by(piece_length) {
        if used != rows {
            generator.shuffle(&mut order);
        }
        let length = piece_length.min(columns - start);
        points.clear();
        for &row in &order[..used] {
            points.extend_from_slice(&matrix[row as usize * columns + start..][..length]);
        }
        let found = centroids(&points, length, &mut generator, threads, stop).ok_or(Error::Cancelled)?;
        all.extend(found);
    }
    ProductQuantiser::new(columns, piece_length, all)
}

/// The codes of all rows, `[rows, pieces]`.
fn encode(matrix: &[f32], quantiser: &ProductQuantiser, threads: usize) -> Vec<u8> {
    let (columns, pieces, piece_length) = (quantiser.dimension(), quantiser.pieces(), quantiser.piece_length());
    let level = Level::detect();
    let lanes: Vec<Columns> = (0..pieces)
        .map(|piece| {
            let length = quantiser.centroid(piece, 0).len();
            let start = piece * CENTROIDS * piece_length;
            Columns::new(&quantiser.centroids()[start..][..CENTROIDS * length], length)
        })
        .collect();
    let rows = matrix.len() / columns;
    let mut codes = vec![0; rows * pieces];
    let share = rows.div_ceil(threads).max(SHARE);
    std::thread::scope(|scope| {
        for (matrix, codes) in matrix.chunks(share * columns).zip(codes.chunks_mut(share * pieces)) {
            let lanes = &lanes;
            scope.spawn(move || {
                for (row, codes) in matrix.chunks_exact(columns).zip(codes.chunks_exact_mut(pieces)) {
                    for ((piece, code), lanes) in row.chunks(piece_length).zip(codes).zip(lanes) {
                        *code = lanes.nearest(level, piece);
                    }
                }
            });
        }
    });
    codes
}
