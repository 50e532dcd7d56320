//! The Deploy pane on a directory of Terraform's, in a real terminal.

use super::{SECRETS, Standin};
use crate::term::Term;

/// Esc in a way that cannot be taken for the beginning of another key.
const ESC: &str = "\x1b[27u";
/// A screen that holds all of it.
const WIDE: (u16, u16) = (160, 50);
/// The smallest one that there is.
const SMALL: (u16, u16) = (80, 24);

/// Waits until the plan of what is there has come, which nobody has asked for.
fn planned(term: &Term) {
    term.wait_for("estimated");
}

fn shows_no_secret(term: &Term) {
    let text = term.text();
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn a_plan_is_shown_applied_and_its_drift_found() {
    let standin = Standin::initialised();
    standin.planning("create").play("created.jsonl", "apply.jsonl").play("drift.json", "drift.json");
    let mut term = standin.console(WIDE);
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
    term.wait_for("queue module.ingest.aws_sqs_queue.failed[1] deleted");
    // It is repaired by a deploy, and then there is none.
    standin.planning("repair").play("repaired.jsonl", "apply.jsonl");
    term.send(ESC);
    term.send("p");
    term.wait_for("rule[0].status: \"Disabled\" → \"Enabled\"");
    term.wait_for("# changed outside of Terraform: module.ingest.aws_sqs_queue.failed[1] is gone");
    term.send("a");
    term.wait_for("1 to add, 1 to change, 0 to replace, 0 to remove");
    term.send("y");
    term.wait_for("2 of 2 · ended");
    standin.play("nothing.json", "drift.json");
    term.send("f");
    term.wait_for("orders-dev: no drift");
    standin.keeps_no_secret();
}

#[test]
fn a_console_that_is_closed_leaves_the_apply_and_the_next_one_waits_for_its_end_or_stops_it() {
    let standin = Standin::initialised();
    standin.planning("create").play("killed.jsonl", "apply.jsonl");
    let mut term = standin.console(WIDE);
    term.wait_for("zone[\"landing\"]");
    term.send("a");
    term.wait_for("11 to add");
    term.send("y");
    term.wait_for("1 of 11 · under way");
    drop(term);
    let mut term = standin.console(WIDE);
    term.wait_for("CREATE_IN_PROGRESS");
    term.wait_for("is under way: a deploy waits for its end");
    term.send("a");
    term.wait_for("Confirm: deploy");
    term.send("y");
    term.wait_for("1 of 11 · under way");
    term.send("s");
    term.wait_for("11 · ended");
    term.wait_for("deploy orders ─");
    term.wait_for("execution halted");
    term.send(ESC);
    term.send("q");
    assert!(term.wait_exit().success());
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(history[0]["status"], "CREATE_FAILED");
    assert!(history[0]["reason"].as_str().unwrap().contains("interrupted"), "{history}");
    standin.keeps_no_secret();
}

#[test]
fn a_locked_state_is_told_tried_again_and_unlocked_by_its_typed_id() {
    let standin = Standin::initialised();
    standin.planning("create");
    let mut term = standin.console(SMALL);
    planned(&term);
    standin.play("locked.jsonl", "held");
    term.send("p");
    term.wait_for("orders: locked");
    for words in [
        "maria@laptop since 2026-11-20",
        "11:50:04 UTC (",
        " ago), for apply",
        "r: try again",
        "pumphouse --env dev unlock",
    ] {
        assert!(term.text().contains(words), "{words:?} is not in:\n{}", term.text());
    }
    std::fs::remove_file(standin.path("standin/held")).unwrap();
    term.send("r");
    term.wait_for("+11 ~0 !0 -0");
    term.wait_until("no estimate", |text| !text.contains("estimated") && !text.contains("locked"));
    // Of a deploy, too; and the lock goes where its id is typed, and not before.
    let lock = "3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11";
    standin.play("locked.jsonl", "held").write("lock", lock);
    term.send("a");
    term.wait_for("orders: locked");
    term.send("u");
    term.wait_for("Confirm: unlock");
    term.send("3f1c\r");
    term.wait_for("that is not 3f1c0a52");
    assert!(standin.path("standin/lock").exists());
    term.send(&format!("{}\r", &lock[4..]));
    term.wait_until("the lock is gone", |_| !standin.path("standin/lock").exists());
    term.wait_until("that is told", |text| text.contains("is taken away;") && !text.contains("Confirm: unlock"));
    shows_no_secret(&term);
    let audit = std::fs::read_to_string(standin.path("state/audit.jsonl")).unwrap();
    assert!(audit.contains("\"what\":\"unlock\""), "{audit}");
}

#[test]
fn a_lock_that_is_waited_for_is_told_with_how_long() {
    let standin = Standin::initialised();
    standin.waits_for_locks(300).planning("create");
    let mut term = standin.console(SMALL);
    planned(&term);
    standin.play("locked.jsonl", "held");
    term.send("p");
    term.wait_for("s left, waiting for the state of orders-dev, locked by maria@laptop");
    std::fs::remove_file(standin.path("standin/held")).unwrap();
    term.wait_until("the whole plan", |text| text.contains("+11 ~0 !0 -0") && !text.contains("estimated"));
    term.wait_until("nothing is waited for", |text| !text.contains("s left"));
}

#[test]
fn a_stale_plan_is_told_and_planned_again() {
    let standin = Standin::initialised();
    standin.planning("create").play("stale.jsonl", "apply.jsonl").write("apply.code", "1");
    let mut term = standin.console(SMALL);
    planned(&term);
    term.send("a");
    term.wait_for("11 to add");
    term.send("y");
    term.wait_for("nothing was applied; plan again");
    term.send(ESC);
    term.send("p");
    term.wait_until("a whole plan", |text| text.contains("+11 ~0 !0 -0") && !text.contains("estimated"));
}

#[test]
fn a_crash_in_the_middle_garbage_and_a_newer_stream_are_told() {
    let standin = Standin::initialised();
    standin.planning("create").play("crashed.jsonl", "apply.jsonl");
    let mut term = standin.console(WIDE);
    planned(&term);
    term.send("a");
    term.wait_for("11 to add");
    term.send("y");
    term.wait_for("Terraform ended in the middle, with exit code 11");
    term.wait_for("panic: runtime error: invalid memory address, token (sensitive)");
    term.wait_for(
        "1 of 11 steps were done; begun, with an end that is not known: module.ingest.aws_kinesis_stream.orders",
    );
    term.send(ESC);
    term.wait_until("the popup is gone", |text| !text.contains("panic: runtime"));
    for words in [
        "not a message of Terraform's: this is no message at all",
        "Terraform speaks version 7.3 of its stream",
        "a message of type \"warp_started\", which is not known here: Engaging",
        "✖ CREATE_FAILED",
        "1 of 11 · ended",
    ] {
        assert!(term.text().contains(words), "{words:?} is not in:\n{}", term.text());
    }
    // All of it can be read.
    term.send("\t\r");
    term.wait_for("What orders has told");
    shows_no_secret(&term);
    standin.keeps_no_secret();
}

#[test]
fn a_resource_that_fails_is_told_with_its_place() {
    let standin = Standin::initialised();
    standin.planning("create").play("failed.jsonl", "apply.jsonl").write("apply.code", "1");
    let mut term = standin.console(SMALL);
    planned(&term);
    term.send("a");
    term.wait_for("11 to add");
    term.send("y");
    term.wait_for("../../modules/ingest/main.tf:46");
    term.wait_for("LimitExceededException");
    term.wait_for("1 of 11 steps were done");
    shows_no_secret(&term);
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place() {
    let standin = Standin::initialised();
    standin.planning("create").play("invalid.json", "validate.json");
    let mut term = standin.console(SMALL);
    term.wait_for("../../modules/lake/main.tf:13:");
    term.send("a");
    term.wait_for("deploy orders");
    term.wait_for("Did you mean \"bucket\"?");
    assert!(!standin.commands().contains(&"plan".to_owned()));
}

#[test]
fn a_program_that_is_too_old_or_not_there_is_named_and_no_trouble_of_the_network() {
    let standin = Standin::initialised();
    standin.planning("create").write("version.json", r#"{"terraform_version":"1.4.9"}"#);
    let mut term = standin.console(SMALL);
    term.wait_for("terraform 1.4.9 is too old: 1.5.0");
    // It is mended while the console is open.
    std::fs::remove_file(standin.path("standin/version.json")).unwrap();
    term.send("p");
    term.wait_until("a whole plan", |text| text.contains("+11 ~0 !0 -0") && !text.contains("estimated"));
    drop(term);
    for name in ["terraform", "tofu"] {
        std::fs::remove_file(standin.path("bin").join(name)).unwrap();
    }
    let mut term = standin.console_on_path(SMALL, &standin.path("bin").display().to_string());
    term.wait_for("there is no `terraform` on PATH");
    term.send("p");
    term.wait_for("there is no `terraform` on PATH");
    term.send("1");
    term.wait_for("orders");
    assert!(!term.text().contains("trying again in"), "{}", term.text());
}

#[test]
fn what_a_newer_stream_says_while_it_plans_is_a_note_of_the_plan() {
    let standin = Standin::initialised();
    let newer = "{\"type\":\"version\",\"terraform\":\"9.0.0\",\"ui\":\"7.3\"}\nno message\n";
    let text = std::fs::read_to_string(super::source("recorded/create.jsonl")).unwrap();
    standin.planning("create").write("plan.jsonl", &format!("{newer}{text}"));
    let mut term = standin.console(WIDE);
    planned(&term);
    term.send("p");
    term.wait_until("a whole plan", |text| text.contains("+11 ~0 !0 -0") && !text.contains("estimated"));
    term.wait_for("# Terraform speaks version 7.3 of its stream");
    term.wait_for("# not a message of Terraform's: no message");
}
