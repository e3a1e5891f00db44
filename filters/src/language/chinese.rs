//! Which Chinese it is: simplified, traditional, or written Cantonese.

use std::sync::LazyLock;

/// Characters that tell written Cantonese from other Chinese, and by how much: first those that only its own
/// spelling has, then those it uses more; last the commonest words of written Mandarin, which it does without.
/// Chosen on the sentences of UD Cantonese-HK against those of UD Chinese-HK, which say the same in both.
const CANTONESE: [(&str, i8); 5] = [
    ("嘅咗喺啲冇嚟佢哋唔嗰嘢噉嘞嗌冧揾搵瞓㗎喎囖啱攞孭嚿嗮睇啫噃嬲乜咁嘥畀佬靚", 4),
    ("係咩咪俾晒吖誒喇吔吓仲", 2),
    ("呢呀啦返邊掛執諗陣", 1),
    ("了在他她嗎吗很給给和看吃喝什說说為为", -2),
    ("的這那們麼沒是没这们么", -3),
];
/// Least sum, and least sum for each character, that make a text Cantonese.
const CANTONESE_MIN_SUM: i32 = 2;
const CANTONESE_MIN_MEAN: f32 = 0.05;

/// U+3400 to U+9FFF, by what they tell.
static KINDS: LazyLock<Box<[Kind]>> = LazyLock::new(|| {
    let mut kinds = vec![Kind::default(); 0xa000 - FIRST].into_boxed_slice();
    let mut each = |characters: &str, change: &dyn Fn(&mut Kind)| {
        characters.trim_end().chars().for_each(|character| change(&mut kinds[character as usize - FIRST]));
    };
    each(include_str!("simplified_only.txt"), &|kind| kind.script = -1);
    each(include_str!("traditional_only.txt"), &|kind| kind.script = 1);
    for (characters, weight) in CANTONESE {
        each(characters, &|kind| kind.cantonese = weight);
    }
    kinds
});

/// The first character of [`KINDS`].
const FIRST: usize = 0x3400;

#[derive(Clone, Copy, Default)]
struct Kind {
    /// 1 for a character that only traditional Chinese has, -1 for one that only simplified Chinese has.
    script: i8,
    cantonese: i8,
}

/// `zh-Hans`, `zh-Hant` or `yue`, by the characters that only one of them has. Without any, `zh-Hans`.
pub(super) fn variant<'a>(texts: impl Iterator<Item = &'a str>) -> &'static str {
    let kinds = &**KINDS;
    let (mut all, mut script, mut cantonese) = (0_u32, 0_i32, 0_i32);
    for character in texts.flat_map(str::chars) {
        let Some(kind) = (character as usize).checked_sub(FIRST).and_then(|place| kinds.get(place)) else {
            continue;
        };
        all += 1;
        script += i32::from(kind.script);
        cantonese += i32::from(kind.cantonese);
    }
    match () {
        () if cantonese >= CANTONESE_MIN_SUM && cantonese as f32 >= CANTONESE_MIN_MEAN * all as f32 => "yue",
        () if script > 0 => "zh-Hant",
        () => "zh-Hans",
    }
}

/// Whether only traditional Chinese has the character.
pub(crate) fn is_traditional(character: char) -> bool {
    let kind = (character as usize).checked_sub(FIRST).and_then(|place| KINDS.get(place));
    kind.is_some_and(|kind| kind.script > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_one_script_decide() {
        let of = |text| variant(std::iter::once(text));
        assert_eq!(of("学而时习之，不亦说乎"), "zh-Hans");
        assert_eq!(of("學而時習之，不亦說乎"), "zh-Hant");
        assert_eq!(of("佢哋喺度食緊飯"), "yue");
        // The same in both scripts.
        assert_eq!(of("床前明月光"), "zh-Hans");
        // One old form quoted in a simplified text.
        assert_eq!(of("这里说的“國”就是现在的国家"), "zh-Hans");
        // Cantonese quoted in Mandarin.
        assert_eq!(of("廣東話裡的「佢哋」就是國語說的「他們」，這一點大家都知道。"), "zh-Hant");
    }

    #[test]
    fn the_tables_are_disjoint() {
        let simplified = include_str!("simplified_only.txt").trim_end();
        let traditional = include_str!("traditional_only.txt").trim_end();
        assert!(simplified.chars().all(|character| !traditional.contains(character)));
        assert!(simplified.chars().count() > 2000 && traditional.chars().count() > 3000);
        let cantonese: Vec<char> = CANTONESE.iter().flat_map(|(characters, _)| characters.chars()).collect();
        assert!(cantonese.iter().all(|character| (FIRST..0xa000).contains(&(*character as usize))));
    }
}
