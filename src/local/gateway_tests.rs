//! Requests to a served API, over a socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    cloud::{
        apis::Apis,
        functions::{Context, Handler, HandlerFuture},
        resources::{Properties, Quota, Runtime},
    },
    local::testing,
};

fn handlers(name: &str) -> Option<Handler> {
    Some(match name {
        "echo" => |_: Context, event: Value| -> HandlerFuture {
            Box::pin(async move {
                let headers = json!({"x-count": 2, "content-length": "999"});
                Ok(json!({"statusCode": 201, "headers": headers, "body": event.to_string()}))
            })
        },
        "fail" => |_, _| Box::pin(async { Err(Error::failed("a secret of the inside")) }),
        "malformed" => |_, _| Box::pin(async { Ok(json!({"statusCode": "many"})) }),
        _ => return None,
    })
}

fn api(handler: &str) -> resources::Api {
    resources::Api {
        path: format!("/{handler}"),
        method: "GET".into(),
        function: handler.into(),
        api_key: false,
        throttle: None,
        quota: None,
    }
}

fn deploy(apis: &[(&str, resources::Api)]) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = testing::open_with(dir.path(), handlers);
    let role = resources::Role { service: "lambda.amazonaws.com".into(), grants: Vec::new() };
    let mut all = vec![testing::resource("role", Properties::Role(role))];
    for handler in ["echo", "fail", "malformed"] {
        all.push(testing::resource(
            handler,
            Properties::Function(resources::Function {
                runtime: Runtime::Rust,
                handler: handler.into(),
                code: None,
                timeout_seconds: 5,
                memory_mib: 128,
                environment: std::collections::BTreeMap::new(),
                role: "role".into(),
                log_group: format!("/aws/lambda/{handler}"),
                sources: std::collections::BTreeMap::new(),
                network: None,
            }),
        ));
    }
    all.extend(apis.iter().map(|(name, api)| testing::resource(name, Properties::Api(api.clone()))));
    testing::deploy(&local, &all);
    (dir, local)
}

/// A served embedded cloud; ended when dropped.
struct Served {
    local: Local,
    address: String,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<Result<()>>,
    told: Arc<Mutex<Vec<super::Served>>>,
}

impl Served {
    async fn start(local: &Local) -> Self {
        let cancel = CancellationToken::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (local, cancel) = (local.clone(), cancel.clone());
            let told = told.clone();
            async move { local.serve_apis(cancel, Arc::new(move |one| told.lock().unwrap().push(one))).await }
        });
        loop {
            if let Some(url) = Apis::list(local).await.unwrap().into_iter().find_map(|a| a.url)
                && !url.contains(":0/")
            {
                let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
                return Self { local: local.clone(), address, cancel, task, told };
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> String {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
        self.address
    }

    /// The status and the body of the answer to a request.
    async fn ask(&self, line: &str, headers: &str) -> (u16, Value) {
        let (status, text) = self.raw(line, &format!("Host: {}\r\n{headers}", self.address), "").await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn raw(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

#[tokio::test]
async fn a_request_becomes_an_event_and_the_answer_a_response() {
    let (_dir, local) = deploy(&[("a", api("echo"))]);
    let served = Served::start(&local).await;
    let (status, event) = served.ask("GET /test/echo?base=B%20C&n=1&n=2", "X-One: 1\r\nX-API-Key: secret\r\n").await;
    assert_eq!(status, 201);
    assert_eq!(event["httpMethod"], "GET");
    assert_eq!(event["path"], "/echo");
    assert_eq!(event["queryStringParameters"], json!({"base": "B C", "n": "2"}));
    assert_eq!(event["multiValueQueryStringParameters"]["n"], json!(["1", "2"]));
    assert_eq!(event["headers"]["x-one"], "1");
    assert_eq!(event["body"], Value::Null);
    assert!(!event.to_string().contains("secret"));
    // The bare path serves as long as it is unique.
    assert_eq!(served.ask("GET /echo", "").await.1["queryStringParameters"], Value::Null);
    assert_eq!(Apis::list(&local).await.unwrap()[0].used, Some(2));
    served.stop().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_ours_is_refused() {
    let (_dir, local) = deploy(&[("a", api("echo")), ("b", resources::Api { path: "/x".into(), ..api("echo") })]);
    let served = Served::start(&local).await;
    for line in ["GET /nothing", "POST /echo", "GET /test/echo/", "GET /test"] {
        assert_eq!(served.ask(line, "").await, (404, json!({"message": "Not Found"})), "{line}");
    }
    let (status, _) = served.raw("GET /echo", "Host: evil.example\r\n", "").await;
    assert_eq!(status, 403);
    let headers = format!("Host: localhost\r\nContent-Length: {}\r\n", MAX_BODY + 1);
    let (status, _) = served.raw("GET /echo", &headers, "").await;
    assert_eq!(status, 413);
    served.stop().await;
}

#[tokio::test]
async fn a_path_that_two_have_needs_the_stack() {
    let (_dir, local) = deploy(&[("a", api("echo"))]);
    let twin = testing::resource("b", Properties::Api(api("fail")));
    let twin_path = resources::Api { path: "/echo".into(), ..api("fail") };
    let twin = crate::cloud::resources::Resource { properties: Properties::Api(twin_path), ..twin };
    local
        .inner
        .store
        .write_now(|t| {
            let json = serde_json::to_value(&twin).unwrap().to_string();
            t.execute_batch(
                "insert into stacks (name, status, created, updated) values ('other', 'CREATE_COMPLETE', 0, 0)",
            )
            .map_err(crate::local::store::sql)?;
            t.execute(
                "insert into stack_resources values ('other', 'b', 'b', 'b', 'api', 'CREATE_COMPLETE', 0, 0, ?1)",
                [json],
            )
            .map_err(crate::local::store::sql)
        })
        .unwrap();
    let served = Served::start(&local).await;
    assert_eq!(served.ask("GET /echo", "").await.0, 404);
    assert_eq!(served.ask("GET /test/echo", "").await.0, 201);
    assert_eq!(served.ask("GET /other/echo", "").await.0, 502);
    served.stop().await;
}

#[tokio::test]
async fn a_key_opens_and_stays_the_same() {
    let (_dir, local) = deploy(&[("a", resources::Api { api_key: true, ..api("echo") }), ("b", api("fail"))]);
    let served = Served::start(&local).await;
    let forbidden = (403, json!({"message": "Forbidden"}));
    assert_eq!(served.ask("GET /echo", "x-api-key: x\r\n").await, forbidden, "no key was made yet");
    let key = local.key(&testing::permit(), "a").await.unwrap();
    assert_eq!(local.key(&testing::permit(), "a").await.unwrap(), key);
    for headers in ["", "x-api-key: x\r\n", "x-api-key:\r\n"] {
        assert_eq!(served.ask("GET /echo", headers).await, forbidden, "{headers:?}");
    }
    assert_eq!(served.ask("GET /echo", &format!("x-api-key: {}\r\n", key.expose())).await.0, 201);
    assert!(matches!(local.key(&testing::permit(), "b").await, Err(Error::Invalid(_))));
    assert_eq!(local.key(&testing::permit(), "c").await, Err(Error::not_found("API", "c")));
    served.stop().await;
}

#[tokio::test]
async fn a_burst_is_throttled_and_a_quota_ends() {
    let slow = Throttle { rate: 0.000_001, burst: 2 };
    let limited = resources::Api { throttle: Some(slow), ..api("echo") };
    let quota = Quota { limit: 1, period: "month".into() };
    let counted = resources::Api { path: "/counted".into(), quota: Some(quota), ..api("echo") };
    let (dir, local) = deploy(&[("a", limited), ("b", counted)]);
    let served = Served::start(&local).await;
    assert_eq!(served.ask("GET /echo", "").await.0, 201);
    assert_eq!(served.ask("GET /echo", "").await.0, 201);
    assert_eq!(served.ask("GET /echo", "").await, (429, json!({"message": "Too Many Requests"})));

    assert_eq!(served.ask("GET /counted", "").await.0, 201);
    let used_up = (429, json!({"message": "Limit Exceeded"}));
    assert_eq!(served.ask("GET /counted", "").await, used_up);
    // The quota is the state's, not the process's; the address stays, too.
    let address = served.stop().await;
    let again = Served::start(&testing::open_with(dir.path(), handlers)).await;
    assert_eq!(again.address, address);
    assert_eq!(again.ask("GET /counted", "").await, used_up);
    again.stop().await;
}

#[tokio::test]
async fn a_function_s_failure_stays_inside() {
    let (_dir, local) = deploy(&[("a", api("fail")), ("b", api("malformed"))]);
    let served = Served::start(&local).await;
    for line in ["GET /fail", "GET /malformed"] {
        assert_eq!(served.ask(line, "").await, (502, json!({"message": "Internal server error"})), "{line}");
    }
    served.stop().await;
}

#[tokio::test]
async fn whoever_develops_is_told_of_each_request_and_why_it_was_refused() {
    let apis = [
        ("a", api("echo")),
        ("b", resources::Api { path: "/closed".into(), api_key: true, ..api("echo") }),
        ("c", api("fail")),
        ("d", api("malformed")),
    ];
    let (_dir, local) = deploy(&apis);
    let served = Served::start(&local).await;
    for path in ["/echo?token=secret", "/closed", "/fail", "/malformed", "/nowhere"] {
        served.ask(&format!("GET {path}"), "").await;
    }
    let told = std::mem::take(&mut *served.told.lock().unwrap());
    let told: Vec<_> = told.iter().map(|t| (t.path.as_str(), t.status, t.why.clone().unwrap_or_default())).collect();
    assert_eq!(told[0], ("/echo", 201, String::new()), "without the query");
    for (n, (path, status, why)) in [
        ("/closed", 403, "the header x-api-key is missing: `pumphouse apis key b`"),
        ("/fail", 502, "a secret of the inside"),
        ("/malformed", 502, "malformed has not answered with a statusCode"),
        ("/nowhere", 404, "no API has this method and path"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!((told[n + 1].0, told[n + 1].1), (path, status));
        assert!(told[n + 1].2.contains(why), "{told:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn one_process_serves_and_the_next_takes_over() {
    let (dir, local) = deploy(&[("a", api("echo"))]);
    assert_eq!(Apis::list(&local).await.unwrap()[0].url, None);
    let first = Served::start(&local).await;
    let second = testing::open_with(dir.path(), handlers);
    let process = second.inner.process.as_ref().unwrap().id().to_owned();
    assert_eq!(second.take_over(&process).await.unwrap(), None);
    let local = first.local.clone();
    first.stop().await;
    assert_eq!(Apis::list(&local).await.unwrap()[0].url, None);
    assert!(second.take_over(&process).await.unwrap().is_some());
}

#[test]
fn a_bucket_fills_at_its_rate_up_to_its_burst() {
    let throttle = Throttle { rate: 2.0, burst: 3 };
    let start = Instant::now();
    let mut bucket = TokenBucket::full(throttle, start);
    let passed = |bucket: &mut TokenBucket, after_ms: u64| {
        let now = start + Duration::from_millis(after_ms);
        std::iter::repeat_with(|| bucket.take(throttle, now)).take(10).filter(|pass| *pass).count()
    };
    assert_eq!(passed(&mut bucket, 0), 3);
    assert_eq!(passed(&mut bucket, 499), 0);
    assert_eq!(passed(&mut bucket, 1_000), 2);
    assert_eq!(passed(&mut bucket, 60_000), 3);
}

#[test]
fn only_what_api_gateway_understands_is_a_response() {
    for bad in [
        json!(null),
        json!([]),
        json!({}),
        json!({"statusCode": 99}),
        json!({"statusCode": 200, "body": {"a": 1}}),
        json!({"statusCode": 200, "headers": []}),
        json!({"statusCode": 200, "headers": {"a b": "c"}}),
        json!({"statusCode": 200, "headers": {"a": "b\nc"}}),
        json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}),
    ] {
        assert!(response(&bad).is_none(), "{bad}");
    }
    let good = response(&json!({"statusCode": "200", "multiValueHeaders": {"set-cookie": ["a", "b"]}})).unwrap();
    assert_eq!(good.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(good.headers()["content-type"], "application/json");
}
