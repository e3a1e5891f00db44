//! The body of a request: JSON, not too long, not too slow.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, timeout};

use super::{Problem, Request};
use crate::app::App;
use crate::ask::Order;

/// Bytes of a body that is too long which are still read, so that the client hears of it before the connection is closed.
const DISCARDED: usize = 64 << 20;

/// Time for them.
const DISCARDING: Duration = Duration::from_secs(5);

/// The value in a body, and the right to keep what is made of it until it is dropped.
///
/// # Errors
/// Another content type (415), too many bytes (413) or too slow ones (408); no JSON, or a field that is unknown or of the wrong type
/// (400, with the field and the place); too many who are slow (429).
pub async fn read_json<T: DeserializeOwned + Send + 'static>(
    app: &Arc<App>,
    order: &Order,
    request: Request,
) -> Result<(T, OwnedSemaphorePermit), Problem> {
    check_type(request.headers())?;
    let seconds = app.options.client_timeout;
    let permit = timeout(seconds, app.bodies.clone().acquire_owned()).await.map_err(|_| Problem::full())?;
    let permit = permit.map_err(|_| Problem::stopping())?;
    let bytes = timeout(seconds, read(request.into_body(), app.options.max_body)).await;
    let bytes = bytes.map_err(|_| {
        let message = format!("the body was not there after {} seconds", seconds.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, message)
    })??;
    let value = order.work(app, move |_| parse(&bytes)).await??;
    Ok((value, permit))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
        return Ok(());
    }
    let message = format!("the content type is `{given}`: send JSON with `Content-Type: application/json`");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(part) = next(&mut body).await? {
        if part.len() > most - bytes.len() {
            drop(bytes);
            let _ = timeout(DISCARDING, discard(body)).await;
            let message = format!("the request has more than {most} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message).code("request_too_large"));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

async fn discard(mut body: Body) {
    let mut count = 0;
    while let Ok(Some(part)) = next(&mut body).await
        && count < DISCARDED
    {
        count += part.len();
    }
}

/// The next bytes.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let message = format!("the body cannot be read: {error}");
                return Err(Problem::new(StatusCode::BAD_REQUEST, message));
            }
        };
        // Trailers are read over.
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let said = inner.to_string();
        if !inner.is_data() {
            return Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {said}"));
        }
        // Of a field that nobody knows, the path is that of its object.
        let unknown = said.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
        match (unknown, path.as_str()) {
            (Some((name, rest)), _) => {
                let place = rest.rsplit_once(" at ").map_or(String::new(), |(_, place)| format!(" at {place}"));
                Problem::field(name, format!("`{name}` is no field that this server knows{place}"))
            }
            (None, "." | "?") => Problem::new(StatusCode::BAD_REQUEST, said),
            (None, path) => Problem::field(path, format!("`{path}`: {said}")),
        }
    })?;
    reader.end().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[expect(dead_code, reason = "what matters is how it is refused")]
        n: Option<u32>,
    }

    fn told(body: &str) -> Value {
        parse::<Asked>(body.as_bytes()).unwrap_err().json()["error"].take()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let broken = told("{\"n\": 1,");
        assert_eq!(broken["message"], "the body is no JSON: EOF while parsing a value at line 1 column 8");
        assert_eq!(broken["param"], Value::Null);
        let typed = told("{\n \"n\": \"one\"}");
        assert_eq!(typed["param"], "n");
        assert_eq!(typed["message"], "`n`: invalid type: string \"one\", expected u32 at line 2 column 11");
        let unknown = told("{\"m\": 1}");
        assert_eq!(unknown["message"], "`m` is no field that this server knows at line 1 column 4");
        assert_eq!(unknown["param"], "m");
        assert!(told("{} x")["message"].as_str().unwrap().contains("trailing characters"));
        assert!(told("[]")["message"].as_str().unwrap().contains("invalid"));
        assert!(told(&"[".repeat(1 << 20))["message"].as_str().unwrap().contains("line 1"));
        assert!(told("").as_object().is_some());
    }
}
