//! PostgreSQL databases: found by the tags of their secrets, reached with what these say. The server is a scripted one, which
//! hears who comes and what is asked.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use pumphouse::cloud::{Error, postgres::Statement};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

const PASSWORD: &str = "hush-hush";

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf")
}

fn entry(name: &str) -> Value {
    json!({"Name": name, "ARN": arn(name), "Tags": [{"Key": "pumphouse:postgres", "Value": name}]})
}

fn stacks() -> Answer {
    Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>")
}

/// Two pages of secrets; each value is `secret`.
fn service(secret: &str) -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let secret = secret.to_owned();
    move |asked| match asked.operation.as_str() {
        "ListSecrets" if asked.json()["NextToken"] == "t" => {
            let gone = json!({"DeletedDate": 1_800_000_000});
            let mut deleted = entry("deleted");
            deleted.as_object_mut().unwrap().extend(gone.as_object().unwrap().clone());
            Answer::json(&json!({"SecretList": [deleted, entry("covid-etl-dev-stats")]}))
        }
        "ListSecrets" => Answer::json(&json!({"NextToken": "t", "SecretList": [
            {"Name": "api_key", "ARN": arn("api_key"), "Tags": [{"Key": "pumphouse:env", "Value": "dev"}]},
            {"Name": "bare", "ARN": arn("bare")},
            entry("another-dev-figures")]})),
        "GetSecretValue" => Answer::json(&json!({"Name": "stats", "SecretString": secret})),
        _ => stacks(),
    }
}

/// What Secrets Manager writes of a database, with this place's address.
fn secret(port: u16) -> String {
    json!({"engine": "postgres", "host": "127.0.0.1", "port": port, "dbname": "stats", "username": "pumphouse",
        "password": PASSWORD, "dbInstanceIdentifier": "stats"})
    .to_string()
}

/// A server of one connection: it tells what it is sent, lets a caller with the right password in if `lets_in`, and fails the
/// first statement.
fn server(lets_in: bool) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let startup = sized(&mut stream);
        tell.send(String::from_utf8_lossy(&startup[4..]).replace('\0', " ")).unwrap();
        // The password in plain text, please: this is loopback.
        stream.write_all(&message(b'R', &3_u32.to_be_bytes())).unwrap();
        tell.send(tagged(&mut stream)).unwrap();
        if !lets_in {
            stream
                .write_all(&error("FATAL", "28P01", "password authentication failed for user \"pumphouse\""))
                .unwrap();
            return;
        }
        stream.write_all(&message(b'R', &0_u32.to_be_bytes())).unwrap();
        stream.write_all(&message(b'Z', b"I")).unwrap();
        tell.send(tagged(&mut stream)).unwrap();
        stream.write_all(&error("ERROR", "53300", "the scripted server does no more")).unwrap();
        stream.write_all(&message(b'Z', b"E")).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    (port, told)
}

/// A message without a tag: its length and the rest.
fn sized(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut rest).unwrap();
    rest
}

/// A message with a tag: that and its text.
fn tagged(stream: &mut TcpStream) -> String {
    let mut tag = [0];
    stream.read_exact(&mut tag).unwrap();
    let text = sized(stream);
    format!("{} {}", tag[0] as char, String::from_utf8_lossy(&text).trim_end_matches('\0'))
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0M{text}\0\0").as_bytes())
}

#[tokio::test]
async fn databases_are_the_secrets_with_the_tag_and_a_list_reads_none_of_them() {
    let fake = Fake::start(service("{}"));
    let state = tempfile::tempdir().unwrap();
    let all = harness::read_only(&fake, &state).postgres.list().await.unwrap();
    let told: Vec<_> = all.iter().map(|d| (d.name.as_str(), d.server.as_str(), &d.address)).collect();
    assert_eq!(told, [("another-dev-figures", "Amazon RDS", &None), ("covid-etl-dev-stats", "Amazon RDS", &None)]);
    assert!(fake.lines().iter().all(|line| !line.contains("GetSecretValue")), "{:?}", fake.lines());
}

#[tokio::test]
async fn whoever_may_not_list_is_told_of_the_missing_permission() {
    let fake = Fake::start(|asked: &Asked| match asked.operation.as_str() {
        "ListSecrets" => Answer::json_error(400, "AccessDeniedException", "not authorized"),
        _ => stacks(),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    for told in [cloud.postgres.list().await.unwrap_err(), cloud.secrets.list().await.unwrap_err()] {
        assert!(told.to_string().contains("secretsmanager:ListSecrets"), "{told}");
    }
}

#[tokio::test]
async fn a_query_brings_the_secret_s_user_and_password_and_only_reads() {
    let (port, told) = server(true);
    let fake = Fake::start(service(&secret(port)));
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let error = cloud.postgres.query("covid-etl-dev-stats", "select 1", 0).await.unwrap_err();
    let startup = told.recv().unwrap();
    assert!(startup.contains("user pumphouse") && startup.contains("database stats"), "{startup}");
    assert_eq!(told.recv().unwrap(), format!("p {PASSWORD}"));
    let begun = told.recv().unwrap().to_uppercase();
    assert!(begun.starts_with("Q ") && begun.contains("READ ONLY"), "{begun}");
    assert!(error.to_string().contains("the scripted server does no more"), "{error}");
    assert!(matches!(error, Error::Failed(_)), "{error:?}");
    let asked: Vec<Value> = fake.asked().iter().filter(|a| a.operation == "GetSecretValue").map(Asked::json).collect();
    assert_eq!(asked, [json!({"SecretId": "covid-etl-dev-stats"})]);
}

#[tokio::test]
async fn a_transaction_may_write_and_takes_a_permit() {
    let (port, told) = server(true);
    let fake = Fake::start(service(&secret(port)));
    let state = tempfile::tempdir().unwrap();
    let postgres = harness::cloud(&fake, &state).postgres;
    let error = harness::permitted(&state, |permit| async move {
        let insert = [Statement::new("insert into t values (1)", &[])];
        postgres.transact(&permit, "covid-etl-dev-stats", &insert).await.map(drop)
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("the scripted server does no more"), "{error}");
    let begun = told.iter().nth(2).unwrap().to_uppercase();
    assert!(begun.starts_with("Q ") && !begun.contains("READ ONLY"), "{begun}");
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_named_without_the_password() {
    let (port, told) = server(false);
    let fake = Fake::start(service(&secret(port)));
    let state = tempfile::tempdir().unwrap();
    let error = harness::cloud(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    assert_eq!(told.iter().count(), 2);
    let text = format!("{error} {error:?}");
    assert!(text.contains(&format!("postgresql://pumphouse@127.0.0.1:{port}/stats")), "{text}");
    assert!(text.contains("password authentication failed") && !text.contains(PASSWORD), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_yet_says_what_to_do() {
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fake = Fake::start(service(&secret(port)));
    let state = tempfile::tempdir().unwrap();
    let error = harness::cloud(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    let Error::Unavailable(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("a database of RDS is in private subnets") && !why.contains(PASSWORD), "{why}");

    // RDS is still making it: the secret has a password already, and no address.
    let early = json!({"username": "pumphouse", "password": PASSWORD}).to_string();
    let fake = Fake::start(service(&early));
    let error = harness::cloud(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    let Error::Invalid(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("has no `host`: has its stack been deployed to its end?") && !why.contains(PASSWORD), "{why}");
}

#[tokio::test]
async fn a_secret_that_is_missing_or_closed_is_told_by_its_name() {
    let answer = |code: &'static str| {
        move |asked: &Asked| match asked.operation.as_str() {
            "GetSecretValue" => Answer::json_error(400, code, "no"),
            _ => stacks(),
        }
    };
    let state = tempfile::tempdir().unwrap();
    let fake = Fake::start(answer("ResourceNotFoundException"));
    let error = harness::cloud(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    assert_eq!(error, Error::NotFound { kind: "secret", name: "stats".into() });
    let fake = Fake::start(answer("AccessDeniedException"));
    let error = harness::cloud(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    assert!(error.to_string().contains("secretsmanager:GetSecretValue on stats"), "{error}");
}

#[tokio::test]
async fn read_only_mode_hands_out_no_password() {
    let fake = Fake::start(service(&secret(1)));
    let state = tempfile::tempdir().unwrap();
    let error = harness::read_only(&fake, &state).postgres.query("stats", "select 1", 0).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(why) if why.contains("read-only")), "{error:?}");
    assert!(fake.lines().iter().all(|line| !line.contains("GetSecretValue")), "{:?}", fake.lines());
}

#[test]
fn a_database_is_found_by_its_name_and_a_wrong_one_is_told_of_those_that_there_are() {
    let fake = Fake::start(service(&secret(1)));
    let p = Pumphouse::on(&fake);
    let listed = p.run(&["postgres", "list", "--output", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[1]["name"], "covid-etl-dev-stats");
    let wrong = p.run(&["postgres", "query", "covid-etl-dev-stat", "select 1"]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("covid-etl-dev-stats"), "{said}");
}
