//! The Deploy pane on a directory of Terraform's, in a real terminal.

use std::{fs, path::Path};

use super::{SECRETS, Standin};
use crate::term::Term;

fn open(standin: &Standin) -> Term {
    let path = format!("{}:{}", standin.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let text = |name: &str| standin.path(name).display().to_string();
    let (home, state, pipelines) = (text(""), text("state"), text("pipelines"));
    let (recordings, url) = (text("standin"), standin.url());
    let args = ["--endpoint-url", &url, "--state-dir", &state, "--pipelines", &pipelines];
    let env = [
        ("PATH", path.as_str()),
        ("STANDIN", &recordings),
        ("HOME", &home),
        ("XDG_CONFIG_HOME", &home),
        ("AWS_CONFIG_FILE", "/nonexistent/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_PROFILE", ""),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NO_PROXY", "127.0.0.1"),
        ("no_proxy", "127.0.0.1"),
        ("PUMPHOUSE_REFRESH", "3600"),
    ];
    let mut term = Term::spawn(Path::new(env!("CARGO_BIN_EXE_pumphouse")), &args, 160, 50, &env);
    term.wait_for("aws · dev");
    term.wait_for("orders");
    term.send("7");
    term
}

fn shows_no_secret(term: &Term) {
    let text = term.text();
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn a_plan_is_shown_applied_and_its_drift_found() {
    let standin = Standin::deployed();
    fs::remove_file(standin.path("standin/state.json")).unwrap();
    standin.planning("create").play("created.jsonl", "apply.jsonl").play("drift.json", "drift.json");
    let mut term = open(&standin);
    term.wait_for("estimated: p plans in full");
    term.wait_for("zone[\"landing\"]");
    term.send("p");
    term.wait_for("# warning: ../../modules/lake/main.tf:13: Argument is deprecated");
    shows_no_secret(&term);
    term.send("a");
    term.wait_for("11 to add, 0 to change");
    term.send("y");
    term.wait_for("11 of 11 · ended");
    shows_no_secret(&term);
    assert!(term.text().contains("CREATE_COMPLETE"), "{}", term.text());
    term.send("f");
    term.wait_for("rule[0].status: expected \"Enabled\", is \"Disabled\"");
    standin.keeps_no_secret();
}

#[test]
fn a_console_that_is_closed_leaves_the_apply_and_the_next_one_waits_for_its_end_or_stops_it() {
    let standin = Standin::deployed();
    fs::remove_file(standin.path("standin/state.json")).unwrap();
    standin.planning("create").play("killed.jsonl", "apply.jsonl");
    let mut term = open(&standin);
    term.wait_for("zone[\"landing\"]");
    term.send("a");
    term.wait_for("11 to add");
    term.send("y");
    term.wait_for("1 of 11 · under way");
    drop(term);
    let mut term = open(&standin);
    term.wait_for("CREATE_IN_PROGRESS");
    term.wait_for("is under way: a deploy waits for its end");
    term.send("a");
    term.wait_for("Confirm: deploy");
    term.send("y");
    term.wait_for("1 of 11 · under way");
    term.send("s");
    term.wait_for("11 · ended");
    term.send("q");
    assert!(term.wait_exit().success());
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(history[0]["status"], "CREATE_FAILED");
    assert!(history[0]["reason"].as_str().unwrap().contains("interrupted"), "{history}");
    standin.keeps_no_secret();
}
