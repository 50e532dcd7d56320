//! What can be typed behind `:`.

/// Commands: the name, its argument, what it does.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("overview", "[PIPELINE]", "the pipelines, or that one"),
    ("buckets", "[BUCKET]", "the buckets, or that one"),
    ("jobs", "[JOB]", "the jobs, or that one"),
    ("logs", "[GROUP]", "the log groups, or that one"),
    ("insights", "QUERY", "a query of CloudWatch Logs Insights over the log group that is open"),
    ("alerts", "", "thresholds, alarms and topics"),
    ("query", "[SQL]", "the queries; with SQL, run it"),
    ("deploy", "[PIPELINE]", "the plan of a pipeline"),
    ("profile", "NAME", "look at AWS with another profile"),
    ("region", "NAME", "look at another region"),
    ("role", "ARN", "look at AWS in another role"),
    ("theme", "NAME", "other colours"),
    ("help", "", "the keys of this pane"),
    ("refresh", "", "read everything that is shown again"),
    ("quit", "", "quit"),
];

/// Regions that a new account has, for completion; others can be typed.
pub const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Shortest forms that people's fingers know.
const ALIASES: &[(&str, &str)] =
    &[("q", "quit"), ("q!", "quit"), ("queries", "query"), ("h", "help"), ("exit", "quit")];

/// Splits a command line into the command that is meant and its argument.
///
/// # Errors
/// What is wrong with it, and what there is.
pub fn parse(line: &str) -> Result<(&'static str, &str), String> {
    let line = line.trim();
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let word = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| name);
    let argument = argument.trim();
    if let Some((name, ..)) = TABLE.iter().find(|(name, ..)| *name == word) {
        return Ok((name, argument));
    }
    let mut starts = TABLE.iter().filter(|(name, ..)| !word.is_empty() && name.starts_with(word));
    match (starts.next(), starts.next()) {
        (Some((name, ..)), None) => Ok((name, argument)),
        (Some((a, ..)), Some((b, ..))) => Err(format!(":{word} may be :{a} or :{b}")),
        (None, _) => {
            let names: Vec<_> = TABLE.iter().map(|(name, ..)| *name).collect();
            Err(format!("no command :{word}; there are {}", names.join(", ")))
        }
    }
}

/// What may stand for the last word of a line, from what the console has seen: whole lines.
pub fn complete(line: &str, names: &dyn Fn(&str) -> Vec<String>) -> Vec<String> {
    let line = line.trim_start();
    let Some((word, argument)) = line.split_once(' ') else {
        return TABLE.iter().filter(|(name, ..)| name.starts_with(line)).map(|(name, ..)| (*name).to_owned()).collect();
    };
    let Ok((command, _)) = parse(word) else { return Vec::new() };
    let mut fitting: Vec<_> = names(command).into_iter().filter(|n| n.contains(argument.trim())).collect();
    fitting.sort_by_key(|n| !n.starts_with(argument.trim()));
    fitting.into_iter().map(|n| format!("{word} {n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_enough() {
        assert_eq!(parse("j"), Ok(("jobs", "")));
        assert_eq!(parse("logs  /aws/x "), Ok(("logs", "/aws/x")));
        assert_eq!(parse("q"), Ok(("quit", "")));
        assert!(parse("nope").unwrap_err().contains("overview"));
        assert!(parse("").is_err());
    }

    #[test]
    fn completion_knows_names() {
        let names =
            |command: &str| if command == "jobs" { vec!["a-clean".to_owned(), "clean".to_owned()] } else { vec![] };
        assert_eq!(complete("jo", &names), ["jobs"]);
        assert_eq!(complete("jobs cl", &names), ["jobs clean", "jobs a-clean"]);
        assert!(complete("nope x", &names).is_empty());
    }
}
