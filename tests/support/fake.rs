//! A scripted endpoint on loopback that answers as AWS does, and remembers every request.

#[path = "cbor.rs"]
mod cbor;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Response},
};
use tokio::sync::oneshot;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The service that it was signed for: `s3`, `glue`, `logs`, `cloudformation`, `monitoring` and so on.
    pub service: String,
    /// The operation, for the protocols that name it: `GetJobs`, `DescribeStacks`; empty for those on REST.
    pub operation: String,
    /// GET, PUT and so on.
    pub method: String,
    /// The path, still encoded.
    pub path: String,
    /// The query's parameters, decoded, and those of a form in the body.
    pub params: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    /// The body as JSON; that of CloudWatch, which speaks CBOR, too.
    pub fn json(&self) -> serde_json::Value {
        if self.headers.get("content-type").is_some_and(|t| t == "application/cbor") {
            return cbor::decode(&self.body);
        }
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// One line: `glue GetJobs` or `s3 GET /bucket?list-type=2`.
    pub fn line(&self) -> String {
        if self.operation.is_empty() {
            let query: Vec<_> = self.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let mark = if query.is_empty() { "" } else { "?" };
            return format!("{} {} {}{mark}{}", self.service, self.method, self.path, query.join("&"));
        }
        format!("{} {}", self.service, self.operation)
    }
}

/// What the endpoint answers.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// How long it takes to answer.
    pub delay_ms: u64,
    /// After so many bytes of the body, the connection is cut.
    pub cut_after: Option<usize>,
}

impl Answer {
    /// 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::text(200, "application/x-amz-json-1.1", value.to_string())
    }

    /// 200 with CBOR, as CloudWatch answers.
    pub fn cbor(value: &serde_json::Value) -> Self {
        Self::text(200, "application/cbor", cbor::encode(value)).header("smithy-protocol", "rpc-v2-cbor")
    }

    /// An error of CloudWatch.
    pub fn cbor_error(status: u16, code: &str, message: &str) -> Self {
        let body = cbor::encode(&serde_json::json!({"__type": code, "message": message}));
        Self::text(status, "application/cbor", body).header("smithy-protocol", "rpc-v2-cbor")
    }

    /// 200 with XML.
    pub fn xml(body: impl Into<String>) -> Self {
        Self::text(200, "text/xml", body.into())
    }

    /// An error of a service that speaks JSON.
    pub fn json_error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"__type": code, "message": message}).to_string();
        Self::text(status, "application/x-amz-json-1.1", body)
    }

    /// An error of a service that speaks the query protocol (CloudFormation, SNS, STS), or of S3.
    pub fn xml_error(status: u16, code: &str, message: &str) -> Self {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
        Self::text(status, "text/xml", format!("<ErrorResponse>{error}<RequestId>r-1</RequestId></ErrorResponse>"))
    }

    /// An error of S3.
    pub fn s3_error(status: u16, code: &str, message: &str) -> Self {
        Self::text(status, "application/xml", format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    }

    pub fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            delay_ms: 0,
            cut_after: None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    pub fn after_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The endpoint. It ends when it is dropped.
pub struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _end: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Shared {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts it on a free port, in a thread of its own; `script` answers each request.
    pub fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { script: Arc::new(script), asked: asked.clone() };
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let app = Router::new().fallback(serve).with_state(shared);
                tokio::select! {
                    served = axum::serve(listener, app).into_future() => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { address, asked, _end: end }
    }

    /// Its address, for `--endpoint-url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// All requests so far, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

async fn serve(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut params = parameters(head.uri.query().unwrap_or_default());
    let form = head.headers.get("content-type").is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form"));
    if form {
        params.extend(parameters(&String::from_utf8_lossy(&body)));
    }
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // Credential=KEY/20261120/eu-west-1/glue/aws4_request
    let service = header("authorization").split('/').nth(3).unwrap_or_default().to_owned();
    let target = header("x-amz-target").rsplit('.').next().unwrap_or_default();
    // CloudWatch: /service/GraniteServiceVersion20100801/operation/DescribeAlarms
    let named = head.uri.path().split_once("/operation/").map(|(_, name)| name).unwrap_or_default();
    let operation = match (target, params.get("Action")) {
        ("", None) => named.to_owned(),
        ("", Some(action)) => action.clone(),
        (target, _) => target.to_owned(),
    };
    let asked = Asked {
        service,
        operation,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        params,
        headers: head.headers.clone(),
        body,
    };
    let answer = (shared.script)(&asked);
    shared.asked.lock().unwrap().push(asked);
    tokio::time::sleep(std::time::Duration::from_millis(answer.delay_ms)).await;
    let mut response = Response::builder().status(answer.status).header("x-amzn-requestid", "r-1");
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if let Some(bytes) = answer.cut_after {
        let start = answer.body.slice(..bytes.min(answer.body.len()));
        response = response.header("content-length", answer.body.len());
        let cut = std::io::Error::other("cut");
        return response.body(Body::from_stream(futures::stream::iter([Ok(start), Err(cut)]))).unwrap();
    }
    response.body(Body::from(answer.body)).unwrap()
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).unwrap());
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
