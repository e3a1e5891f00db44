//! From a path to who answers it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use hyper::body::Incoming;
use hyper::service::Service;
use serde_json::json;

use super::Request;
use super::log::{Entry, Logged};
use super::problem::{Problem, answer};
use crate::app::App;
use crate::{openai, yuan};

/// All paths.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{model}", get(openai::model))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/yuan", put(yuan::yuan))
        .fallback(no_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

async fn health(State(app): State<Arc<App>>) -> Response<Body> {
    answer(StatusCode::OK, json!({ "status": "ok", "model": app.served.name }).to_string())
}

async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let mut response = Response::new(Body::from(app.metrics.prometheus()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn no_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no `{}` here", uri.path())).code("unknown_url")
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let message = format!("`{}` is not asked by {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, message).code("method_not_allowed")
}

/// Answers requests of a connection.
#[derive(Clone)]
pub struct Front {
    pub app: Arc<App>,
    pub router: Router,
}

impl Service<hyper::Request<Incoming>> for Front {
    type Response = Response<Logged>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { Ok(front.answer(request).await) })
    }
}

impl Front {
    async fn answer(self, request: hyper::Request<Incoming>) -> Response<Logged> {
        let entry = Entry::new(self.app.clone(), request.method().as_str(), request.uri().path());
        let mut request: Request = request.map(Body::new);
        let response = if request.uri().path() == "/health" || self.may_ask(&request) {
            request.extensions_mut().insert(entry.spent());
            call(self.router, request).await
        } else {
            let message = "give the server's API key as `Authorization: Bearer KEY`";
            Problem::new(StatusCode::UNAUTHORIZED, message).code("invalid_api_key").into_response()
        };
        let (head, body) = response.into_parts();
        let body = entry.answered(head.status.as_u16(), body);
        Response::from_parts(head, body)
    }

    fn may_ask(&self, request: &Request) -> bool {
        if !self.app.is_locked() {
            return true;
        }
        let value = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let (scheme, key) = match value.and_then(|value| value.split_at_checked(7)) {
            Some(parts) => parts,
            None => return false,
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && self.app.opens(key.trim_ascii())
    }
}

/// The router's answer; it is always ready and never fails.
async fn call(router: Router, request: Request) -> Response<Body> {
    hyper_util::service::TowerToHyperService::new(router).call(request).await.unwrap_or_else(|never| match never {})
}
