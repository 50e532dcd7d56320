//! `invoke --watch`: deploys and invokes again whenever the pipeline's files or the event change.
//!
//! What is invoked is what is deployed, with its timeout, memory, environment and secrets: so each change is deployed
//! first, as `deploy` does it. Files are looked at, not listened for: that works on any file system, also over a network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;

use super::{
    failure::{Failure, Result},
    functions::Invocation,
    out::{complain, note},
    session::Session,
    signals::asked_to_end,
    stacks::{lines, print},
};
use crate::{
    backend::{Backend, Consent, Effect, Strength},
    cloud::stacks::{Action, ChangeSet},
    spec::Origin,
};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// A pipeline's folder with more files than this holds something else.
const MOST_FILES: usize = 10_000;
/// What tools leave beside code, and hidden files, are no part of it.
const LEFT_BESIDE: [&str; 3] = ["__pycache__", "node_modules", "target"];

/// Invokes the function now and after each change, until somebody asks this process to end.
pub async fn watch(s: &Session, backend: &Backend, invocation: &Invocation) -> Result {
    let pipeline = pipeline_of(backend, &invocation.function).await?;
    let described = backend.pipeline(&pipeline)?;
    let protected = described.env(&backend.env).is_some_and(|e| e.protected);
    let folder = match described.origin {
        Origin::Folder(folder) => folder,
        Origin::BuiltIn(_) | Origin::Memory => {
            return Err(Failure::usage(format!(
                "{pipeline} is built in, and does not change: `pumphouse new NAME --from {pipeline}` makes a folder of it"
            )));
        }
    };
    let stack = backend.stack_name(&pipeline);
    if protected {
        return Err(Failure::Refused(format!("{stack} is protected: each of its deploys is confirmed by itself")));
    }
    let sentence = format!("{stack} is deployed whenever {} changes", folder.display());
    s.consent(backend, &Effect { what: "deploy", target: stack, sentence, strength: Strength::Confirm })?;
    let event = invocation.event.as_deref().filter(|from| *from != "-").map(PathBuf::from);
    let given = invocation.event()?;
    let rounds = async {
        loop {
            let seen = look(&folder, event.as_deref())?;
            let done = match deploy(backend, &pipeline).await {
                Ok(()) => match if event.is_some() { invocation.event() } else { Ok(given.clone()) } {
                    Ok(event) => invocation.once(s, backend, event).await,
                    Err(failure) => Err(failure),
                },
                Err(failure) => Err(failure),
            };
            if let Some(why) = done.as_ref().err().and_then(Failure::message) {
                complain(why);
            }
            note(&format!("waiting for a change of {}; Ctrl-C ends it", folder.display()));
            changed(&folder, event.as_deref(), &seen).await?;
        }
    };
    tokio::select! {
        ended = rounds => ended,
        () = asked_to_end() => Ok(()),
    }
}

async fn pipeline_of(backend: &Backend, function: &str) -> Result<String> {
    if let Some((pipeline, _)) = function.split_once('/') {
        return Ok(pipeline.to_owned());
    }
    let all = backend.cloud.functions.list().await?;
    let found = all.into_iter().find(|f| f.name == function).and_then(|f| f.pipeline);
    found.ok_or_else(|| {
        Failure::usage(format!("{function} is of no pipeline that is known: name it PIPELINE/NAME, to watch its files"))
    })
}

/// Deploys what has changed, unless that would take something away.
async fn deploy(backend: &Backend, pipeline: &str) -> Result {
    let (plan, _) = backend.judge_deploy(pipeline, false).await?;
    if plan.changes.is_empty() && !plan.resumes {
        return Ok(());
    }
    for line in lines(&plan) {
        note(&line);
    }
    if takes_away(&plan) {
        return Err(Failure::failed(format!(
            "this removes something or makes it anew, which is not done unasked: `pumphouse deploy {pipeline}`"
        )));
    }
    let (progress, events) = mpsc::unbounded_channel();
    let printer = tokio::spawn(print(events));
    let deployed = backend.deploy(pipeline, &Consent::Yes, progress).await;
    let _ = printer.await;
    let stack = deployed?;
    if stack.status.complete() {
        return Ok(());
    }
    let why = stack.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::failed(format!("{} is {}: {why}", stack.name, stack.status.word())))
}

fn takes_away(plan: &ChangeSet) -> bool {
    let harmless = |action| matches!(action, Action::Add | Action::Change);
    plan.recreates.is_some()
        || plan.changes.iter().any(|c| !harmless(c.action) || c.loses_data || c.replacement.is_some())
}

type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// The files with their sizes and times.
fn look(folder: &Path, event: Option<&Path>) -> Result<Seen> {
    let mut seen = Seen::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || LEFT_BESIDE.contains(&name.as_ref()) {
                continue;
            }
            let Ok(about) = fs::metadata(entry.path()) else { continue };
            if about.is_dir() && !entry.file_type().is_ok_and(|t| t.is_symlink()) {
                folders.push(entry.path());
            } else if about.is_file() {
                seen.insert(entry.path(), (about.len(), about.modified().ok()));
            }
        }
        if seen.len() > MOST_FILES {
            return Err(Failure::failed(format!(
                "{} holds more than {MOST_FILES} files, which is more than can be watched",
                folder.display()
            )));
        }
    }
    if let Some(event) = event {
        let about = fs::metadata(event).ok();
        seen.insert(event.to_owned(), about.map_or((0, None), |about| (about.len(), about.modified().ok())));
    }
    Ok(seen)
}

/// Returns when the files are others than were `seen`, and nobody is about to write more of them.
async fn changed(folder: &Path, event: Option<&Path>, seen: &Seen) -> Result {
    let mut last = look(folder, event)?;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = look(folder, event)?;
        if now == last && now != *seen {
            return Ok(());
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_leave_beside_the_code_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("functions/__pycache__")).unwrap();
        fs::write(dir.path().join("functions/app.py"), "1").unwrap();
        let before = look(dir.path(), None).unwrap();
        assert_eq!(before.len(), 1);
        fs::write(dir.path().join("functions/__pycache__/app.pyc"), "x").unwrap();
        fs::write(dir.path().join(".app.py.swp"), "x").unwrap();
        assert_eq!(look(dir.path(), None).unwrap(), before);
        fs::write(dir.path().join("functions/app.py"), "22").unwrap();
        assert_ne!(look(dir.path(), None).unwrap(), before);
        let event = dir.path().join("../no-event.json");
        assert_eq!(look(dir.path(), Some(&event)).unwrap()[&event], (0, None), "it may come later");
    }
}
