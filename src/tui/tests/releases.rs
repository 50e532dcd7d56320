//! The releases of a pipeline, and what waits for an approval.

use super::{
    fixture::{HOSTILE, answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    backend::{Consent, Effect, Strength, overview::Health},
    cloud::releases::{Decision, Release, ReleaseStatus as Status, Stage, Step, StepKind},
    tui::{
        data::{Act, Data, Request},
        msg::Msg,
    },
};

fn step(name: &str, kind: StepKind, env: Option<&str>, status: Status, summary: &str) -> Step {
    let begun = status != Status::Pending;
    Step {
        name: name.into(),
        kind,
        env: env.map(str::to_owned),
        status,
        started: begun.then(|| at(-120)),
        updated: begun.then(|| at(-116)),
        summary: (!summary.is_empty()).then(|| summary.to_owned()),
        log_group: Some("/pumphouse/releases/dataops--release".into()),
        log_stream: Some(format!("3/{}/{name}", env.map_or_else(|| name.to_owned(), |e| format!("to-{e}")))),
        token: (status == Status::Waiting).then(|| "t".into()),
    }
}

fn release(id: &str, status: Status, summary: &str) -> Release {
    Release {
        id: id.into(),
        delivery: "dataops--release".into(),
        pipeline: Some("dataops".into()),
        revision: Some("8f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c".into()),
        summary: Some(summary.into()),
        status,
        trigger: Some("started by ada".into()),
        started: Some(at(-180)),
        updated: Some(at(-60)),
        stages: vec![],
    }
}

fn releases() -> Vec<Release> {
    vec![
        release("3", Status::Waiting, "Keep orders for a week"),
        release("2", Status::Failed, HOSTILE),
        release("1", Status::Succeeded, "The lake as it is shipped"),
    ]
}

fn whole(id: &str) -> Release {
    use StepKind as K;
    let all = releases();
    let mut release = all.into_iter().find(|r| r.id == id).expect("a release of the fixture");
    let waits = release.status == Status::Waiting;
    let failed = release.status == Status::Failed;
    let checked = if failed { Status::Failed } else { Status::Succeeded };
    let after = |status| if failed { Status::Pending } else { status };
    let last = if waits { Status::Pending } else { after(Status::Succeeded) };
    let said = if failed { "`make test` failed with exit code 2\nline 7 is wrong" } else { "succeeded" };
    let planned = "dataops-prod: 0 to add, 1 to change, 0 to replace, 0 to remove";
    let stage = |name: &str, status, steps| Stage { name: name.into(), status, steps };
    release.stages = vec![
        stage("source", Status::Succeeded, vec![step("source", K::Source, None, Status::Succeeded, "12 files")]),
        stage("check", checked, vec![step("check-1", K::Check, None, checked, said)]),
        stage(
            "to-dev",
            after(Status::Succeeded),
            vec![
                step("plan", K::Plan, Some("dev"), after(Status::Succeeded), "dataops-dev: nothing to change"),
                step("deploy", K::Deploy, Some("dev"), after(Status::Succeeded), "dataops-dev is deployed"),
            ],
        ),
        stage(
            "to-prod",
            if waits { Status::Waiting } else { last },
            vec![
                step("plan", K::Plan, Some("prod"), after(Status::Succeeded), planned),
                step("approve", K::Approval, Some("prod"), if waits { Status::Waiting } else { last }, planned),
                step("deploy", K::Deploy, Some("prod"), last, ""),
            ],
        ),
    ];
    release
}

fn answered(request: &Request) -> Result<Data, String> {
    Ok(match request {
        Request::Pipelines | Request::Deployable => {
            let mut data = answer(request);
            if let Data::Pipelines(all) = &mut data {
                for pipeline in all.iter_mut().filter(|p| p.name == "dataops") {
                    pipeline.health = Health::Warning;
                    pipeline.waits = true;
                    pipeline.words = "prod waits for approval".into();
                }
            }
            data
        }
        Request::Releases(pipeline) if pipeline == "dataops" => Data::Releases("dataops--release".into(), releases()),
        Request::Releases(pipeline) => return Err(format!("{pipeline} has no section [release]")),
        Request::Release { id, .. } => Data::Release(Box::new(whole(id))),
        Request::StepLog { stream, .. } => Data::StepLog(vec![
            format!("the log of {stream}"),
            "~ change  bucket bucket.lake (dataops-prod-lake)".into(),
            "      expire_days: 365 -> 7".into(),
            HOSTILE.into(),
        ]),
        other => answer(other),
    })
}

fn console() -> Console {
    Console::open(Box::new(answered))
}

#[test]
fn what_waits_is_shown_with_its_plan() {
    let mut console = console();
    console.keys("7jjv");
    screens!(console);
    let screen = console.screen(80, 24);
    assert!(harmless(&screen), "{screen}");
    // The approval is what one sees first, and with it the plan that it is about.
    assert!(screen.contains("prod waits for an approval") && screen.contains("expire_days: 365 -> 7"), "{screen}");
    assert!(console.asked.contains(&Request::StepLog {
        group: "/pumphouse/releases/dataops--release".into(),
        stream: "3/to-prod/plan".into()
    }));
    console.ascii = true;
    insta::assert_snapshot!(console.screen(80, 24));
}

fn word(act: &Act) -> (Decision, &str) {
    match act {
        Act::Decide(word) => (word.decision, word.comment.as_str()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_approval_takes_a_comment_and_the_confirmation_that_it_deserves() {
    for (key, decision) in [("a", Decision::Approve), ("x", Decision::Reject)] {
        let mut console = console();
        console.keys(&format!("7jjv{key}"));
        assert!(console.screen(80, 24).contains("A comment"), "{}", console.screen(80, 24));
        console.keys("fine by me<enter>");
        assert!(console.acts.is_empty(), "it is judged first");
        let approval = whole("3").waits_for().unwrap();
        let act = Act::Decide(crate::backend::releases::Word { approval, decision, comment: "fine by me".into() });
        let effect = Effect {
            what: "releases approve",
            target: "dataops--release 3 to-prod".into(),
            sentence: "release 3 of dataops goes on".into(),
            strength: Strength::TypeName("dataops-prod".into()),
        };
        console.send(Msg::Judged { act, result: Ok(effect) });
        console.keys("dataops-dev<enter>");
        assert!(console.acts.is_empty());
        console.keys("<backspace><backspace><backspace>prod<enter>");
        let (act, consent) = console.acts.pop().unwrap();
        assert_eq!((word(&act), consent), ((decision, "fine by me"), Consent::Name("dataops-prod".into())));
    }
}

#[test]
fn what_does_not_wait_cannot_be_approved_and_what_is_over_not_stopped() {
    let mut console = console();
    console.keys("7jjvja");
    assert!(console.screen(80, 24).contains("release 2 does not wait for an approval"));
    console.keys("s");
    assert!(console.screen(80, 24).contains("release 2 is over"));
    console.keys("ks");
    assert!(console.screen(80, 24).contains("release 3 of dataops ends"));
    console.keys("y");
    let (act, _) = console.acts.pop().unwrap();
    assert_eq!(act, Act::StopRelease { delivery: "dataops--release".into(), release: "3".into() });
    console.keys("ny");
    let (act, _) = console.acts.pop().unwrap();
    assert_eq!(act, Act::StartRelease("dataops--release".into()));
}

#[test]
fn in_read_only_mode_releases_are_looked_at() {
    let mut console = console();
    console.app.session.read_only = true;
    for key in ["a", "x", "s", "n"] {
        console.keys(&format!("7<esc><esc>ggjjv{key}"));
        let screen = console.screen(80, 24);
        assert!(screen.contains("read-only"), "{key}: {screen}");
        console.keys("<esc><esc>");
    }
    assert!(console.acts.is_empty());
}

#[test]
fn the_overview_leads_to_what_waits() {
    let mut console = console();
    console.keys("jj");
    let screen = console.screen(160, 50);
    assert!(screen.contains("prod waits for approval"), "{screen}");
    console.keys("ke");
    console.keys("<esc>1jje");
    assert!(console.screen(80, 24).contains("Releases of dataops"), "{}", console.screen(80, 24));
    console.keys("<esc>");
    assert!(console.screen(80, 24).contains("Pipelines and stacks"));
}

#[test]
fn a_step_s_log_is_in_the_logs_pane_and_its_failure_in_full() {
    let mut console = console();
    console.keys("7jjvje<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("line 7 is wrong") && screen.contains("check/check-1 of release 2"), "{screen}");
    console.keys("<esc>l");
    let asked = console.asked.iter().any(|r| match r {
        Request::Logs { group, reach, .. } => {
            group == "/pumphouse/releases/dataops--release" && reach.stream.as_deref() == Some("3/check-1/check-1")
        }
        _ => false,
    });
    assert!(asked, "{:?}", console.asked.last());
}

#[test]
fn the_filter_and_an_error_are_seen() {
    let mut console = console();
    console.keys("7jjv/shipped<enter>");
    let screen = console.screen(160, 50);
    assert!(screen.contains("The lake as it is shipped") && !screen.contains("Keep orders"), "{screen}");
    console.keys("<esc>");
    assert!(console.screen(160, 50).contains("Keep orders"), "{}", console.screen(160, 50));
    console.keys("<esc>ggv");
    assert!(console.screen(80, 24).contains("covid-etl has no section [release]"), "{}", console.screen(80, 24));
    // Keys that lead nowhere there.
    console.keys("axsljG<enter>e<tab><tab><esc><esc>");
    assert!(console.acts.is_empty());
}
