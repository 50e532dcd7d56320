//! Queues and their dead letters, beside the topics.

use super::{
    fixture::{HOSTILE, answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    backend::Consent,
    cloud::queues::{Queue, QueueMessage},
    tui::data::{Act, Data, Request},
};

fn queue(name: &str, visible: u64, dead_letter: Option<&str>, of: &[&str]) -> Queue {
    Queue {
        name: name.into(),
        pipeline: Some("bls-quest".into()),
        visible: Some(visible),
        in_flight: Some(0),
        delayed: Some(0),
        sent: Some(9),
        visibility_seconds: Some(300),
        retention_seconds: Some(345_600),
        dead_letter: dead_letter.map(str::to_owned),
        max_receives: dead_letter.map(|_| 3),
        dead_letters_of: of.iter().map(|n| (*n).to_owned()).collect(),
    }
}

fn console(dead: u64) -> Console {
    Console::open(Box::new(move |request| {
        Ok(match request {
            Request::Queues => Data::Queues(vec![
                queue("bls-quest-dev-reports", 4, Some("bls-quest-dev-reports-dlq"), &[]),
                queue("bls-quest-dev-reports-dlq", dead, None, &["bls-quest-dev-reports"]),
            ]),
            Request::DeadLetters(queue) => {
                assert_eq!(queue, "bls-quest-dev-reports-dlq");
                let letter = |n: u64| QueueMessage {
                    id: format!("m-{n}"),
                    sent: Some(at(-600)),
                    receives: Some(3),
                    error: Some(format!("Failed: pr.data.0.Current, line {n}: column value: \"x\" {HOSTILE}")),
                    body: format!("{{\"Records\":[{{\"n\":{n},\"s\":\"{}\"}}]}}", HOSTILE.escape_default()),
                    attributes: [("DeadLetterQueueSource".to_owned(), "bls-quest-dev-reports".to_owned())].into(),
                };
                Data::DeadLetters((0..dead).map(letter).collect())
            }
            other => answer(other),
        })
    }))
}

#[test]
fn a_queue_shows_its_dead_letters_and_gives_them_back_when_that_is_confirmed() {
    let mut console = console(2);
    console.keys("5<tab><tab><tab>");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
    console.keys("<enter>j<enter>");
    let screen = console.screen(120, 40);
    assert!(screen.contains("Dead letter in bls-quest-dev-reports-dlq") && screen.contains("line 1"), "{screen}");
    assert!(harmless(&screen));
    console.keys("<esc>b");
    assert!(console.acts.is_empty(), "it asks first");
    assert!(console.screen(100, 30).contains("are dealt with once more"), "{}", console.screen(100, 30));
    console.keys("y");
    assert_eq!(console.acts, [(Act::Redrive("bls-quest-dev-reports-dlq".into()), Consent::Yes)]);
}

#[test]
fn without_queues_the_topics_have_the_whole_side() {
    let mut console = super::console();
    console.keys("5<tab><tab><tab>");
    assert!(!console.screen(120, 40).contains("Queues"));
    console.keys("b");
    assert!(console.acts.is_empty());
}
