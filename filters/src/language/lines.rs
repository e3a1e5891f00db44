//! Which languages the lines of a document are in, and how much of it each has.

use std::borrow::Cow;

/// The share of each language in a document's letters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shares {
    /// The largest first; of equal ones the first in alphabetical order.
    shares: Vec<(Cow<'static, str>, f32)>,
}

impl Shares {
    /// Asks `identify` about each line that has at least `min_letters` letters; shorter ones count for `main`, the language of
    /// the document. A line weighs what its bytes without white space do.
    pub fn of(text: &str, min_letters: usize, main: &str, mut identify: impl FnMut(&str) -> Cow<'static, str>) -> Self {
        let mut sums: Vec<(Cow<'static, str>, usize)> = Vec::new();
        let mut all = 0;
        for line in text.lines() {
            let bytes: usize = line.split_whitespace().map(str::len).sum();
            let found = letters(line);
            if found == 0 {
                continue;
            }
            let language = if found < min_letters { Cow::Owned(main.to_owned()) } else { identify(line) };
            all += bytes;
            match sums.iter_mut().find(|(known, _)| *known == language) {
                Some((_, sum)) => *sum += bytes,
                None => sums.push((language, bytes)),
            }
        }
        let mut shares: Vec<_> = sums.into_iter().map(|(name, sum)| (name, sum as f32 / all as f32)).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        Self { shares }
    }

    /// The share of a language; 1 of a document without letters.
    pub fn of_language(&self, language: &str) -> f32 {
        if self.shares.is_empty() {
            return 1.0;
        }
        self.shares.iter().find(|(name, _)| name == language).map_or(0.0, |(_, share)| *share)
    }

    /// Languages and shares, the largest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.shares.iter().map(|(name, share)| (name.as_ref(), *share))
    }
}

/// How many letters a text has.
pub(super) fn letters(text: &str) -> usize {
    text.chars().filter(|character| character.is_alphabetic()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_weighed_by_their_bytes() {
        let text = "这是一个很长的中文句子吗\n\nThis is an English line.\nok\n1234567890\n";
        let identify = |line: &str| Cow::Borrowed(if line.is_ascii() { "en" } else { "zh-Hans" });
        let shares = Shares::of(text, 5, "zh-Hans", identify);
        // 36 bytes of Chinese, 20 of English, 2 of a line too short to ask about; digits say nothing.
        assert_eq!(shares.iter().collect::<Vec<_>>(), [("zh-Hans", 38.0 / 58.0), ("en", 20.0 / 58.0)]);
        assert_eq!((shares.of_language("en"), shares.of_language("fr")), (20.0 / 58.0, 0.0));
        assert_eq!(Shares::of("12\n!", 1, "und", identify).of_language("und"), 1.0);
    }
}
