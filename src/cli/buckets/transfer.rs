//! `buckets get`, `put`, `uploads`, `presign`: contents on their way.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;

use super::{fields, physical};
use crate::{
    backend::{
        Backend,
        buckets::{abort_effect, put_effect},
        transfers::{Download, Moved, OnMove, PART, Upload},
    },
    cli::{
        failure::{Failure, Result},
        input,
        out::{Cell, Column, note, size},
        session::Session,
        signals::unless_interrupted,
        time,
    },
    cloud::{Error, uploads},
    config::Format,
    text,
};

/// `buckets get`
#[derive(Debug, Args)]
pub struct Get {
    /// The bucket's name, or PIPELINE/NAME
    bucket: String,
    /// The object's key
    key: String,
    /// The file to write; - is stdout
    #[arg(default_value = "-")]
    file: PathBuf,
    /// This version rather than the current one
    #[arg(long = "object-version", value_name = "VERSION")]
    version: Option<String>,
    /// Start again, rather than go on where an earlier download was cut off
    #[arg(long)]
    no_resume: bool,
}

/// `buckets put`
#[derive(Debug, Args)]
pub struct Put {
    /// The bucket's name, or PIPELINE/NAME
    pub bucket: String,
    /// The object's key
    key: String,
    /// The file to read; - is stdin
    file: String,
    /// The media type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Start again, rather than go on where an earlier upload was cut off
    #[arg(long)]
    no_resume: bool,
}

/// `buckets uploads`
#[derive(Debug, Args)]
pub struct Uploads {
    /// The bucket's name, or PIPELINE/NAME
    pub bucket: String,
    /// Throw away what was uploaded for this key
    #[arg(long, value_name = "KEY", conflicts_with = "abort_all")]
    abort: Option<String>,
    /// Throw away all that was uploaded and not completed
    #[arg(long)]
    abort_all: bool,
}

/// `buckets presign`
#[derive(Debug, Args)]
pub struct Presign {
    /// The bucket's name, or PIPELINE/NAME
    bucket: String,
    /// The object's key
    key: String,
    /// How long the URL works, 7 days at the most
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = time::duration)]
    expires: SignedDuration,
    /// This version rather than the current one
    #[arg(long = "object-version", value_name = "VERSION")]
    version: Option<String>,
}

impl Get {
    pub(super) async fn run(self, s: &Session, backend: &Backend) -> Result {
        let bucket = physical(backend, &self.bucket).await?;
        let (key, version) = (self.key.as_str(), self.version.as_deref());
        if self.file != Path::new("-") {
            let bar = Bar::new(key);
            let download = Download {
                bucket: &bucket,
                key,
                version,
                file: &self.file,
                resume: !self.no_resume,
                progress: bar.on_move(),
            };
            let done = unless_interrupted(backend.download(&download), CUT).await;
            bar.finish();
            done?.map_err(resumable)?;
            return Ok(());
        }
        if !s.out.terminal {
            backend.stream((&bucket, key, version), |bytes| s.out.bytes(bytes)).await?;
            return Ok(());
        }
        let head = backend.cloud.buckets.head(&bucket, key, version).await?;
        let start = 0..head.size.min(PART);
        let content = backend.cloud.buckets.get(&bucket, key, version, Some(start)).await?;
        let text = std::str::from_utf8(&content.body).ok().filter(|t| head.size <= PART && !t.contains('\0'));
        let Some(text) = text else {
            let what = if head.size > PART { "" } else { "binary " };
            let size = size(head.size);
            return Err(Failure::failed(format!(
                "{key}: {size} of {what}data are not for a terminal: name a FILE, or redirect the output"
            )));
        };
        text::clean_lines(text).try_for_each(|line| s.out.line(&line))
    }
}

impl Put {
    pub(super) async fn run(self, s: &Session, backend: &Backend) -> Result {
        let (key, content_type) = (self.key.as_str(), self.content_type.as_deref());
        if self.file == "-" {
            let body = input::read("-")?;
            let bucket = physical(backend, &self.bucket).await?;
            let consent = s.consent(backend, &put_effect(&bucket, key))?;
            let object = backend.put_object(&bucket, key, body.into(), content_type, &consent).await?;
            return s.out.record(&object, fields(&object));
        }
        let file = Path::new(&self.file);
        // Before anything is asked of the cloud.
        std::fs::metadata(file).map_err(|e| Failure::failed(format!("{}: {e}", self.file)))?;
        let bucket = physical(backend, &self.bucket).await?;
        let consent = s.consent(backend, &put_effect(&bucket, key))?;
        let bar = Bar::new(key);
        let upload =
            Upload { bucket: &bucket, key, file, content_type, resume: !self.no_resume, progress: bar.on_move() };
        let done = unless_interrupted(backend.upload(&upload, &consent), CUT).await;
        bar.finish();
        let object = done?.map_err(resumable)?;
        s.out.record(&object, fields(&object))
    }
}

/// What comes of a transfer that is cut off.
const CUT: &str = "the same command goes on where this one was cut off; with --no-resume it starts again";

/// A failure in the middle, with what can be done.
fn resumable(error: crate::backend::Error) -> Failure {
    match error {
        crate::backend::Error::Cloud(error @ (Error::Unavailable(_) | Error::Throttled(_) | Error::Credentials(_))) => {
            Failure::failed(format!("{error}\n{CUT}"))
        }
        other => other.into(),
    }
}

/// How far a transfer is, on stderr where a person looks at it.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(key: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let name = text::truncate_start(&text::clean(key), 24).into_owned();
        let bar = ProgressBar::no_length().with_message(name);
        let template = "{msg} [{bar:24}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(Some(bar))
    }

    fn on_move(&self) -> OnMove {
        let Some(bar) = self.0.clone() else { return OnMove::default() };
        OnMove::new(move |Moved { done, total, before }| {
            if bar.length() != Some(total) {
                bar.set_length(total);
                if before > 0 {
                    bar.set_position(before);
                    // What was over before says nothing of how fast it goes now.
                    bar.reset_eta();
                    let going = format!("going on: {} of {} are over already", size(before), size(total));
                    bar.suspend(|| note(&going));
                }
            }
            bar.set_position(done);
        })
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

const UPLOADS: [Column<uploads::Upload>; 3] = [
    ("key", |u| Cell::text(&u.key)),
    ("initiated", |u| Cell::maybe(u.initiated, Cell::Time)),
    ("upload", |u| Cell::text(&u.id)),
];

impl Uploads {
    /// Whether it throws anything away.
    pub(super) fn aborts(&self) -> bool {
        self.abort_all || self.abort.is_some()
    }

    pub(super) async fn run(self, s: &Session, backend: &Backend) -> Result {
        let bucket = physical(backend, &self.bucket).await?;
        let Some(multipart) = backend.cloud.buckets.multipart() else {
            let what = "uploads in parts: an object is put at once here".to_owned();
            return Err(Error::Unsupported { cloud: "local", what }.into());
        };
        let mut found = multipart.uploads(&bucket).await?;
        if !self.aborts() {
            return s.out.list(&found, &UPLOADS, "no upload is incomplete");
        }
        if let Some(key) = &self.abort {
            found.retain(|u| u.key == *key);
        }
        if found.is_empty() {
            note("no such upload is incomplete");
            return Ok(());
        }
        for upload in found {
            let consent = s.consent(backend, &abort_effect(&bucket, &upload.key))?;
            backend.abort_upload(&bucket, &upload.key, &upload.id, &consent).await?;
            note(&format!("the upload of s3://{bucket}/{} is thrown away", upload.key));
        }
        Ok(())
    }
}

impl Presign {
    pub(super) async fn run(self, s: &Session, backend: &Backend) -> Result {
        let expires = self.expires.try_into().map_err(|_| Failure::usage("--expires: a time from now on is wanted"))?;
        let bucket = physical(backend, &self.bucket).await?;
        let url = backend.cloud.buckets.presign(&bucket, &self.key, self.version.as_deref(), expires).await?;
        if s.out.format == Format::Json {
            s.out.json(&url)?;
        } else {
            s.out.line(&url.url)?;
        }
        note(&format!(
            "whoever has this URL can read s3://{bucket}/{} until {}, or until the credentials that signed it expire",
            self.key,
            url.until.strftime("%Y-%m-%d %H:%M:%S UTC")
        ));
        Ok(())
    }
}
