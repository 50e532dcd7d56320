//! An apply outlives who has begun it, is found again, and is interrupted in order.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Said, Standin};

fn wait_for(path: &Path) {
    let until = Instant::now() + Duration::from_mins(1);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An apply that waits in its middle.
fn begun() -> (Standin, Child) {
    let standin = Standin::start();
    standin.planning("create").play("killed.jsonl", "apply.jsonl");
    let mut command = standin.command();
    command.args(["deploy", "orders", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for(&standin.path("standin/reached"));
    (standin, child)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

#[test]
fn an_apply_goes_on_when_we_are_killed_and_is_found_again() {
    let (standin, mut child) = begun();
    child.kill().unwrap();
    child.wait().unwrap();
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!((&status["status"], &status["interrupted"]), (&"CREATE_IN_PROGRESS".into(), &false.into()));
    // Nothing else is begun meanwhile.
    standin.run(&["destroy", "orders", "--yes"]).badly(1, &["is under way", "pumphouse events orders --follow"]);
    let plan = standin.run(&["plan", "orders"]).well().out;
    assert!(plan.contains("is under way: a deploy waits for its end"), "{plan}");
    let mut waiter = standin.command();
    let waiter = waiter.args(["deploy", "orders", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiter = waiter.spawn().unwrap();
    let mut waited = BufReader::new(waiter.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
    // From now on, it follows what is under way.
    assert!(waited.by_ref().any(|line| line.contains(" 1/11 CREATE_COMPLETE")));
    let mut follower = standin.command();
    let follower = follower.args(["events", "orders", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let follower = follower.spawn().unwrap();
    std::fs::write(standin.path("standin/go"), "").unwrap();
    let followed = Said::of(&follower.wait_with_output().unwrap()).well();
    assert!(followed.out.contains("CREATE_COMPLETE"), "{}", followed.out);
    let last: Vec<_> = waited.collect();
    assert!(last.iter().any(|line| line.contains("11/11 CREATE_COMPLETE")), "{last:?}");
    assert!(waiter.wait_with_output().unwrap().status.success());
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!((&history[0]["status"], &history[0]["changes"]), (&"CREATE_COMPLETE".into(), &11.into()));
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!((&status["status"], status["resources"].as_array().unwrap().len()), (&"CREATE_COMPLETE".into(), 11));
    assert_eq!(standin.commands().iter().filter(|c| *c == "apply").count(), 1);
    standin.keeps_no_secret();
}

#[test]
fn a_terminal_that_goes_away_leaves_the_apply_alone() {
    let (standin, child) = begun();
    signal(&child, Signal::HUP);
    Said::of(&child.wait_with_output().unwrap()).badly(1, &["goes on", "events --follow"]);
    std::fs::write(standin.path("standin/go"), "").unwrap();
    standin.run(&["events", "orders", "--follow"]).well();
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(history[0]["status"], "CREATE_COMPLETE");
}

#[test]
fn one_interrupt_asks_terraform_to_stop_and_waits_for_it() {
    let (standin, child) = begun();
    signal(&child, Signal::INT);
    let said = Said::of(&child.wait_with_output().unwrap());
    let said =
        said.badly(1, &["Terraform is asked to stop", "interrupted; 1 of 11 steps were done", "execution halted"]);
    assert!(said.err.contains("CREATE_FAILED"), "{}", said.err);
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(history[0]["status"], "CREATE_FAILED");
    let audit = std::fs::read_to_string(standin.path("state/audit.jsonl")).unwrap();
    assert!(audit.contains("\"what\":\"interrupt\""), "{audit}");
    standin.keeps_no_secret();
}

#[test]
fn terraform_killed_in_the_middle_is_an_error_and_the_next_plan_goes_on() {
    let standin = Standin::start();
    let text = std::fs::read_to_string(super::source("recorded/killed.jsonl")).unwrap();
    standin.planning("create").write("apply.jsonl", &text.replace("#wait go", "#kill"));
    standin.run(&["deploy", "orders", "--yes"]).badly(1, &["exit code 137", "1 of 11 steps were done"]);
    standin.keeps_no_secret();
    standin.play("created.jsonl", "apply.jsonl");
    standin.run(&["deploy", "orders", "--yes"]).well();
}

#[test]
fn a_plan_that_was_left_behind_is_removed() {
    let standin = Standin::start();
    let text = std::fs::read_to_string(super::source("recorded/create.jsonl")).unwrap();
    standin.planning("create").write("plan.jsonl", &format!("{text}#made reached\n#wait go\n"));
    let mut command = standin.command();
    let mut child = command.args(["plan", "orders"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&standin.path("standin/reached"));
    child.kill().unwrap();
    child.wait().unwrap();
    standin.write("go", "").planning("create");
    std::thread::sleep(Duration::from_millis(300));
    standin.run(&["plan", "orders"]).well();
    standin.keeps_no_secret();
}

#[test]
fn of_two_deploys_at_once_one_is_begun_and_the_other_is_told() {
    let standin = Standin::start();
    let text = std::fs::read_to_string(super::source("recorded/create.jsonl")).unwrap();
    standin.planning("create").play("killed.jsonl", "apply.jsonl");
    standin.write("plan.jsonl", &format!("{text}\n#wait planned\n"));
    let deploy = || {
        let mut command = standin.command();
        command.args(["deploy", "orders", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [deploy(), deploy()];
    let until = Instant::now() + Duration::from_mins(1);
    while standin.commands().iter().filter(|c| *c == "plan").count() < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::write(standin.path("standin/planned"), "").unwrap();
    wait_for(&standin.path("standin/reached"));
    let refused = || standin.commands().iter().filter(|c| *c == "show").count() >= 4;
    while !refused() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(standin.path("standin/go"), "").unwrap();
    let ended = both.map(|child| Said::of(&child.wait_with_output().unwrap()));
    assert_eq!(standin.commands().iter().filter(|c| *c == "apply").count(), 1);
    let (well, badly): (Vec<_>, Vec<_>) = ended.into_iter().partition(|said| said.code == Some(0));
    assert!(well.len() == 1 && well[0].err.contains("11/11 CREATE_COMPLETE"), "{}", badly[0].err);
    assert!(badly[0].err.contains("is under way: `pumphouse events orders --follow`"), "{}", badly[0].err);
    standin.keeps_no_secret();
}
