//! `invoke --watch`: deploys and invokes again whenever the pipeline's files or the event change.
//!
//! What is invoked is what is deployed, with its timeout, memory, environment and secrets: so each change is deployed
//! first, as `deploy` does it. What was confirmed at the start is the code of functions: whatever else a change leads to is
//! shown and confirmed by itself. Files are looked at, not listened for: that works on any file system, also over a
//! network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Result},
    functions::Invocation,
    out::{complain, note},
    session::Session,
    signals::asked_to_end,
    stacks::{applied, lines, planned},
};
use crate::{
    backend::{Backend, Consent, Effect, Strength},
    cloud::stacks::{Action, Change, ChangeSet},
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
    let event = invocation.event.as_deref().filter(|from| *from != "-").map(PathBuf::from);
    let given = invocation.event()?;
    let sentence = format!(
        "the code of {stack}'s functions is deployed whenever {} changes, and {} invoked; other changes are asked for",
        folder.display(),
        invocation.function
    );
    s.consent(backend, &Effect { what: "deploy", target: stack, sentence, strength: Strength::Confirm })?;
    // From here on Ctrl-C ends whatever is done then in its own way, and this afterwards.
    let asked = CancellationToken::new();
    let ends = asked.clone();
    tokio::spawn(async move {
        asked_to_end().await;
        ends.cancel();
    });
    loop {
        let seen = look(&folder, event.as_deref())?;
        let done = round(s, backend, &pipeline, invocation, event.as_ref().map_or(Some(&given), |_| None)).await;
        match done {
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            // What was cut off has said what comes of it.
            Err(failure) if asked.is_cancelled() => {
                failure.message().into_iter().for_each(note);
            }
            Err(failure) => failure.message().into_iter().for_each(complain),
            Ok(()) => {}
        }
        if asked.is_cancelled() {
            return Ok(());
        }
        note(&format!("waiting for a change of {}; Ctrl-C ends it", folder.display()));
        tokio::select! {
            changed = changed(&folder, event.as_deref(), &seen) => changed?,
            () = asked.cancelled() => return Ok(()),
        }
    }
}

/// Deploys what has changed, and invokes the function: with what is given, else with what the event's file holds now.
async fn round(
    s: &Session,
    backend: &Backend,
    pipeline: &str,
    invocation: &Invocation,
    given: Option<&serde_json::Value>,
) -> Result {
    deploy(s, backend, pipeline).await?;
    let event = given.cloned().map_or_else(|| invocation.event(), Ok)?;
    invocation.once(s, backend, event).await
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

/// Deploys what has changed: code at once, anything else once it is confirmed, and nothing that takes something away.
async fn deploy(s: &Session, backend: &Backend, pipeline: &str) -> Result {
    let (plan, effect) = planned(backend.engine_of(pipeline), backend.judge_deploy(pipeline, false)).await??;
    if plan.is_empty() {
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
    let consent = if only_code(&plan) { Consent::Yes } else { s.consent(backend, &effect)? };
    let stack = applied(backend, pipeline, &consent).await?;
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

/// Whether nothing but functions' code becomes another: `Code.S3Key` on AWS, `code.files.app.py` on the embedded cloud. What
/// only may change where another change turns out to need it does not count.
fn only_code(plan: &ChangeSet) -> bool {
    let code = |path: &str| path.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case("code"));
    let of_code = |c: &Change| {
        c.kind == "function"
            && c.action == Action::Change
            && !c.properties.is_empty()
            && c.properties.iter().all(|p| code(&p.path))
    };
    !plan.resumes && plan.changes.iter().any(of_code) && plan.changes.iter().all(|c| of_code(c) || !c.certain)
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
    use crate::cloud::stacks::{Evaluation, PropertyChange};

    fn change(kind: &str, action: Action, path: &str) -> Change {
        Change {
            action,
            logical_id: "F".into(),
            name: "function.f".into(),
            physical_name: "x-dev-f".into(),
            kind: kind.into(),
            properties: vec![PropertyChange {
                path: path.into(),
                before: None,
                after: None,
                requires_replacement: false,
                evaluation: Evaluation::Static,
                cause: None,
            }],
            loses_data: false,
            certain: true,
            replacement: None,
            kept: false,
            moved_from: None,
            imported: None,
            reason: None,
        }
    }

    #[test]
    fn only_the_code_of_functions_is_deployed_without_a_question() {
        let plan = |changes| ChangeSet::new("x-dev", changes);
        let code = || change("function", Action::Change, "Code.S3Key");
        assert!(only_code(&plan(vec![code(), change("function", Action::Change, "code.files.app.py")])));
        assert!(!only_code(&plan(vec![])));
        for other in [
            change("function", Action::Change, "MemorySize"),
            change("function", Action::Change, "CodeSigningConfigArn"),
            change("function", Action::Add, "Code.S3Key"),
            change("job", Action::Change, "code"),
            change("role", Action::Change, "Policies"),
            Change { properties: vec![], ..code() },
        ] {
            assert!(!only_code(&plan(vec![code(), other.clone()])), "{other:?}");
        }
        let perhaps = Change { certain: false, ..change("permission", Action::Change, "FunctionName") };
        assert!(only_code(&plan(vec![code(), perhaps.clone()])));
        assert!(!only_code(&plan(vec![perhaps])));
        assert!(!only_code(&ChangeSet { resumes: true, ..plan(vec![code()]) }));
    }

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
