//! A pipeline that would start itself over and over is a mistake.

use std::{collections::BTreeSet, ops::Range};

use super::read::Context;

/// Who writes where, and who is started by, or reads, what is written there. The start and the end of a crawler or a job
/// are places, too.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) writes: Vec<Link>,
    pub(super) reads: Vec<Link>,
}

/// One end of a flow of data.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Who: `function.fetch_prices`.
    pub(super) who: String,
    /// Where: `bucket.landing`, `stream.prices`, `start of job.clean`.
    pub(super) place: String,
    /// Only keys that begin with this.
    pub(super) prefix: String,
    /// Where the pipeline says so.
    pub(super) at: Range<usize>,
}

/// Notes each cycle, once, where what starts it is declared.
pub(super) fn check(context: &mut Context<'_>) {
    let links = std::mem::take(&mut context.links);
    // From a writer over a place to who reads it.
    let steps: Vec<(&Link, &Link)> = links
        .writes
        .iter()
        .flat_map(|w| links.reads.iter().map(move |r| (w, r)))
        .filter(|(w, r)| w.place == r.place && (w.prefix.starts_with(&r.prefix) || r.prefix.starts_with(&w.prefix)))
        .collect();
    let mut told: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (writer, reader) in &steps {
        let Some(way) = way(&steps, &reader.who, &writer.who) else { continue };
        let members: BTreeSet<String> = way.iter().cloned().chain([writer.place.clone()]).collect();
        if catches_up(&members) || !told.insert(members) {
            continue;
        }
        let text = [writer.who.as_str(), writer.place.as_str()].into_iter().chain(way.iter().map(String::as_str));
        let mut text = text.collect::<Vec<_>>();
        // A queue that is told of objects is a place, and who writes there.
        text.dedup();
        let text = text.join(" -> ");
        context.m.add(
            reader.at.clone(),
            format!("a cycle: {text}"),
            "it would feed itself for ever: write to another bucket or stream, or to another prefix",
        );
    }
}

/// Whether a circle is a function and what it starts and is told the end of, and no data: it may have to be done again,
/// for what came meanwhile or after a failure.
fn catches_up(members: &BTreeSet<String>) -> bool {
    let data = |m: &String| !["function.", "crawler.", "job.", "start of ", "end of "].iter().any(|p| m.starts_with(p));
    let functions = members.iter().filter(|m| m.starts_with("function.")).count();
    members.len() == 4 && functions == 1 && !members.iter().any(data)
}

/// The shortest way from one to another, with the places between them; both ends are in it.
fn way(steps: &[(&Link, &Link)], from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let Some(end) = way.last().cloned() else { continue };
            if end == to {
                return Some(way);
            }
            for (writer, reader) in steps.iter().filter(|(w, _)| w.who == end) {
                if seen.insert(reader.who.clone()) {
                    longer.push([way.clone(), vec![writer.place.clone(), reader.who.clone()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
