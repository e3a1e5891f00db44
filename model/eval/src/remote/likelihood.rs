//! How likely the end of a prompt is, from the log-probabilities of its tokens.

use serde_json::Value;

use crate::Likelihood;

/// What is wrong with an answer, and what to do about it.
type Wrong = (String, Option<String>);

/// Reads the tokens of a continuation, those that end behind the context: their places are `text_offset`s, in characters.
pub(super) fn read(choice: &Value, context: &str, prompt: &str) -> Result<Likelihood, Wrong> {
    let wrong = |problem: &str| -> Wrong {
        let hint = "it takes a server that tells the log-probabilities of prompts (`echo` with `logprobs`), as vLLM does; \
                    tasks that are answered in words need none";
        (problem.to_owned(), Some(hint.to_owned()))
    };
    let logprobs = &choice["logprobs"];
    let list = |name: &str| logprobs[name].as_array();
    let (Some(numbers), Some(offsets)) = (list("token_logprobs"), list("text_offset")) else {
        return Err(wrong("the answer has no log-probabilities of the prompt"));
    };
    if numbers.len() != offsets.len() {
        return Err(wrong("there are not as many log-probabilities as tokens"));
    }
    // A server may show what it puts before a prompt.
    let text = choice["text"].as_str().unwrap_or("");
    let before = text.find(prompt).ok_or_else(|| wrong("the answer does not repeat the prompt"))?;
    let chars = |text: &str| text.chars().count() as u64;
    let start = chars(&text[..before]) + chars(context.trim_end());
    let end = chars(&text[..before]) + chars(prompt);
    let offsets: Vec<u64> = offsets.iter().filter_map(Value::as_u64).collect();
    if offsets.len() != numbers.len() {
        return Err(wrong("`text_offset` are not all numbers"));
    }
    let mut found = Likelihood { is_greedy: true, ..Likelihood::default() };
    for (place, offset) in offsets.iter().enumerate() {
        let behind = offsets.get(place + 1).copied().unwrap_or(u64::MAX);
        if *offset >= end || behind <= start {
            continue;
        }
        let log_prob = numbers[place].as_f64();
        let log_prob = log_prob
            .ok_or_else(|| wrong("the first token of a prompt has no log-probability, and nothing stands before it"))?;
        let others = list("top_logprobs").and_then(|all| all.get(place)).and_then(Value::as_object);
        let best =
            others.into_iter().flat_map(|others| others.values()).filter_map(Value::as_f64).fold(log_prob, f64::max);
        found.log_prob += log_prob;
        found.is_greedy &= log_prob >= best;
        found.tokens += 1;
    }
    if found.tokens == 0 {
        return Err(wrong("no token lies in the continuation"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_behind_the_context_count() {
        let choice = json!({
            "text": "<s>Q: 中\nA: yes!",
            "logprobs": {
                "tokens": ["<s>", "Q:", " 中\nA:", " yes", "!"],
                "token_logprobs": [null, -1.0, -2.0, -0.5, -9.0],
                "top_logprobs": [null, {}, {}, {" yes": -0.5, " no": -1.5}, {"!": -9.0}],
                "text_offset": [0, 3, 5, 10, 14],
            },
        });
        let found = read(&choice, "Q: 中\nA:", "Q: 中\nA: yes").expect("read");
        assert_eq!((found.log_prob, found.is_greedy, found.tokens), (-0.5, true, 1));
        // The blank belongs to the continuation wherever it was written.
        assert_eq!(read(&choice, "Q: 中\nA: ", "Q: 中\nA: yes").expect("read"), found);
        let less = read(&choice, "Q:", "Q: 中\nA: yes").expect("read");
        assert_eq!((less.log_prob, less.tokens), (-2.5, 2));
        for (wrong, said) in [
            (json!({ "text": "Q: a", "logprobs": null }), "no log-probabilities"),
            (json!({ "text": "a", "logprobs": { "token_logprobs": [], "text_offset": [] } }), "does not repeat"),
            (json!({ "text": "Q: a", "logprobs": { "token_logprobs": [1], "text_offset": [] } }), "not as many"),
            (
                json!({ "text": "Q: a", "logprobs": { "token_logprobs": [null], "text_offset": [0] } }),
                "nothing stands before",
            ),
            (json!({ "text": "Q: a", "logprobs": { "token_logprobs": [], "text_offset": [] } }), "no token lies"),
        ] {
            let (problem, hint) = read(&wrong, "", "Q: a").expect_err("wrong");
            assert!(problem.contains(said) && hint.is_some_and(|hint| hint.contains("vLLM")), "{problem}");
        }
    }
}
