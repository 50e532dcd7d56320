//! Whatever the text, there is a pipeline or a report; whatever the valid pipeline, it survives.

use std::{collections::BTreeMap, fmt::Write};

use bytes::Bytes;
use proptest::{collection::btree_set, prelude::*};
use pumphouse::{deploy, spec};

use super::{check_graph, known};

fn load(text: &[u8]) -> Result<spec::Pipeline, spec::Report> {
    let files = [("pipeline.toml", text), ("q.sql", b"select 1"), ("s.jsonl", b"{\"id\": \"a\"}\n")];
    let files: BTreeMap<String, Bytes> =
        files.into_iter().map(|(path, content)| (path.to_owned(), Bytes::copy_from_slice(content))).collect();
    spec::load_memory(files, &known)
}

/// A report can be shown, and points into its text.
fn check_report(text: &str, report: &spec::Report) -> Result<(), TestCaseError> {
    prop_assert!(!report.diagnostics.is_empty());
    for diagnostic in &report.diagnostics {
        prop_assert!(diagnostic.line <= text.matches('\n').count() + 1);
        let line = text.split('\n').nth(diagnostic.line.saturating_sub(1)).unwrap_or_default();
        prop_assert!(diagnostic.column <= line.chars().count() + 1, "{diagnostic:?}");
        prop_assert!(diagnostic.snippet.get(diagnostic.mark.clone()).is_some());
    }
    let shown = report.to_string();
    prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    report.render(true);
    Ok(())
}

#[test]
fn garbage_in_bulk_gives_a_report() {
    let n = 250_000;
    for text in [
        "[".repeat(n),
        "\"".repeat(n),
        "a.".repeat(n / 2),
        "=\n".repeat(n / 2),
        "\0".repeat(n),
        "a={".repeat(n / 3),
        "[[a]]\n".repeat(n / 6),
        format!("name = \"ab\"\n{}", (0..n / 20).map(|i| format!("[bucket.a{i}]\n")).collect::<Vec<_>>().concat()),
        format!("name = \"ab\"\n[bucket.a]\non_created = [{}]", "{topic='t'},".repeat(n / 12 - 10)),
        format!("name = \"ab\"\nx = {}1{}", "{a=".repeat(n / 10), "}".repeat(n / 10)),
    ] {
        let report = load(text.as_bytes()).unwrap_err();
        check_report(&text, &report).unwrap();
    }
}

const SHIPPED: &str = include_str!("../../pipelines/crypto-stream/pipeline.toml");
const EVERYTHING: &str = include_str!("valid/everything.toml");

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}(_[a-z][a-z0-9]{0,4}){0,2}"
}

fn names(most: usize) -> impl Strategy<Value = Vec<String>> {
    btree_set(name(), 0..=most).prop_map(|all| all.into_iter().collect())
}

/// A pipeline that is right: sections of every kind, references among them, and no cycle, since what a function or a job
/// writes to is nothing that starts one.
fn valid() -> impl Strategy<Value = String> {
    let seed = proptest::collection::vec(any::<u16>(), 64);
    ("[a-z][a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,2}", names(3), names(3), names(3), names(3), names(3), seed).prop_map(
        |(name, buckets, streams, topics, functions, jobs, seed)| {
            let mut seeds = seed.into_iter().cycle();
            let mut n = move |below: usize| usize::from(seeds.next().unwrap()) % below.max(1);
            let mut text = format!("name = {name:?}\n[env.dev]\n[env.prod]\nprotected = true\n[bucket.out]\n");
            let mut first = true;
            for topic in &topics {
                writeln!(text, "[topic.{topic}]\nemail = [\"oncall@example.com\"]").unwrap();
            }
            for stream in &streams {
                writeln!(text, "[stream.{stream}]\nshards = {}", 1 + n(500)).unwrap();
            }
            for function in &functions {
                writeln!(text, "[function.{function}]\nhandler = \"known::f\"\ntimeout_seconds = {}", 1 + n(900))
                    .unwrap();
                let mut grants = vec!["\"bucket.out:write\"".to_owned()];
                grants.extend(topics.iter().map(|t| format!("\"topic.{t}:publish\"")));
                writeln!(text, "grants = [{}]", grants.join(", ")).unwrap();
                if n(2) == 0 {
                    writeln!(text, "schedule = \"rate({} minutes)\"", 2 + n(100)).unwrap();
                }
                writeln!(text, "[alarm.{function}]\nmetric = \"function.{function}:errors\"").unwrap();
                writeln!(text, "[api.{function}]\npath = \"/{function}\"\nfunction = \"{function}\"").unwrap();
            }
            for bucket in buckets.iter().filter(|b| *b != "out") {
                writeln!(text, "[bucket.{bucket}]\nversioning = {}", n(2) == 0).unwrap();
                let rules: Vec<String> = functions
                    .iter()
                    .map(|f| format!("{{ prefix = \"x/\", function = \"{f}\" }}"))
                    .chain(topics.iter().map(|t| format!("{{ suffix = \".json\", topic = \"{t}\" }}")))
                    .collect();
                writeln!(text, "on_created = [{}]", rules.join(", ")).unwrap();
                for stream in streams.iter().filter(|_| first) {
                    writeln!(text, "[delivery.{stream}]\nfrom = \"stream.{stream}\"\nto = \"bucket.{bucket}\"")
                        .unwrap();
                }
                for job in jobs.iter().filter(|_| first) {
                    writeln!(text, "[job.{job}]\nsql = \"q.sql\"\nfrom = \"bucket.{bucket}\"\nto = \"bucket.out\"")
                        .unwrap();
                    writeln!(text, "input = {{ a = \"varchar\" }}\ntable = {job:?}\ncolumns = {{ b = \"date\" }}")
                        .unwrap();
                    writeln!(text, "schedule = \"cron({} {} * * ? *)\"\n[query.{job}]\nsql = \"q.sql\"", n(60), n(24))
                        .unwrap();
                }
                first = false;
            }
            text
        },
    )
}

proptest! {
    #[test]
    fn any_text_gives_a_pipeline_or_a_report(text in ".{0,200}") {
        if let Err(report) = load(text.as_bytes()) {
            check_report(&text, &report)?;
        }
    }

    #[test]
    fn any_bytes_give_a_pipeline_or_a_report(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(report) = load(&bytes) {
            prop_assert!(!report.to_string().is_empty());
        }
    }

    #[test]
    fn toml_like_text_gives_a_pipeline_or_a_report(
        parts in proptest::collection::vec(
            prop_oneof![
                "[a-z]{1,8}", Just("name = \"x1\"\n".to_owned()), Just("[bucket.a]\n".to_owned()), Just("env".to_owned()),
                Just("[job.a]\n".to_owned()), Just("[function.f]\n".to_owned()), Just("grants = [".to_owned()),
                Just("from = ".to_owned()), Just("\"bucket.a\"".to_owned()), "[\\[\\]{}=.,\"\n#' ]", "[0-9.e+-]{1,6}",
            ],
            0..40,
        )
    ) {
        let text = parts.concat();
        if let Err(report) = load(text.as_bytes()) {
            check_report(&text, &report)?;
        }
    }

    #[test]
    fn a_damaged_pipeline_gives_a_pipeline_or_a_report(
        shipped in any::<bool>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[\\PC\n]{0,4}"), 1..6)
    ) {
        let mut text = if shipped { SHIPPED } else { EVERYTHING }.to_owned();
        for (at, length, put) in damage {
            let mut start = at.index(text.len() + 1);
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(start..end, &put);
        }
        if let Err(report) = load(text.as_bytes()) {
            check_report(&text, &report)?;
        }
    }

    #[test]
    fn a_valid_pipeline_survives(text in valid()) {
        let pipeline = load(text.as_bytes()).map_err(|report| TestCaseError::fail(format!("{report}\n{text}")))?;
        prop_assert_eq!(pipeline.env_names(), ["dev", "prod"]);
        for env in ["dev", "prod"] {
            let graph = deploy::graph(&pipeline, env).unwrap();
            check_graph(&graph);
            prop_assert_eq!(graph.resources.iter().filter(|r| r.name.starts_with("function.") && !r.name.contains('/')).count(),
                pipeline.environments[0].functions.len());
        }
    }
}
