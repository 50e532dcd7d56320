//! A directory's listing, as web servers write it in HTML.

use regex::Regex;

use crate::cloud::{Error, Result, urlcode::decode};

/// The files that a listing links to, in order, by their names.
///
/// A file is what lies directly in the directory: links to its parents, to folders, to other places and to the listing
/// in another order are passed over.
///
/// # Errors
/// [`Error::Failed`] for what is no listing: no HTML, or HTML that breaks off, or one without a single file. Whoever
/// deletes what a listing no longer names must not believe such a one.
pub(super) fn files(html: &[u8], url: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| Error::Failed(format!("the listing {url} {why}: nothing was changed"));
    let html = String::from_utf8_lossy(html);
    let lower = html.trim().trim_start_matches('\u{feff}').to_ascii_lowercase();
    if !lower.starts_with("<!doctype html") && !lower.starts_with("<html") {
        return Err(wrong("is no HTML"));
    }
    if !lower.ends_with("</html>") {
        return Err(wrong("breaks off before its end"));
    }
    let link =
        Regex::new(r#"(?is)<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"#).map_err(Error::failed)?;
    let mut files: Vec<String> = link
        .captures_iter(&html)
        .filter_map(|c| c.get(1).or(c.get(2)).or(c.get(3)))
        .filter_map(|href| file(href.as_str(), url))
        .collect();
    files.sort_unstable();
    files.dedup();
    if files.is_empty() {
        return Err(wrong("names no file at all"));
    }
    Ok(files)
}

/// The name of the file in the directory that a link leads to.
fn file(href: &str, directory: &str) -> Option<String> {
    let href = href.trim().replace("&amp;", "&");
    let href = href.split('#').next().unwrap_or_default();
    if href.contains('?') {
        return None;
    }
    let origin_end = directory.find("://").map_or(0, |at| at + 3);
    let path_at = directory.get(origin_end..)?.find('/').map_or(directory.len(), |at| origin_end + at);
    let (origin, path) = directory.split_at(path_at);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let name = if let Some(rest) = href.strip_prefix(origin).filter(|_| href.contains("://")) {
        below(rest, path)?
    } else if href.starts_with('/') {
        below(href, path)?
    } else {
        href.strip_prefix("./").unwrap_or(href)
    };
    let name = decode(name);
    let plain = !name.is_empty() && !name.contains(['/', '\\', ':']) && !name.chars().any(char::is_control);
    (plain && name != "." && name != "..").then_some(name)
}

/// What comes after the directory's path.
fn below<'a>(href: &'a str, path: &str) -> Option<&'a str> {
    let (folder, name) = href.rsplit_once('/')?;
    (decode(folder) == decode(path.trim_end_matches('/'))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://download.example.gov/pub/time.series/pr/";

    fn page(links: &str) -> String {
        format!("<html><head><title>x</title></head><body><pre>{links}</pre></body></html>\n")
    }

    #[test]
    fn links_of_all_kinds_of_servers_are_read() {
        for links in [
            // Microsoft IIS, Apache, nginx.
            r#"<A HREF="/pub/time.series/">[To Parent Directory]</A><br> 1/2/2026  8:30 AM  102 <A HREF="/pub/time.series/pr/pr.class">pr.class</A><br> <A HREF="/pub/time.series/pr/b.txt">b.txt</A> &lt;dir&gt; <A HREF="/pub/time.series/pr/old/">old</A>"#,
            r#"<a href="?C=N;O=D">Name</a> <a href="/pub/time.series/">Parent</a> <a href="b.txt">b</a> <a href="pr.class">pr.class</a> <a href="sub/">sub/</a>"#,
            "<a href='../'>../</a>\n<a\n  class=x href=b.txt>b</a> <a href='./pr.class'>pr</a> <a href='b.txt#top'>b</a>",
            r#"<a href="https://download.example.gov/pub/time.series/pr/pr.class">p</a> <a href="https://elsewhere.example/pub/time.series/pr/c">c</a> <a href="b.txt">b</a> <a href="mailto:x@example.com">x</a>"#,
        ] {
            assert_eq!(files(page(links).as_bytes(), URL).unwrap(), ["b.txt", "pr.class"], "{links}");
        }
        let odd = page(r#"<a href="a%20b%2Bc.txt">a</a> <a href="x%2Fy">x</a> <a href="a&amp;b">a</a>"#);
        assert_eq!(files(odd.as_bytes(), URL).unwrap(), ["a b+c.txt", "a&b"]);
    }

    #[test]
    fn what_is_no_listing_is_not_believed() {
        let whole = page(r#"<a href="a">a</a> <a href="b">b</a>"#);
        for (html, why) in [
            (String::new(), "no HTML"),
            ("a\nb\n".to_owned(), "no HTML"),
            (r#"{"error": "try again"}"#.to_owned(), "no HTML"),
            (whole[..whole.len() / 2].to_owned(), "breaks off"),
            (page("Access denied"), "no file at all"),
            (page(r#"<a href="../">../</a>"#), "no file at all"),
        ] {
            let error = files(html.as_bytes(), URL).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(URL), "{error}");
        }
    }
}
