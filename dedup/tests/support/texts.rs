//! Texts that repeat each other.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % bound
}

/// Documents of three paragraphs of some sentences each; sentences are drawn from a few hundred, some of them Chinese.
pub fn corpus(documents: usize) -> Vec<String> {
    let mut state = 5;
    let sentence = |number: usize| {
        if number.is_multiple_of(3) {
            let word = |at: usize| char::from_u32(0x4e00 + (number * 31 + at * 17) as u32 % 5000).unwrap();
            format!("{}。", (0..9 + number % 7).map(word).collect::<String>())
        } else {
            let word = |at: usize| format!("w{}", (number * 7919 + at * 104_729) % 9973);
            format!("{}.", (0..4 + number % 9).map(word).collect::<Vec<_>>().join(" ")).replacen('w', "W", 1)
        }
    };
    (0..documents)
        .map(|_| {
            let paragraph = |state: &mut u64| {
                let line = |state: &mut u64| {
                    let count = 1 + random(state, 3);
                    (0..count).map(|_| sentence(random(state, 700))).collect::<Vec<_>>().join(" ")
                };
                (0..1 + random(state, 2)).map(|_| line(state)).collect::<Vec<_>>().join("\n")
            };
            (0..3).map(|_| paragraph(&mut state)).collect::<Vec<_>>().join("\n\n")
        })
        .collect()
}

pub fn with_ids(texts: &[String]) -> Vec<(u64, &str)> {
    texts.iter().zip(0..).map(|(text, n)| ((n / 300) << 32 | (n % 300), text.as_str())).collect()
}
