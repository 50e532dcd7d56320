//! The guide names every command and every flag, and none that there is not.

use clap::{Command, CommandFactory};

const GUIDE: &str = include_str!("../../docs/cli.md");

/// Every command that does something, by its full name.
pub fn leaves() -> Vec<(String, Command)> {
    fn walk(prefix: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = format!("{prefix}{}", sub.get_name());
            if sub.has_subcommands() {
                walk(&format!("{name} "), sub, all);
            } else {
                all.push((name, sub.clone()));
            }
        }
    }
    let mut all = Vec::new();
    walk("", &pumphouse::cli::Cli::command(), &mut all);
    all
}

fn documented() -> Vec<String> {
    let headings = GUIDE.lines().filter_map(|l| l.strip_prefix("### `pumphouse "));
    headings
        .map(|l| {
            l.split([' ', '`'])
                .take_while(|w| w.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[test]
fn the_guide_has_the_commands_that_there_are() {
    let mut there: Vec<_> = leaves().into_iter().map(|(name, _)| name).collect();
    let mut told = documented();
    there.sort();
    told.sort();
    assert_eq!(told, there);
}

#[test]
fn the_guide_names_every_flag() {
    for (name, command) in leaves() {
        let from = GUIDE.find(&format!("### `pumphouse {name}")).unwrap();
        let section = &GUIDE[from..];
        let section = section[1..].find("\n##").map_or(section, |end| &section[..=end]);
        for flag in command.get_arguments().filter_map(|a| a.get_long()).filter(|f| *f != "help") {
            assert!(section.contains(&format!("--{flag}")), "{name}: --{flag} is not in docs/cli.md");
        }
    }
    for flag in pumphouse::cli::Cli::command().get_arguments().filter_map(|a| a.get_long()) {
        assert!(GUIDE.contains(&format!("| `--{flag}")), "--{flag} is not in docs/cli.md");
    }
}

/// `UPDATE_DOCS=1` writes them.
#[test]
fn each_readme_of_a_pipeline_has_its_graph() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    for location in pumphouse::spec::pipelines(Some(&root)).unwrap() {
        let name = location.name();
        let pipeline = pumphouse::spec::load(&location, &|_| true).unwrap();
        let graph = pumphouse::deploy::graph(&pipeline, pipeline.env_names()[0]).unwrap();
        let path = root.join(&name).join("README.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let wanted = pumphouse::deploy::with_diagram(&text, &graph);
        let wanted = wanted.unwrap_or_else(|| panic!("{name}: the README has no ```mermaid block for the graph"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, wanted).unwrap();
        } else {
            assert!(
                text == wanted,
                "{name}: the README's graph is an old one: UPDATE_DOCS=1 cargo test --test cli docs::"
            );
        }
    }
}
