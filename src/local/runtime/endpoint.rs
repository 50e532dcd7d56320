//! What a function in Python or JavaScript finds where its SDK looks for AWS: an endpoint on loopback that gives it the
//! secrets and parameters that its role may read, as AWS Secrets Manager and Systems Manager do. Anything else is an
//! error that says so, rather than a call to AWS with whatever credentials the machine has.

use std::{future::IntoFuture, net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::cloud::{Error, Permit, Result, events::REGION, functions::Ports};

/// More than a name and its options is no request for one.
const MOST_BYTES: usize = 64 << 10;

/// An invocation's endpoint; gone when dropped.
pub(super) struct Endpoint {
    url: String,
    key: String,
    _serving: AbortOnDropHandle<()>,
}

struct Given {
    ports: Ports,
    permit: Permit,
    key: String,
}

impl Endpoint {
    /// Opens it for one invocation, with what its role may read.
    pub(super) async fn open(ports: Ports, permit: Permit) -> Result<Self> {
        let unavailable = |e: std::io::Error| Error::Unavailable(format!("no port on 127.0.0.1 can be opened: {e}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unavailable)?;
        let url = format!("http://{}", listener.local_addr().map_err(unavailable)?);
        // An access key id as an SDK sends it in clear; the port is every process's on the machine.
        let key = uuid::Uuid::new_v4().simple().to_string();
        let given = Arc::new(Given { ports, permit, key: key.clone() });
        let router = Router::new().fallback(answer).with_state(given);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).into_future().await {
                tracing::warn!(%error, "a function's endpoint has ended");
            }
        });
        Ok(Self { url, key, _serving: AbortOnDropHandle::new(serving) })
    }

    /// The variables by which the SDKs find it.
    pub(super) fn environment(&self) -> [(&'static str, &str); 7] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ACCESS_KEY_ID", &self.key),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            // Neither files nor the instance's role: those are the developer's own.
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
    }
}

async fn answer(State(given): State<Arc<Given>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !header("authorization").contains(&format!("Credential={}/", given.key)) {
        return refusal(StatusCode::FORBIDDEN, "UnrecognizedClientException", "this endpoint is one function's alone");
    }
    let target = header("x-amz-target");
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "ValidationException", "the request is too long");
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let found = match target {
        "secretsmanager.GetSecretValue" => secret(&given, text("SecretId")).await,
        "AmazonSSM.GetParameter" => parameter(&given, text("Name")).await.map(|p| json!({"Parameter": p})),
        "AmazonSSM.GetParameters" => parameters(&given, &body).await,
        _ => {
            let what = if target.is_empty() { "this call" } else { target };
            let message = format!(
                "the embedded cloud gives functions in Python and JavaScript secretsmanager:GetSecretValue, \
                 ssm:GetParameter and ssm:GetParameters, and not {what}: one that needs it here is written in Rust"
            );
            return refusal(StatusCode::NOT_IMPLEMENTED, "UnsupportedOperation", &message);
        }
    };
    match found {
        Ok(found) => json_of(StatusCode::OK, &found),
        Err(error) => {
            let secrets = target.starts_with("secretsmanager");
            let (status, kind) = match &error {
                Error::NotFound { .. } if secrets => (StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
                Error::NotFound { .. } => (StatusCode::BAD_REQUEST, "ParameterNotFound"),
                Error::AccessDenied { .. } => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
                Error::Invalid(_) => (StatusCode::BAD_REQUEST, "ValidationException"),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError"),
            };
            refusal(status, kind, &error.to_string())
        }
    }
}

async fn secret(given: &Given, name: &str) -> Result<Value> {
    let value = given.ports.secrets.get(&given.permit, name).await?;
    Ok(json!({
        "ARN": name,
        "Name": name,
        "SecretString": value.expose(),
        "VersionStages": ["AWSCURRENT"],
    }))
}

async fn parameter(given: &Given, name: &str) -> Result<Value> {
    let value = given.ports.alerts.threshold(&given.permit, name).await?;
    Ok(json!({"Name": name, "Type": "String", "Value": value.to_string(), "DataType": "text"}))
}

async fn parameters(given: &Given, body: &Value) -> Result<Value> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in body.get("Names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        match parameter(given, name).await {
            Ok(parameter) => found.push(parameter),
            Err(Error::NotFound { .. }) => missing.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": missing}))
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    json_of(status, &json!({"__type": kind, "message": message}))
}

fn json_of(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}
