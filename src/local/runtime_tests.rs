//! Python and JavaScript functions, with the interpreters of the machine that the tests run on.

use std::{collections::BTreeMap, time::Instant};

use serde_json::json;

use super::*;
use crate::{
    cloud::{
        Grant,
        functions::{Functions, Invocation, Invoke},
        logs::{Logs, ReadLogs},
        resources::{self, Properties, Resource},
        secrets::{SecretValue, Secrets},
    },
    local::testing,
};

const APP_PY: &str = "
import os, subprocess, sys, time
from helper import answer

def handler(event, context):
    print('hello', event['name'], context.aws_request_id, context.get_remaining_time_in_millis() > 0)
    print('to stderr', file=sys.stderr)
    return {'answer': answer(), 'mode': os.environ['MODE'], 'home': 'SECRET_OF_THE_TEST' in os.environ, 'keys': len(os.environ)}

def fails(event, context):
    raise ValueError('no \\u001b[31mluck')

def leaves(event, context):
    sys.exit(3)

def dies(event, context):
    os._exit(9)

def unmarshalled(event, context):
    return {'a': {1, 2}}

def slow(event, context):
    child = subprocess.Popen(['sleep', '600'])
    print('child', child.pid)
    time.sleep(600)

def loud(event, context):
    for i in range(30000):
        print('line', i)
    return 'done'

def background(event, context):
    subprocess.Popen(['sleep', '600'])
    return 'done'
";

const GREEDY_PY: &str = "
import time

def fits(event, context):
    return len(b'x' * (100 << 20))

def passes(event, context):
    return len(b'x' * (150 << 20))

def stays(event, context):
    kept = b'x' * (150 << 20)
    time.sleep(60)
    return len(kept)
";

/// As an SDK asks: who signs it is in clear.
const ASKS_PY: &str = "
import json, os, urllib.error, urllib.request

def ask(target, body, key=os.environ['AWS_ACCESS_KEY_ID']):
    headers = {'X-Amz-Target': target, 'Authorization': f'AWS4-HMAC-SHA256 Credential={key}/20261120/us-east-1/x/aws4_request'}
    request = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'], json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return [error.code, json.load(error)['__type']]

def handler(event, context):
    return {
        'secret': ask('secretsmanager.GetSecretValue', {'SecretId': 'granted'}),
        'others': ask('secretsmanager.GetSecretValue', {'SecretId': 'hidden'}),
        'threshold': ask('AmazonSSM.GetParameter', {'Name': '/p/dev/limit'}),
        'both': ask('AmazonSSM.GetParameters', {'Names': ['/p/dev/limit']}),
        'stranger': ask('secretsmanager.GetSecretValue', {'SecretId': 'granted'}, key='x'),
        'more': ask('Kinesis_20131202.PutRecord', {}),
    }
";

const INDEX_MJS: &str = "
export const handler = async (event, context) => {
  console.log('hello', event.name, context.awsRequestId);
  return { answer: 42, mode: process.env.MODE };
};
export const calls = (event, context, callback) => setTimeout(() => callback(null, 'called'), 1);
export const fails = async () => { throw new RangeError('too far'); };
";

fn deploy(runtime: Runtime, handler: &str, files: &[(&str, &str)], timeout_seconds: u32) -> (tempfile::TempDir, Local) {
    deploy_with(runtime, handler, files, timeout_seconds, Vec::new(), &[])
}

fn deploy_with(
    runtime: Runtime,
    handler: &str,
    files: &[(&str, &str)],
    timeout_seconds: u32,
    grants: Vec<Grant>,
    others: &[Resource],
) -> (tempfile::TempDir, Local) {
    let (dir, local) = testing::local();
    let mut code = Code { files: BTreeMap::new(), contents: BTreeMap::new() };
    for (path, text) in files {
        let sha256 = hex::encode(Sha256::digest(text));
        local.inner.store.write_asset(&sha256, text.as_bytes()).unwrap();
        code.files.insert((*path).to_owned(), sha256);
    }
    let function = Function {
        runtime,
        handler: handler.into(),
        code: Some(code),
        timeout_seconds,
        memory_mib: 128,
        environment: [("MODE".to_owned(), "test".to_owned())].into(),
        role: "role".into(),
        log_group: "/aws/lambda/f".into(),
        sources: BTreeMap::new(),
        network: None,
    };
    let role = resources::Role { service: "lambda.amazonaws.com".into(), grants };
    let mut all =
        vec![testing::resource("role", Properties::Role(role)), testing::resource("f", Properties::Function(function))];
    all.extend_from_slice(others);
    testing::deploy(&local, &all);
    (dir, local)
}

fn python(handler: &str) -> (tempfile::TempDir, Local) {
    deploy(
        Runtime::Python313,
        handler,
        &[("app.py", APP_PY), ("helper/__init__.py", "def answer():\n    return 42\n")],
        60,
    )
}

/// None, with a word about it, where the machine lacks the interpreter.
async fn invoke(local: &Local) -> Option<Invocation> {
    let request = Invoke {
        function: "f".into(),
        event: json!({"name": "you"}),
        request_id: Some("r-1".into()),
        sources: BTreeMap::new(),
    };
    match local.invoke(&testing::permit(), request).await {
        Err(Error::Unavailable(why)) => {
            eprintln!("skipped: {why}");
            None
        }
        other => Some(other.unwrap()),
    }
}

async fn log(local: &Local) -> Vec<String> {
    let page = local.read(&ReadLogs::default()).await.unwrap();
    page.events.into_iter().map(|e| e.message).collect()
}

#[tokio::test]
async fn python_answers_in_a_clean_environment() {
    let (dir, local) = python("app.handler");
    let Some(done) = invoke(&local).await else { return };
    assert_eq!((&done.payload["answer"], &done.payload["mode"], done.error), (&json!(42), &json!("test"), None));
    assert!(done.payload["keys"].as_u64().unwrap() < 32, "{}", done.payload);
    let lines = log(&local).await;
    assert!(lines.contains(&"hello you r-1 True".to_owned()), "{lines:?}");
    assert!(lines.contains(&"to stderr".to_owned()), "{lines:?}");
    assert!(lines[1].starts_with("INIT_START Runtime Version: 3."), "{lines:?}");
    // Nothing is left but the code, which the next invocation finds.
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(dir.path().join("code")).unwrap().count(), 1);
    assert_eq!(invoke(&local).await.unwrap().payload["answer"], 42);
    assert_eq!(fs::read_dir(dir.path().join("code")).unwrap().count(), 1);
}

#[tokio::test]
async fn python_s_failures_are_told() {
    for (handler, expected) in [
        ("app.fails", "ValueError: no \u{1b}[31mluck"),
        ("app.leaves", "Runtime.ExitError: the handler exited with status 3"),
        ("app.dies", "Runtime.ExitError: the process ended without an answer: exit status: 9"),
        ("app.unmarshalled", "Runtime.MarshalError: Unable to marshal response: Object of type set"),
        ("app.nothing", "Runtime.HandlerNotFound: Handler 'nothing' missing on module 'app'"),
        ("nothing.handler", "Runtime.ImportModuleError: Unable to import module 'nothing'"),
        ("app", "Runtime.MalformedHandlerName: Bad handler 'app'"),
    ] {
        let (_dir, local) = python(handler);
        let Some(done) = invoke(&local).await else { return };
        let error = done.error.unwrap();
        assert!(error.starts_with(expected), "{handler}: {error}");
        if handler == "app.fails" {
            assert!(log(&local).await.iter().any(|l| l.contains("in fails")), "no traceback in the log");
        }
    }
}

#[tokio::test]
async fn a_timeout_ends_all_that_the_function_started() {
    let (_dir, local) = deploy(Runtime::Python313, "app.slow", &[("app.py", APP_PY), ("helper.py", "answer = 1")], 3);
    let Some(done) = invoke(&local).await else { return };
    assert!(done.error.unwrap().starts_with("Sandbox.Timedout"));
    let lines = log(&local).await;
    let child = lines.iter().find_map(|l| l.strip_prefix("child ")).expect("it came as far as its child");
    let status = Path::new("/proc").join(child).join("stat");
    let begun = Instant::now();
    // Killed: gone, or a zombie that nobody has waited for.
    while fs::read_to_string(&status).is_ok_and(|s| !s.contains(") Z ")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the child still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_logged_is_bounded_and_what_is_cut_is_said() {
    let (_dir, local) = python("app.loud");
    let Some(done) = invoke(&local).await else { return };
    assert_eq!((done.payload, done.error), (json!("done"), None));
    let mut request = ReadLogs::default();
    let mut lines: Vec<String> = Vec::new();
    loop {
        let page = local.read(&request).await.unwrap();
        lines.extend(page.events.into_iter().map(|e| e.message));
        if !page.more {
            break;
        }
        request.after = page.next;
    }
    let printed: Vec<_> = lines.iter().filter_map(|l| l.strip_prefix("line ")?.parse::<u32>().ok()).collect();
    // One line is the platform's own.
    assert_eq!(printed, (0..9_999).collect::<Vec<_>>(), "in order");
    let told = lines.iter().find(|l| l.starts_with("[WARN]")).unwrap();
    assert!(told.contains("20001 more lines with 200009 bytes"), "{told}");
    assert!(lines.last().unwrap().starts_with("REPORT"), "{lines:?}");
}

#[tokio::test]
async fn what_runs_on_in_the_background_holds_nothing_up() {
    let (_dir, local) = python("app.background");
    let Some(done) = invoke(&local).await else { return };
    assert_eq!((done.payload, done.error), (json!("done"), None));
}

#[tokio::test]
async fn a_function_has_the_memory_that_it_has() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let too_much =
        |words: &str| Some(format!("Runtime.OutOfMemory: the function took {words} than the 128 MiB that it has"));
    // One that goes on is ended; one that has ended by the next look is told afterwards.
    for (handler, error) in [("app.fits", None), ("app.stays", too_much("more memory")), ("app.passes", too_much(""))] {
        let (_dir, local) = deploy(Runtime::Python313, handler, &[("app.py", GREEDY_PY)], 60);
        let Some(done) = invoke(&local).await else { return };
        match (&done.error, &error) {
            (None, None) => assert!(log(&local).await.last().unwrap().contains("Max Memory Used: 1")),
            (Some(told), Some(_)) if handler == "app.passes" => {
                assert!(told.starts_with("Runtime.OutOfMemory: "), "{told}");
            }
            (Some(told), Some(error)) => assert!(told.starts_with(error), "{told}"),
            _ => panic!("{handler}: {:?}", done.error),
        }
    }
}

#[tokio::test]
async fn a_function_finds_its_secrets_and_thresholds_and_nothing_else_where_its_sdk_looks() {
    let grant = |action: &str, resource: &str| Grant { action: action.into(), resource: resource.into() };
    let grants = vec![grant("secretsmanager:GetSecretValue", "granted"), grant("ssm:GetParameter", "/p/dev/limit")];
    let secret = |name| testing::resource(name, Properties::Secret(resources::Secret { description: String::new() }));
    let limit = resources::Threshold { default: 2.5, metric: "limit".into(), unit: None };
    let others = [secret("granted"), secret("hidden"), testing::resource("/p/dev/limit", Properties::Threshold(limit))];
    let (_dir, local) = deploy_with(Runtime::Python313, "app.handler", &[("app.py", ASKS_PY)], 60, grants, &others);
    for name in ["granted", "hidden"] {
        Secrets::set(&local, &testing::permit(), name, &SecretValue::new(format!("value of {name}"))).await.unwrap();
    }
    let Some(done) = invoke(&local).await else { return };
    let answer = done.payload;
    assert_eq!(answer["secret"]["SecretString"], "value of granted", "{answer}");
    assert_eq!(answer["others"], json!([400, "AccessDeniedException"]));
    assert_eq!(answer["threshold"]["Parameter"]["Value"], "2.5");
    assert_eq!(answer["both"]["Parameters"][0]["Name"], "/p/dev/limit");
    assert_eq!(answer["stranger"], json!([403, "UnrecognizedClientException"]));
    assert_eq!(answer["more"], json!([501, "UnsupportedOperation"]));
    assert!(!log(&local).await.iter().any(|line| line.contains("value of")), "a value is in the log");
}

#[tokio::test]
async fn an_answer_comes_with_the_end_of_the_log() {
    let (_dir, local) = python("app.loud");
    let Some(done) = invoke(&local).await else { return };
    let tail = done.log_tail.unwrap();
    assert!(tail.len() <= 4096 && tail.contains("line 9998\n") && tail.contains("\nREPORT"), "{tail}");
}

#[tokio::test]
async fn node_answers_calls_back_and_fails() {
    for (handler, payload, error) in [
        ("index.handler", json!({"answer": 42, "mode": "test"}), None),
        ("index.calls", json!("called"), None),
        (
            "index.fails",
            json!({"errorType": "RangeError", "errorMessage": "too far"}),
            Some("RangeError: too far".to_owned()),
        ),
        (
            "index.nothing",
            json!({"errorType": "Runtime.HandlerNotFound", "errorMessage": "index.nothing is undefined or not exported"}),
            Some("Runtime.HandlerNotFound: index.nothing is undefined or not exported".to_owned()),
        ),
    ] {
        let (_dir, local) = deploy(Runtime::Nodejs22, handler, &[("index.mjs", INDEX_MJS)], 60);
        let Some(done) = invoke(&local).await else { return };
        assert_eq!((done.payload, done.error), (payload, error), "{handler}");
    }
}

#[tokio::test]
async fn a_missing_interpreter_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    for (runtime, words) in [(Runtime::Python313, "python3.13 or python3"), (Runtime::Nodejs22, "Node.js 22")] {
        let error = find(runtime, empty.path().as_os_str()).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(why) if why.contains(words)), "{error}");
    }
}

#[tokio::test]
async fn a_shim_without_anything_behind_it_is_passed_over() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("python3.13", "#!/bin/sh\nexit 127\n"), ("python3", "#!/bin/sh\necho 3.9.1; echo /nowhere\n")]
    {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let found = find(Runtime::Python313, folder.path().as_os_str()).await.unwrap();
    assert_eq!(found, Interpreter { program: folder.path().join("python3"), version: "3.9.1".into() });
    assert!(in_words(Runtime::Python313, &found).ends_with("in place of python3.13"));
}

#[test]
fn code_stays_in_its_folder() {
    let (_dir, local) = testing::local();
    for path in ["../x.py", "/etc/x.py", "", "a/../../x.py"] {
        let code = Code { files: [(path.to_owned(), "00".to_owned())].into(), contents: BTreeMap::new() };
        assert!(matches!(lay_out(&local, &code), Err(Error::Invalid(_))), "{path:?}");
    }
}

struct Kept(Mutex<Vec<String>>);

impl LogSink for Kept {
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[tokio::test]
async fn output_becomes_lines_of_bounded_length() {
    let log = Arc::new(Kept(Mutex::default()));
    let text = format!("one\r\n\n\u{fffd}two\n{}\nend", "x".repeat(MAX_LINE + 5));
    pump(text.as_bytes(), log.clone()).await;
    let lines = log.0.lock().unwrap();
    let lengths: Vec<usize> = lines.iter().map(String::len).collect();
    assert_eq!((lines[0].as_str(), lines[1].as_str(), lines.last().unwrap().as_str()), ("one", "", "end"));
    assert_eq!(lengths[3..].iter().sum::<usize>(), MAX_LINE + 5 + 3);
    assert!(lengths.iter().all(|n| *n < MAX_LINE + (8 << 10)), "{lengths:?}");
}
