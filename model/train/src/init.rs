//! Parameters before the first step.

use yuan_model::Config;

use crate::{Named, State};

/// Deviation of matrices unless another is asked for: that of GPT-2, and of Megatron (`--init-method-std`). A narrow network learns
/// sooner with more, up to 1 / √`hidden_size`: a row of its embedding is short otherwise beside what attention adds to it.
pub const DEVIATION: f64 = 0.02;

/// The state a network of this shape begins with, the same on every system: norms are 1, biases 0, matrices normal with
/// `deviation`, and those that write to the residual stream (`o_proj`, `w2`, `down_proj`) with `deviation` / √(2 · layers), as
/// Megatron has it (`scaled_init_method_normal`; Radford et al. 2019, section 2.3). Every number is a function of seed, tensor
/// name and place alone.
pub fn initial(config: &Config, seed: u64, deviation: f64) -> State {
    let scaled = deviation / libm::sqrt(2.0 * config.layers() as f64);
    let tensors = config.tensors().map(|(name, shape)| {
        let count = shape.iter().product();
        let values = if name.ends_with("norm.weight") {
            vec![1.0; count]
        } else if name.ends_with("bias") {
            vec![0.0; count]
        } else {
            let is_output = ["o_proj.weight", "w2.weight", "down_proj.weight"].iter().any(|end| name.ends_with(end));
            normal(key(&name, seed), if is_output { scaled } else { deviation }, count)
        };
        Named { name, shape, values, ..Named::default() }
    });
    State { step: 0, tensors: tensors.collect() }
}

/// FNV-1a of the name, mixed with the seed.
fn key(name: &str, seed: u64) -> u64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) ^ mix(seed))
}

/// SplitMix64 (Steele et al. 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Box and Muller's pairs of normal numbers, a pair for each two places.
fn normal(key: u64, deviation: f64, count: usize) -> Vec<f32> {
    const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
    let pair = |place: u64| {
        // In (0, 1] and [0, 1): the logarithm is finite.
        let first = ((mix(key.wrapping_add(2 * place)) >> 11) + 1) as f64 * UNIT;
        let second = (mix(key.wrapping_add(2 * place + 1)) >> 11) as f64 * UNIT;
        let (radius, angle) = (libm::sqrt(-2.0 * libm::log(first)), 2.0 * std::f64::consts::PI * second);
        [radius * libm::cos(angle), radius * libm::sin(angle)].map(|number| (number * deviation) as f32)
    };
    (0..count.div_ceil(2) as u64).flat_map(pair).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_have_the_deviation_of_their_kind() {
        let config = Config::named("yuan-moe-tiny").unwrap();
        let state = initial(&config, 7, 0.05);
        assert_eq!(state, initial(&config, 7, 0.05));
        let other = initial(&config, 8, 0.05);
        for (tensor, other) in state.tensors.iter().zip(&other.tensors) {
            let count = tensor.values.len() as f64;
            let mean = tensor.values.iter().map(|it| f64::from(*it)).sum::<f64>() / count;
            let square = tensor.values.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / count;
            let expected = match tensor.name.rsplit('.').nth(1).unwrap() {
                _ if tensor.name.ends_with("bias") => 0.0,
                "o_proj" | "w2" => 0.025,
                name if name.ends_with("norm") => 1.0,
                _ => 0.05,
            };
            assert!(
                (square.sqrt() - expected).abs() <= expected * 3.5 / (2.0 * count).sqrt(),
                "{}: {square}",
                tensor.name
            );
            if tensor.shape.len() > 1 {
                assert!(mean.abs() < 4.0 * expected / count.sqrt(), "{}: {mean}", tensor.name);
                assert_ne!(tensor.values, other.values);
            }
        }
    }
}
