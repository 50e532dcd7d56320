//! Terraform's machine-readable stream (`plan -json`, `apply -json`): one JSON object a line.
//!
//! What is not known is told by its own `@message`, as the format's description asks for; a line that is no message at
//! all is kept as a note. Nothing that a stream says can make the reading of it fail.

use jiff::Timestamp;
use serde_json::Value;

use super::{diagnostic::Diagnostic, kinds, mask::Scrubber};
use crate::cloud::stacks::StackEvent;

/// The versions of the stream that this was written for begin with these.
const KNOWN_UI: [&str; 2] = ["0", "1"];
/// Longer lines are no messages for people.
const LONGEST: usize = 2_000;

/// What a stream has told so far.
pub struct Stream {
    stack: String,
    scrubber: Scrubber,
    /// Resources done.
    pub done: u32,
    /// Resources to do.
    pub total: u32,
    /// Warnings and errors.
    pub diagnostics: Vec<Diagnostic>,
    /// What else is to be said: unknown versions and types, lines that are no messages.
    pub notes: Vec<String>,
    /// What became of each resource that was begun, by its address: what it was, and whether it has ended well.
    pub begun: Vec<(String, &'static str, Option<bool>)>,
    /// Whether the summary that ends an operation has come.
    pub summed_up: bool,
    unknown: Vec<String>,
    garbage: usize,
}

impl Stream {
    /// A stream about a stack, of an operation of so many steps.
    pub fn new(stack: impl Into<String>, total: u32, scrubber: Scrubber) -> Self {
        Self {
            stack: stack.into(),
            scrubber,
            done: 0,
            total,
            diagnostics: Vec::new(),
            notes: Vec::new(),
            begun: Vec::new(),
            summed_up: false,
            unknown: Vec::new(),
            garbage: 0,
        }
    }

    /// Takes a line, and gives the event that it tells of, if it does.
    pub fn line(&mut self, line: &[u8]) -> Option<StackEvent> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let Ok(message @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
            self.garbage += 1;
            // A screenful tells enough.
            if self.garbage <= 20 {
                let text: String = text.chars().take(LONGEST).collect();
                self.note(format!("not a message of Terraform's: {text}"));
            }
            return None;
        };
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "version" => {
                let ui = message["ui"].as_str().unwrap_or_default();
                if !KNOWN_UI.contains(&ui.split('.').next().unwrap_or_default()) {
                    self.note(format!("Terraform speaks version {ui} of its stream: what is new in it may be missing"));
                }
                None
            }
            "diagnostic" => Some(self.diagnostic(&message)),
            "change_summary" => {
                self.summed_up = true;
                None
            }
            "state_lock_acquire" => Some(StackEvent {
                time: time(&message),
                stack: self.stack.clone(),
                logical_id: self.stack.clone(),
                kind: "stack".to_owned(),
                status: "WAITING".to_owned(),
                reason: Some("for the lock of its state".to_owned()),
                done: self.done,
                total: self.total,
            }),
            // Of no news, or told by the plan itself, in full.
            "state_lock_release"
            | "planned_change"
            | "resource_drift"
            | "outputs"
            | "log"
            | "deferred_change"
            | "planned_action_invocation" => None,
            _ => match kind.rsplit_once('_') {
                Some(("apply", step)) => self.apply(&message, step),
                Some(("refresh", step)) => {
                    let status = if step == "complete" { "REFRESH_COMPLETE" } else { "REFRESH_IN_PROGRESS" };
                    Some(self.about(&message, status, None))
                }
                Some(("provision", step)) => Some(self.provision(&message, step)),
                // Opened and closed on the way, and kept nowhere.
                Some(("ephemeral_op", _)) => None,
                _ => self.other(&message, &kind),
            },
        }
    }

    /// Says something once.
    fn note(&mut self, note: String) {
        let note = self.scrubber.scrub(&note);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn diagnostic(&mut self, message: &Value) -> StackEvent {
        let diagnostic: Diagnostic = serde_json::from_value(message["diagnostic"].clone()).unwrap_or_default();
        let diagnostic = if diagnostic == Diagnostic::default() {
            let severity = message["@level"].as_str().unwrap_or_default();
            Diagnostic {
                severity: if severity == "warn" { "warning".to_owned() } else { severity.to_owned() },
                summary: said(message).to_owned(),
                ..Diagnostic::default()
            }
        } else {
            diagnostic
        };
        let status = if diagnostic.is_error() { "ERROR" } else { "WARNING" };
        let address = diagnostic.address.clone().filter(|a| !a.is_empty());
        let event = StackEvent {
            time: time(message),
            stack: self.stack.clone(),
            kind: if address.is_some() { "resource" } else { "stack" }.to_owned(),
            logical_id: address.unwrap_or_else(|| self.stack.clone()),
            status: status.to_owned(),
            reason: Some(self.scrubber.scrub(&diagnostic.text())),
            done: self.done,
            total: self.total,
        };
        self.diagnostics.push(diagnostic);
        event
    }

    fn apply(&mut self, message: &Value, step: &str) -> Option<StackEvent> {
        let hook = &message["hook"];
        let action = hook["action"].as_str().unwrap_or_default();
        // A data source that is read on the way is no change.
        let counts = !matches!(action, "read" | "noop" | "open" | "renew" | "close");
        let verb = match action {
            "create" => "CREATE",
            "update" => "UPDATE",
            "delete" => "DELETE",
            "replace" => "REPLACE",
            "read" => "READ",
            _ => "APPLY",
        };
        let address = address(hook);
        let elapsed = || hook["elapsed_seconds"].as_f64().filter(|s| *s >= 1.0).map(|s| format!("{s:.0} s so far"));
        match step {
            "start" => {
                if counts {
                    self.begun.push((address, verb, None));
                }
                Some(self.about(message, &format!("{verb}_IN_PROGRESS"), None))
            }
            "progress" => Some(self.about(message, &format!("{verb}_IN_PROGRESS"), elapsed())),
            "complete" | "errored" => {
                let well = step == "complete";
                if counts {
                    let open = self.begun.iter_mut().rev().find(|(a, _, end)| *a == address && end.is_none());
                    match open {
                        Some((.., end)) => *end = Some(well),
                        None => self.begun.push((address, verb, Some(well))),
                    }
                    self.done += u32::from(well);
                }
                Some(self.about(message, &format!("{verb}_{}", if well { "COMPLETE" } else { "FAILED" }), None))
            }
            _ => self.other(message, &format!("apply_{step}")),
        }
    }

    fn provision(&self, message: &Value, step: &str) -> StackEvent {
        let hook = &message["hook"];
        let by = hook["provisioner"].as_str().unwrap_or("provisioner");
        let (status, reason) = match step {
            "start" => ("PROVISION_IN_PROGRESS", by.to_owned()),
            "progress" => {
                let output = hook["output"].as_str().unwrap_or_default().trim_end();
                ("PROVISION_IN_PROGRESS", format!("{by}: {output}"))
            }
            "complete" => ("PROVISION_COMPLETE", by.to_owned()),
            _ => ("PROVISION_FAILED", by.to_owned()),
        };
        self.about(message, status, Some(reason))
    }

    /// What is not known is shown as it says itself.
    fn other(&mut self, message: &Value, kind: &str) -> Option<StackEvent> {
        if !self.unknown.iter().any(|known| known == kind) {
            self.unknown.push(kind.to_owned());
            let kind: String = kind.chars().take(60).collect();
            self.note(format!("a message of type {kind:?}, which is not known here: {}", said(message)));
        }
        let hook = &message["hook"];
        hook.is_object().then(|| self.about(message, "IN_PROGRESS", Some(said(message).to_owned())))
    }

    fn about(&self, message: &Value, status: &str, reason: Option<String>) -> StackEvent {
        let hook = &message["hook"];
        let resource_type = hook["resource"]["resource_type"].as_str().unwrap_or_default();
        StackEvent {
            time: time(message),
            stack: self.stack.clone(),
            logical_id: address(hook),
            kind: kinds::kind(resource_type),
            status: status.to_owned(),
            reason: reason.map(|r| self.scrubber.scrub(&r.chars().take(LONGEST).collect::<String>())),
            done: self.done,
            total: self.total,
        }
    }

    /// What was done and what was not, in words, for a failure in the middle.
    pub fn achieved(&self) -> String {
        let of = |wanted: Option<bool>| -> Vec<&str> {
            self.begun.iter().filter(|(.., end)| *end == wanted).map(|(address, ..)| address.as_str()).collect()
        };
        let mut parts = vec![format!("{} of {} steps were done", self.done, self.total)];
        for (names, what) in [(of(Some(false)), "failed"), (of(None), "begun, with an end that is not known")] {
            if !names.is_empty() {
                parts.push(format!("{what}: {}", names.join(", ")));
            }
        }
        parts.join("; ")
    }
}

fn address(hook: &Value) -> String {
    hook["resource"]["addr"].as_str().unwrap_or_default().to_owned()
}

fn said(message: &Value) -> &str {
    message["@message"].as_str().unwrap_or("it says nothing more")
}

fn time(message: &Value) -> Timestamp {
    message["@timestamp"].as_str().and_then(|t| t.parse().ok()).unwrap_or_else(Timestamp::now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(kind: &str, more: Value) -> Vec<u8> {
        let mut hook = json!({"resource": {"addr": "module.m.aws_s3_bucket.b[\"x\"]", "module": "module.m", "resource": "aws_s3_bucket.b[\"x\"]", "implied_provider": "aws", "resource_type": "aws_s3_bucket", "resource_name": "b", "resource_key": "x"}});
        for (key, value) in more.as_object().unwrap() {
            hook[key] = value.clone();
        }
        json!({"@level": "info", "@message": "m", "@module": "terraform.ui", "@timestamp": "2026-11-20T12:00:00.5Z", "type": kind, "hook": hook})
            .to_string()
            .into_bytes()
    }

    fn status(stream: &mut Stream, line: &[u8]) -> (String, Option<String>) {
        let event = stream.line(line).unwrap();
        (event.status, event.reason)
    }

    #[test]
    fn a_resource_is_followed_from_its_start_to_its_end() {
        let mut stream = Stream::new("x-dev", 2, Scrubber::default());
        let mut told = |kind: &str, more: Value| status(&mut stream, &hook(kind, more));
        assert_eq!(told("refresh_start", json!({"id_key": "id", "id_value": "b"})).0, "REFRESH_IN_PROGRESS");
        assert_eq!(told("refresh_complete", json!({})).0, "REFRESH_COMPLETE");
        assert_eq!(told("apply_start", json!({"action": "create"})), ("CREATE_IN_PROGRESS".into(), None));
        assert_eq!(
            told("apply_progress", json!({"action": "create", "elapsed_seconds": 10})),
            ("CREATE_IN_PROGRESS".into(), Some("10 s so far".into()))
        );
        assert_eq!(
            told("provision_start", json!({"provisioner": "local-exec"})),
            ("PROVISION_IN_PROGRESS".into(), Some("local-exec".into()))
        );
        assert_eq!(
            told("provision_progress", json!({"provisioner": "local-exec", "output": "hello\n"})),
            ("PROVISION_IN_PROGRESS".into(), Some("local-exec: hello".into()))
        );
        assert_eq!(told("provision_complete", json!({"provisioner": "local-exec"})).0, "PROVISION_COMPLETE");
        assert_eq!(told("provision_errored", json!({"provisioner": "local-exec"})).0, "PROVISION_FAILED");
        assert_eq!(told("apply_complete", json!({"action": "create", "elapsed_seconds": 12})).0, "CREATE_COMPLETE");
        assert_eq!(told("apply_start", json!({"action": "delete"})).0, "DELETE_IN_PROGRESS");
        assert_eq!(told("apply_errored", json!({"action": "delete", "elapsed_seconds": 0})).0, "DELETE_FAILED");
        assert_eq!(told("apply_start", json!({"action": "read"})).0, "READ_IN_PROGRESS");
        assert_eq!((stream.done, stream.total), (1, 2));
        assert_eq!(stream.achieved(), "1 of 2 steps were done; failed: module.m.aws_s3_bucket.b[\"x\"]");
        assert!(stream.notes.is_empty(), "{:?}", stream.notes);
    }

    #[test]
    fn what_is_unknown_is_noted_once_and_stops_nothing() {
        let mut stream = Stream::new("x-dev", 0, Scrubber::default());
        let version = |ui: &str| json!({"type": "version", "terraform": "9.0.0", "ui": ui}).to_string().into_bytes();
        assert!(stream.line(&version("1.2")).is_none() && stream.notes.is_empty());
        stream.line(&version("7.1"));
        stream.line(&version("7.1"));
        for _ in 0..2 {
            stream.line(br#"{"type":"teleport_start","@message":"Beaming up"}"#);
            assert!(stream.line(&hook("apply_teleport", json!({}))).is_some());
        }
        for garbage in [&b"plain words"[..], b"[1]", b"\xff\xfe", b"{\"type\":", b"", b"null"] {
            assert!(stream.line(garbage).is_none());
        }
        let notes = stream.notes.join("\n");
        assert!(
            notes.contains("version 7.1") && notes.contains("Beaming up") && notes.contains("plain words"),
            "{notes}"
        );
        assert_eq!(notes.matches("teleport_start").count(), 1);
        assert_eq!(notes.matches("7.1").count(), 1);
        assert!(stream.line(br#"{"type":"change_summary","changes":{"add":1,"operation":"apply"}}"#).is_none());
        assert!(stream.summed_up);
    }

    #[test]
    fn a_sensitive_value_is_in_no_event() {
        let mut scrubber = Scrubber::default();
        scrubber.learn(&json!("hunter2"), &json!(true));
        let mut stream = Stream::new("x-dev", 0, scrubber);
        let output = hook("provision_progress", json!({"provisioner": "local-exec", "output": "the key is hunter2"}));
        assert_eq!(stream.line(&output).unwrap().reason.unwrap(), "local-exec: the key is (sensitive)");
        let line = json!({"type": "diagnostic", "@level": "error", "diagnostic": {"severity": "error", "summary": "bad hunter2", "detail": "", "address": "a.b"}});
        let event = stream.line(line.to_string().as_bytes()).unwrap();
        assert_eq!((event.status.as_str(), event.logical_id.as_str()), ("ERROR", "a.b"));
        assert!(!event.reason.unwrap().contains("hunter2"));
        stream.line(b"hunter2 hunter2");
        assert!(!stream.notes.join("").contains("hunter2"));
    }
}
