//! The console on AWS, in a real terminal, against a scripted endpoint.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tempfile::TempDir;

use crate::{
    account::filled,
    fake::{Answer, Asked, Fake},
    harness,
    read_only::{changes, something},
    term::Term,
};

/// Esc in a way that cannot be taken for the beginning of another key.
const ESC: &str = "\x1b[27u";

fn open(url: &str, args: &[&str]) -> (Term, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    // Some executable for Linux: an endpoint that only answers like AWS may get any.
    let env = [("PUMPHOUSE_BOOTSTRAP", "/bin/true")];
    let term = harness::console(url, dir.path(), args, &env, (140, 40));
    term.wait_for("Pipelines");
    (term, dir)
}

fn quit(mut term: Term) {
    term.send("q");
    assert!(term.wait_exit().success(), "{}", term.text());
    assert!(term.restored());
}

/// Waits until all that was typed has been taken: a command that there is not is answered in the last line, unless the
/// answer to something else takes its place.
fn taken(term: &mut Term, mark: &str) {
    for _ in 0..20 {
        term.send(&format!("{}:{mark}\r", ESC.repeat(3)));
        for _ in 0..50 {
            if term.text().contains(&format!("no command :{mark}")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    panic!("the console never answered :{mark}:\n{}", term.text());
}

#[test]
fn no_key_lets_a_change_out_in_read_only_mode() {
    let fake = Fake::start(something);
    let (mut term, _dir) = open(&fake.url(), &["--read-only"]);
    term.wait_for("READ-ONLY");
    term.wait_for("123456789012 eu-west-1 user/ada");
    let letters = ('a'..='z').chain('A'..='Z').map(String::from).filter(|key| !"qRZ".contains(key.as_str()));
    let keys: Vec<String> = letters.chain(["\r", "\x1b[15~", "\t"].map(str::to_owned)).collect();
    for pane in 1..=7 {
        for key in &keys {
            term.send(&format!("{pane}{key}{ESC}{ESC}"));
        }
        taken(&mut term, &format!("end-{pane}"));
    }
    let told: Vec<_> = fake.asked().iter().filter(|a| changes(a)).map(Asked::line).collect();
    quit(term);
    assert!(told.is_empty(), "{told:#?}");
    assert!(fake.lines().iter().any(|line| line.starts_with("s3 GET /")), "{:?}", fake.lines());
}

#[test]
fn no_key_lets_a_change_out_where_there_is_something_to_change() {
    let fake = Fake::start(filled);
    let (mut term, _dir) = open(&fake.url(), &["--read-only"]);
    term.wait_for("123456789012 eu-west-1 user/ada");
    // Others may come before it in the list.
    term.send(":overview crypto-stream\r");
    term.wait_for("fetch_prices");
    let letters = ('a'..='z').chain('A'..='Z').map(String::from).filter(|key| !"qRZ".contains(key.as_str()));
    let keys: Vec<String> = letters.chain(["\r", "\x1b[15~", " "].map(str::to_owned)).collect();
    // A pane, the way into what it shows, and what is seen there.
    let ways: &[(u8, &str, &str)] = &[
        (1, "", "crypto-stream"),
        (1, ":overview crypto-stream\r", "fetch_prices"),
        (2, "", "notes"),
        (2, ":buckets notes\r", "a.json"),
        (2, ":buckets notes\rv", "a.json"),
        (2, "\t\t", "visits"),
        (2, "\t\t\r", "lovelace"),
        (3, "", "nightly"),
        (3, "\r", "FAILED"),
        (3, "\re", "FAILED"),
        (3, "\t\t", "Crawls of"),
        (3, "\t\t\r", "no files"),
        (4, "", "/aws-glue/jobs/error"),
        (4, "\r", "[ERROR] boom"),
        (5, "", "btc_usd"),
        (5, "j", "cpu-high"),
        (5, "\t", "price_alerts"),
        (6, "\x1b[Z", "lake"),
        (6, "h\t\t\t", "select 2"),
        (6, "w", "analysts"),
        (7, ":deploy crypto-stream\r", "CREATE_COMPLETE"),
        (7, ":deploy crypto-stream\r\t", "Plan of"),
        (7, ":deploy crypto-stream\r\t\t", "CREATE_COMPLETE"),
    ];
    for (n, (pane, way, seen)) in ways.iter().enumerate() {
        // Out of what an earlier key has opened, then from the pane's beginning.
        let begin = format!("{0}{pane}{0}", ESC.repeat(3));
        term.send(&format!("{begin}{way}"));
        term.wait_for(seen);
        // Of more than a kilobyte at once, crossterm leaves a rest until the next key.
        for (m, some) in keys.chunks(8).enumerate() {
            for key in some {
                term.send(&format!("{begin}{way}"));
                if *pane == 2 {
                    // An opened bucket is listed anew.
                    term.wait_for(seen);
                }
                // What asks for a confirmation or a text gets one, and what runs is stopped.
                term.send(&format!("{key}\ry\r{ESC}{ESC}"));
            }
            taken(&mut term, &format!("end-{n}-{m}"));
        }
    }
    let asked = fake.asked();
    quit(term);
    let told: Vec<_> = asked.iter().filter(|a| changes(a)).map(Asked::line).collect();
    assert!(told.is_empty(), "{told:#?}");
    for wanted in
        ["GetJobRuns", "ListCrawls", "Scan", "FilterLogEvents", "DescribeAlarms", "StartQueryExecution", "GetTemplate"]
    {
        assert!(asked.iter().any(|a| a.operation == wanted), "{wanted} was asked for");
    }
    assert!(asked.iter().any(|a| a.service == "s3" && a.path.ends_with("/a.json")), "an object was looked into");
}

#[test]
fn credentials_that_expire_are_a_banner_until_somebody_logs_in() {
    let expired = Arc::new(AtomicBool::new(true));
    let switch = expired.clone();
    let fake = Fake::start(move |asked| match (switch.load(Ordering::Relaxed), asked.service.as_str()) {
        (true, "s3") => Answer::s3_error(400, "ExpiredToken", "The provided token has expired."),
        (true, _) => Answer::xml_error(403, "ExpiredToken", "The security token included in the request is expired"),
        (false, _) => something(asked),
    });
    let (mut term, _dir) = open(&fake.url(), &[]);
    term.send("2");
    term.wait_for("R once you have logged in · run `aws configure`");
    expired.store(false, Ordering::Relaxed);
    term.send("R");
    term.wait_until("the banner gone", |text| !text.contains("logged in") && text.contains("user/ada"));
    quit(term);
}

#[test]
fn a_network_that_is_gone_is_a_state_and_quitting_is_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut term, _dir) = open(&format!("http://127.0.0.1:{port}"), &[]);
    term.send("2");
    term.wait_for("no connection, trying again");
    quit(term);
    let fake = Fake::start(|asked| something(asked).after_ms(3_600_000));
    let (mut term, _dir) = open(&fake.url(), &[]);
    term.send("2");
    term.wait_for("loading");
    term.send("\x03");
    assert!(term.wait_exit().success());
}

#[test]
fn a_refusal_is_a_line_in_its_pane_that_names_the_action() {
    let fake = Fake::start(|asked| match asked.service.as_str() {
        "s3" => Answer::s3_error(403, "AccessDenied", "Access Denied"),
        _ => something(asked),
    });
    let (mut term, _dir) = open(&fake.url(), &[]);
    term.send("2");
    term.wait_for("access denied: allow s3:ListAllMyBuckets on");
    term.wait_until("no banner", |text| !text.contains("no connection") && !text.contains("logged in"));
    quit(term);
}

#[test]
fn throttling_is_seen_in_the_header_and_passes() {
    let seen = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match asked.service.as_str() {
        "s3" if seen.fetch_add(1, Ordering::Relaxed) < 2 => {
            Answer::s3_error(503, "SlowDown", "Reduce your request rate.")
        }
        _ => something(asked),
    });
    let (mut term, _dir) = open(&fake.url(), &[]);
    term.send("2");
    term.wait_for("throttled");
    term.wait_for("no buckets");
    quit(term);
}

#[test]
fn another_region_is_one_command_away_and_a_wrong_profile_changes_nothing() {
    let fake = Fake::start(something);
    let (mut term, _dir) = open(&fake.url(), &[]);
    term.wait_for("123456789012 eu-west-1");
    term.send(":region us-east-1\r");
    term.wait_for("now 123456789012 us-east-1");
    term.send(":profile nope\r");
    term.wait_for("no AWS profile \"nope\"");
    term.wait_for("123456789012 us-east-1");
    quit(term);
    assert!(fake.asked().iter().any(|a| a.headers["authorization"].to_str().unwrap().contains("/us-east-1/")));
}
