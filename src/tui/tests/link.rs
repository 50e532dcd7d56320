use super::{
    fixture::answer,
    testing::{Console, at},
};
use crate::tui::{
    command::Command,
    data::{Data, Request, Session},
    link::{Calls, Switch, Trouble},
    msg::Msg,
};

fn session(identity: &str) -> Session {
    Session {
        cloud: "aws".into(),
        env: "dev".into(),
        identity: identity.into(),
        read_only: true,
        protected: false,
        speed: 1.0,
        login: Some("aws sso login --profile ops".into()),
        prices: crate::backend::Prices::default(),
        workgroup: None,
    }
}

/// A console on AWS, all of it read.
fn console() -> Console {
    let mut console = Console::open(Box::new(|r| Ok(answer(r))));
    console.send(Msg::Opened(Ok(session("eu-west-1"))));
    console
}

/// A console whose last read of the pipelines fails for all panes.
fn troubled(trouble: Trouble) -> (Console, Vec<Command>) {
    let mut console = console();
    console.hang = true;
    console.keys("R");
    let (request, generation) = console.unanswered.last().cloned().expect("a read");
    let told = Msg::Troubled { request: request.clone(), generation, trouble };
    let commands = console.app.update(told);
    let result = Err("no".to_owned());
    console.send(Msg::Loaded { request, generation, result, now: at(0) });
    let rest: Vec<_> = std::mem::take(&mut console.unanswered);
    for (request, generation) in rest {
        console.send(Msg::Loaded { result: Ok(answer(&request)), request, generation, now: at(0) });
    }
    console.hang = false;
    console.asked.clear();
    (console, commands)
}

#[test]
fn the_header_says_who_we_are_and_what_the_calls_are_like() {
    let mut console = console();
    console.send(Msg::Identified("123456789012 eu-west-1 role/reader".into()));
    console.send(Msg::Calls(Calls { words: "12 calls/s · 4 s ago".into(), throttled: false }));
    let first = |console: &Console, width| console.screen(width, 50).lines().next().unwrap_or_default().to_owned();
    assert_eq!(
        first(&console, 120).split_whitespace().collect::<Vec<_>>().join(" "),
        "pumphouse aws · dev READ-ONLY 123456789012 eu-west-1 role/reader 12 calls/s · 4 s ago"
    );
    console.send(Msg::Calls(Calls { words: "12 calls/s · now".into(), throttled: true }));
    assert!(first(&console, 120).ends_with("throttled"));
    // Where there is little room, who we are goes before the calls, and what is throttled is seen.
    let narrow = first(&console, 80);
    assert!(narrow.contains("123456789012") && narrow.ends_with("throttled") && !narrow.contains("calls"), "{narrow}");
}

#[test]
fn credentials_that_expired_are_a_banner_and_r_reads_them_again() {
    let (mut console, commands) = troubled(Trouble::Credentials("the credentials have expired".into()));
    assert!(commands.is_empty(), "nothing is tried until somebody has logged in: {commands:?}");
    let screen = console.screen(160, 50);
    assert!(screen.contains("run `aws sso login --profile ops`") && screen.contains("have expired"), "{screen}");
    assert!(screen.contains("crypto-stream"), "what was there stays: {screen}");
    console.send(Msg::Changed);
    assert!(console.asked.is_empty());
    console.keys("R");
    assert!(matches!(console.opens.as_slice(), [Command::Open(_)]), "{:?}", console.opens);
    console.send(Msg::Opened(Ok(session("eu-west-1"))));
    let screen = console.screen(160, 50);
    assert!(!screen.contains("expired") && screen.contains("crypto-stream"), "{screen}");
    assert!(console.asked.contains(&Request::Pipelines));
}

#[test]
fn a_network_that_is_gone_is_a_state_that_ends_by_itself() {
    let (mut console, commands) = troubled(Trouble::Network("AWS cannot be reached".into()));
    let [Command::Pause { generation, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    let screen = console.screen(160, 50);
    assert!(screen.contains("no connection, trying again") && screen.contains("crypto-stream"), "{screen}");
    console.send(Msg::Again(generation + 1));
    assert!(console.asked.is_empty(), "a pause that nobody awaits");
    console.send(Msg::Again(*generation));
    assert!(console.asked.contains(&Request::Pipelines));
    assert!(!console.screen(160, 50).contains("no connection"));
    console.keys("<ctrl-c>");
    assert!(console.quit);
}

#[test]
fn trouble_leaves_with_the_pane_that_had_it() {
    let (mut console, _) = troubled(Trouble::Network("AWS cannot be reached".into()));
    console.keys("2");
    assert!(!console.screen(160, 50).contains("no connection"));
}

#[test]
fn another_profile_takes_everything_with_it_and_a_wrong_one_nothing() {
    let mut console = console();
    console.keys(":profile nope<enter>");
    console.send(Msg::Switched(Err("no AWS profile \"nope\"".into())));
    let screen = console.screen(160, 50);
    assert!(screen.contains("no AWS profile") && screen.contains("crypto-stream"), "{screen}");
    console.keys(":region eu-central-1<enter>:role arn:aws:iam::123456789012:role/x<enter>:profile ops<enter>");
    let region = Switch { region: Some("eu-central-1".into()), ..Switch::default() };
    let ops = Switch { profile: Some("ops".into()), ..Switch::default() };
    let asked = |switch: &Switch| console.opens.iter().any(|c| matches!(c, Command::Switch(s) if s == switch));
    assert!(asked(&region) && asked(&ops), "{:?}", console.opens);
    console.hang = true;
    console.send(Msg::Switched(Ok((session("111122223333 eu-west-1"), ops.clone()))));
    let screen = console.screen(160, 50);
    assert!(screen.contains("now 111122223333") && !screen.contains("crypto-stream"), "{screen}");
    // A region named next is one more thing that differs.
    console.keys(":region us-east-1<enter>");
    let both = Switch { region: Some("us-east-1".into()), ..ops };
    assert!(matches!(console.opens.last(), Some(Command::Switch(s)) if *s == both), "{:?}", console.opens);
}

#[test]
fn an_answer_to_the_session_before_is_dropped() {
    let mut console = console();
    console.hang = true;
    console.keys("R");
    let (request, generation) = console.unanswered.first().cloned().expect("a read");
    console.send(Msg::Switched(Ok((session("other"), Switch::default()))));
    let Data::Pipelines(pipelines) = answer(&Request::Pipelines) else { panic!("pipelines") };
    console.send(Msg::Loaded { request, generation, result: Ok(Data::Pipelines(pipelines)), now: at(0) });
    assert!(!console.screen(160, 50).contains("crypto-stream"));
}

#[test]
fn the_embedded_cloud_has_nothing_to_switch() {
    let mut console = super::console();
    console.keys(":profile ops<enter>");
    assert!(console.opens.is_empty() && console.screen(80, 24).contains("the embedded cloud has no profile"));
}

#[test]
fn a_slow_cloud_is_read_less_often() {
    let mut console = console();
    console.hang = true;
    console.asked.clear();
    console.send(Msg::Changed);
    let reads = console.asked.len();
    assert!(reads > 0);
    for _ in 0..2 {
        console.send(Msg::Changed);
    }
    assert_eq!(console.asked.len(), reads, "one read at a time");
    console.hang = false;
    for (request, generation) in std::mem::take(&mut console.unanswered) {
        console.send(Msg::Loaded { result: Ok(answer(&request)), request, generation, now: at(0) });
    }
    console.asked.clear();
    let mut rest = 0;
    while console.asked.is_empty() && rest < 100 {
        console.send(Msg::Changed);
        rest += 1;
    }
    assert_eq!(rest, 7, "two refreshes were left out for it, so three times as many are before the next");
}

#[test]
fn a_terminal_that_nobody_looks_at_reads_less_often_and_at_once_when_somebody_does() {
    let mut console = console();
    console.send(Msg::Seen(false));
    console.asked.clear();
    let mut seen = 0;
    for _ in 0..12 {
        console.send(Msg::Changed);
        seen += usize::from(!std::mem::take(&mut console.asked).is_empty());
    }
    assert_eq!(seen, 2);
    console.send(Msg::Seen(true));
    assert!(!console.asked.is_empty());
}

#[test]
fn the_stages_are_asked_for_when_the_list_has_come_and_r_reads_everything_anew() {
    let mut console = console();
    console.hang = true;
    console.unanswered.clear();
    console.send(Msg::Changed);
    let asked: Vec<_> = console.unanswered.iter().map(|(r, _)| r.clone()).collect();
    assert_eq!(asked, [Request::Pipelines]);
    let (request, generation) = console.unanswered.remove(0);
    console.send(Msg::Loaded { result: Ok(answer(&request)), request, generation, now: at(0) });
    assert!(matches!(console.unanswered.as_slice(), [(Request::View(_), _)]), "{:?}", console.unanswered);
    let commands = console.app.update(Msg::Key(crossterm::event::KeyCode::Char('R').into()));
    assert!(matches!(commands.as_slice(), [Command::Forget, Command::Load { .. }]), "{commands:?}");
}

#[test]
fn a_runs_lines_are_those_of_all_streams_that_begin_with_its_name() {
    let mut console = console();
    console.keys("3<enter>l");
    let asked = console.asked.iter().find_map(|r| match r {
        Request::Logs { reach, .. } => reach.stream.clone(),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some("jr_00af*"), "one star, which stands for the rest of the name");
}
