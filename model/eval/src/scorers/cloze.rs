//! AGIEval's cloze questions in Chinese. Yuan 2.0 published no scorer; its paper says that final answers were compared after
//! fractions and decimals were brought to one form, which is how [`math`] compares numbers.

use super::clean::without_last_newlines;
use super::{Scored, Unscorable, answer_of, math};

/// Whether a record fills in all blanks; those of `gold` are separated by `;`.
///
/// The answers are looked for in the last line that says something: as many pieces between `;` (or commas, or 和) as there are
/// blanks are compared one by one, else each blank's answer must stand there.
///
/// # Errors
/// A record without `[SEP]`, and where [`math::is_correct`] fails.
pub fn is_correct(record: &str, gold: &str) -> Scored<bool> {
    let blanks: Vec<String> = gold.split([';', '；']).map(|blank| blank.trim().replace('$', "")).collect();
    if let [blank] = blanks.as_slice() {
        return one(record, blank);
    }
    if let Some(pieces) = pieces(record, blanks.len())? {
        return each(pieces.iter().zip(&blanks));
    }
    let line = last_line(record)?;
    each(blanks.iter().map(|blank| (&line, blank)))
}

/// The answer, for votes: those of its pieces.
pub fn vote(record: &str, gold: &str) -> Option<String> {
    let blanks = gold.split([';', '；']).count();
    let Ok(Some(pieces)) = pieces(record, blanks) else { return math::vote(record.trim_end_matches('。')) };
    let votes = pieces.iter().map(|piece| math::vote(&format!("[SEP]{piece}")));
    Some(votes.collect::<Option<Vec<String>>>()?.join(";"))
}

/// What the last line that says something gives for each of several blanks, if it has as many pieces.
fn pieces(record: &str, blanks: usize) -> Scored<Option<Vec<&str>>> {
    if blanks < 2 {
        return Ok(None);
    }
    let line = last_line(record)?;
    let cut = |separators: &[char]| Some(line.split(separators).collect::<Vec<&str>>()).filter(|it| it.len() == blanks);
    Ok(cut(&[';', '；']).or_else(|| cut(&[',', '，', '、', '和'])))
}

fn last_line(record: &str) -> Scored<&str> {
    let answer = answer_of(without_last_newlines(record))?;
    let line = answer.rsplit("<n>").find(|line| !line.trim().is_empty()).ok_or(Unscorable)?;
    Ok(line.trim().trim_end_matches(['。', '.']))
}

fn each<'a>(pairs: impl Iterator<Item = (&'a &'a str, &'a String)>) -> Scored<bool> {
    for (piece, blank) in pairs {
        if !one(&format!("[SEP]{piece}"), blank)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn one(record: &str, blank: &str) -> Scored<bool> {
    // Chinese sentences end with a full stop of their own.
    math::is_correct(record.trim_end_matches('。'), blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_decimals_are_one_and_all_blanks_count() {
        let right = |text: &str, gold| is_correct(&format!("题[SEP]{text}"), gold) == Ok(true);
        assert!(right("所以a=2。", "2"));
        assert!(right("最小值是-0.5", "-\\frac {1}{2}") || right("最小值是-0.5", "-\\frac{1}{2}"));
        assert!(right("过程<n>m-n=1;E(\\xi)=\\frac{8}{9}", "1;\\frac{8}{9}"));
        assert!(right("答案是5和10。", "5;10"));
        assert!(!right("答案是5和11。", "5;10"));
        assert!(!right("不知道", "2"));
        assert_eq!(vote("题[SEP]答案是5和10。", "5;10"), Some("5;10".into()));
        assert_ne!(vote("题[SEP]答案是4和10。", "5;10"), vote("题[SEP]答案是5和10。", "5;10"));
        assert_eq!(is_correct("没有分隔", "2"), Err(Unscorable));
    }
}
