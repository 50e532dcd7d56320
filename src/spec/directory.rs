//! Sources that are a published directory, and the headers of sources.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;

use super::{
    diagnostic::quote,
    read::Context,
    tree::{At, Section},
};

/// What the files of a sample may hold together.
const SAMPLE_BYTES: u64 = 8 * 1024 * 1024;
/// Headers that hold what is to be kept secret.
const SECRET: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];
/// Headers that the connection itself needs.
const OWN: [&str; 5] = ["connection", "content-length", "host", "range", "transfer-encoding"];

/// The headers that go with each request to a source.
pub(super) fn headers(c: &mut Context<'_>, s: &mut Section<'_>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in s.pairs(c.m, "headers", "{ \"User-Agent\" = \"you@example.com\" }") {
        let lower = name.value.to_ascii_lowercase();
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let shown = quote(&name.value);
        if lower.is_empty() || lower.len() > 128 || !lower.chars().all(token) {
            c.m.add(name.at, format!("{shown} is no name for a header"), "letters, digits and `-`: `User-Agent`");
        } else if SECRET.contains(&lower.as_str()) {
            let help = "give the source a `secret`, which the function reads and sends: no secret stands in a file";
            c.m.add(name.at, format!("the header {shown} holds a secret"), help);
        } else if OWN.contains(&lower.as_str()) {
            c.m.add(name.at, format!("the header {shown} is the connection's own"), "remove it");
        } else if headers.keys().any(|other: &String| other.to_ascii_lowercase() == lower) {
            c.m.add(
                name.at,
                format!("the header {shown} stands twice"),
                "upper and lower case are the same: remove one",
            );
        } else if value.value.is_empty() || !value.value.chars().all(|c| (' '..='~').contains(&c)) {
            let help = "letters, digits and signs of ASCII, on one line";
            c.m.add(value.at, format!("the header {shown} cannot hold such a value"), help);
        } else {
            headers.insert(name.value, value.value);
        }
    }
    headers
}

/// The files of a published directory's sample, which is a folder.
pub(super) fn files(
    c: &mut Context<'_>,
    url: &At<String>,
    parameters: &[String],
    sample: Option<At<String>>,
    replay: Option<Range<usize>>,
) -> BTreeMap<String, Bytes> {
    if let Some(other) = parameters.iter().find(|p| *p != "file") {
        let help = "`{file}` at the end makes the source a directory, whose address is the same but for the file";
        c.m.add(url.at.clone(), format!("a directory's address has the parameter `{other}`, too"), help);
    }
    if let Some(at) = replay {
        let help =
            "an address that ends with `/{file}` is a directory, which answers with its sample's files: remove it";
        c.m.add(at, "a directory has no `replay`", help);
    }
    let Some(path) = sample else { return BTreeMap::new() };
    let shown = quote(&path.value);
    match c.files.folder(path.value.trim_end_matches('/'), SAMPLE_BYTES) {
        Ok(files) => {
            if let Some(deep) = files.keys().find(|name| name.contains('/')) {
                let message = format!("the sample {shown} has a folder in it: {}", quote(deep));
                c.m.add(path.at, message, "a directory's sample holds files alone");
            }
            files
        }
        Err(why) => {
            let help = "the sample of an address that ends with `/{file}` is a folder: `sample/published`";
            c.m.add(path.at, format!("the sample {shown} {why}"), help);
            BTreeMap::new()
        }
    }
}
