//! A pipeline's stages as a diagram for its README.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::cloud::{
    flow::{Stage, flow},
    resources::{Graph, Properties, ScheduleTarget},
};

/// The stages of a graph and how data flows through them, as a Mermaid flowchart (<https://mermaid.js.org>).
pub fn mermaid(graph: &Graph) -> String {
    let schedules: BTreeMap<&str, &str> = graph
        .resources
        .iter()
        .filter_map(|r| match &r.properties {
            Properties::Schedule(s) => match &s.target {
                ScheduleTarget::Function(name) | ScheduleTarget::Job(name) | ScheduleTarget::Crawler(name) => {
                    Some((name.as_str(), s.expression.as_str()))
                }
            },
            _ => None,
        })
        .collect();
    let stages = flow(graph);
    let mut text = "flowchart LR\n".to_owned();
    for stage in &stages {
        let (open, close) = shape(stage);
        let schedule = match stage.kind {
            "function" | "crawler" | "job" => schedules.get(stage.physical_name.as_str()),
            _ => None,
        };
        let schedule = schedule.map(|s| format!("<br>{s}")).unwrap_or_default();
        let _ = writeln!(text, "    {}{open}\"{} {}{schedule}\"{close}", stage.id, stage.kind, stage.name);
    }
    for stage in &stages {
        for before in &stage.after {
            let _ = writeln!(text, "    {before} --> {}", stage.id);
        }
    }
    text
}

/// A text with the diagram in its first Mermaid block; none where it has no such block.
pub fn with_diagram(text: &str, graph: &Graph) -> Option<String> {
    const OPEN: &str = "```mermaid\n";
    let from = text.find(OPEN)? + OPEN.len();
    let end = from + text[from..].find("```")?;
    Some(format!("{}{}{}", &text[..from], mermaid(graph), &text[end..]))
}

/// What computes is round, what holds data a cylinder, the rest a box.
fn shape(stage: &Stage) -> (&'static str, &'static str) {
    match stage.kind {
        "function" | "crawler" | "job" => ("([", "])"),
        "bucket" | "table" => ("[(", ")]"),
        _ => ("[", "]"),
    }
}
