//! Keys: one table, from which keys are looked up, the footer and the help are drawn, and docs/keys.md is written.

use std::fmt::Write;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Everywhere.
    Global,
    /// In the pipelines' pane.
    Overview,
    /// While the charts of a dashboard are seen.
    Charts,
    /// In the buckets' pane.
    Buckets,
    /// There, among key-value tables and their items.
    Tables,
    /// In the jobs' pane.
    Jobs,
    /// In the logs' pane.
    Logs,
    /// In the alerts' pane.
    Alerts,
    /// In the queries' pane.
    Queries,
    /// While SQL is typed.
    Editor,
    /// In the deploy pane.
    Deploy,
    /// While the releases of a pipeline are seen.
    Releases,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is described in the table")]
pub enum Action {
    Pane(u8),
    FocusNext,
    FocusPrevious,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Enter,
    Back,
    Filter,
    Command,
    Help,
    Logs,
    Run,
    GoToError,
    Deploy,
    Refresh,
    Redraw,
    Suspend,
    Quit,
    Versions,
    Details,
    Delete,
    Presign,
    Save,
    Put,
    Stop,
    ResetBookmark,
    Drift,
    Follow,
    Wrap,
    Timestamps,
    Older,
    Live,
    Insights,
    NextMatch,
    PreviousMatch,
    Set,
    Publish,
    Redrive,
    Edit,
    Execute,
    Cancel,
    LeaveEditor,
    Workgroup,
    History,
    Plan,
    Apply,
    Destroy,
    Dashboard,
    Narrower,
    Wider,
    Whole,
    Releases,
    StartRelease,
    Approve,
    Reject,
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    /// Where it holds.
    pub context: Context,
    /// The keys, as [`name`] writes them.
    pub keys: &'static [&'static str],
    /// What they ask for.
    pub action: Action,
    /// What that is, in a few words.
    pub help: &'static str,
    /// The word in the footer; empty: not shown there.
    pub footer: &'static str,
}

const fn bind(
    context: Context,
    keys: &'static [&'static str],
    action: Action,
    help: &'static str,
    footer: &'static str,
) -> Binding {
    Binding { context, keys, action, help, footer }
}

use Context as C;

/// All keys.
pub const TABLE: &[Binding] = &[
    bind(C::Overview, &["enter"], Action::Enter, "open the pipeline's stages; on a stage, its own pane", "open"),
    bind(C::Overview, &["r"], Action::Run, "run the pipeline once through; on a stage, run that", "run"),
    bind(C::Overview, &["l"], Action::Logs, "the logs of the stage; of the pipeline, those of its worst stage", "logs"),
    bind(C::Overview, &["e"], Action::GoToError, "go to what failed: its run, or its logs", "error"),
    bind(C::Overview, &["D"], Action::Deploy, "deploy the selected pipeline: see its plan", "deploy"),
    bind(C::Overview, &["d"], Action::Dashboard, "the charts of the pipeline's dashboard", ""),
    bind(C::Charts, &["left"], Action::Left, "earlier days", "earlier"),
    bind(C::Charts, &["right"], Action::Right, "later days", "later"),
    bind(C::Charts, &["+", "="], Action::Narrower, "half as many days", "closer"),
    bind(C::Charts, &["-"], Action::Wider, "twice as many days", "wider"),
    bind(C::Charts, &["0"], Action::Whole, "all days", "all"),
    bind(C::Charts, &["j", "down"], Action::Down, "the next chart first", ""),
    bind(C::Charts, &["k", "up"], Action::Up, "the chart before first", ""),
    bind(C::Charts, &["esc", "backspace"], Action::Back, "back to the stages", "back"),
    bind(C::Buckets, &["enter"], Action::Enter, "open the bucket, the prefix or the object", "open"),
    bind(C::Buckets, &["v"], Action::Versions, "show old versions and delete markers, or hide them", "versions"),
    bind(C::Buckets, &["i"], Action::Details, "the settings of the bucket, or all of the object's details", "details"),
    bind(C::Buckets, &["s"], Action::Save, "save the object to a file", "save"),
    bind(C::Buckets, &["p"], Action::Put, "put a file into the bucket, below this prefix", ""),
    bind(C::Buckets, &["u"], Action::Presign, "a URL by which whoever has it can read the object for an hour", ""),
    bind(C::Buckets, &["x"], Action::Delete, "delete the object", "delete"),
    bind(C::Tables, &["enter"], Action::Enter, "the items of the table, or all of the item", "open"),
    bind(C::Tables, &["i"], Action::Details, "the keys, the indexes and the settings of the table", "details"),
    bind(
        C::Jobs,
        &["enter"],
        Action::Enter,
        "from the job to its runs, from the crawler to its crawls; on one of those, everything about it",
        "open",
    ),
    bind(C::Jobs, &["r"], Action::Run, "start a run, or a crawl", "start"),
    bind(C::Jobs, &["s"], Action::Stop, "stop the run", "stop"),
    bind(
        C::Jobs,
        &["l"],
        Action::Logs,
        "the logs of the job or the crawler; on a run or a crawl, its own; of one that failed, its errors",
        "logs",
    ),
    bind(C::Jobs, &["e"], Action::GoToError, "the next run or crawl that failed", "error"),
    bind(
        C::Jobs,
        &["b"],
        Action::ResetBookmark,
        "reset the job's bookmark: the next run reads everything",
        "reset bookmark",
    ),
    bind(C::Logs, &["enter"], Action::Enter, "read the group; on a line, all of it", "open"),
    bind(C::Logs, &["f"], Action::Follow, "follow new lines, or stop following", "follow"),
    bind(C::Logs, &["w"], Action::Wrap, "wrap long lines, or cut them", "wrap"),
    bind(C::Logs, &["t"], Action::Timestamps, "timestamps on or off", "times"),
    bind(C::Logs, &["o"], Action::Older, "read further back", ""),
    bind(C::Logs, &["L"], Action::Live, "live tail (CloudWatch asks for money by the minute), or end it", ""),
    bind(C::Logs, &["i"], Action::Insights, "a query of CloudWatch Logs Insights over the group", ""),
    bind(C::Logs, &["x"], Action::Cancel, "cancel that query", ""),
    bind(C::Logs, &["e"], Action::GoToError, "the next line with an error; while following, the last", "error"),
    bind(C::Logs, &["n"], Action::NextMatch, "next line that the filter found, among all lines", ""),
    bind(C::Logs, &["N"], Action::PreviousMatch, "previous line that the filter found, among all lines", ""),
    bind(C::Alerts, &["enter"], Action::Enter, "change the threshold; on a topic, its messages", "open"),
    bind(
        C::Alerts,
        &["i"],
        Action::Details,
        "all about it, with its measurements and the line of its limit",
        "details",
    ),
    bind(C::Alerts, &["s"], Action::Set, "change the threshold", "set"),
    bind(C::Alerts, &["e"], Action::GoToError, "what is in ALARM", ""),
    bind(C::Alerts, &["p"], Action::Publish, "publish a message to the topic", "publish"),
    bind(C::Alerts, &["b"], Action::Redrive, "give the queue's dead letters back to where they came from", ""),
    bind(
        C::Queries,
        &["enter"],
        Action::Enter,
        "type SQL; in the tree, use the table; in the list, take the query; on a row, all of it",
        "",
    ),
    bind(C::Queries, &["i"], Action::Edit, "type SQL", "type"),
    bind(C::Queries, &["f5", "alt-enter", "ctrl-enter", "r"], Action::Execute, "run the query", "run"),
    bind(C::Queries, &["h"], Action::History, "past and saved queries, or the result", "history"),
    bind(C::Queries, &["w"], Action::Workgroup, "choose the workgroup (Athena)", ""),
    bind(C::Queries, &["x"], Action::Cancel, "cancel the query", ""),
    bind(C::Editor, &["esc"], Action::LeaveEditor, "stop typing; while a query runs, cancel it", "done"),
    bind(C::Editor, &["f5", "alt-enter", "ctrl-enter"], Action::Execute, "run the query", "run"),
    bind(C::Deploy, &["enter"], Action::Enter, "everything about the change, or the deploy", "details"),
    bind(C::Deploy, &["p"], Action::Plan, "plan again", "plan"),
    bind(C::Deploy, &["f"], Action::Drift, "find drift: what was changed behind the stack's back", ""),
    bind(C::Deploy, &["e"], Action::GoToError, "why there is no plan, or the last deploy that failed", "error"),
    bind(C::Deploy, &["a"], Action::Apply, "apply the plan", "apply"),
    bind(C::Deploy, &["s"], Action::Stop, "ask Terraform to stop what is under way", ""),
    bind(C::Deploy, &["x"], Action::Destroy, "destroy the stack with everything in it", "destroy"),
    bind(C::Deploy, &["v"], Action::Releases, "the pipeline's releases: approve one, start one", "releases"),
    bind(
        C::Releases,
        &["enter"],
        Action::Enter,
        "from the release to its steps; on a step, everything about it",
        "open",
    ),
    bind(C::Releases, &["a"], Action::Approve, "approve what the release waits for", "approve"),
    bind(C::Releases, &["x"], Action::Reject, "reject it: the release ends", "reject"),
    bind(C::Releases, &["n"], Action::StartRelease, "start a release of the branch's newest commit", "new"),
    bind(C::Releases, &["s"], Action::Stop, "stop the release; a deploy that is at work is waited for", "stop"),
    bind(C::Releases, &["l"], Action::Logs, "the log of the step, in the logs' pane", "log"),
    bind(C::Releases, &["e"], Action::GoToError, "the step that failed, or the last release that did", "error"),
    bind(C::Releases, &["esc", "backspace"], Action::Back, "back: to the releases, then to the plan", "back"),
    bind(C::Global, &["1"], Action::Pane(1), "Overview: the pipelines, their stages, what happened", ""),
    bind(C::Global, &["2"], Action::Pane(2), "Buckets", ""),
    bind(C::Global, &["3"], Action::Pane(3), "Jobs", ""),
    bind(C::Global, &["4"], Action::Pane(4), "Logs", ""),
    bind(C::Global, &["5"], Action::Pane(5), "Alerts", ""),
    bind(C::Global, &["6"], Action::Pane(6), "Queries", ""),
    bind(C::Global, &["7"], Action::Pane(7), "Deploy", ""),
    bind(C::Global, &["tab"], Action::FocusNext, "to the next part of the pane", ""),
    bind(C::Global, &["shift-tab"], Action::FocusPrevious, "to the part before", ""),
    bind(C::Global, &["k", "up"], Action::Up, "up", ""),
    bind(C::Global, &["j", "down"], Action::Down, "down", ""),
    bind(C::Global, &["left"], Action::Left, "left: scroll, or the stage before", ""),
    bind(C::Global, &["right"], Action::Right, "right: scroll, or the stage behind", ""),
    bind(C::Global, &["pageup", "ctrl-u", "ctrl-b"], Action::PageUp, "a page up", ""),
    bind(C::Global, &["pagedown", "ctrl-d", "ctrl-f", "space"], Action::PageDown, "a page down", ""),
    bind(C::Global, &["g", "home"], Action::Top, "to the top", ""),
    bind(C::Global, &["G", "end"], Action::Bottom, "to the bottom", ""),
    bind(C::Global, &["enter"], Action::Enter, "in", ""),
    bind(C::Global, &["esc", "backspace"], Action::Back, "back: out of what is open, then from a filter", ""),
    bind(C::Global, &["l"], Action::Logs, "the logs of the selection", ""),
    bind(C::Global, &["r"], Action::Run, "run or start the selection", ""),
    bind(C::Global, &["e"], Action::GoToError, "go to the error", ""),
    bind(C::Global, &["D"], Action::Deploy, "deploy the selected pipeline: see its plan", ""),
    bind(C::Global, &["/"], Action::Filter, "filter", "filter"),
    bind(C::Global, &[":"], Action::Command, "a command; Tab completes", ""),
    bind(C::Global, &["R"], Action::Refresh, "refresh; where the cloud could not be opened, try again", ""),
    bind(C::Global, &["?", "f1"], Action::Help, "these keys", "keys"),
    bind(C::Global, &["ctrl-l"], Action::Redraw, "draw everything anew", ""),
    bind(C::Global, &["ctrl-z"], Action::Suspend, "suspend: back with fg", ""),
    bind(
        C::Global,
        &["q", "ctrl-c"],
        Action::Quit,
        "quit; Ctrl-C first closes what is open or typed, and cancels a query that runs",
        "quit",
    ),
];

/// A key's name: `j`, `G`, `ctrl-c`, `shift-tab`, `f5`, `enter`.
pub fn name(key: KeyEvent) -> String {
    let base = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(n) => format!("f{n}"),
        KeyCode::BackTab => return "shift-tab".to_owned(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        _ => String::new(),
    };
    let mut out = String::new();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        out.push_str("ctrl-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        out.push_str("alt-");
    }
    out + &base
}

/// What a key asks for in a context.
pub fn lookup(context: Context, key: KeyEvent) -> Option<Action> {
    let name = name(key);
    let find = |context| TABLE.iter().find(|b| b.context == context && b.keys.contains(&name.as_str()));
    let own = find(context);
    // While text is typed, a letter is a letter.
    if context == Context::Editor {
        return own.map(|b| b.action);
    }
    own.or_else(|| find(Context::Global)).map(|b| b.action)
}

/// The bindings of a context: its own, then the global ones that it leaves.
pub fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    let own = TABLE.iter().filter(move |b| b.context == context && context != Context::Global);
    let rest = TABLE.iter().filter(move |b| {
        b.context == Context::Global
            && context != Context::Editor
            && !TABLE
                .iter()
                .any(|o| o.context == context && context != C::Global && b.keys.iter().all(|k| o.keys.contains(k)))
    });
    own.chain(rest)
}

/// A key as a person reads it.
pub fn pretty(key: &str) -> String {
    match key {
        "enter" => "Enter".into(),
        "esc" => "Esc".into(),
        "tab" => "Tab".into(),
        "space" => "Space".into(),
        "backspace" => "Backspace".into(),
        "pageup" => "PgUp".into(),
        "pagedown" => "PgDn".into(),
        "home" => "Home".into(),
        "end" => "End".into(),
        "up" => "Up".into(),
        "down" => "Down".into(),
        "left" => "Left".into(),
        "right" => "Right".into(),
        k if k.len() > 1 && k.starts_with('f') && k.chars().skip(1).all(|c| c.is_ascii_digit()) => k.to_uppercase(),
        k => match k.split_once('-') {
            Some(("ctrl", rest)) => format!("Ctrl-{}", one(rest)),
            Some(("alt", rest)) => format!("Alt-{}", one(rest)),
            Some(("shift", rest)) => format!("Shift-{}", one(rest)),
            _ => k.to_owned(),
        },
    }
}

fn one(key: &str) -> String {
    if key.chars().count() == 1 { key.to_uppercase() } else { pretty(key) }
}

/// docs/keys.md: the table as a page.
pub fn page() -> String {
    const HEADINGS: &[(Context, &str)] = &[
        (C::Global, "Everywhere"),
        (C::Overview, "1 Overview"),
        (C::Charts, "1 Overview, while charts are seen"),
        (C::Buckets, "2 Buckets"),
        (C::Tables, "2 Buckets, among key-value tables and items"),
        (C::Jobs, "3 Jobs"),
        (C::Logs, "4 Logs"),
        (C::Alerts, "5 Alerts"),
        (C::Queries, "6 Queries"),
        (C::Editor, "6 Queries, while SQL is typed"),
        (C::Deploy, "7 Deploy"),
        (C::Releases, "7 Deploy, while releases are seen"),
    ];
    let mut out = String::from(
        "# Keys\n\nWritten from the console's own table (`src/tui/keymap.rs`); a test keeps it current. \
         `?` shows the keys of the pane that you are in.\n",
    );
    for (context, heading) in HEADINGS {
        let _ = write!(out, "\n## {heading}\n\n| key | what it does |\n| --- | --- |\n");
        for binding in TABLE.iter().filter(|b| b.context == *context) {
            let keys: Vec<_> = binding.keys.iter().map(|k| format!("`{}`", pretty(k))).collect();
            let _ = writeln!(out, "| {} | {} |", keys.join(" "), binding.help);
        }
    }
    out.push_str("\n## Commands\n\n`:` opens the command line; `Tab` completes, `Up` and `Down` go through what was typed before.\n\n");
    out.push_str("| command | what it does |\n| --- | --- |\n");
    for (name, argument, help) in super::commands::TABLE {
        let argument = if argument.is_empty() { String::new() } else { format!(" {argument}") };
        let _ = writeln!(out, "| `:{name}{argument}` | {help} |");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings_in_one_context() {
        for (at, a) in TABLE.iter().enumerate() {
            for b in &TABLE[at + 1..] {
                if a.context == b.context {
                    assert!(!a.keys.iter().any(|k| b.keys.contains(k)), "{a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn keys_have_names() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(name(key(KeyCode::Char('c'), KeyModifiers::CONTROL)), "ctrl-c");
        assert_eq!(name(key(KeyCode::Char('G'), KeyModifiers::SHIFT)), "G");
        assert_eq!(lookup(C::Jobs, key(KeyCode::Char('b'), KeyModifiers::NONE)), Some(Action::ResetBookmark));
        assert_eq!(lookup(C::Overview, key(KeyCode::Char('3'), KeyModifiers::NONE)), Some(Action::Pane(3)));
        assert_eq!(lookup(C::Editor, key(KeyCode::Char('3'), KeyModifiers::NONE)), None);
        assert_eq!(pretty("ctrl-c"), "Ctrl-C");
        assert_eq!(pretty("shift-tab"), "Shift-Tab");
        assert_eq!(pretty("f5"), "F5");
    }

    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keys.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(written, page(), "docs/keys.md is stale: run the tests once with UPDATE_DOCS=1");
    }
}
