//! A published directory that a folder, a file or a sample answers for: a listing in HTML, as a web server writes it, and
//! the files byte for byte.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use super::Local;
use crate::{
    cloud::{
        Error, Result, resources,
        sources::{SourceHead, SourceStream},
        urlcode::encode,
    },
    http,
};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// The parameter that names a file; empty, it asks for the listing.
const PARAMETER: &str = "file";

/// A file as the directory publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Published {
    path: PathBuf,
    size: u64,
    etag: String,
    modified: Option<Timestamp>,
}

/// Whether a source is a published directory.
pub(crate) fn is_directory(source: &resources::Source) -> bool {
    source.url.ends_with(resources::DIRECTORY_END)
}

impl Local {
    /// Answers for a directory: from `path`, a folder or one file, or else from the sample.
    pub(crate) async fn answer_as_directory(
        &self,
        (name, source): (&str, &resources::Source),
        path: Option<PathBuf>,
        params: &[(&str, &str)],
    ) -> Result<SourceStream> {
        let url = http::address(&source.url, params)?;
        let wanted = params.iter().find(|(n, _)| *n == PARAMETER).map_or("", |(_, file)| *file).to_owned();
        let (local, name) = (self.clone(), name.to_owned());
        let files = source.directory.as_ref().map(|d| d.files.clone()).unwrap_or_default();
        let all = self.blocking(move || match path {
            Some(path) => on_disk(&path),
            None => local.of_sample(&name, &files),
        });
        let mut all = all.await?;
        if wanted.is_empty() {
            let listing = Bytes::from(listing(&url, &all));
            let head = SourceHead {
                status: 200,
                size: Some(listing.len() as u64),
                content_type: Some("text/html".into()),
                url,
                ..SourceHead::default()
            };
            return Ok(SourceStream::of(head, listing));
        }
        let Some(found) = all.remove(&wanted) else {
            let head = SourceHead { status: 404, url, ..SourceHead::default() };
            return Ok(SourceStream::of(head, Bytes::from_static(b"not found\n")));
        };
        let head = SourceHead {
            status: 200,
            etag: Some(format!("\"{}\"", found.etag)),
            modified: found.modified,
            size: Some(found.size),
            content_type: Some("text/plain".into()),
            url,
            ..SourceHead::default()
        };
        content(head, found.path).await
    }

    /// The files of a sample, which lie among the assets of stacks.
    fn of_sample(&self, source: &str, files: &BTreeMap<String, String>) -> Result<BTreeMap<String, Published>> {
        if files.is_empty() {
            return Err(Error::Unavailable(format!(
                "the source {source:?} has no sample to answer from: give it a folder in pipeline.toml, a folder or file \
                 with --source {source}=PATH, or use --online"
            )));
        }
        let published = |(name, sha256): (&String, &String)| {
            let path = self.inner.store.asset_path(sha256);
            let size = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?.len();
            Ok((name.clone(), Published { path, size, etag: sha256.clone(), modified: None }))
        };
        files.iter().map(published).collect()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Invalid(format!("the recording {} cannot be read: {error}", path.display()))
}

/// The files of a folder, or the one file.
fn on_disk(path: &Path) -> Result<BTreeMap<String, Published>> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|e| unreadable(path, &e))?;
        paths =
            entries.map(|entry| entry.map(|e| e.path()).map_err(|e| unreadable(path, &e))).collect::<Result<_>>()?;
    }
    let mut files = BTreeMap::new();
    for path in paths {
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.')) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let modified = metadata.modified().ok();
        // As web servers make it: what is written again has another time, and what takes its place another inode.
        let nanoseconds =
            modified.and_then(|m| m.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos());
        let published = Published {
            size: metadata.len(),
            etag: format!("{:x}-{nanoseconds:x}-{:x}", metadata.ino(), metadata.len()),
            modified: modified.and_then(|m| Timestamp::try_from(m).ok()),
            path: path.clone(),
        };
        files.insert(name.to_owned(), published);
    }
    Ok(files)
}

fn listing(url: &str, files: &BTreeMap<String, Published>) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html>\n<head><title>Index of {0}</title></head>\n<body>\n<h1>Index of {0}</h1>\n<pre>\n<a href=\"../\">../</a>\n",
        escape(url)
    );
    for (name, file) in files {
        let time = file.modified.map_or_else(|| "-".to_owned(), |m| m.strftime("%Y-%m-%d %H:%M").to_string());
        let _ = writeln!(html, "<a href=\"{}\">{}</a> {time} {}", encode(name), escape(name), file.size);
    }
    html.push_str("</pre>\n</body>\n</html>\n");
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

async fn content(head: SourceHead, path: PathBuf) -> Result<SourceStream> {
    let file = tokio::fs::File::open(&path).await.map_err(|e| unreadable(&path, &e))?;
    let body = stream::try_unfold((file, path), |(mut file, path)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await.map_err(|e| unreadable(&path, &e))?;
        Ok((read > 0).then(|| (piece.freeze(), (file, path))))
    });
    Ok(SourceStream { head, body: body.boxed() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::testing;

    async fn ask(local: &Local, path: Option<PathBuf>, file: &str) -> (u16, String) {
        let source = resources::Source {
            url: "https://example.com/pub/{file}".into(),
            directory: Some(resources::Code {
                files: [("a b.txt".to_owned(), "5a".to_owned())].into(),
                contents: BTreeMap::new(),
            }),
            ..resources::Source::default()
        };
        let answer = local.answer_as_directory(("bls", &source), path, &[("file", file)]).await.unwrap();
        let (size, status) = (answer.head.size, answer.head.status);
        let body = answer.whole().await.unwrap().body;
        assert!(status == 404 || size == Some(body.len() as u64));
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_folder_a_file_and_a_sample_answer_as_a_web_server_would() {
        let (dir, local) = testing::local();
        local.inner.store.write_asset("5a", b"of the sample").unwrap();
        let (status, html) = ask(&local, None, "").await;
        assert_eq!(status, 200);
        assert!(html.contains("<a href=\"a%20b.txt\">a b.txt</a> - 13") && html.ends_with("</html>\n"), "{html}");
        assert_eq!(ask(&local, None, "a b.txt").await, (200, "of the sample".into()));
        assert_eq!(ask(&local, None, "5a").await.0, 404);

        let folder = dir.path().join("published");
        std::fs::create_dir_all(folder.join("below")).unwrap();
        std::fs::write(folder.join("x.txt"), "x\r\n".repeat(200_000)).unwrap();
        std::fs::write(folder.join(".hidden"), "h").unwrap();
        let (_, html) = ask(&local, Some(folder.clone()), "").await;
        assert!(html.contains(">x.txt<") && !html.contains("hidden") && !html.contains("below"), "{html}");
        assert_eq!(ask(&local, Some(folder.clone()), "x.txt").await.1.len(), 600_000);
        for out in ["below", ".hidden", "../state.db", "gone"] {
            assert_eq!(ask(&local, Some(folder.clone()), out).await.0, 404, "{out}");
        }
        let one = folder.join("x.txt");
        assert!(ask(&local, Some(one.clone()), "").await.1.contains(">x.txt<"));
        assert_eq!(ask(&local, Some(one), "x.txt").await.1.len(), 600_000);
    }
}
