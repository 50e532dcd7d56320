//! The executable that serves the shipped handlers to AWS Lambda, against a fake of Lambda's runtime interface and one of
//! AWS. Needs `--features bootstrap`.
#![cfg(feature = "bootstrap")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "support/fake.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod fake;

use std::{
    io::Read,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fake::{Answer, Asked, Fake};
use pumphouse::{
    aws::lambda,
    cloud::functions::{Handler, Handlers},
    http::Online,
};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:crypto-stream-dev-f";

/// What came of invocations: each answer (or error, with its type), and the log.
struct Served {
    outcomes: Vec<(bool, Value)>,
    log: String,
}

/// Starts the executable as Lambda does, gives it `events` one after the other, and ends it.
fn serve(handler: &str, env: &[(&str, &str)], aws: &Fake, events: Vec<Value>) -> Served {
    serve_by(&mut Command::new(env!("CARGO_BIN_EXE_bootstrap")), handler, env, aws, events)
}

/// The same with an executable of our own.
fn serve_by(executable: &mut Command, handler: &str, env: &[(&str, &str)], aws: &Fake, events: Vec<Value>) -> Served {
    let (wanted, next) = (events.len(), AtomicUsize::new(0));
    let runtime = Fake::start(move |asked| {
        if asked.method == "POST" {
            return Answer::text(202, "application/json", "{}");
        }
        let n = next.fetch_add(1, Ordering::Relaxed);
        match events.get(n) {
            Some(event) => Answer::json(event)
                .header("lambda-runtime-aws-request-id", &format!("r-{n}"))
                .header("lambda-runtime-deadline-ms", "4000000000000")
                .header("lambda-runtime-invoked-function-arn", ARN),
            // Nothing more to do: Lambda keeps it waiting.
            None => Answer::json(&json!({})).after_ms(60_000),
        }
    });
    let address = runtime.url().replace("http://", "");
    let mut child = executable
        .env_clear()
        .env("_HANDLER", handler)
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "crypto-stream-dev-f")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/crypto-stream-dev-f")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_SESSION_TOKEN", "test")
        .env("AWS_ENDPOINT_URL", aws.url())
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let is_outcome = |a: &Asked| a.method == "POST";
    let begun = Instant::now();
    while runtime.asked().iter().filter(|a| is_outcome(a)).count() < wanted {
        if begun.elapsed() > Duration::from_mins(1) || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    let (mut log, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    child.wait().unwrap();
    let outcomes: Vec<_> =
        runtime.asked().iter().filter(|a| is_outcome(a)).map(|a| (a.path.ends_with("/response"), a.json())).collect();
    assert_eq!(outcomes.len(), wanted, "stdout:\n{log}\nstderr:\n{errors}");
    Served { outcomes, log }
}

fn operations(aws: &Fake, service: &str) -> Vec<Asked> {
    aws.asked().into_iter().filter(|a| a.service == service).collect()
}

/// Coinbase, Secrets Manager without a value, and Kinesis.
fn prices(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "" => {
            let base = asked.path.split(['/', '-']).nth(2).unwrap();
            Answer::json(&json!({"data": {"base": base, "currency": "USD", "amount": "61000.5"}}))
        }
        // AWS has no value; what answers like it may have an empty one.
        "GetSecretValue" if asked.json()["SecretId"] == "blank" => Answer::json(&json!({"SecretString": ""})),
        "GetSecretValue" => Answer::json_error(400, "ResourceNotFoundException", "no value"),
        "PutRecords" => {
            let outcome = json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"});
            let count = asked.json()["Records"].as_array().unwrap().len();
            Answer::json(&json!({"FailedRecordCount": 0, "Records": vec![outcome; count]}))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn fetch_prices_puts_three_records() {
    let aws = Fake::start(prices);
    let source = format!("{}/prices/{{pair}}/spot", aws.url());
    let env = [
        ("SOURCE_COINBASE", source.as_str()),
        ("SECRET_COINBASE_API_KEY", "crypto-stream-dev-coinbase_api_key"),
        ("STREAM_PRICES", "crypto-stream-dev-prices"),
    ];
    let schedule = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    let served = serve("crypto_stream::fetch_prices", &env, &aws, vec![schedule.clone(), schedule]);
    assert_eq!(served.outcomes, vec![(true, json!({"records": 3})); 2]);
    let put = operations(&aws, "kinesis");
    assert_eq!(put.len(), 2);
    assert_eq!(put[0].json()["StreamName"], "crypto-stream-dev-prices");
    let lines: Vec<_> = served.log.lines().collect();
    assert_eq!(lines.len(), 10, "for each: no key, three prices, the counts:\n{}", served.log);
    assert_eq!(lines[4], r#"{"records_in":3,"records_out":3}"#);
    let env = [env[0], ("SECRET_COINBASE_API_KEY", "blank"), env[2]];
    let served = serve("crypto_stream::fetch_prices", &env, &aws, vec![json!({})]);
    assert_eq!(served.outcomes, vec![(true, json!({"records": 3}))]);
    assert!(served.log.starts_with("the secret coinbase_api_key has no value"), "{}", served.log);
}

/// A file with two prices over the threshold, among others.
fn landing(asked: &Asked) -> Answer {
    let line = |base: &str, amount: &str| {
        json!({"base": base, "currency": "USD", "amount": amount, "timestamp_utc": "2026-11-20T14:03:22Z"}).to_string()
    };
    match (asked.service.as_str(), asked.operation.as_str()) {
        ("ssm", "GetParameter") => {
            Answer::json(&json!({"Parameter": {"Name": "n", "Type": "String", "Value": "60000"}}))
        }
        ("s3", _) => {
            let body =
                [line("BTC", "61000"), line("ETH", "70000"), line("BTC", "59000"), line("BTC", "62000")].join("\n");
            Answer::text(200, "application/json", body)
                .header("etag", "\"e\"")
                .header("last-modified", "Fri, 20 Nov 2026 14:03:22 GMT")
        }
        ("sns", "Publish") => {
            Answer::xml("<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>")
        }
        ("monitoring", _) => Answer::cbor(&json!({})),
        other => panic!("{other:?}"),
    }
}

#[test]
fn alert_on_price_reads_a_new_file_however_it_is_told() {
    let aws = Fake::start(landing);
    let env = [
        ("THRESHOLD_BTC_USD", "/crypto-stream/dev/btc_usd"),
        ("METRIC_BTC_USD", "crypto-stream/dev/btc_usd"),
        ("TOPIC_PRICE_ALERTS", "crypto-stream-dev-price_alerts"),
    ];
    let s3 = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "lake"}, "object": {"key": "2026/a+b.json", "size": 3}}}]});
    let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": s3.to_string()}}]});
    let eventbridge = json!({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-20T14:03:22Z",
        "detail": {"bucket": {"name": "lake"}, "object": {"key": "2026/a b.json", "size": 3}}});
    let served = serve("crypto_stream::alert_on_price", &env, &aws, vec![s3, sns, eventbridge]);
    assert_eq!(served.outcomes, vec![(true, json!({"crossings": 2})); 3]);
    assert!(operations(&aws, "s3").iter().all(|a| a.path == "/lake/2026/a%20b.json"));
    let published = operations(&aws, "sns");
    assert_eq!(published.len(), 3);
    // The account is the function's own: nobody was asked for it.
    assert_eq!(published[0].params["TopicArn"], "arn:aws:sns:eu-west-1:123456789012:crypto-stream-dev-price_alerts");
    assert_eq!(operations(&aws, "sts").len(), 0);
    assert_eq!(served.log.lines().filter(|l| *l == r#"{"records_in":1,"records_out":1}"#).count(), 3, "{}", served.log);
}

/// Athena with one saved query.
fn athena(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "ListNamedQueries" => Answer::json(&json!({"NamedQueryIds": ["q"]})),
        "BatchGetNamedQuery" => {
            Answer::json(&json!({"NamedQueries": [{"Name": "crypto-stream-dev-by_base", "NamedQueryId": "q",
            "Database": "crypto_stream", "QueryString": "select base, amount from prices where base = ? limit ?",
            "WorkGroup": "crypto-stream-dev"}]}))
        }
        "StartQueryExecution" => Answer::json(&json!({"QueryExecutionId": "x"})),
        "GetQueryExecution" => {
            Answer::json(&json!({"QueryExecution": {"QueryExecutionId": "x", "StatementType": "DML",
            "Status": {"State": "SUCCEEDED"}, "Statistics": {"DataScannedInBytes": 4096, "EngineExecutionTimeInMillis": 5}}}))
        }
        "GetQueryResults" => {
            let cells = |a: &str, b: &str| json!({"Data": [{"VarCharValue": a}, {"VarCharValue": b}]});
            Answer::json(&json!({"ResultSet": {"Rows": [cells("base", "amount"), cells("BTC", "61000.5")],
                "ResultSetMetadata": {"ColumnInfo": [{"Name": "base", "Type": "varchar"}, {"Name": "amount", "Type": "double"}]}}}))
        }
        _ => Answer::json_error(400, "AccessDeniedException", "no"),
    }
}

#[test]
fn query_prices_answers_a_request() {
    let aws = Fake::start(athena);
    let env = [
        ("QUERY_BY_BASE", "crypto-stream-dev-by_base"),
        ("ATHENA_WORKGROUP", "crypto-stream-dev"),
        ("ATHENA_DATABASE", "crypto_stream"),
    ];
    let request = |parameters: Value| {
        json!({"httpMethod": "GET", "path": "/prices", "headers": {"X-Api-Key": "k"}, "queryStringParameters": parameters,
            "requestContext": {"requestId": "r", "identity": {"apiKey": "k"}}})
    };
    let events = vec![request(json!({"base": "BTC", "limit": "1"})), request(json!(null))];
    let served = serve("crypto_stream::query_prices", &env, &aws, events);
    let (ok, answer) = &served.outcomes[0];
    assert!(ok, "{answer}");
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["body"], r#"[{"base":"BTC","amount":61000.5}]"#);
    let (ok, refused) = &served.outcomes[1];
    assert_eq!((ok, &refused["statusCode"]), (&true, &json!(400)));
    let started = operations(&aws, "athena").into_iter().find(|a| a.operation == "StartQueryExecution").unwrap().json();
    assert_eq!(started["WorkGroup"], "crypto-stream-dev");
}

#[test]
fn a_failure_has_its_type_and_its_message() {
    let aws = Fake::start(|asked| match asked.operation.as_str() {
        "" => Answer::text(503, "text/plain", "busy"),
        _ => prices(asked),
    });
    let source = format!("{}/prices/{{pair}}/spot", aws.url());
    let env = [("SOURCE_COINBASE", source.as_str()), ("SECRET_COINBASE_API_KEY", "s"), ("STREAM_PRICES", "p")];
    let served = serve("crypto_stream::fetch_prices", &env, &aws, vec![json!({})]);
    let (ok, told) = &served.outcomes[0];
    assert_eq!((ok, &told["errorType"]), (&false, &json!("Failed")));
    let message = told["errorMessage"].as_str().unwrap();
    assert!(message.contains("status 503: busy"), "{message}");
    assert!(served.log.contains(&format!("[ERROR] Failed: {message}\n")), "{}", served.log);
    // A variable that is missing is named.
    let served = serve("crypto_stream::fetch_prices", &[], &aws, vec![json!({})]);
    assert!(served.outcomes[0].1["errorMessage"].as_str().unwrap().contains("STREAM_PRICES is missing"));
}

/// No test, but what the next one starts as a function of its own.
#[test]
#[ignore = "a function, which runs until it is ended"]
fn function_that_panics() {
    let handlers: Handlers = |name| {
        let panics: Handler = |_, event| {
            Box::pin(async move {
                assert!(event["panic"] != true, "out of {}", event["what"]);
                Ok(json!("well"))
            })
        };
        (name == "panics").then_some(panics)
    };
    lambda::serve(lambda::Setup { handlers, sources: |all| Arc::new(Online::new(all)) }).unwrap();
}

#[test]
fn a_panic_is_the_invocations_failure_and_the_next_one_is_served() {
    let aws = Fake::start(|_| Answer::json(&json!({})));
    let mut function = Command::new(std::env::current_exe().unwrap());
    function.args(["--ignored", "--exact", "--nocapture", "function_that_panics"]);
    let events = vec![json!({"panic": true, "what": "luck"}), json!({})];
    let served = serve_by(&mut function, "panics", &[], &aws, events);
    let (ok, told) = &served.outcomes[0];
    assert_eq!((ok, &told["errorType"]), (&false, &json!("Runtime.Panic")));
    assert_eq!(told["errorMessage"], "out of \"luck\"");
    assert!(served.log.contains("[ERROR] Runtime.Panic: out of \"luck\"\n"), "{}", served.log);
    assert_eq!(served.outcomes[1], (true, json!("well")));
}

#[test]
fn an_unknown_handler_is_told_to_who_invokes_it() {
    let aws = Fake::start(|_| Answer::json(&json!({})));
    let served = serve("crypto_stream::nothing", &[], &aws, vec![json!({})]);
    let (ok, told) = &served.outcomes[0];
    assert_eq!((ok, &told["errorType"]), (&false, &json!("Runtime.HandlerNotFound")));
    assert!(told["errorMessage"].as_str().unwrap().contains("crypto_stream::nothing"));
}

#[test]
fn elsewhere_than_on_lambda_it_says_what_it_is_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap")).env_clear().output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("started by AWS Lambda") && told.contains("AWS_LAMBDA_RUNTIME_API is not set"), "{told}");
}
