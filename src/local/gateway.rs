//! Serves the deployed APIs on 127.0.0.1, as Amazon API Gateway does before AWS Lambda.
//!
//! What is deployed is looked up for each request, so an API answers from the moment of its deploy. An API answers at
//! `/STACK/PATH`, and at its bare path while no other has the same.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Local, apis, invoke::Call, process};
use crate::cloud::{
    Error, Result,
    events::{self, ApiRequest},
    resources::{self, Throttle},
    urlcode::decode,
};

/// What a request may hold, in bytes.
const MAX_BODY: usize = 10 << 20;
/// How long a function may take to answer a request; it goes on after that.
const TIMEOUT: Duration = Duration::from_secs(29);
/// How often a process that waits to serve looks whether the one that does is gone.
const LOOK: Duration = Duration::from_secs(1);

/// A request that was answered, for whoever develops what answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its method.
    pub method: String,
    /// Its path, without the query, in which there may be secrets.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// How long it took.
    pub elapsed: Duration,
    /// What the answer does not say: why it is none of the function's.
    pub why: Option<String>,
}

/// Is told of each request that was answered.
pub type Told = Arc<dyn Fn(Served) + Send + Sync>;

impl Local {
    /// Serves the deployed APIs until `cancel`: on the port of the last time where that is free. Waits while another
    /// process serves them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where no port can be had.
    pub async fn serve_apis(&self, cancel: CancellationToken, told: Told) -> Result<()> {
        let Some(process) = self.inner.process.as_ref().map(|p| p.id().to_owned()) else {
            return Err(Error::AccessDenied { action: "serve".into(), target: "APIs".into() });
        };
        let port = loop {
            if let Some(port) = self.take_over(&process).await? {
                break port;
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        };
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unavailable)?,
        };
        let port = listener.local_addr().map_err(unavailable)?.port();
        let me = process.clone();
        self.inner.store.write(move |t| apis::set_serving(t, port, &me)).await?;
        let gateway = Arc::new(Gateway { local: self.clone(), throttles: Mutex::default(), told });
        let router = Router::new().fallback(serve).with_state(gateway);
        let served = tokio::select! {
            served = axum::serve(listener, router).into_future() => served.map_err(unavailable),
            () = cancel.cancelled() => Ok(()),
        };
        // The port is remembered, the process is not.
        self.inner.store.write(move |t| apis::set_serving(t, port, "-")).await?;
        served
    }

    /// Writes this process down as the one that serves, unless a living one does: the port to try, 0 for any.
    async fn take_over(&self, process: &str) -> Result<Option<u16>> {
        let (process, dir) = (process.to_owned(), self.inner.store.dir().to_owned());
        self.inner
            .store
            .write(move |t| {
                let (port, holder) = apis::serving(t)?.unwrap_or((0, "-".into()));
                if holder != process && process::alive(&dir, &holder) {
                    return Ok(None);
                }
                apis::set_serving(t, port, &process)?;
                Ok(Some(port))
            })
            .await
    }
}

fn unavailable(error: std::io::Error) -> Error {
    Error::Unavailable(format!("the APIs cannot be served on 127.0.0.1: {error}"))
}

/// What serves requests.
struct Gateway {
    local: Local,
    throttles: Mutex<HashMap<String, TokenBucket>>,
    told: Told,
}

/// An API that answers a request.
struct Route {
    name: String,
    stack: String,
    api: resources::Api,
    key: Option<String>,
}

/// An answer that is not the function's, and what it does not say.
struct Refusal(StatusCode, &'static str, Option<String>);

impl Refusal {
    fn because(self, why: impl std::fmt::Display) -> Self {
        Self(self.0, self.1, Some(why.to_string()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"message": self.1}).to_string();
        (self.0, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

const FORBIDDEN: Refusal = Refusal(StatusCode::FORBIDDEN, "Forbidden", None);
const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "Not Found", None);
const TOO_LARGE: Refusal = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long", None);
const TOO_MANY: Refusal = Refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", None);
const USED_UP: Refusal = Refusal(StatusCode::TOO_MANY_REQUESTS, "Limit Exceeded", None);
const FAILED: Refusal = Refusal(StatusCode::BAD_GATEWAY, "Internal server error", None);
const TOO_LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out", None);

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let clock = Instant::now();
    let (mut response, why) = match gateway.answer(request, &request_id).await {
        Ok(response) => (response, None),
        Err(mut refusal) => {
            let why = refusal.2.take();
            (refusal.into_response(), why)
        }
    };
    let (status, elapsed) = (response.status().as_u16(), clock.elapsed());
    (gateway.told)(Served { method, path, status, elapsed, why });
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

impl Gateway {
    async fn answer(&self, request: Request, request_id: &str) -> std::result::Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        // A web page must not reach the APIs under a name of its own (DNS rebinding).
        if !parts.headers.get(header::HOST).is_none_or(is_local) {
            return Err(FORBIDDEN);
        }
        let route = self.route(&parts).await?;
        if route.api.api_key {
            let given = parts.headers.get("x-api-key").map(HeaderValue::as_bytes);
            let right = route.key.as_deref().zip(given).is_some_and(|(key, given)| equal(key.as_bytes(), given));
            if !right {
                let which = if given.is_some() { "is not the API's" } else { "is missing" };
                return Err(FORBIDDEN.because(format!(
                    "the header x-api-key {which}: `pumphouse apis key {}` prints the key",
                    route.name
                )));
            }
        }
        if !self.may_pass(&route) {
            return Err(TOO_MANY);
        }
        let body = receive(&parts, body).await?;
        let (name, api, now_ms) = (route.name.clone(), route.api.clone(), self.local.inner.clock.now_ms());
        let counted = self.local.inner.store.write(move |t| apis::consume(t, &name, &api, now_ms)).await;
        if !counted.map_err(internal)? {
            return Err(USED_UP);
        }
        let call = Call {
            function: route.api.function.clone(),
            event: event(&parts, &body, &route, request_id, now_ms),
            request_id: request_id.to_owned(),
            modes: std::collections::BTreeMap::new(),
            waiting: None,
            queue: None,
        };
        let local = self.local.clone();
        let invoked = tokio::spawn(async move { local.call(call).await });
        let ended = match tokio::time::timeout(TIMEOUT, invoked).await {
            Err(_) => {
                let seconds = TIMEOUT.as_secs();
                return Err(TOO_LATE.because(format!("{} took more than {seconds} s", route.api.function)));
            }
            Ok(joined) => joined.map_err(internal)?.map_err(internal)?,
        };
        if let Some(error) = &ended.invocation.error {
            return Err(FAILED.because(format!("{error}: `pumphouse logs tail {}`", route.api.function)));
        }
        response(&ended.invocation.payload).ok_or_else(|| {
            tracing::warn!(function = route.api.function, "the answer is no {{\"statusCode\",\"headers\",\"body\"}}");
            FAILED.because(format!(
                "{} has not answered with a statusCode, headers and a text as its body",
                route.api.function
            ))
        })
    }

    async fn route(&self, parts: &Parts) -> std::result::Result<Route, Refusal> {
        let (method, path) = (parts.method.as_str().to_owned(), parts.uri.path().to_owned());
        let found = self.local.inner.store.read(move |c| {
            let mut full = None;
            let mut bare = Vec::new();
            for (deployed, api) in apis::all(c)? {
                if api.method != method && api.method != "ANY" {
                    continue;
                }
                if path == apis::full_path(&deployed.stack, &api.path) {
                    full = Some((deployed, api));
                } else if path == api.path {
                    bare.push((deployed, api));
                }
            }
            if bare.len() > 1 {
                bare.clear();
            }
            let Some((deployed, api)) = full.or_else(|| bare.pop()) else { return Ok(None) };
            let name = deployed.resource.physical_name;
            Ok(Some(Route { key: apis::key_of(c, &name)?, name, stack: deployed.stack, api }))
        });
        found.await.map_err(internal)?.ok_or_else(|| NOT_FOUND.because("no API has this method and path"))
    }

    fn may_pass(&self, route: &Route) -> bool {
        let Some(throttle) = route.api.throttle else { return true };
        let mut throttles = self.throttles.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        throttles.entry(route.name.clone()).or_insert_with(|| TokenBucket::full(throttle, now)).take(throttle, now)
    }
}

/// A request's body, which comes whole and soon, or not at all.
async fn receive(parts: &Parts, body: Body) -> std::result::Result<Bytes, Refusal> {
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|size| size > MAX_BODY) {
        return Err(TOO_LARGE);
    }
    match tokio::time::timeout(TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Err(_) => Err(TOO_LATE),
        Ok(body) => body.map_err(|_| TOO_LARGE),
    }
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::warn!(%error, "an API could not answer");
    FAILED.because(error)
}

/// A bucket that fills at a rate and holds a burst.
struct TokenBucket {
    tokens: f64,
    at: Instant,
}

impl TokenBucket {
    fn full(throttle: Throttle, now: Instant) -> Self {
        Self { tokens: f64::from(throttle.burst), at: now }
    }

    fn take(&mut self, throttle: Throttle, now: Instant) -> bool {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * throttle.rate;
        self.tokens = (self.tokens + grown).min(f64::from(throttle.burst));
        self.at = now;
        let pass = self.tokens >= 1.0;
        if pass {
            self.tokens -= 1.0;
        }
        pass
    }
}

/// Compares in a time that tells nothing of where two keys differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

fn is_local(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

/// The event of a REST API's proxy integration. The API's key is left out of its headers: it would end in logs.
fn event(parts: &Parts, body: &Bytes, route: &Route, request_id: &str, time_ms: i64) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().filter(|(name, _)| name.as_str() != "x-api-key");
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let query: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    events::api_request(ApiRequest {
        method: parts.method.as_str(),
        path: &route.api.path,
        stage: &route.stack,
        id: request_id,
        query: &query,
        headers: &headers,
        body,
        time_ms,
    })
}

/// What the function answered, if it is what API Gateway understands.
fn response(payload: &Value) -> Option<Response> {
    let payload = payload.as_object()?;
    let status = payload.get("statusCode")?;
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    let status = u16::try_from(status).ok().filter(|s| (200..600).contains(s))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in object(payload, "headers")? {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, header_value(value)?);
    }
    for (name, values) in object(payload, "multiValueHeaders")? {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.remove(&name);
        for value in values.as_array()? {
            headers.append(&name, header_value(value)?);
        }
    }
    // These belong to the connection.
    for name in [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let text = match payload.get("body") {
        None | Some(Value::Null) => "",
        Some(body) => body.as_str()?,
    };
    let body = match payload.get("isBase64Encoded") {
        Some(Value::Bool(true)) => Body::from(STANDARD.decode(text).ok()?),
        None | Some(Value::Null | Value::Bool(false)) => Body::from(text.to_owned()),
        Some(_) => return None,
    };
    Some((StatusCode::from_u16(status).ok()?, headers, body).into_response())
}

/// The members of an object that may be absent; none where it is something else.
fn object<'a>(payload: &'a Map<String, Value>, name: &str) -> Option<Vec<(&'a String, &'a Value)>> {
    match payload.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(value) => Some(value.as_object()?.iter().collect()),
    }
}

fn header_value(value: &Value) -> Option<HeaderValue> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
