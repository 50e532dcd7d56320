//! `run`: once through every stage of a pipeline.

use std::{collections::HashMap, io, io::IsTerminal, path::PathBuf, time::Duration};

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::{
    failure::{Failure, Result},
    input,
    out::{Cell, Column, note},
    session::Session,
    signals::unless_interrupted,
};
use crate::{
    backend::{
        Backend,
        run::{RunOptions, RunProgress, StageReport},
    },
    cloud::runs::StageRun,
    config::Format,
    text,
};

/// What to run.
#[derive(Debug, Args)]
pub struct Run {
    /// The pipeline's name
    pub pipeline: String,
    /// Replay a file or a folder instead of a source, on the embedded cloud alone; or upload a file, or those of a folder,
    /// instead of a source's own files
    #[arg(long = "source", value_name = "NAME=PATH", value_parser = input::pair)]
    sources: Vec<(String, String)>,
    /// Let sources answer from their real addresses, as they always do on AWS
    #[arg(long)]
    online: bool,
    /// Start anew rather than resume an interrupted run
    #[arg(long)]
    restart: bool,
}

const STAGES: [Column<StageReport>; 7] = [
    ("stage", |x| Cell::text(&x.name)),
    ("kind", |x| Cell::text(&x.kind)),
    ("status", |x| Cell::text(&x.status)),
    ("records in", |x| Cell::maybe(x.records_in, Cell::Count)),
    ("records out", |x| Cell::maybe(x.records_out, Cell::Count)),
    ("took", |x| Cell::Millis(x.elapsed_ms)),
    ("error", |x| Cell::maybe(x.error.as_ref(), Cell::text)),
];

impl Run {
    /// Runs it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let options = RunOptions {
            sources: self.sources.into_iter().map(|(name, path)| (name, PathBuf::from(path))).collect(),
            online: self.online,
            restart: self.restart,
        };
        let consent = s.consent(backend, &backend.run_effect(&self.pipeline))?;
        let (progress, news) = mpsc::unbounded_channel();
        let printer = tokio::spawn(print(news));
        let work = backend.run(&self.pipeline, &options, &consent, progress);
        let result = unless_interrupted(work, "the next `run` carries it on").await;
        let _ = printer.await;
        let report = result??;
        match s.out.format {
            Format::Json => s.out.json(&report)?,
            _ => s.out.list(&report.stages, &STAGES, "no stages")?,
        }
        if report.ok {
            return Ok(());
        }
        let failed = report.stages.iter().find(|x| x.error.is_some());
        Err(Failure::failed(failed.map_or_else(
            || format!("the run of {} failed", report.pipeline),
            |x| format!("the run of {} failed in the {} {}", report.pipeline, x.kind, x.name),
        )))
    }
}

/// News of the run on stderr: bars on a terminal, a line for each stage elsewhere.
async fn print(mut news: mpsc::UnboundedReceiver<RunProgress>) {
    let mut bars = io::stderr().is_terminal().then(Bars::new);
    while let Some(event) = news.recv().await {
        match event {
            RunProgress::Resumed { run, stage } => {
                say(bars.as_ref(), &format!("resuming the interrupted run {run} at {stage} (--restart starts anew)"));
            }
            RunProgress::Restarted { run } => {
                say(bars.as_ref(), &format!("giving up the interrupted run {run} and starting anew"));
            }
            RunProgress::Fed { source, uploaded, removed } => {
                say(bars.as_ref(), &format!("{source}: {uploaded} files uploaded, {removed} others removed"));
            }
            RunProgress::Stage(stage) => match &mut bars {
                Some(bars) => bars.stage(&stage),
                None if matches!(stage.status.as_str(), "RUNNING" | "PENDING") => {}
                None => note(&summary(&stage)),
            },
        }
    }
}

fn say(bars: Option<&Bars>, what: &str) {
    match bars {
        Some(bars) => {
            let _ = bars.all.println(text::clean(what));
        }
        None => note(what),
    }
}

fn summary(stage: &StageRun) -> String {
    let why = stage.error.as_ref().map_or_else(String::new, |e| format!(": {e}"));
    let told = |n: Option<u64>| n.map_or_else(|| "unknown".into(), text::count);
    let counts = match (stage.records_in, stage.records_out) {
        (None, None) => "records not counted".to_owned(),
        (read, written) => format!("{} in, {} out", told(read), told(written)),
    };
    format!("{} {} {}: {counts}{why}", stage.status, stage.kind, stage.name)
}

/// A bar for each stage that is at work.
struct Bars {
    all: MultiProgress,
    stages: HashMap<(String, String), ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        Self { all: MultiProgress::new(), stages: HashMap::new() }
    }

    fn stage(&mut self, stage: &StageRun) {
        let bar = self.stages.entry((stage.kind.clone(), stage.name.clone())).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if matches!(stage.status.as_str(), "RUNNING" | "PENDING") {
            let template = match stage.steps {
                0 | 1 => "{spinner} {msg}",
                _ => "{spinner} {msg} [{bar:30}] {pos}/{len} {eta}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            if stage.steps > 1 {
                bar.set_length(stage.steps);
                bar.set_position(stage.step);
            }
            bar.set_message(text::clean(&format!("{} {}", stage.kind, stage.name)).into_owned());
        } else {
            bar.finish_and_clear();
            let _ = self.all.println(text::clean(&summary(stage)));
        }
    }
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests {
    use std::path::Path;

    use crate::{
        backend::{Backend, Consent, Strength, overview::Lane},
        cli::connect,
        cloud::functions::Invoke,
        config::{Flags, Settings},
    };

    fn open(dir: &Path, env: &str) -> Backend {
        let state_dir = Some(dir.to_owned());
        let flags = Flags { local: true, state_dir, env: Some(env.to_owned()), ..Flags::default() };
        let settings = Settings::load(&flags, &|_| None).unwrap();
        let Ok(connection) = connect::open(&settings) else { panic!("the cloud opens") };
        connection.backend
    }

    #[tokio::test]
    async fn a_call_that_failed_leaves_a_trace_when_the_next_one_is_well() {
        let dir = tempfile::tempdir().unwrap();
        let backend = open(dir.path(), "dev");
        let (progress, _news) = tokio::sync::mpsc::unbounded_channel();
        backend.deploy("crypto-stream", &Consent::Yes, progress).await.unwrap();
        for event in [serde_json::json!({"Records": "nonsense"}), serde_json::json!({"Records": []})] {
            let function = "crypto-stream-dev-alert_on_price".to_owned();
            let request = Invoke { function, event, request_id: None, sources: std::collections::BTreeMap::new() };
            backend.invoke(request, &Consent::None).await.unwrap();
        }
        let view = backend.view("crypto-stream").await.unwrap();
        let stage = view.stages.iter().find(|s| s.stage.name == "alert_on_price").unwrap();
        assert_eq!(stage.figure, "2 calls · 1 error");
        let failed: Vec<_> = view.timeline.iter().filter(|e| e.bad && e.lane == Lane::Runs).collect();
        assert_eq!(failed.len(), 1, "{:?}", view.timeline);
        assert!(failed[0].text.starts_with("alert_on_price: "), "{failed:?}");
        assert_eq!(backend.topics().await.0.last().unwrap().name, "crypto-stream-dev-new_files");
    }

    #[test]
    fn a_run_in_a_protected_environment_wants_a_yes() {
        for (env, protected) in [("dev", false), ("prod", true)] {
            let dir = tempfile::tempdir().unwrap();
            let backend = open(dir.path(), env);
            assert_eq!(backend.protected_env(), protected);
            let wanted = if protected { Strength::Confirm } else { Strength::Free };
            assert_eq!(backend.run_effect("crypto-stream").strength, wanted);
            assert_eq!(backend.run_effect("nope").strength, Strength::Free, "the run itself says that there is none");
        }
    }
}
