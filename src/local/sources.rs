//! Sources: recordings that answer for real addresses, or the addresses themselves.
//!
//! Without a wish of the caller's, a source answers from the pipeline's sample: the step for each function and source
//! stands in the state, is the same for all GETs of an invocation, moves on by one with each invocation and begins
//! again at the end; the date is the present, so that a demo looks live. A replay answers with the times that were
//! recorded, and ends.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::{Local, directory::is_directory, role::Meter};
use crate::{
    cloud::{
        Error, Result,
        functions::SourceMode,
        recording::Observations,
        resources::{Recording, Source},
        sources::{SourceHead, SourceResponse, SourceStream, Sources},
    },
    http,
};

/// Recordings that are kept after they were read.
const CACHED: usize = 8;

/// Recordings that were read, by path; read again when the file or what matches it changes.
#[derive(Default)]
pub(crate) struct Cache {
    recordings: Mutex<HashMap<PathBuf, Cached>>,
}

struct Cached {
    modified: Option<SystemTime>,
    size: u64,
    recording: Recording,
    observations: Arc<Observations>,
}

impl Cache {
    /// The observations in a file, on the calling thread.
    fn read(&self, path: &Path, name: &str, recording: &Recording) -> Result<Arc<Observations>> {
        let unreadable =
            |e: std::io::Error| Error::Invalid(format!("the recording {} cannot be read: {e}", path.display()));
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        let modified = metadata.modified().ok();
        {
            let cached = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = cached.get(path)
                && found.modified == modified
                && found.size == metadata.len()
                && found.recording == *recording
            {
                return Ok(found.observations.clone());
            }
        }
        let content = Bytes::from(std::fs::read(path).map_err(unreadable)?);
        let observations = Arc::new(Observations::read(name, &content, recording)?);
        let mut cached = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED {
            cached.clear();
        }
        let fresh =
            Cached { modified, size: metadata.len(), recording: recording.clone(), observations: observations.clone() };
        cached.insert(path.to_owned(), fresh);
        Ok(observations)
    }
}

/// The sources of one invocation.
pub(crate) struct InvocationSources {
    pub(crate) local: Local,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) modes: BTreeMap<String, SourceMode>,
    /// Where the samples have come to, by source.
    pub(crate) steps: BTreeMap<String, u64>,
    pub(crate) now: Timestamp,
    pub(crate) meter: Arc<Meter>,
    /// The steps at which the next invocation goes on, for the samples that were asked.
    pub(crate) next_steps: Mutex<BTreeMap<String, u64>>,
    /// The recordings that were asked: one invocation sees one state of a file.
    pub(crate) opened: tokio::sync::Mutex<HashMap<PathBuf, Arc<Observations>>>,
}

#[async_trait]
impl Sources for InvocationSources {
    async fn get(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceResponse> {
        let found = self.find(source)?;
        if is_directory(found) {
            return self.open(source, params, headers).await?.whole().await;
        }
        let answer = match self.modes.get(source) {
            Some(SourceMode::Online) => http::get(found, params, headers).await,
            Some(SourceMode::Replay { path, step }) => {
                let recording = recording(source, found)?;
                let all = self.observations(path.clone(), path.display().to_string(), recording).await?;
                let observation = all.observation(*step, params)?;
                Ok(SourceResponse { status: 200, date: observation.time, body: all.answer(observation) })
            }
            None if self.local.inner.options.online => http::get(found, params, headers).await,
            None => self.sample(source, found, params).await,
        }?;
        self.meter.add_read(1);
        Ok(answer)
    }

    async fn open(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceStream> {
        let found = self.find(source)?;
        let answer = if self.online(source) {
            http::open(found, params, headers).await?
        } else if is_directory(found) {
            self.local.answer_as_directory((source, found), self.replayed(source), params).await?
        } else {
            // It counts what it reads.
            let whole = self.get(source, params, headers).await?;
            return Ok(SourceStream::of(head_of(found, params, &whole)?, whole.body));
        };
        self.meter.add_read(1);
        Ok(answer)
    }

    async fn head(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceHead> {
        let found = self.find(source)?;
        if self.online(source) {
            return http::head(found, params, headers).await;
        }
        if is_directory(found) {
            let answer = self.local.answer_as_directory((source, found), self.replayed(source), params).await?;
            return Ok(answer.head);
        }
        Ok(self.open(source, params, headers).await?.head)
    }
}

fn head_of(source: &Source, params: &[(&str, &str)], whole: &SourceResponse) -> Result<SourceHead> {
    Ok(SourceHead {
        url: http::address(&source.url, params)?,
        status: whole.status,
        date: whole.date,
        size: Some(whole.body.len() as u64),
        ..SourceHead::default()
    })
}

impl InvocationSources {
    fn find(&self, source: &str) -> Result<&Source> {
        self.sources.get(source).ok_or_else(|| Error::not_found("source", source))
    }

    /// Whether the source's real address answers.
    fn online(&self, source: &str) -> bool {
        match self.modes.get(source) {
            Some(mode) => *mode == SourceMode::Online,
            None => self.local.inner.options.online,
        }
    }

    /// What is replayed instead of the source.
    fn replayed(&self, source: &str) -> Option<PathBuf> {
        match self.modes.get(source) {
            Some(SourceMode::Replay { path, .. }) => Some(path.clone()),
            _ => None,
        }
    }

    async fn sample(&self, source: &str, found: &Source, params: &[(&str, &str)]) -> Result<SourceResponse> {
        let recording = recording(source, found)?;
        let Some(sha256) = &recording.sample_sha256 else {
            return Err(Error::Unavailable(format!(
                "the source {source:?} has no sample to answer from: give it one in pipeline.toml, replay a file with \
                 --source {source}=FILE, or use --online"
            )));
        };
        let path = self.local.inner.store.asset_path(sha256);
        let all = self.observations(path, format!("the sample of {source}"), recording).await?;
        let step = self.steps.get(source).copied().unwrap_or(0) % all.steps().max(1);
        let next = (step + 1) % all.steps().max(1);
        self.next_steps.lock().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), next);
        let observation = all.observation(step, params)?;
        Ok(SourceResponse { status: 200, date: Some(self.now), body: all.answer(observation) })
    }

    async fn observations(&self, path: PathBuf, name: String, recording: &Recording) -> Result<Arc<Observations>> {
        let mut opened = self.opened.lock().await;
        if let Some(found) = opened.get(&path) {
            return Ok(found.clone());
        }
        let (local, recording, file) = (self.local.clone(), recording.clone(), path.clone());
        let read = self.local.blocking(move || local.inner.recordings.read(&file, &name, &recording)).await?;
        opened.insert(path, read.clone());
        Ok(read)
    }
}

fn recording<'a>(name: &str, source: &'a Source) -> Result<&'a Recording> {
    source.recording.as_ref().ok_or_else(|| {
        Error::Unavailable(format!(
            "pipeline.toml does not say how a recording of the source {name:?} is matched: use --online"
        ))
    })
}
