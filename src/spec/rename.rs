//! A pipeline's files as the start of another pipeline.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    files::Files,
    load::{FILE, Location},
};

/// A copy is at most so big: more is data, not a pipeline.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// All files of a pipeline's folder by path; hidden files are left out.
///
/// # Errors
/// Which file cannot be read and why, as a sentence.
pub fn contents(location: &Location) -> Result<BTreeMap<String, Bytes>, String> {
    let (files, shown) = match location {
        Location::Folder(path) => (Files::Disk(path.clone()), path.display().to_string()),
        Location::BuiltIn(name) => (Files::BuiltIn(name.clone()), name.clone()),
    };
    files.all(MOST_BYTES).map_err(|why| format!("{shown} {why}"))
}

/// Gives a pipeline's files another pipeline's name: in pipeline.toml, with the repository that delivers it, and where its
/// texts speak of the old name or of resources that are called after it. The names of handlers, which are built in, stay.
///
/// # Errors
/// A pipeline.toml without a name, as a sentence.
pub fn renamed(files: BTreeMap<String, Bytes>, name: &str) -> Result<BTreeMap<String, Bytes>, String> {
    let toml = files.get(FILE).and_then(|content| std::str::from_utf8(content).ok());
    let toml = toml.ok_or_else(|| format!("{FILE} is not there, or is no UTF-8 text"))?;
    let table = DeTable::parse(toml).map_err(|e| format!("{FILE}: {}", e.message()))?;
    let Some((old, at)) = table.get_ref().get("name").and_then(|value| match value.get_ref() {
        DeValue::String(old) => Some((old.to_string(), value.span())),
        _ => None,
    }) else {
        return Err(format!("{FILE} has no name"));
    };
    let mut edits = vec![(at, name.to_owned())];
    if let Some(release) = table.get_ref().get("release").and_then(|r| r.get_ref().as_table()) {
        for value in ["repository", "folder", "checks"].iter().filter_map(|key| release.get(*key)) {
            texts(value, &mut |text, at| {
                let new = replace_word(text, &old, name);
                // What does not speak of it stays as it was written.
                if new != text {
                    edits.push((at, new));
                }
            });
        }
    }
    edits.sort_by_key(|(at, _)| at.start);
    let mut renamed = toml.to_owned();
    for (at, text) in edits.into_iter().rev() {
        renamed.replace_range(at, &serde_json::Value::from(text).to_string());
    }
    let toml = renamed;
    let words = [(old.clone(), name.to_owned()), (old.replace('-', "_"), name.replace('-', "_"))];
    files
        .into_iter()
        .map(|(path, content)| {
            let content = match (path.rsplit_once('.').map_or("", |(_, end)| end), std::str::from_utf8(&content)) {
                _ if path == FILE => Bytes::from(toml.clone()),
                // What tells of names. Code and data stay as they are.
                ("md" | "json" | "sql", Ok(text)) => {
                    words.iter().fold(text.to_owned(), |text, (old, new)| replace_word(&text, old, new)).into()
                }
                _ => content,
            };
            Ok((path, content))
        })
        .collect()
}

/// Goes through the texts of a value that have the old name in them, with their places.
fn texts(value: &Spanned<DeValue<'_>>, found: &mut impl FnMut(&str, Range<usize>)) {
    match value.get_ref() {
        DeValue::String(text) => found(text, value.span()),
        DeValue::Array(list) => list.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Replaces `old` where no letter or digit stands before it, and none, nor `::`, behind.
fn replace_word(text: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let (before, found) = rest.split_at(at);
        let after = &found[old.len()..];
        out.push_str(before);
        let alone = !out.ends_with(|c: char| c.is_alphanumeric()) && !after.starts_with(|c: char| c.is_alphanumeric());
        out.push_str(if alone && !after.starts_with("::") { new } else { old });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_where_it_is_one() {
        let text = "crypto-stream, crypto-stream-dev-landing; crypto-streams, mycrypto-stream";
        assert_eq!(
            replace_word(text, "crypto-stream", "lake"),
            "lake, lake-dev-landing; crypto-streams, mycrypto-stream"
        );
        assert_eq!(
            replace_word("crypto_stream::fetch, crypto_stream.prices", "crypto_stream", "l"),
            "crypto_stream::fetch, l.prices"
        );
    }

    #[test]
    fn a_renamed_pipeline_keeps_its_handlers_and_its_comments() {
        let files = BTreeMap::from([
            (
                FILE.to_owned(),
                Bytes::from("# What\nname = 'old-one' # its name\n[function.f]\nhandler = \"old_one::f\"\n"),
            ),
            ("README.md".to_owned(), Bytes::from("# old-one\n")),
            ("sample/data.csv".to_owned(), Bytes::from("old-one\n")),
        ]);
        let new = renamed(files, "new-one").unwrap();
        assert_eq!(new[FILE], "# What\nname = \"new-one\" # its name\n[function.f]\nhandler = \"old_one::f\"\n");
        assert_eq!(new["README.md"], "# new-one\n");
        assert_eq!(new["sample/data.csv"], "old-one\n");
    }

    #[test]
    fn a_renamed_pipeline_is_delivered_from_a_repository_and_a_folder_of_its_name() {
        let old = "name = 'old-one'\n[release]\nrepository = 'example/old-one' # there\nfolder = \"pipelines/old-one\"\n\
                   branch = 'old-one'\nchecks = ['pumphouse check pipelines/old-one', 'true']\n";
        let files = BTreeMap::from([(FILE.to_owned(), Bytes::from(old))]);
        assert_eq!(
            renamed(files, "new-one").unwrap()[FILE],
            "name = \"new-one\"\n[release]\nrepository = \"example/new-one\" # there\nfolder = \"pipelines/new-one\"\n\
             branch = 'old-one'\nchecks = [\"pumphouse check pipelines/new-one\", 'true']\n"
        );
    }

    #[test]
    fn what_has_no_name_is_not_renamed() {
        assert!(renamed(BTreeMap::new(), "x-y").unwrap_err().contains("not there"));
        let nameless = BTreeMap::from([(FILE.to_owned(), Bytes::from("[bucket.b]"))]);
        assert_eq!(renamed(nameless, "x-y").unwrap_err(), "pipeline.toml has no name");
    }
}
