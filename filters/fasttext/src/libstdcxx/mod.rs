//! What GNU's C++ standard library does where fastText's results hang on it.
//!
//! The C++ standard leaves open how `std::sort` orders equal elements, how `std::shuffle` and the distributions draw numbers, and in
//! which order an `unordered_map` is walked. fastText writes what comes of it into its files, so a model of equal bytes needs the same
//! choices: those of libstdc++, which every Linux build of fastText uses.
//!
//! | file | reproduces |
//! |---|---|
//! | `random.rs` | `std::minstd_rand`, `uniform_int_distribution`, `uniform_real_distribution`, `std::shuffle` |
//! | `sort.rs` | `std::sort`, with its order of equal elements |
//! | `hash_order.rs` | the order in which `std::unordered_map<int, int>` is walked |

pub(crate) mod hash_order;
pub(crate) mod random;
pub(crate) mod sort;
#[cfg(test)]
mod tests;
