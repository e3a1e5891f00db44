//! How likely the end of a prompt is, from the log-probabilities of its tokens.
//!
//! Tokens are counted as lm-eval counts them: the first [`prompt_tokens`](Echoed::prompt_tokens) that are told are the prompt's, with what
//! the server puts before it; the first of these that the context alone comes to are the context's; the rest are the continuation's.
//! `text_offset` is not looked at: servers count bytes, characters or the token that begins a text each in their own way.

use serde_json::Value;

use crate::Likelihood;

/// What is wrong with an answer, and what to do about it.
pub(super) type Wrong = (String, Option<String>);

/// A prompt that a server gave back, token by token.
pub(super) struct Echoed<'a> {
    numbers: &'a [Value],
    tops: Option<&'a Vec<Value>>,
    /// Tokens of the prompt, as far as the server counts them.
    pub prompt_tokens: Option<usize>,
    texts: Option<Vec<&'a str>>,
    text: &'a str,
}

fn wrong(problem: impl Into<String>) -> Wrong {
    let hint = "it takes a server that tells the log-probabilities of prompts (`echo` with `logprobs`), as vLLM does; \
                tasks that are answered in words need none";
    (problem.into(), Some(hint.to_owned()))
}

impl<'a> Echoed<'a> {
    /// Reads an answer.
    pub fn of(choice: &'a Value, usage: &Value) -> Result<Self, Wrong> {
        let logprobs = &choice["logprobs"];
        let numbers = logprobs["token_logprobs"].as_array();
        let numbers = numbers.ok_or_else(|| wrong("the answer has no log-probabilities of the prompt"))?;
        let prompt_tokens = usage["prompt_tokens"].as_u64().map(|count| count as usize);
        if let Some(count) = prompt_tokens.filter(|count| *count > numbers.len()) {
            let told = numbers.len();
            return Err(wrong(format!(
                "the prompt has {count} tokens, and the answer tells {told}: it does not repeat the prompt"
            )));
        }
        let tops = logprobs["top_logprobs"].as_array();
        let texts = logprobs["tokens"].as_array().and_then(|tokens| tokens.iter().map(Value::as_str).collect());
        Ok(Self { numbers, tops, prompt_tokens, texts, text: choice["text"].as_str().unwrap_or("") })
    }

    /// How likely the tokens from one place to another are.
    pub fn between(&self, from: usize, to: usize) -> Result<Likelihood, Wrong> {
        if from >= to {
            return Err(wrong("no token lies in the continuation"));
        }
        let mut found = Likelihood { is_greedy: true, ..Likelihood::default() };
        for place in from..to {
            let (log_prob, is_greedy) = self.token(place)?;
            found.log_prob += log_prob;
            found.is_greedy &= is_greedy;
            found.tokens += 1;
        }
        Ok(found)
    }

    /// How likely a token is, and whether no other is more likely.
    pub fn token(&self, place: usize) -> Result<(f64, bool), Wrong> {
        let number = self.numbers.get(place).ok_or_else(|| wrong("the answer tells fewer tokens than there are"))?;
        let log_prob = number.as_f64().ok_or_else(|| match place {
            0 => wrong("the first token of a prompt has no log-probability, and nothing stands before it"),
            _ => wrong(format!("token {place} of the prompt has no log-probability")),
        })?;
        let others = self.tops.and_then(|all| all.get(place)).and_then(Value::as_object);
        let others = others.into_iter().flat_map(|others| others.values()).filter_map(Value::as_f64);
        Ok((log_prob, log_prob >= others.fold(log_prob, f64::max)))
    }

    /// The places of a continuation's tokens where the server counts none: by the characters of the tokens, which must spell the text.
    /// A token that begins in the context and ends in the continuation is the continuation's.
    pub fn spelt(&self, context: &str, prompt: &str) -> Result<(usize, usize), Wrong> {
        let tokens = self.texts.as_deref().filter(|tokens| tokens.concat() == self.text);
        let tokens = tokens.ok_or_else(|| {
            wrong("the answer has no `usage.prompt_tokens`, and its tokens do not spell its text: which are the continuation's cannot be told")
        })?;
        if tokens.len() != self.numbers.len() {
            return Err(wrong("there are not as many log-probabilities as tokens"));
        }
        // A server may show what it puts before a prompt.
        let before = self.text.find(prompt).ok_or_else(|| wrong("the answer does not repeat the prompt"))?;
        let end = |at: &mut usize, token: &&str| {
            *at += token.len();
            Some(*at)
        };
        let ends: Vec<usize> = tokens.iter().scan(0, end).collect();
        let from = ends.iter().filter(|end| **end <= before + context.len()).count();
        // The token at the end of which the prompt ends: what follows was written.
        let to = ends.iter().position(|end| *end >= before + prompt.len()).map_or(ends.len(), |place| place + 1);
        Ok((from, to))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_counted_with_what_stands_before_a_prompt() {
        // vLLM: the text has no `<s>`, offsets count it.
        let choice = json!({
            "text": "Q: 源\nA: yes!",
            "logprobs": {
                "tokens": ["<s>", "Q:", " bytes:\\xe6", "bytes:\\xba\\x90", "\nA:", " yes", "!"],
                "token_logprobs": [null, -1.0, -2.0, -4.0, -8.0, -0.5, -9.0],
                "top_logprobs": [null, {}, {}, {}, {}, {" yes": -0.5, " no": -1.5}, {"!": -9.0}],
                "text_offset": [0, 3, 5, 17, 30, 33, 37],
            },
        });
        let echoed = Echoed::of(&choice, &json!({ "prompt_tokens": 6 })).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let found = echoed.between(5, 6).expect("read");
        assert_eq!((found.log_prob, found.is_greedy, found.tokens), (-0.5, true, 1));
        let found = echoed.between(2, 6).expect("a character in two tokens");
        assert_eq!((found.log_prob, found.tokens), (-14.5, 4));
        let none = Echoed::of(&choice, &Value::Null)
            .unwrap_or_else(|wrong| panic!("{wrong:?}"))
            .spelt("Q: 源\nA:", "Q: 源\nA: yes");
        assert!(none.expect_err("not spelt").0.contains("cannot be told"));
    }

    #[test]
    fn tokens_that_spell_the_text_need_no_count() {
        let choice = json!({
            "text": "Q: 中\nA: yes!",
            "logprobs": { "tokens": ["Q:", " 中\nA:", " yes", "!"], "token_logprobs": [null, -1.0, -2.0, -4.0] },
        });
        let echoed = Echoed::of(&choice, &Value::Null).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(echoed.spelt("Q: 中\nA:", "Q: 中\nA: yes").expect("spelt"), (2, 3));
        assert_eq!(echoed.spelt("Q:", "Q: 中\nA: yes").expect("spelt"), (1, 3));
        assert_eq!(echoed.spelt("Q: 中", "Q: 中\nA: yes").expect("one token is of both"), (1, 3));
        assert!(echoed.spelt("", "A: no").expect_err("another text").0.contains("does not repeat"));
        let first = echoed.between(0, 1).expect_err("nothing before");
        assert!(first.0.contains("nothing stands before it"), "{first:?}");
        assert!(echoed.between(1, 1).expect_err("empty").0.contains("no token lies"));
    }

    #[test]
    fn what_is_no_echo_is_told() {
        for (choice, usage, said) in [
            (json!({ "text": "Q: a", "logprobs": null }), Value::Null, "no log-probabilities"),
            (
                json!({ "text": "b", "logprobs": { "token_logprobs": [-1.0] } }),
                json!({ "prompt_tokens": 3 }),
                "the prompt has 3 tokens, and the answer tells 1: it does not repeat the prompt",
            ),
        ] {
            let (problem, hint) = Echoed::of(&choice, &usage).err().expect("wrong");
            assert!(problem.contains(said) && hint.is_some_and(|hint| hint.contains("vLLM")), "{problem}");
        }
    }
}
