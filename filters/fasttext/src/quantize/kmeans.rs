//! Looking for 256 centroids, and for the nearest of them.

use crate::CENTROIDS;
use crate::libstdcxx::random::MinStdRand;
use crate::train::kernels::{Level, for_each_level};

/// Rounds of assigning points and moving centroids.
const ROUNDS: usize = 25;

/// How far two centroids are put apart that start from the same place.
const EPSILON: f32 = 1e-7;

/// Points that a thread takes at least.
const SHARE: usize = 1024;

/// Finds 256 centroids of points of `length` elements, shape `[256, length]`, from 25 rounds of k-means that start from points drawn at
/// random. `None` when `stop` says so.
///
/// Sums are taken in the order of the points and threads only share the search for the nearest centroid, so the result depends on the
/// points and the generator alone. There are at least 256 points.
pub(super) fn centroids(
    points: &[f32],
    length: usize,
    generator: &mut MinStdRand,
    threads: usize,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<f32>> {
    let count = points.len() / length;
    let mut order: Vec<u32> = (0..count as u32).collect();
    generator.shuffle(&mut order);
    let mut centroids = Vec::with_capacity(CENTROIDS * length);
    for &point in &order[..CENTROIDS] {
        centroids.extend_from_slice(&points[point as usize * length..][..length]);
    }
    let mut codes = vec![0; count];
    for _ in 0..ROUNDS {
        if stop() {
            return None;
        }
        nearest_of_all(points, length, &Columns::new(&centroids, length), &mut codes, threads);
        move_centroids(points, length, &codes, &mut centroids, generator);
    }
    Some(centroids)
}

/// Moves each centroid to the mean of its points. One without points splits the points of another, drawn by their number.
fn move_centroids(points: &[f32], length: usize, codes: &[u8], centroids: &mut [f32], generator: &mut MinStdRand) {
    let mut counts = [0_i64; CENTROIDS];
    centroids.fill(0.0);
    for (point, &code) in points.chunks_exact(length).zip(codes) {
        let code = usize::from(code);
        counts[code] += 1;
        for (sum, value) in centroids[code * length..][..length].iter_mut().zip(point) {
            *sum += value;
        }
    }
    for (centroid, &count) in centroids.chunks_exact_mut(length).zip(&counts) {
        if count != 0 {
            centroid.iter_mut().for_each(|sum| *sum /= count as f32);
        }
    }
    let spare = codes.len() as i64 - CENTROIDS as i64;
    for empty in 0..CENTROIDS {
        if counts[empty] != 0 {
            continue;
        }
        let mut full = 0;
        while generator.uniform_real(0.0, 1.0) * spare as f64 >= (counts[full] - 1) as f64 {
            full = (full + 1) % CENTROIDS;
        }
        for element in 0..length {
            let shift = if element % 2 == 0 { -EPSILON } else { EPSILON };
            let place = centroids[full * length + element];
            centroids[empty * length + element] = place + shift;
            centroids[full * length + element] = place - shift;
        }
        counts[empty] = counts[full] / 2;
        counts[full] -= counts[empty];
    }
}

/// Centroids by element, shape `[length, 256]`: a lane for each centroid.
pub(super) struct Columns {
    values: Vec<f32>,
}

impl Columns {
    /// From centroids in rows, shape `[256, length]`.
    pub(super) fn new(centroids: &[f32], length: usize) -> Self {
        let mut values = vec![0.0; centroids.len()];
        for (code, centroid) in centroids.chunks_exact(length).enumerate() {
            for (element, &value) in centroid.iter().enumerate() {
                values[element * CENTROIDS + code] = value;
            }
        }
        Columns { values }
    }

    /// The nearest centroid of a point; of equally near ones the first.
    #[inline]
    pub(super) fn nearest(&self, level: Level, point: &[f32]) -> u8 {
        nearest(level, &self.values, point)
    }
}

/// The nearest centroid of each point, shape `[codes.len(), length]`.
fn nearest_of_all(points: &[f32], length: usize, columns: &Columns, codes: &mut [u8], threads: usize) {
    let level = Level::detect();
    let share = codes.len().div_ceil(threads).max(SHARE);
    std::thread::scope(|scope| {
        let shares = points.chunks(share * length).zip(codes.chunks_mut(share));
        for (points, codes) in shares {
            scope.spawn(move || {
                for (point, code) in points.chunks_exact(length).zip(codes) {
                    *code = columns.nearest(level, point);
                }
            });
        }
    });
}

for_each_level! {
    /// The nearest centroid of one point. Each distance is a sum of squares from the first element on.
    fn nearest(columns: &[f32], point: &[f32]) -> u8 {
        let mut distances = [0.0_f32; CENTROIDS];
        let (columns, _) = columns.as_chunks::<CENTROIDS>();
        for (column, &value) in columns.iter().zip(point) {
            for (distance, centroid) in distances.iter_mut().zip(column) {
                let difference = value - centroid;
                *distance += difference * difference;
            }
        }
        let mut least = [f32::INFINITY; 16];
        for block in distances.as_chunks::<16>().0 {
            for (least, distance) in least.iter_mut().zip(block) {
                *least = if distance < least { *distance } else { *least };
            }
        }
        let least = least.iter().fold(f32::INFINITY, |least, &distance| least.min(distance));
        distances.iter().position(|&distance| distance == least).unwrap_or(0) as u8
    }
}
