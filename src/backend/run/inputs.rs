//! What a run reads: files in place of sources, and the words by which two runs are told to read the same.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    super::uploads::{self, Feed},
    RunOptions,
};
use crate::{
    cloud::{
        self, Error,
        functions::SourceMode,
        resources::{Graph, Properties},
    },
    deploy::Upload,
};

/// What a run reads.
pub(super) struct Inputs {
    pub(super) modes: BTreeMap<String, SourceMode>,
    pub(super) feeds: Vec<Feed>,
    pub(super) words: String,
}

impl Inputs {
    pub(super) fn read(graph: &Graph, uploads: &[Upload], options: &RunOptions, embedded: bool) -> cloud::Result<Self> {
        let known: Vec<&str> = graph
            .resources
            .iter()
            .filter_map(|r| if let Properties::Function(f) = &r.properties { Some(f) } else { None })
            .flat_map(|f| f.sources.keys().map(String::as_str))
            .collect();
        let mut modes = BTreeMap::new();
        let mut feeds = Vec::new();
        let mut words = Vec::new();
        for (name, path) in &options.sources {
            if let Some(upload) = uploads.iter().find(|u| u.source == *name) {
                let (feed, word) = uploads::feed(upload, graph, &absolute(path)?)?;
                feeds.push(feed);
                words.push(word);
                continue;
            }
            if !known.contains(&name.as_str()) {
                let known: Vec<&str> = known.iter().copied().chain(uploads.iter().map(|u| u.source.as_str())).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Error::Invalid(format!("no source named {name:?}; {} has: {known}", graph.pipeline)));
            }
            let path = absolute(path)?;
            let hash = hash(&path)?;
            words.push(format!("{name}=sha256:{hash}"));
            modes.insert(name.clone(), SourceMode::Replay { path, step: 0 });
        }
        if !embedded {
            // Functions on AWS ask their sources whether told so or not.
            words.push(if known.is_empty() { "no source" } else { "online" }.into());
        } else if options.online {
            for name in known {
                modes.entry(name.to_owned()).or_insert(SourceMode::Online);
            }
            words.push("online".into());
        }
        if words.is_empty() {
            words.push("the pipeline's own sample".into());
        }
        Ok(Self { modes, feeds, words: words.join(", ") })
    }
}

fn absolute(path: &Path) -> cloud::Result<PathBuf> {
    path.canonicalize().map_err(|e| Error::Invalid(format!("{}: {e}", path.display())))
}

/// The hash of a file, or of a folder's files with their names.
fn hash(path: &Path) -> cloud::Result<String> {
    let unreadable = |e: std::io::Error| Error::Invalid(format!("{}: {e}", path.display()));
    if path.is_dir() {
        let mut paths = Vec::new();
        for entry in path.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        let mut hasher = Sha256::new();
        for path in paths {
            hasher.update(format!("{}\n{}\n", path.display(), hash(&path)?));
        }
        return Ok(hex::encode(hasher.finalize()));
    }
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(unreadable)?;
    Ok(hex::encode(hasher.finalize()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
