//! `[release]`: how a change of the pipeline's folder is delivered.

use super::{
    diagnostic::{Mistakes, quote, suggest},
    sections::emails,
    tree::{At, Section, Table, Value},
    types::{Definition, Environment, Release, ReleaseSource, ReleaseTarget},
};

/// Who hosts a repository, as CodeConnections names them, and CodeCommit.
const SOURCES: [(&str, &str); 5] = [
    ("codecommit", "CodeCommit"),
    ("github", "GitHub"),
    ("gitlab", "GitLab"),
    ("bitbucket", "Bitbucket"),
    ("github-enterprise", "GitHubEnterpriseServer"),
];

/// More than so many commands belong into a script.
const MOST_CHECKS: usize = 20;

/// Reads the section; the environments are those that the pipeline has, in the order of the file.
pub(super) fn release(
    m: &mut Mistakes,
    top: &mut Section<'_>,
    pipeline: &str,
    environments: &[Environment],
) -> Option<Release> {
    let mut s = top.section(m, "release", "a section: `[release]`")?;
    let source = s.required(m, "source", "\"codecommit\"");
    let repository = s.required(m, "repository", "\"my-repository\"");
    let connection = s.text(m, "connection", "\"arn:aws:codeconnections:REGION:ACCOUNT:connection/ID\"");
    let branch = s.text(m, "branch", "\"main\"");
    let folder = s.text(m, "folder", "\"pipelines/my-pipeline\"");
    let checks = checks(m, &mut s);
    let environments = targets(m, &mut s, environments);
    let email = s.texts(m, "email", "[\"oncall@example.com\"]");
    let email = emails(m, email);
    let branch = branch.map_or_else(|| "main".to_owned(), |b| branch_name(m, b));
    let folder = folder.map(|f| folder_name(m, f)).unwrap_or_default();
    let source = self::source(m, source, repository, connection);
    let definition = Definition { pipeline: pipeline.to_owned(), folder, branch, checks, environments, email };
    s.finish(m);
    Some(Release { source: source?, definition })
}

fn source(
    m: &mut Mistakes,
    source: Option<At<String>>,
    repository: Option<At<String>>,
    connection: Option<At<String>>,
) -> Option<ReleaseSource> {
    let source = source?;
    let Some((word, provider)) = SOURCES.iter().find(|(word, _)| *word == source.value) else {
        let help = suggest(&source.value, SOURCES.iter().map(|(word, _)| *word), "");
        m.add(source.at, format!("releases come from no {}", quote(&source.value)), help);
        return None;
    };
    let part = |p: &str| {
        !p.is_empty() && p.len() <= 100 && p.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    let repository = repository?;
    let parts: Vec<&str> = repository.value.split('/').collect();
    if *word == "codecommit" {
        if let Some(connection) = connection {
            m.add(connection.at, "`connection` beside CodeCommit", "the repository is in the account: remove it");
        }
        if parts.len() != 1 || !part(&repository.value) {
            let message = format!("{} is no name of a repository in CodeCommit", quote(&repository.value));
            m.add(repository.at, message, "letters, digits, `.`, `_` and `-`: `my-repository`");
            return None;
        }
        return Some(ReleaseSource::CodeCommit { repository: repository.value });
    }
    // GitLab has groups in groups.
    let most = if *word == "gitlab" { 20 } else { 2 };
    if parts.len() < 2 || parts.len() > most || !parts.iter().all(|p| part(p)) {
        let message = format!("{} is no repository of {provider}", quote(&repository.value));
        m.add(repository.at, message, "its owner and its name: `example/my-repository`");
        return None;
    }
    let Some(connection) = connection else {
        let help = "make a connection in AWS (Developer Tools, Connections) and name it: `connection = \
                    \"arn:aws:codeconnections:REGION:ACCOUNT:connection/ID\"`";
        m.add(source.at, format!("releases from {provider} need a `connection`"), help);
        return None;
    };
    if !connection_arn(&connection.value) {
        let message = format!("{} is no ARN of a connection", quote(&connection.value));
        m.add(connection.at, message, "`arn:aws:codeconnections:REGION:ACCOUNT:connection/ID`");
        return None;
    }
    let (provider, repository) = ((*provider).to_owned(), repository.value);
    Some(ReleaseSource::Connection { provider, repository, connection: connection.value })
}

fn connection_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "codeconnections" | "codestar-connections", region, account, id] = parts.as_slice() else {
        return false;
    };
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    word(partition)
        && word(region)
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && id.strip_prefix("connection/").is_some_and(word)
}

/// What runs before anything is deployed; none said: pumphouse's own check.
fn checks(m: &mut Mistakes, s: &mut Section<'_>) -> Vec<String> {
    const OWN: &str = "pumphouse check .";
    if s.node("checks").is_none() {
        return vec![OWN.to_owned()];
    }
    let mut checks = Vec::new();
    for check in s.texts(m, "checks", "[\"pumphouse check .\", \"make test\"]") {
        // A line each: what is shown of a release is what was run.
        if check.value.trim().is_empty() || check.value.chars().any(char::is_control) {
            m.add(
                check.at,
                format!("{} is no command", quote(&check.value)),
                format!("one line for the shell: `{OWN}`"),
            );
        } else if checks.len() == MOST_CHECKS {
            m.add(check.at, format!("there are more than {MOST_CHECKS} checks"), "call a script that runs them");
            break;
        } else {
            checks.push(check.value);
        }
    }
    checks
}

/// The environments to deploy to; none said: all, in their order, with an approval before each that is protected.
fn targets(m: &mut Mistakes, s: &mut Section<'_>, environments: &[Environment]) -> Vec<ReleaseTarget> {
    let example = "[{ env = \"dev\" }, { env = \"prod\", approval = true }]";
    if s.node("environments").is_none() {
        let target = |e: &Environment| ReleaseTarget { env: e.name.clone(), approval: e.protected };
        return environments.iter().map(target).collect();
    }
    let mut targets: Vec<ReleaseTarget> = Vec::new();
    for item in s.list(m, "environments", example) {
        let Value::Table(table) = &item.value else {
            m.add(
                item.at.clone(),
                "an environment of a release is a table",
                format!("write `environments = {example}`"),
            );
            continue;
        };
        targets.extend(target(m, item.at.clone(), table, environments, &targets));
    }
    targets
}

fn target(
    m: &mut Mistakes,
    at: std::ops::Range<usize>,
    table: &Table,
    environments: &[Environment],
    before: &[ReleaseTarget],
) -> Option<ReleaseTarget> {
    let mut inner = Section::new("an environment of `[release]`", at, table);
    let env = inner.required(m, "env", "\"dev\"");
    let approval_at = inner.node("approval").map(|n| n.at.clone());
    let approval = inner.boolean(m, "approval");
    inner.finish(m);
    let env = env?;
    let Some(known) = environments.iter().find(|e| e.name == env.value) else {
        let names = environments.iter().map(|e| e.name.as_str());
        let help = suggest(&env.value, names, "declare it: `[env.NAME]`");
        m.add(env.at, format!("there is no environment {}", quote(&env.value)), help);
        return None;
    };
    if before.iter().any(|t| t.env == env.value) {
        m.add(env.at, format!("the environment {} stands twice", quote(&env.value)), "remove one");
        return None;
    }
    if let (true, Some(false), Some(at)) = (known.protected, approval, approval_at) {
        let help = "remove `approval = false`, or the environment's `protected`";
        m.add(at, format!("{} is protected: a release waits for an approval there", quote(&env.value)), help);
    }
    Some(ReleaseTarget { env: env.value, approval: approval.unwrap_or(known.protected) })
}

/// A branch's name, as far as `git check-ref-format` and the shell agree on it.
fn branch_name(m: &mut Mistakes, branch: At<String>) -> String {
    let name = &branch.value;
    let fine = !name.is_empty()
        && name.len() <= 200
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'))
        && !name.starts_with('-')
        && !name.contains("..")
        && !format!("{name}/").contains(".lock/")
        && name.split('/').all(|p| !p.is_empty() && !p.starts_with('.') && !p.ends_with('.'));
    if !fine {
        m.add(branch.at, format!("{} is no name of a branch", quote(name)), "`main`");
    }
    branch.value
}

/// A folder below the repository's own, without `/` at its end.
fn folder_name(m: &mut Mistakes, folder: At<String>) -> String {
    let name = folder.value.trim_end_matches('/');
    let part = |p: &str| {
        !p.is_empty() && p != ".." && p != "." && p.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c))
    };
    if name == "." {
        return String::new();
    }
    if !name.split('/').all(part) || name.starts_with('-') {
        let help = "a folder of the repository, from its top: `pipelines/my-pipeline`";
        m.add(folder.at, format!("{} is no folder of a repository", quote(&folder.value)), help);
    }
    name.to_owned()
}
