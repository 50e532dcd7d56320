//! Where AWS Glue writes what a run says.
//!
//! Errors and Glue's own lines go to `/aws-glue/jobs/error`, what a script prints to `/aws-glue/jobs/output`: groups
//! that all jobs share, with streams named after the run. Arguments move them.

use std::collections::HashMap;

/// What the log groups of Spark jobs begin with.
pub(super) const SPARK: &str = "/aws-glue/jobs";
/// What those of Python shell jobs begin with.
pub(super) const PYTHON: &str = "/aws-glue/python-jobs";

/// The arguments that move what a run says.
const MOVES: [&str; 5] = [
    "--custom-logGroup-prefix",
    "--custom-logStream-prefix",
    "--continuous-log-logGroup",
    "--continuous-log-logStreamPrefix",
    "--enable-continuous-cloudwatch-log",
];

/// Where a run's lines are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// The group of what it prints.
    pub(super) output: String,
    /// The group of its errors.
    pub(super) error: String,
    /// What its streams' names begin with, where that is not the run's id.
    pub(super) stream: Option<String>,
}

/// The places of a run, where its own arguments or AWS's `group` for it say another than the job's: AWS tells the
/// arguments of a run without those that are the job's.
pub(super) fn of_run(
    group: Option<&str>,
    glue_version: Option<&str>,
    arguments: &HashMap<String, String>,
) -> Option<Places> {
    // With a security configuration, its name is part of the group's.
    let secured = group.map(|g| g.trim_end_matches('/')).filter(|group| {
        [SPARK, PYTHON].iter().any(|base| group.strip_prefix(base).is_some_and(|rest| rest.starts_with('-')))
    });
    let moved = MOVES.iter().any(|name| arguments.contains_key(*name));
    (moved || secured.is_some()).then(|| of(secured.unwrap_or(SPARK), glue_version, arguments))
}

/// The places of a run with these arguments; `base` is what AWS says its groups begin with.
pub(super) fn of(base: &str, glue_version: Option<&str>, arguments: &HashMap<String, String>) -> Places {
    let argument = |name: &str| arguments.get(name).map(|v| v.trim_end_matches('/')).filter(|v| !v.is_empty());
    let stream = argument("--custom-logStream-prefix").or_else(|| argument("--continuous-log-logStreamPrefix"));
    let stream = stream.map(str::to_owned);
    if let Some(group) = argument("--continuous-log-logGroup") {
        return Places { output: group.to_owned(), error: group.to_owned(), stream };
    }
    let base = argument("--custom-logGroup-prefix").unwrap_or(base);
    let major = glue_version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let continuous = argument("--enable-continuous-cloudwatch-log") == Some("true");
    // Since version 5 all jobs log continuously, to the two groups.
    let output = if continuous && major.is_some_and(|v| v < 5) { "logs-v2" } else { "output" };
    Places { output: format!("{base}/{output}"), error: format!("{base}/error"), stream }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(base: &str, version: &str, arguments: &[(&str, &str)]) -> (String, String, Option<String>) {
        let arguments = arguments.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let found = of(base, Some(version), &arguments);
        (found.output, found.error, found.stream)
    }

    #[test]
    fn lines_are_where_the_arguments_say() {
        let pair = |output: &str, error: &str| (output.to_owned(), error.to_owned(), None);
        let ours = "/aws-glue/jobs/crypto-stream-dev-clean_prices";
        assert_eq!(places(SPARK, "5.1", &[]), pair("/aws-glue/jobs/output", "/aws-glue/jobs/error"));
        assert_eq!(places(SPARK, "5.1", &[("--continuous-log-logGroup", ours)]), pair(ours, ours));
        let on = ("--enable-continuous-cloudwatch-log", "true");
        assert_eq!(places(SPARK, "4.0", &[on]), pair("/aws-glue/jobs/logs-v2", "/aws-glue/jobs/error"));
        assert_eq!(places(SPARK, "5.0", &[on]), pair("/aws-glue/jobs/output", "/aws-glue/jobs/error"));
        assert_eq!(places(PYTHON, "3.9", &[]), pair("/aws-glue/python-jobs/output", "/aws-glue/python-jobs/error"));
        assert_eq!(of_run(Some("/aws-glue/jobs"), Some("5.1"), &HashMap::new()), None, "they are where the job's are");
        let own = of_run(Some("/aws-glue/jobs-s"), Some("5.1"), &HashMap::new()).unwrap();
        assert_eq!(own.error, "/aws-glue/jobs-s/error");
        let secured = "/aws-glue/jobs-secured";
        assert_eq!(places(secured, "5.1", &[]), pair("/aws-glue/jobs-secured/output", "/aws-glue/jobs-secured/error"));
        let custom = [("--custom-logGroup-prefix", "/team/"), ("--custom-logStream-prefix", "nightly")];
        assert_eq!(
            places(SPARK, "5.1", &custom),
            ("/team/output".to_owned(), "/team/error".to_owned(), Some("nightly".to_owned()))
        );
    }
}
