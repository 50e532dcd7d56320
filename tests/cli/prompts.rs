//! Questions at a terminal: confirmation, and a secret that is not echoed.

use std::io::{Read, Write};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::harness::Pumphouse;

/// Runs a command at a terminal, answers its question once `question` is seen, and gives the exit code and what was
/// shown.
fn at_a_terminal(p: &Pumphouse, args: &[&str], question: &str, answer: &str) -> (u32, String) {
    let size = PtySize { rows: 24, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let wanted = p.command();
    let mut command = CommandBuilder::new(wanted.get_program());
    command.args(wanted.get_args());
    command.args(args);
    for (name, value) in wanted.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        }
    }
    command.env("TERM", "xterm-256color");
    command.cwd(wanted.get_current_dir().unwrap());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let mut shown = String::new();
    let mut answered = false;
    let mut buffer = [0; 4096];
    // The end of a terminal whose other side has gone is an error on Linux.
    while let Ok(n) = reader.read(&mut buffer) {
        if n == 0 {
            break;
        }
        shown.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if !answered && shown.contains(question) {
            writer.write_all(answer.as_bytes()).unwrap();
            answered = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(answered, "{args:?} has not asked {question:?}: {shown}");
    (status.exit_code(), shown)
}

#[test]
fn a_person_confirms_with_a_yes_or_with_the_name() {
    let p = Pumphouse::new();
    let deploy = ["deploy", "crypto-stream"];
    let (code, shown) = at_a_terminal(&p, &deploy, "Go on? [y/N]", "n\r");
    assert_eq!(code, 3, "{shown}");
    assert_eq!(p.run(&["status", "crypto-stream"]).code, 1);
    let (code, shown) = at_a_terminal(&p, &deploy, "Go on? [y/N]", "y\r");
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = at_a_terminal(&p, &["destroy", "crypto-stream"], "Go on? [y/N]", "\r");
    assert_eq!(code, 3, "{shown}");

    let prod = ["deploy", "crypto-stream", "--env", "prod"];
    let (code, shown) = at_a_terminal(&p, &prod, "Type crypto-stream-prod to go on:", "yes\r");
    assert_eq!(code, 3, "{shown}");
    let (code, shown) = at_a_terminal(&p, &prod, "Type crypto-stream-prod to go on:", "crypto-stream-prod\r");
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn a_secret_is_not_shown_while_it_is_typed() {
    let p = Pumphouse::deployed();
    let args = ["secret", "set", "crypto-stream/coinbase_api_key"];
    let (code, shown) = at_a_terminal(&p, &args, "value of crypto-stream-dev-coinbase_api_key:", "hush-hush\r");
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(p.json(&["secret", "list"])[0]["set"], true);
}
