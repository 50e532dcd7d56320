//! Terraform's warnings and errors in our words.

use std::collections::HashMap;

use jiff::{Timestamp, tz::Offset};
use serde::Deserialize;

use super::mask::Scrubber;
use crate::cloud::Error;

/// A diagnostic, as `-json` gives it. What its snippet tells of values is left where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// The problem in a line.
    pub summary: String,
    /// More of it.
    pub detail: String,
    /// The resource that it is about.
    pub address: Option<String>,
    /// Where.
    pub range: Option<Range>,
}

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Range {
    /// The file, relative to the directory.
    pub filename: String,
    /// Where it begins.
    pub start: Position,
}

/// A line and a column, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Diagnostic {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }

    /// In a line or more: `main.tf:12: Unsupported argument: ...`.
    pub fn text(&self) -> String {
        let place = match (&self.range, &self.address) {
            (Some(range), _) if !range.filename.is_empty() => format!("{}:{}: ", range.filename, range.start.line),
            (_, Some(address)) if !address.is_empty() => format!("{address}: "),
            _ => String::new(),
        };
        let about = match (&self.range, &self.address) {
            (Some(_), Some(address)) if !address.is_empty() => format!(" ({address})"),
            _ => String::new(),
        };
        let unset = self.unset_variable().map(|name| {
            format!(
                "{name:?} has no value, and nobody is asked for one: give it in terraform.tfvars, in a file that `var_files` \
                 of [deploy] in pipeline.toml names, or in the environment as TF_VAR_{name}"
            )
        });
        let detail = unset.as_deref().unwrap_or(&self.detail).trim();
        let detail = if detail.is_empty() { String::new() } else { format!(": {}", detail.replace("\n\n", "\n")) };
        format!("{place}{}{detail}{about}", self.summary.trim())
    }
}

impl Diagnostic {
    /// The variable that has no value; none where it is about something else.
    fn unset_variable(&self) -> Option<&str> {
        if !self.summary.contains("No value for required variable") {
            return None;
        }
        self.detail.split_once("variable \"")?.1.split_once('"').map(|(name, _)| name)
    }
}

/// Who holds the lock of a state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Its id, which an unlock asks for.
    pub id: String,
    /// Who holds it: `user@host`.
    pub who: String,
    /// What for: `OperationTypeApply`.
    pub operation: String,
    /// Since when, as Terraform says it.
    pub created: String,
}

impl Lock {
    /// The lock that a diagnostic tells of; none where it is about something else.
    pub fn told_by(diagnostic: &Diagnostic) -> Option<Self> {
        if !diagnostic.summary.contains("acquiring the state lock") {
            return None;
        }
        let field = |name: &str| {
            let line = diagnostic.detail.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(|rest| rest.trim().to_owned()).unwrap_or_default()
        };
        Some(Self { id: field("ID:"), who: field("Who:"), operation: field("Operation:"), created: field("Created:") })
    }

    /// When it was taken. Terraform writes it as Go does: `2026-10-06 13:50:04.304 +0000 UTC`.
    fn since(&self) -> Option<Timestamp> {
        let words: Vec<&str> = self.created.split_whitespace().take(3).collect();
        let zone = if words.len() == 3 { "%Y-%m-%d %H:%M:%S%.f %z" } else { return self.created.parse().ok() };
        Timestamp::strptime(zone, words.join(" ")).ok()
    }

    /// In words, without what to do about it; `now` tells how long ago that was.
    pub fn text(&self, now: Timestamp) -> String {
        let or = |text: &str, none: &str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
        // Fractions of a second say nothing here.
        let since = self.since().map_or_else(
            || self.created.clone(),
            |at| {
                let seconds = now.duration_since(at).as_secs();
                format!("{} ({})", Offset::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC"), ago(seconds))
            },
        );
        let what = self.operation.strip_prefix("OperationType").unwrap_or(&self.operation).to_lowercase();
        format!(
            "locked by {} since {}, for {}, lock id {}",
            or(&self.who, "somebody"),
            or(&since, "a time that is not told"),
            or(&what, "an operation that is not told"),
            or(&self.id, "unknown")
        )
    }
}

/// So many seconds ago, in words. The clock of whoever took the lock may be ahead of ours.
fn ago(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s} s ago"),
        s @ 60..3_600 => format!("{} min ago", s / 60),
        s @ 3_600..86_400 => format!("{} h {} min ago", s / 3_600, s % 3_600 / 60),
        s => format!("{} d {} h ago", s / 86_400, s % 86_400 / 3_600),
    }
}

/// What the diagnostics of a failed command come to. `name` is the stack's, `said` the last lines on stderr.
pub fn failure(name: &str, what: &str, diagnostics: &[Diagnostic], said: &str, scrubber: &Scrubber) -> Error {
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.is_error()).collect();
    if let Some(lock) = errors.iter().find_map(|d| Lock::told_by(d)) {
        let (pipeline, env) = name.rsplit_once('-').unwrap_or((name, "dev"));
        let id = if lock.id.is_empty() { "LOCK_ID" } else { &lock.id };
        let why = format!(
            "the state of {name} is {}: wait for its end and try again; where that process is gone for good, \
             `pumphouse --env {env} unlock {pipeline} {id}` takes the lock away",
            lock.text(Timestamp::now())
        );
        return Error::Locked { lock: lock.id, why: scrubber.scrub(&why) };
    }
    if errors.iter().any(|d| d.summary.contains("Saved plan is stale")) {
        return Error::Conflict(format!(
            "the state of {name} has changed since it was planned (Saved plan is stale): nothing was applied; plan again"
        ));
    }
    let why = match errors.as_slice() {
        [] if said.trim().is_empty() => "it has not said why".to_owned(),
        [] => said.trim().to_owned(),
        all => all_told(all),
    };
    Error::Failed(scrubber.scrub(&format!("{what} of {name} failed: {why}")))
}

/// What errors say, each once: of many resources, all may say the same.
fn all_told(errors: &[&Diagnostic]) -> String {
    let mut told: Vec<(String, usize)> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for text in errors.iter().map(|error| error.text()) {
        if let Some((_, times)) = at.get(&text).and_then(|at| told.get_mut(*at)) {
            *times += 1;
        } else {
            at.insert(text.clone(), told.len());
            told.push((text, 1));
        }
    }
    let line = |(text, times): (String, usize)| if times == 1 { text } else { format!("{text} ({times} times)") };
    told.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether the command wants `init` first, by what it says.
pub fn wants_init(diagnostics: &[Diagnostic], said: &str) -> bool {
    const WORDS: [&str; 9] = [
        "Backend initialization required",
        "Backend configuration changed",
        "Module not installed",
        "Module source has changed",
        "Required plugins are not installed",
        "Inconsistent dependency lock file",
        "Missing required provider",
        "Could not load plugin",
        "Plugin initialization required",
    ];
    let told = |text: &str| WORDS.iter().any(|word| text.contains(word));
    told(said) || diagnostics.iter().any(|d| d.is_error() && told(&d.summary))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn diagnostic(value: serde_json::Value) -> Diagnostic {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_error_says_where_it_is() {
        let full = diagnostic(json!({
            "severity": "error", "summary": "Unsupported argument", "detail": "An argument named \"buckt\" is not expected here.",
            "address": "aws_s3_bucket.lake",
            "range": {"filename": "main.tf", "start": {"line": 12, "column": 3, "byte": 200}, "end": {"line": 12, "column": 8, "byte": 205}},
            "snippet": {"context": "resource", "code": "  buckt = var.secret", "values": [{"traversal": "var.secret", "statement": "is \"hunter2\""}]}
        }));
        assert_eq!(
            full.text(),
            "main.tf:12: Unsupported argument: An argument named \"buckt\" is not expected here. (aws_s3_bucket.lake)"
        );
        let bare = diagnostic(json!({"severity": "warning", "summary": "Deprecated", "detail": "", "range": null}));
        assert_eq!((bare.text().as_str(), bare.is_error()), ("Deprecated", false));
        let error = failure("x-dev", "the plan", &[full], "", &Scrubber::default()).to_string();
        assert!(error.contains("main.tf:12") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_lock_tells_who_holds_it_and_since_when() {
        let held = diagnostic(json!({
            "severity": "error", "summary": "Error acquiring the state lock",
            "detail": "Error message: operation error S3: PutObject, https response error StatusCode: 412\nLock Info:\n  ID:        3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11\n  Path:      state/orders/dev.tfstate\n  Operation: OperationTypeApply\n  Who:       maria@laptop\n  Version:   1.11.4\n  Created:   2026-10-06 13:50:04.304 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock to protect the state from being written\nby multiple users at the same time."
        }));
        let error = failure("orders-dev", "the plan", &[held], "", &Scrubber::default());
        assert!(matches!(&error, Error::Locked { lock, .. } if lock == "3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11"));
        let text = error.to_string();
        assert!(text.contains("locked by maria@laptop since 2026-10-06 13:50:04 UTC ("), "{text}");
        assert!(text.contains(" ago), for apply, lock id 3f1c0a52"), "{text}");
        assert!(text.contains("pumphouse --env dev unlock orders 3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11"), "{text}");
    }

    #[test]
    fn the_age_of_a_lock_is_told_where_its_time_can_be_read() {
        let lock = |created: &str| Lock { created: created.into(), ..Lock::default() };
        let now = "2026-10-06T16:00:00Z".parse().unwrap();
        let text = |created: &str| lock(created).text(now);
        assert!(
            text("2026-10-06 13:50:04.304123 +0000 UTC").contains("since 2026-10-06 13:50:04 UTC (2 h 9 min ago),")
        );
        assert!(text("2026-10-06 15:50:04 +0200 CEST").contains("since 2026-10-06 13:50:04 UTC (2 h 9 min ago),"));
        assert!(
            text("2026-10-06T15:59:48Z").contains("(12 s ago)") && text("2026-10-06T15:58:00Z").contains("(2 min ago)")
        );
        assert!(
            text("2026-10-01T12:00:00Z").contains("(5 d 4 h ago)")
                && text("2026-10-06T16:00:09Z").contains("(0 s ago)")
        );
        assert!(text("yesterday").contains("since yesterday,") && text("").contains("since a time that is not told,"));
    }

    #[test]
    fn a_variable_without_a_value_is_named_with_how_to_give_it() {
        let unset = diagnostic(json!({
            "severity": "error", "summary": "No value for required variable",
            "detail": "The root module input variable \"retention_days\" is not set, and has no default value. Use a -var or -var-file command line argument to provide a value for this variable.",
            "range": {"filename": "variables.tf", "start": {"line": 7, "column": 1, "byte": 87}}
        }));
        let text = unset.text();
        assert!(
            text.starts_with("variables.tf:7: No value for required variable: \"retention_days\" has no value"),
            "{text}"
        );
        assert!(
            text.contains("`var_files`") && text.contains("TF_VAR_retention_days") && !text.contains("command line"),
            "{text}"
        );
    }

    #[test]
    fn a_stale_plan_is_planned_again() {
        let stale = diagnostic(
            json!({"severity": "error", "summary": "Saved plan is stale", "detail": "The given plan file can no longer be applied because the state was changed by another operation after the plan was created."}),
        );
        let error = failure("x-dev", "the apply", &[stale], "", &Scrubber::default()).to_string();
        assert!(error.contains("plan again") && error.contains("nothing was applied"), "{error}");
    }

    #[test]
    fn what_all_resources_say_alike_is_told_once() {
        let halted = diagnostic(json!({"severity": "error", "summary": "execution halted"}));
        let other = diagnostic(json!({"severity": "error", "summary": "quota", "address": "a.b"}));
        let all = [halted.clone(), other, halted.clone(), halted];
        let error = failure("x-dev", "the apply", &all, "", &Scrubber::default()).to_string();
        assert_eq!(error, "the apply of x-dev failed: execution halted (3 times)\na.b: quota");
    }

    #[test]
    fn without_a_diagnostic_the_last_words_count() {
        let none = Scrubber::default();
        let error = failure("x-dev", "the apply", &[], "panic: boom\n", &none).to_string();
        assert_eq!(error, "the apply of x-dev failed: panic: boom");
        assert!(wants_init(&[], "Error: Backend initialization required, please run \"terraform init\""));
        assert!(!wants_init(&[], "Error: no such host"));
    }
}
