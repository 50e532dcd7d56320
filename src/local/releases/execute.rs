//! Executing the process of a step, and what its end means.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use rusqlite::params;

use super::{
    super::store::sql,
    child::{Child, Ended},
    rows::{self, StepRow},
    run::{Outcome, Work},
};
use crate::cloud::{Result, releases::StepKind};

/// A process that has ended.
pub(super) struct Done {
    ended: Ended,
    why: Why,
}

/// Why we have ended it, where we have.
enum Why {
    LeftAlone,
    Stopped,
    TookTooLong,
}

const STOP_REQUESTED: &str = "select stop_requested from releases where id = ?1";

impl Work<'_> {
    /// How a plan is made, and where it is then.
    pub(super) fn plan(&self, step: &StepRow, name: &str) -> (Vec<OsString>, PathBuf) {
        let file = self.folders.plan(step.env(), name);
        let mut args = self.pumphouse(step);
        args.extend(["plan".into(), OsString::from(&self.row.pipeline), "--out".into(), file.clone().into_os_string()]);
        (args, file)
    }

    /// This very program, on this state and the revision's folder, whatever the settings of whoever carries it on.
    pub(super) fn pumphouse(&self, step: &StepRow) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![self.folders.program().into_os_string(), "--local".into()];
        let dir = self.local.inner.store.dir();
        args.extend(["--state-dir".into(), std::path::absolute(dir).unwrap_or(dir.to_owned()).into_os_string()]);
        args.extend(["--pipelines".into(), self.folders.pipeline(&self.row.folder).into_os_string()]);
        args.extend(["--config".into(), "/dev/null".into(), "--env".into(), OsString::from(step.env())]);
        args
    }

    /// Executes a step's process to its end; none where it is left to others, or the release is to stop.
    pub(super) async fn execute(&self, step: &StepRow, args: Vec<OsString>, most: Option<Duration>) -> Result<Done> {
        let folders = self.folders.clone();
        self.local.blocking(move || folders.link_program()).await?;
        let mut path = self.folders.bin().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let vars = [("PATH", path), ("CI", "true".into())];
        let folder = match step.kind {
            StepKind::Check => self.folders.checked(&self.row.folder),
            _ => self.folders.pipeline(&self.row.folder),
        };
        let child = Child::spawn(&args, &folder, &vars)?;
        let (name, seq) = (child.name.clone(), step.seq);
        // Written before it is let go: whoever carries on after us knows of it.
        self.write(move |t, row, _| {
            t.execute(
                "update release_steps set child = ?3 where release = ?1 and seq = ?2",
                params![row.id, seq, name],
            )
            .map_err(sql)?;
            Ok(())
        })
        .await?;
        // A deploy is waited for: half of one would be nobody's wish.
        let stop = async {
            if step.kind == StepKind::Deploy {
                std::future::pending::<()>().await;
            }
            self.local.inner.store.asked_to_end(STOP_REQUESTED, &self.row.id).await;
        };
        let timeout = async {
            match most {
                Some(most) => tokio::time::sleep(most).await,
                None => std::future::pending().await,
            }
        };
        let mut why = Why::LeftAlone;
        let end = async {
            why = tokio::select! {
                () = self.end.cancelled() => Why::LeftAlone,
                () = stop => Why::Stopped,
                () = timeout => Why::TookTooLong,
            };
        };
        let (group, stream) = (rows::log_group(&self.row.delivery), rows::stream(&self.row, step));
        let ended = child.run(self.local, (&group, &stream), end).await?;
        Ok(Done { ended, why })
    }
}

/// What an ended process means for its step.
pub(super) fn judged(done: Done, what: &str, good: impl FnOnce() -> Result<String>) -> Result<Outcome> {
    let Some(status) = done.ended.status else {
        return Ok(match done.why {
            Why::LeftAlone => Outcome::LeftAlone,
            Why::Stopped => Outcome::Stopped(format!("{what} was stopped on request")),
            Why::TookTooLong => Outcome::Failed(format!("{what} took longer than an hour, and was ended")),
        });
    };
    if status.success() {
        return good().map(Outcome::Done);
    }
    let how = match status.code() {
        Some(code) => format!("{what} failed with exit code {code}"),
        None => format!("{what} was ended: {status}"),
    };
    Ok(Outcome::Failed([vec![how], done.ended.last].concat().join("\n")))
}
