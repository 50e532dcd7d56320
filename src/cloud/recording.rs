//! A recording of a source, that answers for the real address: JSON lines, one observation each, or one document, which
//! is answered byte for byte to each request.
//!
//! Which request an observation answers follows from its own fields (see [`Recording::matches`]). Step N of a recording
//! is, for each distinct request, the N-th observation in the file that answers it.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    error::{Error, Result},
    resources::Recording,
};

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When it was made, where the recording says so.
    pub time: Option<Timestamp>,
    /// The JSON object as it stands in the file.
    pub body: Bytes,
}

/// A recording's observations, by the request that they answer.
#[derive(Debug, Clone)]
pub struct Observations {
    /// The parameters that tell requests apart, in the order in which a key holds their values.
    parameters: Vec<String>,
    wrap: Option<String>,
    by_key: HashMap<Vec<String>, Vec<Observation>>,
    /// The answer to every request, where the recording is one document.
    document: Option<Observation>,
}

/// Whether a file of this name is JSON lines.
pub fn is_json_lines(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    matches!(extension.as_deref(), Some("jsonl" | "ndjson"))
}

impl Observations {
    /// Reads a recording of a source from the content of a file: the recording says what it is, else the file's name.
    ///
    /// # Errors
    /// As [`Observations::parse`].
    pub fn read(file: &str, content: &Bytes, recording: &Recording) -> Result<Self> {
        if recording.document.unwrap_or_else(|| recording.sample_sha256.is_none() && !is_json_lines(file)) {
            return Ok(Self::document(content.clone()));
        }
        Self::parse(file, content, recording)
    }

    /// One document, which answers every request as it is.
    pub fn document(content: Bytes) -> Self {
        Self {
            parameters: Vec::new(),
            wrap: None,
            by_key: HashMap::new(),
            document: Some(Observation { time: None, body: content }),
        }
    }

    /// Reads a recording; `file` is what an error calls it. Empty lines are passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the file and the line that is not an observation, or where there is none at all.
    pub fn parse(file: &str, content: &Bytes, recording: &Recording) -> Result<Self> {
        let mut by_key: HashMap<Vec<String>, Vec<Observation>> = HashMap::new();
        let mut start = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let ends = memchr::memchr_iter(b'\n', content).chain([content.len()]);
        for (number, end) in ends.enumerate() {
            let body = content.slice(start.min(end)..end);
            start = end + 1;
            if body.trim_ascii().is_empty() {
                continue;
            }
            let wrong = |why: String| Error::Invalid(format!("{file}:{}: {why}", number + 1));
            let fields: Map<String, Value> = serde_json::from_slice(&body)
                .map_err(|e| wrong(format!("not a JSON object: {e}; each line of a recording is one observation")))?;
            let key = recording
                .matches
                .values()
                .map(|template| fill(template, |name| field(&fields, name)).map_err(&wrong))
                .collect::<Result<_>>()?;
            let time = match &recording.time {
                Some(name) => Some(time(&fields, name).map_err(&wrong)?),
                None => None,
            };
            by_key.entry(key).or_default().push(Observation { time, body });
        }
        if by_key.is_empty() {
            return Err(Error::Invalid(format!("{file}: a recording without a single observation")));
        }
        Ok(Self {
            parameters: recording.matches.keys().cloned().collect(),
            wrap: recording.wrap.clone(),
            by_key,
            document: None,
        })
    }

    /// How many steps it has: the observations of the request that has most.
    pub fn steps(&self) -> u64 {
        if self.document.is_some() {
            return 1;
        }
        self.by_key.values().map(|o| o.len() as u64).max().unwrap_or(0)
    }

    /// The observation (from 0) that answers a request with these parameters.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the recording has no (further) one; [`Error::Invalid`] where a parameter is missing
    /// that tells requests apart.
    pub fn observation(&self, step: u64, params: &[(&str, &str)]) -> Result<&Observation> {
        if let Some(document) = &self.document {
            return Ok(document);
        }
        let key = self
            .parameters
            .iter()
            .map(|name| {
                params.iter().find(|(n, _)| n == name).map(|(_, value)| (*value).to_owned()).ok_or_else(|| {
                    Error::Invalid(format!("the source is asked without {{{name}}}, by which its recording is matched"))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let found = self.by_key.get(&key).and_then(|all| all.get(usize::try_from(step).unwrap_or(usize::MAX)));
        found.ok_or_else(|| Error::not_found("observation", format!("{} at step {step}", key.join(" "))))
    }

    /// The answer that holds an observation: what the real source would have sent.
    pub fn answer(&self, observation: &Observation) -> Bytes {
        let Some(wrap) = &self.wrap else { return observation.body.clone() };
        let name = Value::from(wrap.as_str()).to_string();
        let mut answer = BytesMut::with_capacity(observation.body.len() + name.len() + 3);
        answer.extend_from_slice(b"{");
        answer.extend_from_slice(name.as_bytes());
        answer.extend_from_slice(b":");
        answer.extend_from_slice(observation.body.trim_ascii());
        answer.extend_from_slice(b"}");
        answer.freeze()
    }
}

/// Replaces each `{name}` in `template` by what `value` gives for it.
///
/// # Errors
/// What `value` fails with, or a brace without its partner, in words.
pub fn fill(
    template: &str,
    mut value: impl FnMut(&str) -> std::result::Result<String, String>,
) -> std::result::Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("{template:?} opens a brace and does not close it"));
        };
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn field(fields: &Map<String, Value>, name: &str) -> std::result::Result<String, String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(format!("the field {name:?} is neither text nor a number")),
        None => Err(format!("the field {name:?} is missing; it has {}", names(fields))),
    }
}

fn time(fields: &Map<String, Value>, name: &str) -> std::result::Result<Timestamp, String> {
    let text = field(fields, name)?;
    text.parse().map_err(|_| format!("the field {name:?} holds {text:?}, which is no time like 2015-08-08T23:59:00Z"))
}

fn names(fields: &Map<String, Value>) -> String {
    let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    if names.is_empty() { "no fields".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        Recording {
            matches: [("pair".to_owned(), "{base}-{currency}".to_owned())].into(),
            time: Some("at".into()),
            wrap: Some("data".into()),
            document: None,
            sample_sha256: None,
            sample: None,
        }
    }

    fn parse(text: &str) -> Result<Observations> {
        Observations::parse("prices.jsonl", &Bytes::from(text.to_owned()), &recording())
    }

    const LINES: &str = "\u{feff}{\"base\":\"BTC\",\"currency\":\"USD\",\"n\":1,\"at\":\"2015-08-08T23:59:00Z\"}\r\n\
                         \n\
                         {\"base\":\"ETH\",\"currency\":\"USD\",\"n\":2,\"at\":\"2015-08-08T23:59:00Z\"}\n\
                         {\"base\":\"BTC\",\"currency\":\"USD\",\"n\":3,\"at\":\"2015-08-09T23:59:00Z\"}";

    #[test]
    fn a_step_answers_each_request_with_its_own_observation() {
        let all = parse(LINES).unwrap();
        assert_eq!(all.steps(), 2);
        let btc = all.observation(1, &[("pair", "BTC-USD"), ("other", "x")]).unwrap();
        assert_eq!(btc.time, Some("2015-08-09T23:59:00Z".parse().unwrap()));
        let answer: Value = serde_json::from_slice(&all.answer(btc)).unwrap();
        assert_eq!(answer["data"]["n"], 3);
        let first = all.observation(0, &[("pair", "BTC-USD")]).unwrap();
        assert!(serde_json::from_slice::<Value>(&all.answer(first)).is_ok());
    }

    #[test]
    fn what_was_not_recorded_is_not_found() {
        let all = parse(LINES).unwrap();
        for (step, pair) in [(1, "ETH-USD"), (0, "DOGE-USD"), (u64::MAX, "BTC-USD")] {
            let found = all.observation(step, &[("pair", pair)]);
            assert!(matches!(found, Err(Error::NotFound { kind: "observation", .. })), "{found:?}");
        }
        assert!(matches!(all.observation(0, &[]), Err(Error::Invalid(_))));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (line, what) in [
            ("{\"base\":", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ("{\"base\":\"BTC\",\"at\":\"2015-08-08T23:59:00Z\"}", "\"currency\" is missing; it has at, base"),
            ("{\"base\":[],\"currency\":\"USD\",\"at\":\"x\"}", "neither text nor a number"),
            ("{\"base\":\"BTC\",\"currency\":\"USD\",\"at\":\"yesterday\"}", "\"yesterday\", which is no time"),
        ] {
            let error = parse(&format!("{LINES}\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("prices.jsonl:5: ") && error.contains(what), "{error}");
        }
        assert!(parse("\n \n").unwrap_err().to_string().contains("without a single observation"));
    }

    #[test]
    fn a_document_answers_every_request_byte_for_byte() {
        let content = Bytes::from_static(b"date,cases\r\n2020-01-01,\xff");
        let plain = Recording { matches: [].into(), time: None, wrap: None, ..recording() };
        let all = Observations::read("us.csv", &content, &plain).unwrap();
        assert_eq!(all.steps(), 1);
        for step in [0, 7] {
            assert_eq!(all.answer(all.observation(step, &[("any", "x")]).unwrap()), content);
        }
        // What pipeline.toml says of the sample goes before the name of the file that is replayed in its stead.
        let lines = Recording { document: Some(false), ..plain.clone() };
        assert!(Observations::read("us.csv", &content, &lines).is_err());
        let document = Recording { document: Some(true), ..plain };
        assert_eq!(Observations::read("us.jsonl", &content, &document).unwrap().steps(), 1);
        assert!(is_json_lines("a/b.JSONL") && !is_json_lines("a.b/jsonl") && !is_json_lines("pr.data.0.Current"));
    }

    #[test]
    fn templates_are_filled() {
        let upper = |name: &str| Ok(name.to_uppercase());
        assert_eq!(fill("a/{b}/{c}d", upper).unwrap(), "a/B/Cd");
        assert_eq!(fill("plain", upper).unwrap(), "plain");
        assert!(fill("a{b", upper).is_err());
        assert!(fill("{b}", |_| Err("no".into())).is_err());
    }
}
