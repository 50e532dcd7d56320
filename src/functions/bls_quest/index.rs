//! `index.html`: links for people, and in the same object what is known of each file for the next time.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cloud::{Error, Result, sources::SourceHead, urlcode::encode};

/// The object's key.
pub(super) const KEY: &str = "index.html";
const BEGIN: &str = "<script type=\"application/json\" id=\"files\">";
const END: &str = "</script>";

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its size in bytes.
    pub(super) size: u64,
    /// The SHA-256 of its content.
    pub(super) sha256: String,
    /// The entity tag of the object that holds it.
    pub(super) object: String,
    /// The source's entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// When the source changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<Timestamp>,
}

impl Known {
    /// Whether the source says that the file is what it was: by its entity tag where there is one, else by size and time.
    pub(super) fn is(&self, told: &SourceHead) -> bool {
        match (&self.etag, &told.etag) {
            (Some(before), Some(now)) => before == now,
            _ => told.size == Some(self.size) && told.modified.is_some() && told.modified == self.modified,
        }
    }
}

pub(super) type Files = BTreeMap<String, Known>;

/// The page.
pub(super) fn page(title: &str, files: &Files) -> Result<Vec<u8>> {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<ul>\n"
    );
    for (name, file) in files {
        let changed = file.modified.map_or_else(String::new, |m| format!(", changed {m}"));
        let _ = writeln!(
            html,
            "<li><a href=\"{}\">{}</a> {} bytes{changed}</li>",
            encode(name),
            name.replace('&', "&amp;").replace('<', "&lt;"),
            file.size
        );
    }
    // Within a script, `</` would end it.
    let known = serde_json::to_string(files).map_err(Error::failed)?.replace("</", "<\\/");
    let _ = write!(html, "</ul>\n{BEGIN}{known}{END}\n</body>\n</html>\n");
    Ok(html.into_bytes())
}

/// What a page knows; nothing where it is none of ours.
pub(super) fn read(page: &[u8]) -> Files {
    let text = String::from_utf8_lossy(page);
    let known = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    known.and_then(|(json, _)| serde_json::from_str(json).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_each_file_and_knows_what_it_was_made_from() {
        let known = Known {
            size: 3,
            sha256: "aa".into(),
            object: "bb".into(),
            etag: Some("</script><b>".into()),
            modified: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        };
        let files: Files = [("a <b>.txt".to_owned(), known), ("z".to_owned(), Known::default())].into();
        let page = page("files", &files).unwrap();
        assert_eq!(read(&page), files);
        let text = String::from_utf8(page).unwrap();
        assert!(text.contains("<a href=\"a%20%3Cb%3E.txt\">a &lt;b>.txt</a> 3 bytes, changed 2026-01-02"), "{text}");
        assert_eq!(text.matches("</script>").count(), 1);
        assert_eq!(read(b"something else"), Files::new());
    }

    #[test]
    fn an_entity_tag_tells_and_without_one_size_and_time_do() {
        let time = |text: &str| Some(text.parse().unwrap());
        let known = |etag: Option<&str>| Known {
            size: 3,
            etag: etag.map(str::to_owned),
            modified: time("2026-01-02T03:04:05Z"),
            ..Known::default()
        };
        let told = |etag: Option<&str>, size, modified| SourceHead {
            etag: etag.map(str::to_owned),
            size: Some(size),
            modified,
            ..SourceHead::default()
        };
        let then = time("2026-01-02T03:04:05Z");
        assert!(known(Some("a")).is(&told(Some("a"), 9, None)));
        assert!(!known(Some("a")).is(&told(Some("b"), 3, then)));
        assert!(known(None).is(&told(Some("b"), 3, then)));
        assert!(!known(None).is(&told(None, 4, then)));
        assert!(!known(None).is(&told(None, 3, time("2026-01-02T03:04:06Z"))));
        assert!(!Known { modified: None, ..known(None) }.is(&told(None, 3, None)), "a size alone tells nothing");
    }
}
