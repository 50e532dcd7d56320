//! What is sensitive is not shown: values by Terraform's own marks, and texts by the values that were marked.

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

/// Sensitive values, to be taken out of texts.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<String>);

impl Scrubber {
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
            if part.len() >= SHORTEST && !self.0.iter().any(|known| known == part) {
                self.0.push(part.to_owned());
            }
        }
        // The longest first: one may be a part of another.
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// The text without them.
    pub fn scrub(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, SENSITIVE))
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
    fn a_text_keeps_no_sensitive_value() {
        let mut scrubber = Scrubber::default();
        scrubber.learn(&json!({"p": "hunter2-long\nsecond line", "q": [{"r": "hunter2"}], "s": "ab"}), &json!(true));
        let text = scrubber.scrub("password hunter2-long, hunter2, second line: ab");
        assert_eq!(text, format!("password {SENSITIVE}, {SENSITIVE}, {SENSITIVE}: ab"));
    }
}
