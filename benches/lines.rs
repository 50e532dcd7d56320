//! A million log lines in memory: what it costs to hold, to search, to read and to show them.
//!
//! `cargo bench --bench lines`. Without `--bench`, as `cargo test --benches` runs it, with a hundredth of the lines.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may stop, and prints what it finds")]

#[path = "support/log_lines.rs"]
mod log_lines;

use std::sync::OnceLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use divan::{Bencher, counter::BytesCount};
use jiff::Timestamp;
use pumphouse::{
    cloud::logs::{Cursor, LogGroup},
    tui::{
        Options,
        app::App,
        command::Command,
        data::{Data, Request, Session},
        msg::Msg,
        theme::{Depth, Theme},
        view::view,
        widgets::lines::{Lines, Needle},
    },
};
use ratatui::{Terminal, backend::TestBackend};

/// What one read of a log group brings.
const PAGE: u64 = 10_000;
/// Lines of one request: a function fetches three prices.
const PER_REQUEST: u64 = 3;
const GROUP: &str = "/aws/lambda/crypto-stream-dev-fetch_prices";

fn main() {
    for (what, per_request) in [("three lines a request", PER_REQUEST), ("an id for each line", 1)] {
        let mut lines = Lines::new(usize::MAX);
        let mut text = 0;
        for n in 0..count() {
            let line = log_lines::line(n, per_request);
            text += line.len() + 1;
            lines.push(log_lines::time(n), &line);
        }
        let mib = |bytes: usize| bytes as f64 / 1_048_576.0;
        println!("{} lines, {what}: {:.1} MiB of text held in {:.1} MiB", count(), mib(text), mib(lines.memory()));
    }
    divan::main();
}

/// How many lines.
fn count() -> u64 {
    if std::env::args().any(|a| a == "--bench") { 1_000_000 } else { 10_000 }
}

fn texts() -> &'static [(i64, String)] {
    static TEXTS: OnceLock<Vec<(i64, String)>> = OnceLock::new();
    TEXTS.get_or_init(|| (0..count()).map(|n| (log_lines::time(n), log_lines::line(n, PER_REQUEST))).collect())
}

fn store() -> Lines {
    let mut lines = Lines::new(usize::MAX);
    for (time, text) in texts() {
        lines.push(*time, text);
    }
    lines
}

fn bytes() -> BytesCount {
    BytesCount::new(texts().iter().map(|(_, t)| t.len() + 1).sum::<usize>())
}

/// All lines into an empty store.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn append(bencher: Bencher) {
    let counted = bytes();
    bencher.counter(counted).bench_local(store);
}

/// A filter over all lines. The empty text finds every line, `amount` nearly every one, a number one.
#[divan::bench(sample_count = 15, sample_size = 1, args = ["retrying after", "RETRYING", "amount", "4711.23", "not there"])]
fn filter(bencher: Bencher, text: &str) {
    let snapshot = store().snapshot();
    let needle = Needle::smart(text);
    bencher.counter(bytes()).bench_local(|| snapshot.search(&needle, 0).len());
}

/// One line anywhere: its block is decompressed.
#[divan::bench(sample_count = 100, sample_size = 10)]
fn read_anywhere(bencher: Bencher) {
    let lines = store();
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 617_283) % lines.len();
        lines.with(at, |_, text| text.len())
    });
}

/// A console whose Logs pane holds all lines.
fn console() -> App {
    let theme = Theme::load("calm", Depth::True).unwrap();
    let mut app = App::new(&Options::default(), theme, Depth::True);
    let session = Session {
        cloud: "local".into(),
        env: "dev".into(),
        identity: String::new(),
        read_only: true,
        ..Session::default()
    };
    let mut todo = app.update(Msg::Opened(Ok(session)));
    for key in [KeyCode::Char('4'), KeyCode::Enter] {
        todo.extend(app.update(press(key)));
        while let Some(command) = todo.pop() {
            let Command::Load { request, generation } = command else { continue };
            let data = match &request {
                Request::LogGroups => Data::LogGroups(vec![LogGroup {
                    name: GROUP.into(),
                    pipeline: None,
                    events: Some(count()),
                    bytes: None,
                    last_event: None,
                }]),
                Request::Logs { after, .. } => page(after.as_ref().map_or(0, |cursor| *cursor.place::<u64>().unwrap())),
                _ => continue,
            };
            todo.extend(app.update(Msg::Loaded { request, generation, result: Ok(data), now: Timestamp::UNIX_EPOCH }));
        }
    }
    app
}

fn page(from: u64) -> Data {
    let to = (from + PAGE).min(count());
    let lines = texts().iter().skip(from as usize).take((to - from) as usize).cloned().collect();
    Data::Logs { lines, next: Some(Cursor::new(to)), more: to < count(), again: None, live: None }
}

fn press(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen() -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(120, 40)).unwrap()
}

/// A key's way through the console: update, layout, and the difference to the last frame, 120 by 40.
#[divan::bench(sample_count = 100, sample_size = 10)]
fn key_to_frame(bencher: Bencher) {
    let mut app = console();
    app.update(press(KeyCode::Char('g')));
    let mut screen = screen();
    screen.draw(|frame| view(&app, frame, false)).unwrap();
    bencher.bench_local(|| {
        app.update(press(KeyCode::Char('j')));
        screen.draw(|frame| view(&app, frame, false)).unwrap();
    });
    let shown = format!("{}", screen.backend());
    assert!(shown.contains("RequestId"), "{shown}");
}

/// The same with a page at a time: all of the screen changes, and blocks are decompressed.
#[divan::bench(sample_count = 100, sample_size = 10)]
fn page_to_frame(bencher: Bencher) {
    let mut app = console();
    app.update(press(KeyCode::Char('g')));
    let mut screen = screen();
    bencher.bench_local(|| {
        app.update(press(KeyCode::PageDown));
        screen.draw(|frame| view(&app, frame, false)).unwrap();
    });
}

/// A page of new lines into the pane that holds all the others.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn take_in_a_page(bencher: Bencher) {
    let mut lines = store();
    let new: Vec<_> = texts().iter().take(PAGE as usize).collect();
    bencher.bench_local(|| {
        for (time, text) in &new {
            lines.push(*time, text);
        }
    });
}
