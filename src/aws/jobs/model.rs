//! Jobs and runs: from the SDK's to ours.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_glue::types;
use jiff::Timestamp;

use super::places;
use crate::{
    aws::time::optional,
    cloud::{
        jobs::{Capacity, Job, JobRun, JobRunState},
        secrets::{MASKED, named_secret, tells_secret},
    },
};

/// What starts a run that no trigger started.
pub(super) const ON_DEMAND: &str = "on demand";
type Arguments = Option<HashMap<String, String>>;

/// A job; none without a name.
pub(super) fn job(job: types::Job) -> Option<Job> {
    let mut all = job.default_arguments.unwrap_or_default();
    all.extend(job.non_overridable_arguments.unwrap_or_default());
    let capacity = Capacity {
        glue_version: job.glue_version,
        worker_type: job.worker_type.map(|w| w.as_str().to_owned()),
        workers: positive(job.number_of_workers),
        max_dpu: job.max_capacity.filter(|dpu| *dpu > 0.0),
    };
    let python_shell = job.command.as_ref().and_then(|c| c.name.as_deref()) == Some("pythonshell");
    let base = if python_shell { places::PYTHON } else { places::SPARK };
    let logs = places::of(base, capacity.glue_version.as_deref(), &all);
    let bookmark = all.get("--job-bookmark-option").is_some_and(|o| o == "job-bookmark-enable");
    Some(Job {
        name: job.name?,
        pipeline: None,
        schedule: None,
        next_run: None,
        bookmark,
        error_log_group: Some(logs.error).filter(|error| *error != logs.output),
        log_group: logs.output,
        last_run: None,
        capacity,
        arguments: masked(Some(all)),
    })
}

/// A run; none without an id.
pub(super) fn run(job: &str, run: types::JobRun) -> Option<JobRun> {
    let id = run.id?;
    let state = state(run.job_run_state.as_ref(), run.completed_on.is_some());
    let ended = optional(run.completed_on.as_ref()).filter(|_| state.is_final());
    let times = [run.started_on.as_ref(), run.last_modified_on.as_ref(), run.completed_on.as_ref()];
    let started = times.into_iter().find_map(optional).unwrap_or_else(Timestamp::now);
    let arguments = run.arguments.unwrap_or_default();
    let capacity = Capacity {
        glue_version: run.glue_version,
        worker_type: run.worker_type.map(|w| w.as_str().to_owned()),
        workers: positive(run.number_of_workers),
        max_dpu: run.max_capacity.filter(|dpu| *dpu > 0.0),
    };
    let logs = places::of_run(run.log_group_name.as_deref(), capacity.glue_version.as_deref(), &arguments);
    let detail = run.state_detail.filter(|_| state.is_failure());
    let error = run.error_message.filter(|e| !e.trim().is_empty()).or(detail);
    Some(JobRun {
        log_stream: logs.as_ref().and_then(|l| l.stream.clone()).unwrap_or_else(|| id.clone()),
        id,
        job: run.job_name.unwrap_or_else(|| job.to_owned()),
        state,
        trigger: run.trigger_name.unwrap_or_else(|| ON_DEMAND.to_owned()),
        started,
        ended,
        rows_in: None,
        rows_out: None,
        files_in: None,
        bytes_in: None,
        error,
        error_log_group: logs.as_ref().map(|l| l.error.clone()),
        log_group: logs.map(|l| l.output),
        capacity,
        execution_seconds: u64::try_from(run.execution_time).ok().filter(|s| *s > 0),
        dpu_seconds: run.dpu_seconds.filter(|s| *s > 0.0),
        arguments: masked(Some(arguments)),
    })
}

fn positive(n: Option<i32>) -> Option<u32> {
    n.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

fn state(state: Option<&types::JobRunState>, over: bool) -> JobRunState {
    use types::JobRunState as S;
    match state {
        Some(S::Waiting) => JobRunState::Waiting,
        Some(S::Starting) => JobRunState::Starting,
        Some(S::Stopping) => JobRunState::Stopping,
        Some(S::Stopped) => JobRunState::Stopped,
        Some(S::Succeeded) => JobRunState::Succeeded,
        Some(S::Failed) => JobRunState::Failed,
        Some(S::Error) => JobRunState::Error,
        Some(S::Timeout) => JobRunState::Timeout,
        Some(S::Expired) => JobRunState::Expired,
        // A state that is newer than we are.
        Some(_) | None if over => JobRunState::Error,
        Some(_) | None => JobRunState::Running,
    }
}

/// The arguments, without the values of those that look like secrets.
fn masked(arguments: Arguments) -> BTreeMap<String, String> {
    let shown = |(name, value): (String, String)| {
        let hidden = named_secret(&name) || tells_secret(&value);
        let value = if hidden { MASKED.to_owned() } else { value };
        (name, value)
    };
    arguments.unwrap_or_default().into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_like_secrets_are_not_shown() {
        let shown = |name: &str, value: &str| {
            masked(Some(HashMap::from([(name.to_owned(), value.to_owned())]))).into_values().next().unwrap()
        };
        for (name, value) in [
            ("--db_password", "x"),
            ("--API-KEY", "x"),
            ("--apiKey", "x"),
            ("--access_key_id", "x"),
            ("--slack_token", "x"),
            ("--db", "postgresql://ada:pw@host/db"),
            ("--conf", "spark.x=1 spark.password=hunter2"),
            ("--who", "AKIAIOSFODNN7EXAMPLE"),
            ("--url", "https://host/p?user=a&token=b"),
        ] {
            assert_eq!(shown(name, value), MASKED, "{name} {value}");
        }
        for (name, value) in [
            ("--SQL_URI", "s3://bucket/jobs/x.sql"),
            ("--PARTITION_BY", "a,b"),
            ("--author", "ada@example.com"),
            ("--monkey", "1"),
            ("--conf", "spark.sql.shuffle.partitions=8"),
        ] {
            assert_eq!(shown(name, value), value);
        }
    }

    #[test]
    fn each_state_has_its_own() {
        for (theirs, ours) in [
            ("WAITING", JobRunState::Waiting),
            ("STARTING", JobRunState::Starting),
            ("RUNNING", JobRunState::Running),
            ("STOPPING", JobRunState::Stopping),
            ("STOPPED", JobRunState::Stopped),
            ("SUCCEEDED", JobRunState::Succeeded),
            ("FAILED", JobRunState::Failed),
            ("ERROR", JobRunState::Error),
            ("TIMEOUT", JobRunState::Timeout),
            ("EXPIRED", JobRunState::Expired),
        ] {
            assert_eq!(state(Some(&types::JobRunState::from(theirs)), false), ours);
            assert_eq!(ours.word(), theirs);
        }
        assert!(!state(Some(&types::JobRunState::from("DREAMING")), false).is_final());
        assert!(state(None, true).is_failure());
    }

    #[test]
    fn a_run_without_anything_but_an_id_is_a_run() {
        let bare = run("j", types::JobRun::builder().id("jr_1").build()).unwrap();
        assert_eq!((bare.state, bare.ended, bare.log_stream.as_str()), (JobRunState::Running, None, "jr_1"));
        assert!(run("j", types::JobRun::builder().build()).is_none());
        assert!(job(types::Job::builder().build()).is_none());
    }
}
