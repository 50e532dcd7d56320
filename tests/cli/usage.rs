//! Exit codes, help, settings, and where text goes.

use crate::harness::Pumphouse;

#[test]
fn wrong_usage_exits_with_2_and_says_so_on_stderr() {
    let p = Pumphouse::new();
    for args in [
        &["nonsense"][..],
        &["jobs"],
        &["plan"],
        &["query"],
        &["query", "select 1", "--saved", "x"],
        &["buckets", "put", "b", "k"],
        &["logs", "tail", "g", "--since", "yesterday"],
        &["alerts", "set", "x", "many"],
        &["run", "crypto-stream", "--source", "coinbase"],
        &["pipelines", "--output", "xml"],
        &["pipelines", "--speed", "0"],
        &["pipelines", "--env", "NOPE!"],
        &["queries", "history", "--limit", "0"],
        &["query", "select 1", "--limit", "0"],
        &["info", "--config", "/nonexistent.toml"],
        &["catalog", "show", "prices"],
        &["events", "crypto-stream", "-n", "0"],
        &["dashboards", "show", "x", "--from", "2020-13-01"],
        &[],
    ] {
        let said = p.run(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{args:?}");
    }
}

#[test]
fn help_version_completions_and_the_manual_need_no_state() {
    let p = Pumphouse::new();
    for args in [
        &["--help"][..],
        &["--version"],
        &["jobs", "--help"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["man"],
        &["info"],
        &["check"],
    ] {
        let said = p.ok(args);
        assert!(!said.out.is_empty() || args == ["check"], "{args:?}");
    }
    assert!(!p.state().exists());
}

#[test]
fn global_flags_go_before_and_after_the_command() {
    let p = Pumphouse::new();
    let before = p.ok(&["--output", "json", "--env", "prod", "info"]).out;
    let after = p.ok(&["info", "--env", "prod", "--output", "json"]).out;
    assert_eq!(before, after);
    assert!(before.contains("prod"));
}

#[test]
fn info_says_where_each_setting_came_from() {
    let p = Pumphouse::new();
    let config = p.path("settings.toml");
    std::fs::write(&config, "speed = 60\nenv = 'prod'\n").unwrap();
    let out = p
        .command()
        .args(["info", "--output", "json", "--config"])
        .arg(&config)
        .env("PUMPHOUSE_ENV", "dev")
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let from = |key: &str| {
        let row = info["settings"].as_array().unwrap().iter().find(|r| r["setting"] == key).unwrap();
        (row["value"].as_str().unwrap().to_owned(), row["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(from("env"), ("dev".into(), "$PUMPHOUSE_ENV".into()));
    assert_eq!(from("speed"), ("60".into(), format!("{}:1", config.display())));
    assert_eq!(from("state_dir"), (p.state().display().to_string(), "--state-dir".into()));
    assert_eq!(from("read_only"), ("false".into(), "default".into()));
    assert!(info["cloud"].as_str().unwrap().starts_with("local"));
}

#[test]
fn an_unknown_setting_is_refused_with_its_line() {
    let p = Pumphouse::new();
    let config = p.path("settings.toml");
    std::fs::write(&config, "\nspeeed = 60\n").unwrap();
    let said = p.run(&["info".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains(":2: unknown setting \"speeed\"; did you mean \"speed\"?"), "{}", said.err);
}

#[test]
fn failures_exit_with_1_and_name_what_was_meant() {
    let p = Pumphouse::new();
    let said = p.run(&["status", "crypto-straem"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("did you mean crypto-stream?"), "{}", said.err);
    let said = p.run(&["status", "crypto-stream"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("pumphouse deploy crypto-stream"), "{}", said.err);
}

#[test]
fn what_is_not_confirmed_exits_with_3_and_says_how() {
    let p = Pumphouse::new();
    let said = p.run(&["deploy", "crypto-stream"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("--yes"), "{}", said.err);
    let said = p.run(&["deploy", "crypto-stream", "--env", "prod", "--yes"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("--confirm crypto-stream-prod"), "{}", said.err);
    let said = p.run(&["deploy", "crypto-stream", "--env", "prod", "--confirm", "crypto-stream-dev"]);
    assert_eq!(said.code, 3);
    p.ok(&["deploy", "crypto-stream", "--env", "prod", "--confirm", "crypto-stream-prod"]);
    let said = p.run(&["destroy", "crypto-stream", "--env", "prod", "--yes"]);
    assert_eq!(said.code, 3);
    p.ok(&["destroy", "crypto-stream", "--env", "prod", "--confirm", "crypto-stream-prod"]);
}

#[test]
fn check_points_at_mistakes() {
    let p = Pumphouse::new();
    p.ok(&["check"]);
    let folder = p.path("broken");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("pipeline.toml"), "name = \"broken\"\nnam = 3\n").unwrap();
    let said = p.run(&["check".as_ref(), folder.as_os_str()]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("pipeline.toml:2"), "{}", said.err);
    let said = p.run(&["check".as_ref(), folder.as_os_str(), "--output".as_ref(), "json".as_ref()]);
    assert_eq!(said.code, 1);
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(list[0]["line"], 2, "{list}");
    assert!(list[0]["message"].is_string());
}

#[test]
fn a_negative_number_is_told_the_range() {
    let p = Pumphouse::new();
    let said = p.run(&["queries", "history", "--limit", "-1"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("a whole number from 1 on"), "{}", said.err);
    let said = p.run(&["pipelines", "--speed", "-1"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("0.1 to 100000"), "{}", said.err);
}

#[test]
fn an_unknown_environment_is_named() {
    let p = Pumphouse::new();
    for args in [&["status", "crypto-stream", "--env", "nope"][..], &["pipelines", "--env", "nope"]] {
        let said = p.run(args);
        assert_eq!(said.code, 1, "{args:?}");
        assert!(said.err.contains("environment \"nope\"") && said.err.contains("dev, prod"), "{}", said.err);
    }
}

#[test]
fn a_version_that_is_not_there_is_what_is_missing() {
    let p = Pumphouse::deployed();
    p.with_stdin(&["buckets", "put", "crypto-stream/landing", "a", "-"], b"a");
    let said = p.run(&["buckets", "get", "crypto-stream/landing", "a", "--object-version", "nope"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("object version"), "{}", said.err);
    let said = p.run(&["buckets", "rm", "crypto-stream/landing", "a", "--object-version", "nope", "--yes"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("has no version \"nope\""), "{}", said.err);
    p.ok(&["buckets", "get", "crypto-stream/landing", "a"]);
}

#[test]
fn a_second_server_waits_and_takes_over() {
    let p = Pumphouse::deployed();
    let start = || {
        let mut child = p.command().args(["local", "serve"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufReader::new(child.stderr.take().unwrap());
        (child, std::io::BufRead::lines(lines))
    };
    let (mut first, mut said) = start();
    assert!(said.next().unwrap().unwrap().starts_with("driving"));
    let (mut second, mut waiting) = start();
    let line = waiting.next().unwrap().unwrap();
    assert!(line.starts_with(&format!("waiting: pid {}", first.id())), "{line}");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(waiting.next().unwrap().unwrap().starts_with("driving"));
    second.kill().unwrap();
    second.wait().unwrap();
}
