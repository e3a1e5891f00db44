//! `PUT /yuan`, the interface of Yuan's own server (`megatron/text_generation_server.py` of Yuan-2.0): its fields, ranges and envelope.
//!
//! What is wrong with a question is told with status 200 and `errCode` 1, what goes wrong with the model with 2. Three things are
//! not as there:
//! - An answer without `<eod>` keeps its last character: there it is lost, as `find` says −1.
//! - What is wrong with a question always comes in the envelope: there it is a bare string at times, which no client can tell from an
//!   answer. What keeps a question from being read or queued has its HTTP status here.
//! - What would not be done is refused: `beam_width`, `add_BOS`, `stop_on_eol`, `stop_on_double_eol`,
//!   `prevent_newline_after_colon`, `top_p_decay`. `logprobs` and `no_log` change no answer there either.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;
use yuan_model::generate::{Sampling, StopRules};

use crate::app::{App, MOST_TEXTS};
use crate::ask::Order;
use crate::engine::{Event, Job};
use crate::http::{Problem, Request, answer, read_json};

/// New tokens where nobody names a number: `--out-seq-length` of Yuan's scripts.
const USUAL: usize = 1024;

/// Why there is no answer: a code, and what is wrong.
struct Failure(u8, String);

/// Answers a request.
///
/// # Errors
/// What has no envelope, as the server's own protocols share it: another content type (415), too many bytes (413) or too slow ones (408),
/// too many requests (429), a server that stops before the model is asked (503).
pub async fn yuan(State(app): State<Arc<App>>, request: Request) -> Result<Response<Body>, Problem> {
    let order = Order::of(&app, &request);
    let answers = match read_json::<Map<String, Value>>(&app, &order, request).await {
        Ok((fields, body)) => answers(&app, order, fields, body).await,
        Err(problem) => Err(problem.into()),
    };
    match answers {
        Ok(output) => Ok(answer(StatusCode::OK, envelope(Ok(output)).to_string())),
        Err(Wrong::Question(failure)) => Ok(answer(StatusCode::OK, envelope(Err(failure)).to_string())),
        Err(Wrong::Request(problem)) => Err(problem),
    }
}

/// What is wrong: with the question or the model, which is told in the envelope, or with how it was asked.
enum Wrong {
    Question(Failure),
    Request(Problem),
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Question(failure)
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        match problem.status() {
            StatusCode::BAD_REQUEST => Self::Question(input(problem.message())),
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::GATEWAY_TIMEOUT => {
                Self::Question(Failure(2, problem.message().to_owned()))
            }
            _ => Self::Request(problem),
        }
    }
}

fn envelope(answers: Result<Vec<Value>, Failure>) -> Value {
    match answers {
        Ok(output) => json!({
            "flag": true, "errCode": "0", "errMessage": "success", "exceptionMsg": "", "resData": { "output": output },
        }),
        Err(Failure(code, message)) => {
            json!({ "flag": false, "errCode": code, "successMessage": "", "exceptionMsg": message, "resData": {} })
        }
    }
}

fn input(message: impl Into<String>) -> Failure {
    Failure(1, message.into())
}

/// A question: its name, and what it says.
struct Question {
    id: String,
    text: String,
}

/// The questions of a request, and what the model is asked for each.
fn plan(app: &App, fields: &Map<String, Value>) -> Result<(Vec<Question>, Vec<Job>), Failure> {
    let questions = questions(fields)?;
    let (sampling, stop) = how(app, fields)?;
    let mut jobs = Vec::with_capacity(questions.len());
    for (number, question) in (0..).zip(&questions) {
        let spelt = app.served.vocabulary.encode(&question.text).map_err(|problem| Failure(2, problem))?;
        let (context, new, tokens) = (app.context(), stop.max_new_tokens, spelt.ids.len());
        if tokens.saturating_add(new) > context {
            return Err(input(format!(
                "the sum of input and output sequence lengths should be at most {context}: {tokens} + {new}"
            )));
        }
        if let Some(id) = spelt.ids.iter().find(|id| **id as usize >= app.served.vocab_size) {
            return Err(input(format!("question {number} has the token {id}, which the model does not know")));
        }
        if spelt.ids.is_empty() {
            return Err(input("Cannot exist empty prompt in input ques_list"));
        }
        jobs.push(Job {
            prompt: spelt.ids.into(),
            number,
            sampling: sampling.clone(),
            adjust: Arc::default(),
            stop: Some(stop.clone()),
            top: None,
            score_prompt: false,
        });
    }
    Ok((questions, jobs))
}

async fn answers(
    app: &Arc<App>,
    order: Order,
    fields: Map<String, Value>,
    body: OwnedSemaphorePermit,
) -> Result<Vec<Value>, Wrong> {
    let (questions, jobs) = order.work(app, move |app| plan(app, &fields)).await??;
    let mut texts = vec![String::new(); jobs.len()];
    let mut left = jobs.len();
    let prompt_tokens = jobs.iter().map(|job| job.prompt.len()).sum();
    let mut asking = order.submit(app, jobs, prompt_tokens, false)?;
    drop(body);
    while left > 0 {
        let (place, event) = asking.next().await.map_err(|problem| Failure(2, problem.message().to_owned()))?;
        left -= usize::from(event.is_last());
        if let Event::Token { text, .. } = event {
            texts[place].push_str(&text);
        }
    }
    let output = questions
        .iter()
        .zip(texts)
        .map(|(question, text)| json!({ "id": question.id, "ans": answer_of(&question.text, &text) }));
    Ok(output.collect())
}

/// What is answered: of the question and its text what stands before the first `<eod>`, and of that what stands behind the last `<sep>`.
fn answer_of(question: &str, text: &str) -> String {
    let whole = format!("{question}{text}");
    let whole = whole.trim();
    let whole = whole.find("<eod>").map_or(whole, |end| &whole[..end]);
    whole.rsplit("<sep>").next().unwrap_or(whole).to_owned()
}

fn questions(fields: &Map<String, Value>) -> Result<Vec<Question>, Failure> {
    let list = fields.get("ques_list").ok_or_else(|| input("ques_list argument required"))?;
    let list = list.as_array().ok_or_else(|| input("ques_list is not a list"))?;
    if list.is_empty() {
        return Err(input("ques_list is empty"));
    }
    if list.len() > MOST_TEXTS {
        return Err(input(format!("Maximum number of ques_list is {MOST_TEXTS}")));
    }
    let question = |item: &Value| {
        let text = item.get("ques").ok_or_else(|| input("ques argument must be in ques_list"))?;
        let text = text.as_str().ok_or_else(|| input("ques must be a string"))?;
        if text.is_empty() {
            return Err(input("Cannot exist empty prompt in input ques_list"));
        }
        let id = match item.get("id") {
            None => "0".to_owned(),
            Some(Value::String(id)) => id.clone(),
            Some(id) => id.to_string(),
        };
        Ok(Question { id, text: text.to_owned() })
    };
    list.iter().map(question).collect()
}

/// How tokens are chosen, and what ends an answer.
fn how(app: &App, fields: &Map<String, Value>) -> Result<(Sampling, Arc<StopRules>), Failure> {
    let whole = |name: &str, range: std::ops::RangeInclusive<u64>| match fields.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().filter(|value| range.contains(value)).map(Some).ok_or_else(|| {
            let (least, most) = range.clone().into_inner();
            let said = if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
            input(format!("{name} must be an integer, {said}"))
        }),
    };
    let number = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().map(Some).ok_or_else(|| input(format!("the type of {name} must be int or float")))
        }
    };
    for name in ["logprobs", "no_log", "add_BOS", "stop_on_eol", "stop_on_double_eol", "prevent_newline_after_colon"] {
        match fields.get(name) {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) if ["logprobs", "no_log"].contains(&name) => {}
            Some(Value::Bool(true)) => return Err(input(format!("{name} is not supported here"))),
            Some(_) => return Err(input(format!("{name} must be a boolean value"))),
        }
    }
    if whole("beam_width", 1..=u64::MAX)?.is_some() {
        return Err(input("beam_width is not supported here"));
    }
    // They are for beams alone.
    number("length_penalty")?;
    if fields.get("stop_token").is_some_and(|token| !token.is_i64() && !token.is_u64()) {
        return Err(input("stop_token must be an integer"));
    }
    let temperature = number("temperature")?.unwrap_or(1.0);
    if !(temperature > 0.0 && temperature <= 100.0) {
        return Err(input("temperature must be a positive number less than or equal to 100.0"));
    }
    let top_k = whole("top_k", 0..=1000)?.unwrap_or(0) as usize;
    let top_p = number("top_p")?.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&top_p) {
        return Err(input("top_p must be at least 0 and less than or equal to 1.0"));
    }
    if top_k > 0 && top_p > 0.0 {
        return Err(input("top_k and top_p cannot be set both"));
    }
    let (decay, bound) = (number("top_p_decay")?, number("top_p_bound")?);
    if decay.is_some_and(|decay| decay != 0.0) {
        return Err(input("top_p_decay is not supported here"));
    }
    // It bounds what decays.
    if bound.is_some_and(|bound| !(0.0..=1.0).contains(&bound)) {
        return Err(input("top_p_bound must be from 0 to 1"));
    }
    let most = app.options.max_new_tokens.unwrap_or(usize::MAX);
    let new = match whole("tokens_to_generate", 1..=u64::from(u32::MAX))?.map(|count| count as usize) {
        Some(new) if new > most => {
            return Err(input(format!("tokens_to_generate is {new}, and this server makes {most} at most")));
        }
        asked => asked.unwrap_or(USUAL.min(most)),
    };
    let sampling = Sampling {
        temperature,
        top_k,
        top_p: if top_p == 0.0 { 1.0 } else { top_p },
        repetition_penalty: 1.0,
        seed: whole("random_seed", 0..=u64::MAX)?.unwrap_or_else(|| app.seed()),
    };
    // A temperature may be in its range and too near to 0.
    sampling.check().map_err(|error| input(error.to_string()))?;
    let stop = StopRules { ids: app.served.ends.clone(), strings: Vec::new(), max_new_tokens: new };
    Ok((sampling, Arc::new(stop)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_between_the_last_sep_and_the_first_eod() {
        assert_eq!(answer_of("问题<sep>", "答案。"), "答案。");
        assert_eq!(answer_of("问题", "答案。\n"), "问题答案。");
        assert_eq!(answer_of("a<sep>", "b<sep>c<eod>d"), "c");
        assert_eq!(answer_of(" a<sep>", " b "), " b");
    }

    #[test]
    fn questions_are_held_to_the_servers_own_rules() {
        let told = |json: &str| match questions(&serde_json::from_str(json).unwrap()) {
            Ok(questions) => {
                questions.iter().map(|one| format!("{}:{}", one.id, one.text)).collect::<Vec<_>>().join(",")
            }
            Err(Failure(code, message)) => format!("{code} {message}"),
        };
        assert_eq!(told("{}"), "1 ques_list argument required");
        assert_eq!(told(r#"{"ques_list": "a"}"#), "1 ques_list is not a list");
        assert_eq!(told(r#"{"ques_list": []}"#), "1 ques_list is empty");
        assert_eq!(told(r#"{"ques_list": [{"id": "a"}]}"#), "1 ques argument must be in ques_list");
        assert_eq!(told(r#"{"ques_list": [{"ques": ""}]}"#), "1 Cannot exist empty prompt in input ques_list");
        assert_eq!(told(r#"{"ques_list": [1]}"#), "1 ques argument must be in ques_list");
        assert_eq!(told(r#"{"ques_list": [{"ques": "a"}, {"id": 7, "ques": "b"}]}"#), "0:a,7:b");
        let many = format!(r#"{{"ques_list": [{}]}}"#, vec![r#"{"ques": "a"}"#; 129].join(","));
        assert_eq!(told(&many), "1 Maximum number of ques_list is 128");
    }
}
