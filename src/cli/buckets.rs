//! `buckets`: buckets and the objects in them.

mod transfer;

use clap::{Args, Subcommand};

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{Backend, Kind, buckets},
    cloud::buckets::{Bucket, ListObjects, Object, ObjectPage},
    config::Format,
};
use transfer::{Get, Presign, Put, Uploads};

/// What to do with buckets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the buckets
    List,
    /// Show a bucket's settings
    Show {
        /// Its name, or PIPELINE/NAME
        bucket: String,
    },
    /// List the objects in a bucket, prefixes folded
    Objects(Objects),
    /// Write an object's content to stdout or a file
    Get(Get),
    /// Put a file's content into a bucket
    Put(Put),
    /// List uploads in parts that were never completed, or abort them
    Uploads(Uploads),
    /// Print a URL by which whoever has it can read an object for a time
    Presign(Presign),
    /// Delete an object
    Rm {
        /// The bucket's name, or PIPELINE/NAME
        bucket: String,
        /// The object's key
        key: String,
        /// Delete this version, for good
        #[arg(long = "object-version", value_name = "VERSION")]
        version: Option<String>,
    },
}

/// Which objects to list.
#[derive(Debug, Args)]
pub struct Objects {
    /// The bucket's name, or PIPELINE/NAME
    bucket: String,
    /// Only keys that begin with this
    #[arg(default_value = "")]
    prefix: String,
    /// Every key, rather than prefixes up to the next /
    #[arg(short, long)]
    recursive: bool,
    /// Old versions and delete markers, too
    #[arg(long)]
    versions: bool,
    /// Only keys after this one
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// At most this many [default: all]
    #[arg(short = 'n', long, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
    limit: Option<usize>,
}

const BUCKETS: [Column<Bucket>; 6] = [
    ("bucket", |b| Cell::text(&b.name)),
    ("pipeline", |b| Cell::maybe(b.pipeline.as_ref(), Cell::text)),
    ("objects", |b| Cell::maybe(b.objects, Cell::Count)),
    ("size", |b| Cell::maybe(b.bytes, Cell::Bytes)),
    ("created", |b| Cell::maybe(b.created, Cell::Time)),
    ("region", |b| Cell::maybe(b.region.as_ref(), Cell::text)),
];

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List | Self::Show { .. } | Self::Objects(_) | Self::Get(_) | Self::Presign(_) => None,
            Self::Put(put) => Some(("buckets put", &put.bucket)),
            Self::Uploads(uploads) => uploads.aborts().then_some(("buckets uploads abort", &uploads.bucket)),
            Self::Rm { bucket, .. } => Some(("buckets rm", bucket)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.buckets;
        match self {
            Self::List => s.out.list(&port.list().await?, &BUCKETS, "no buckets"),
            Self::Show { bucket } => {
                let detail = port.detail(&physical(backend, &bucket).await?).await?;
                let mut fields: Vec<_> =
                    BUCKETS.iter().take(5).map(|(name, cell)| (*name, cell(&detail.bucket))).collect();
                for setting in &detail.settings {
                    fields.extend(setting.lines().into_iter().map(|line| (setting.name.as_str(), Cell::Text(line))));
                }
                s.out.record(&detail, fields)
            }
            Self::Objects(objects) => objects.run(s, backend).await,
            Self::Get(get) => get.run(s, backend).await,
            Self::Put(put) => put.run(s, backend).await,
            Self::Uploads(uploads) => uploads.run(s, backend).await,
            Self::Presign(presign) => presign.run(s, backend).await,
            Self::Rm { bucket, key, version } => {
                let bucket = physical(backend, &bucket).await?;
                if let Some(version) = &version
                    && !has_version(backend, &bucket, &key, version).await?
                {
                    return Err(Failure::failed(format!("s3://{bucket}/{key} has no version {version:?}")));
                }
                let consent = s.consent(backend, &buckets::delete_effect(&bucket, &key, version.as_deref()))?;
                backend.delete_object(&bucket, &key, version.as_deref(), &consent).await?;
                match version {
                    Some(version) => note(&format!("version {version} of s3://{bucket}/{key} is deleted")),
                    None => note(&format!("s3://{bucket}/{key} is deleted")),
                }
                Ok(())
            }
        }
    }
}

/// The physical name of a bucket. On AWS one may be read that is in no list of ours, so that the call itself tells.
async fn physical(backend: &Backend, name: &str) -> Result<String> {
    if backend.cloud.identity.known().cloud == "aws" && !name.contains('/') {
        return Ok(name.to_owned());
    }
    resolve(backend, Kind::Bucket, name).await
}

/// Whether a key has this version; a delete marker is one, too.
async fn has_version(backend: &Backend, bucket: &str, key: &str, version: &str) -> Result<bool> {
    let mut request = ListObjects { prefix: key.to_owned(), versions: true, limit: 1000, ..ListObjects::default() };
    loop {
        let page = backend.cloud.buckets.objects(bucket, &request).await?;
        if page.objects.iter().any(|o| o.key == key && o.version.as_deref() == Some(version)) {
            return Ok(true);
        }
        match page.next {
            // What comes after the key has another one.
            Some(next) if page.objects.last().is_some_and(|o| o.key == key) => {
                (request.after, request.token) = (Some(next), page.token);
            }
            _ => return Ok(false),
        }
    }
}

fn fields(object: &Object) -> Vec<(&'static str, Cell)> {
    vec![
        ("key", Cell::text(&object.key)),
        ("size", Cell::Bytes(object.size)),
        ("etag", Cell::text(&object.etag)),
        ("modified", Cell::maybe(object.modified, Cell::Time)),
        ("version", Cell::maybe(object.version.as_ref(), Cell::text)),
        ("content type", Cell::maybe(object.content_type.as_ref(), Cell::text)),
    ]
}

impl Objects {
    async fn run(self, s: &Session, backend: &Backend) -> Result {
        let bucket = physical(backend, &self.bucket).await?;
        let mut request = ListObjects {
            prefix: self.prefix,
            delimiter: (!self.recursive).then_some('/'),
            after: self.after,
            limit: 0,
            versions: self.versions,
            token: None,
        };
        let mut all = ObjectPage::default();
        loop {
            let left = self.limit.map(|l| l.saturating_sub(all.prefixes.len() + all.objects.len()));
            if left == Some(0) {
                break;
            }
            request.limit = left.map_or(1000, |l| l.min(1000));
            let page = backend.cloud.buckets.objects(&bucket, &request).await?;
            all.prefixes.extend(page.prefixes);
            all.objects.extend(page.objects);
            all.next = page.next;
            match &all.next {
                Some(next) => (request.after, request.token) = (Some(next.clone()), page.token),
                None => break,
            }
        }
        if s.out.format == Format::Json {
            return s.out.json(&all);
        }
        if all.prefixes.is_empty() && all.objects.is_empty() && s.out.format == Format::Table {
            note("no objects");
            return Ok(());
        }
        let mut titles = vec!["key", "size", "modified"];
        if self.versions {
            titles.extend(["version", "state"]);
        }
        let titles: Vec<_> = titles.into_iter().map(|t| s.out.title(t)).collect();
        let width = titles.len();
        let folded = all.prefixes.iter().map(|p| {
            let mut row = vec![Cell::text(p)];
            row.resize(width, Cell::None);
            row
        });
        let objects = all.objects.iter().map(|o| {
            let mut row = vec![Cell::text(&o.key), Cell::Bytes(o.size), Cell::maybe(o.modified, Cell::Time)];
            if self.versions {
                row.push(Cell::maybe(o.version.as_ref(), Cell::text));
                row.push(Cell::text(match (o.delete_marker, o.latest) {
                    (true, _) => "delete marker",
                    (false, true) => "latest",
                    (false, false) => "old",
                }));
            }
            row
        });
        s.out.rows(&titles, folded.chain(objects))?;
        if let Some(next) = &all.next {
            note(&format!("there are more: --after {next:?}"));
        }
        Ok(())
    }
}
