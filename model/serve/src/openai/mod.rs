//! OpenAI's protocol: what its own clients, lm-eval and vLLM's users send.

mod chat;
mod completions;
mod fields;
mod made;
mod sampling;
mod spelling;
mod telling;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

pub use chat::chat;
pub use completions::completions;

use crate::app::App;
use crate::http::{Problem, answer};

/// `GET /v1/models`.
pub async fn models(State(app): State<Arc<App>>) -> Response<Body> {
    answer(StatusCode::OK, json!({ "object": "list", "data": [about(&app)] }).to_string())
}

/// `GET /v1/models/NAME`.
pub async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response<Body>, Problem> {
    check_name(&app, Some(&name))?;
    Ok(answer(StatusCode::OK, about(&app).to_string()))
}

fn about(app: &App) -> Value {
    json!({
        "id": app.served.name, "object": "model", "created": app.started, "owned_by": "yuan-data",
        "max_model_len": app.context(),
    })
}

/// Whether a request means the model that is served. One that names none does.
fn check_name(app: &App, name: Option<&str>) -> Result<(), Problem> {
    let own = &app.served.name;
    match name {
        Some(name) if name != own => {
            let message = format!("there is no model `{name}` here, but `{own}`");
            Err(Problem::new(StatusCode::NOT_FOUND, message).of("model").code("model_not_found"))
        }
        _ => Ok(()),
    }
}
