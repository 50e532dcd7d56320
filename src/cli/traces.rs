//! A function's log for whoever wrote the function: the paths of its code are those of the files that they have.

use std::path::{Path, PathBuf};

use regex::{Captures, Regex};

use crate::{backend::Backend, cloud::functions::Invocation, spec::Origin};

/// Where code lies while it is executed: AWS Lambda's folder, and those of the embedded cloud, named by what they hold.
const PLACES: &str = r#"(?:file://)?(?:/var/task|/[^\s"'():]*/code/[0-9a-f]{64})/([^\s"'():]+)"#;

/// The folder with the code of a function, where its pipeline has one on this machine.
pub fn code_folder(backend: &Backend, given: &str, physical: &str) -> Option<PathBuf> {
    let (pipeline, name) = match given.split_once('/') {
        Some((pipeline, _)) => (pipeline, physical.strip_prefix(&format!("{}-", backend.stack_name(pipeline)))?),
        // PIPELINE-ENV-NAME, and names of functions have no `-`.
        None => physical.rsplit_once(&format!("-{}-", backend.env))?,
    };
    let pipeline = backend.pipeline(pipeline).ok()?;
    let Origin::Folder(folder) = &pipeline.origin else { return None };
    let function = pipeline.env(&backend.env)?.functions.iter().find(|f| f.name == name)?;
    Some(folder.join(function.code_folder.as_ref()?))
}

/// The text with the paths of files as they are below `code`; what is not there stays.
pub fn in_their_folder(text: &str, code: &Path) -> String {
    let Ok(places) = Regex::new(PLACES) else { return text.to_owned() };
    let there = |found: &Captures<'_>| {
        let path = code.join(&found[1]);
        if path.is_file() { path.display().to_string() } else { found[0].to_owned() }
    };
    places.replace_all(text, there).into_owned()
}

/// What would help an invocation that took too long or too much.
pub fn advice(done: &Invocation) -> Option<String> {
    let error = done.error.as_deref()?;
    if error.contains("Task timed out after") {
        return Some("it has `timeout_seconds` in pipeline.toml: raise that, or do less".into());
    }
    let report = done.log_tail.as_deref()?.lines().rev().find(|line| line.starts_with("REPORT "))?;
    let mib = |what: &str| report.split_once(what)?.1.trim_start().split(' ').next()?.parse::<u64>().ok();
    let full = mib("Max Memory Used:")? >= mib("Memory Size:")?;
    (full && !error.contains("memory_mib"))
        .then(|| "it took all the memory that it has: raise its `memory_mib` in pipeline.toml".into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_traceback_names_the_files_of_whoever_wrote_the_function() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inner")).unwrap();
        fs::write(dir.path().join("inner/app.py"), "").unwrap();
        let (code, hash) = (dir.path().display(), "a".repeat(64));
        let said = format!(
            "  File \"/state/code/{hash}/inner/app.py\", line 3, in handler\n  File \"/var/task/inner/app.py\", line 4\n  \
             at handler (file:///state/code/{hash}/inner/app.py:3:9)\n  File \"/var/task/other.py\", line 5\n  /var/lib/x"
        );
        assert_eq!(
            in_their_folder(&said, dir.path()),
            format!(
                "  File \"{code}/inner/app.py\", line 3, in handler\n  File \"{code}/inner/app.py\", line 4\n  \
                 at handler ({code}/inner/app.py:3:9)\n  File \"/var/task/other.py\", line 5\n  /var/lib/x"
            )
        );
    }

    #[test]
    fn who_runs_out_of_time_or_memory_is_told_what_to_raise() {
        let ended = |error: &str, tail: &str| Invocation {
            request_id: "r".into(),
            function: "f".into(),
            payload: Value::Null,
            error: Some(error.into()),
            duration_ms: 1,
            records_in: None,
            records_out: None,
            log_tail: Some(tail.into()),
        };
        let late = ended("2026-11-20 Task timed out after 3.00 seconds", "");
        assert!(advice(&late).unwrap().contains("timeout_seconds"));
        let report = |used| format!("REPORT RequestId: r\tMemory Size: 128 MB\tMax Memory Used: {used} MB\t");
        let killed = "Runtime.ExitError: RequestId: r Error: Runtime exited with error: signal: killed";
        assert!(advice(&ended(killed, &report(128))).unwrap().contains("memory_mib"));
        assert_eq!(advice(&ended(killed, &report(90))), None);
        assert_eq!(advice(&ended("it took more: raise its `memory_mib`", &report(128))), None, "that was said");
    }
}
