//! Where in the input a value stands that could not be cast. Slow, and done only for a run that has failed.

use std::{fs, io::BufRead, sync::LazyLock};

use regex::Regex;

use crate::local::sql::files::DataFile;

/// How much input is searched, in bytes.
const SEARCHED: u64 = 64 * 1_024 * 1_024;

/// The value in an error like: Cannot cast string 'abc' to value of Float64 type.
pub(super) fn quoted(text: &str) -> Option<&str> {
    static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)(?:string|from) '(.*?)'").ok());
    QUOTED.as_ref()?.captures(text)?.get(1).map(|m| m.as_str())
}

/// The first line with a field of just this value.
pub(super) fn locate(files: &[DataFile], value: &str, csv: bool) -> Option<(String, usize)> {
    let mut searched = 0;
    for file in files {
        let mut content = std::io::BufReader::new(fs::File::open(&file.path).ok()?);
        let (mut line, mut number) = (Vec::new(), 0);
        while content.read_until(b'\n', &mut line).ok()? > 0 {
            number += 1;
            searched += line.len() as u64;
            let found = if csv {
                let mut records = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_slice());
                records.records().flatten().any(|r| r.iter().any(|field| field == value))
            } else {
                let fields: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&line).ok();
                fields.is_some_and(|f| f.values().any(|v| v.as_str() == Some(value)))
            };
            if found {
                return Some((file.uri.clone(), number));
            }
            if searched > SEARCHED {
                return None;
            }
            line.clear();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_failed_cast_is_found_in_the_message() {
        assert_eq!(quoted("Cannot cast string 'a b' to value of Float64 type"), Some("a b"));
        assert_eq!(quoted("Error parsing timestamp from 'x': no"), Some("x"));
        assert_eq!(quoted("nothing"), None);
    }
}
