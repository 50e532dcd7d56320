//! What is sensitive is not shown: values by Terraform's own marks, and texts by the values that were marked.

use std::{cmp::Reverse, collections::BTreeSet};

use serde_json::{Map, Value};

/// What stands for a sensitive value.
pub const SENSITIVE: &str = "(sensitive)";
/// Shorter values stand in too many words that have nothing to do with them.
const SHORTEST: usize = 4;

/// A value with what is sensitive in it taken out. `marks` has the shape of the value, with `true` where it is sensitive.
pub fn masked(value: &Value, marks: &Value) -> Value {
    match (value, marks) {
        (Value::Null, _) => Value::Null,
        (_, Value::Bool(true)) => SENSITIVE.into(),
        (Value::Object(fields), Value::Object(marks)) => {
            let field =
                |(key, field): (&String, &Value)| (key.clone(), masked(field, marks.get(key).unwrap_or(&Value::Null)));
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        (Value::Array(items), Value::Array(marks)) => {
            let item = |(at, item): (usize, &Value)| masked(item, marks.get(at).unwrap_or(&Value::Null));
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        (other, _) => other.clone(),
    }
}

/// Words in the names of variables whose values are taken out of texts before anybody has said that they are sensitive.
const SECRETIVE: [&str; 7] = ["secret", "token", "password", "passwd", "passphrase", "credential", "key"];

/// Sensitive values, to be taken out of texts: the longest first, as one may be a part of another.
#[derive(Clone, Default)]
pub struct Scrubber(BTreeSet<(Reverse<usize>, String)>);

impl Scrubber {
    /// What is known before there is a plan: the values of `TF_VAR_…` in the environment that are secret by their names.
    pub fn of_environment() -> Self {
        Self::of_variables(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    fn of_variables(variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut scrubber = Self::default();
        for (name, value) in variables {
            let Some(name) = name.strip_prefix("TF_VAR_") else { continue };
            let name = name.to_ascii_lowercase();
            if name.split('_').any(|word| SECRETIVE.contains(&word.trim_end_matches('s'))) {
                // What is no text is written as JSON would be.
                let read = serde_json::from_str(&value).unwrap_or(Value::Null);
                scrubber.learn_all(&read);
                scrubber.add(&value);
            }
        }
        scrubber
    }

    /// Learns what is marked in a value.
    pub fn learn(&mut self, value: &Value, marks: &Value) {
        match (value, marks) {
            (_, Value::Bool(true)) => self.learn_all(value),
            (Value::Object(fields), Value::Object(marks)) => {
                for (key, mark) in marks {
                    self.learn(fields.get(key).unwrap_or(&Value::Null), mark);
                }
            }
            (Value::Array(items), Value::Array(marks)) => {
                items.iter().zip(marks).for_each(|(item, mark)| self.learn(item, mark));
            }
            _ => {}
        }
    }

    fn learn_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Number(number) => self.add(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn_all(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn_all(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add(&mut self, text: &str) {
        // A line of it may be told alone.
        for part in text.lines().map(str::trim).chain([text]) {
            if part.len() >= SHORTEST {
                self.0.insert((Reverse(part.len()), part.to_owned()));
            }
        }
    }

    /// The text without them.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (_, secret) in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret, SENSITIVE);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_marked_is_taken_out_at_any_depth() {
        let value = json!({"a": {"b": ["x", "y"]}, "c": 1, "d": {"e": "f"}, "n": null});
        let marks = json!({"a": {"b": [false, true]}, "d": true, "n": true});
        let out = masked(&value, &marks);
        assert_eq!(out, json!({"a": {"b": ["x", SENSITIVE]}, "c": 1, "d": SENSITIVE, "n": null}));
        assert_eq!(masked(&value, &json!(false)), value);
        assert_eq!(masked(&value, &json!(true)), json!(SENSITIVE));
    }

    #[test]
    fn a_variable_with_the_name_of_a_secret_is_one_before_any_plan_says_so() {
        let variables = [
            ("TF_VAR_api_token", "tok-1234"),
            ("TF_VAR_DB_PASSWORDS", "[\"hunter2-x\", \"pin-4711\"]"),
            ("TF_VAR_monkey", "banana"),
            ("TF_VAR_region", "eu-west-1"),
            ("API_TOKEN", "not-terraforms"),
        ];
        let scrubber = Scrubber::of_variables(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let text = "tok-1234 hunter2-x pin-4711 banana eu-west-1 not-terraforms";
        assert_eq!(
            scrubber.scrub(text),
            format!("{SENSITIVE} {SENSITIVE} {SENSITIVE} banana eu-west-1 not-terraforms")
        );
    }

    #[test]
    fn a_text_keeps_no_sensitive_value() {
        let mut scrubber = Scrubber::default();
        scrubber.learn(&json!({"p": "hunter2-long\nsecond line", "q": [{"r": "hunter2"}], "s": "ab"}), &json!(true));
        let text = scrubber.scrub("password hunter2-long, hunter2, second line: ab");
        assert_eq!(text, format!("password {SENSITIVE}, {SENSITIVE}, {SENSITIVE}: ab"));
    }
}
