//! Which tokens of fine-tuning documents are learnt: the answers.
//!
//! A document is `instruction <sep> answer <eod>`. Position i of its mask is about its token i **as a target**: 1 if the loss counts
//! when token i is to be predicted, 0 if not. Tokens before the first `<sep>` are 0; `<sep>`, the answer and `<eod>` are 1; a document
//! without `<sep>` is all 1.
//!
//! A mask is as long as its document, so masks are packed as tokens are: of a training text of L + 1 tokens that begins at token t of the
//! packed data, the loss mask beside `labels = text[1..]` is `mask[t + 1..t + 1 + L]`.
//!
//! That is the mask that Yuan 2.0's dataset makes of the text in its `sft_stage`, for each document that stands in it from its start to its
//! `<eod>` with another `<eod>` before it or at the front of the text. Yuan's sees no more than one text, and differs at its edges:
//!
//! - a text without `<eod>` is all 1;
//! - what is behind the last `<eod>` is 1 up to the text's end if its `<sep>` comes no more in it, or if that `<eod>` is the only one;
//! - where a text begins in an answer that has another `<sep>` in it, what is before that one is 0.
//!
//! Of several turns in one document (`question <sep> answer question <sep> answer <eod>`) the first question alone is 0, in Yuan's dataset as
//! here: nothing tells where a later question begins. Turns that are to be masked are documents of their own.
//!
//! Source: the GPT dataset of Yuan 2.0's fork of Megatron-LM (`tests/fixtures/binidx/gpt/ltor_masks.json`); Wu et al. 2023, arXiv:2311.15786.

/// How many tokens of a document are asked and not learnt: those before its first `sep`, none if it has none.
pub fn prompt_tokens(tokens: &[u32], sep: u32) -> usize {
    tokens.iter().position(|token| *token == sep).unwrap_or(0)
}

/// Which tokens of packed documents, each ending in `eod` but for the last, are learnt as targets: 1, or 0.
///
/// ```
/// // Two questions with their answers; 9 ends a question, 0 a document.
/// assert_eq!(yuan_binidx::loss_mask(&[5, 6, 9, 7, 0, 8, 9, 8, 8, 0], 0, 9), [0, 0, 1, 1, 1, 0, 1, 1, 1, 1]);
/// ```
pub fn loss_mask(tokens: &[u32], eod: u32, sep: u32) -> Vec<u8> {
    let mut mask = vec![1; tokens.len()];
    let mut start = 0;
    for document in tokens.split_inclusive(|token| *token == eod) {
        mask[start..start + prompt_tokens(document, sep)].fill(0);
        start += document.len();
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places beside labels where our mask of the packed text is not Yuan's `sft_stage` mask.
    fn differences(case: &serde_json::Value, eod: u32, sep: u32) -> Vec<usize> {
        let text: Vec<u32> = serde_json::from_value(case["text"].clone()).expect("ids");
        let theirs: Vec<f64> = serde_json::from_value(case["loss_mask"].clone()).expect("a mask");
        let ours = loss_mask(&text, eod, sep);
        assert_eq!(ours.len() - 1, theirs.len());
        (0..theirs.len()).filter(|place| f64::from(ours[place + 1]) != theirs[*place]).collect()
    }

    #[test]
    fn packed_masks_are_yuans_but_at_the_edges_of_a_text() {
        let json = include_str!("../../tests/fixtures/binidx/gpt/ltor_masks.json");
        let masks: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let (eod, sep) = (masks["eod"].as_u64().expect("an id") as u32, masks["sep"].as_u64().expect("an id") as u32);
        let cases = masks["cases"].as_array().expect("cases").iter().filter(|case| case["sft_stage"] == true);
        let mut seen = 0;
        for case in cases {
            let expected: &[usize] = match case["name"].as_str().expect("a name") {
                // Without any `<eod>` Yuan's dataset masks nothing.
                "no_eod" => &[0],
                _ => &[],
            };
            assert_eq!(differences(case, eod, sep), expected, "{}", case["name"]);
            seen += 1;
        }
        assert_eq!(seen, 8);
    }
}
