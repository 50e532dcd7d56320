use super::{console, fixture::answer, screens, testing::Console};
use crate::{
    backend::{Consent, Effect, Strength},
    tui::{
        data::{Act, Request},
        glyphs,
        msg::Msg,
        theme::Depth,
    },
};

#[test]
fn before_there_is_a_backend() {
    let mut console = Console::closed(Box::new(|r| Ok(answer(r))), Depth::None);
    screens!(console);
    console.keys("jj<enter>4/");
    assert!(console.asked.is_empty());
    console.send(Msg::Opened(Err("the state directory /var/lib/pumphouse cannot be read: permission denied".into())));
    screens!(console);
}

#[test]
fn help_is_made_from_the_table() {
    let mut console = console();
    console.keys("4?");
    screens!(console);
    console.screen(80, 24);
    console.keys("G");
    assert!(console.screen(80, 24).contains("Ctrl-C"));
    console.keys("<esc>q");
    assert!(console.quit);
}

#[test]
fn commands_complete_and_are_remembered() {
    let mut console = console();
    console.keys("4:lo<tab>");
    assert!(console.screen(80, 24).contains(":logs"));
    console.keys("fetch<tab><enter>");
    assert!(console.screen(80, 24).contains("fetch_prices · 300 lines"), "{}", console.screen(80, 24));
    console.keys(":nonsense<enter>");
    assert!(console.screen(80, 24).contains("no command :nonsense"));
    console.keys(":<up><up>");
    assert!(console.screen(80, 24).contains(":logs /aws/lambda/crypto-stream-dev-fetch_prices"));
    console.keys("<esc>:q<enter>");
    assert!(console.quit);
}

#[test]
fn a_small_terminal_is_told() {
    insta::assert_snapshot!(console().screen(60, 15));
    insta::assert_snapshot!(console().screen(59, 14));
    console().screen(1, 1);
    console().screen(60, 15);
}

#[test]
fn ascii_alone() {
    let mut console = console();
    console.ascii = true;
    console.keys("j");
    let screen = console.screen(80, 24);
    assert!(screen.is_ascii(), "{screen}");
    insta::assert_snapshot!(screen);
}

#[test]
fn every_glyph_has_a_twin() {
    let mut console = console();
    for keys in ["j", "4", "<enter>", "?"] {
        console.keys(keys);
        for c in console.screen(160, 50).chars() {
            assert!(glyphs::has_twin(c) || "東京␀␇␉␦\n".contains(c), "{c:?} has no ASCII twin");
        }
    }
}

#[test]
fn keys_work_while_everything_hangs() {
    let mut console = Console::closed(Box::new(|r| Ok(answer(r))), Depth::None);
    console.hang = true;
    console.send(Msg::Opened(Ok(crate::tui::data::Session::default())));
    console.keys("4?<esc>1:help<enter><esc>");
    assert!(console.screen(80, 24).contains("loading"));
    console.keys("<ctrl-c>");
    assert!(console.quit);
}

#[test]
fn a_stale_answer_is_dropped() {
    let mut console = console();
    let request = Request::Pipelines;
    let result = Err("too late".to_owned());
    console.send(Msg::Loaded { request, generation: 0, result, now: super::testing::at(0) });
    assert!(!console.screen(80, 24).contains("too late"));
}

#[test]
fn a_failed_refresh_leaves_what_was_there() {
    let failing = std::rc::Rc::new(std::cell::Cell::new(false));
    let switch = failing.clone();
    let mut console = Console::open(Box::new(move |request| {
        if switch.get() {
            Err("access denied: allow cloudformation:ListStacks on * to see this".into())
        } else {
            Ok(answer(request))
        }
    }));
    failing.set(true);
    console.keys("R");
    let screen = console.screen(160, 50);
    assert!(screen.contains("cloudformation:ListStacks") && screen.contains("crypto-stream"), "{screen}");
    failing.set(false);
    console.send(Msg::Changed);
    assert!(!console.screen(160, 50).contains("ListStacks"));
}

#[test]
fn changes_while_reading_are_read_once_more() {
    let mut console = console();
    console.hang = true;
    console.asked.clear();
    console.send(Msg::Changed);
    let asked = console.asked.len();
    (0..5).for_each(|_| console.send(Msg::Changed));
    assert_eq!(console.asked.len(), asked, "one refresh at a time");
}

fn effect(strength: Strength) -> Effect {
    Effect {
        what: "destroy",
        target: "crypto-stream-dev".into(),
        sentence: "crypto-stream-dev is destroyed: 21 resources, with all data in them".into(),
        strength,
    }
}

#[test]
fn no_is_the_default() {
    let mut console = console();
    let ask = |console: &mut Console, strength| {
        console.send(Msg::Judged { act: Act::Destroy("crypto-stream".into()), result: Ok(effect(strength)) });
    };
    ask(&mut console, Strength::Confirm);
    screens!(console);
    console.keys("<enter>");
    assert!(console.acts.is_empty() && console.app.popups.is_empty());
    // Whoever types the name where a y would do has not said yes with the y in it.
    ask(&mut console, Strength::Confirm);
    console.keys("crypto-stream-dev<enter>");
    assert!(console.acts.is_empty() && console.app.popups.is_empty());
    ask(&mut console, Strength::Confirm);
    console.keys("<left><enter>");
    assert_eq!(console.acts, [(Act::Destroy("crypto-stream".into()), Consent::Yes)]);
}

#[test]
fn what_is_asked_is_seen_below_a_long_list_of_what_is_lost() {
    let mut console = console();
    let lost =
        (0..60).map(|n| format!("module.lake.aws_s3_bucket.zone[\"number-{n}\"]")).collect::<Vec<_>>().join(", ");
    for strength in [Strength::TypeName("orders-prod".into()), Strength::Confirm] {
        let asked = if strength == Strength::Confirm { "[ No ]" } else { "Type orders-prod to go on:" };
        let sentence = format!("orders-prod is destroyed; the data of {lost} is lost");
        let result = Ok(Effect { sentence, ..effect(strength) });
        console.send(Msg::Judged { act: Act::Destroy("orders".into()), result });
        let (narrow, wide) = (console.screen(80, 24), console.screen(160, 50));
        for screen in [&narrow, &wide] {
            assert!(screen.contains(asked) && screen.contains("Esc:") && screen.contains("number-0"), "{screen}");
        }
        assert!(narrow.contains('…') && wide.contains("number-20"), "{wide}");
        console.keys("<esc>");
    }
}

#[test]
fn the_strongest_confirmation_types_the_name() {
    let mut console = console();
    let act = Act::Destroy("crypto-stream".into());
    let result = Ok(effect(Strength::TypeName("crypto-stream-dev".into())));
    console.send(Msg::Judged { act: act.clone(), result });
    console.keys("yes<enter>");
    assert!(console.acts.is_empty());
    screens!(console);
    console.keys("<ctrl-u>crypto-stream-dev<enter>");
    assert_eq!(console.acts, [(act, Consent::Name("crypto-stream-dev".into()))]);
    // A change under way makes leaving a matter of asking twice.
    console.keys("q");
    assert!(!console.quit && console.screen(80, 24).contains("under way"));
    console.keys("q");
    assert!(console.quit);
}

#[test]
fn read_only_says_so_and_asks_for_nothing() {
    let mut console = console();
    console.app.session.read_only = true;
    console.keys("jr");
    let screen = console.screen(80, 24);
    assert!(screen.contains("READ-ONLY") && screen.contains("read-only: run crypto-stream is refused"), "{screen}");
    assert!(console.acts.is_empty());
}

#[test]
fn the_header_keeps_what_matters() {
    let mut console = console();
    console.app.session.read_only = true;
    console.app.session.speed = 60.0;
    console.app.session.identity = "someone with a very long name ".repeat(9);
    let screen = console.screen(60, 15);
    let header = screen.lines().next().unwrap_or_default();
    assert!(header.contains("local · dev") && header.contains("READ-ONLY") && header.contains("×60"), "{header}");
}

#[test]
fn colours_are_those_that_there_are() {
    use ratatui::style::{Color, Modifier};

    for depth in [Depth::None, Depth::Sixteen, Depth::Indexed] {
        let mut console = Console::closed(Box::new(|r| Ok(answer(r))), depth);
        console.send(Msg::Opened(Ok(crate::tui::data::Session::default())));
        for keys in ["j", "2", "3", "4", "5", "6", "7", "?"] {
            console.keys(keys);
            let buffer = console.buffer(160, 50);
            for cell in &buffer.content {
                let plain = |c: Color| c == Color::Reset;
                let few = |c: Color| !matches!(c, Color::Rgb(..) | Color::Indexed(_));
                let fits = |c: Color| match depth {
                    Depth::None => plain(c),
                    Depth::Sixteen => few(c),
                    Depth::Indexed | Depth::True => !matches!(c, Color::Rgb(..)),
                };
                assert!(fits(cell.fg) && fits(cell.bg), "{depth:?}: {cell:?}");
            }
            // What is selected, or is the tab that is shown, is seen without any colour.
            let seen = |m: Modifier| m.intersects(Modifier::REVERSED | Modifier::UNDERLINED | Modifier::BOLD);
            assert!(buffer.content.iter().any(|cell| seen(cell.modifier)));
        }
    }
}

#[test]
fn nothing_hostile_comes_through_in_any_pane_at_any_size() {
    let mut console = console();
    for keys in [
        "",
        "2<enter>",
        "jj<enter>",
        "<esc>3",
        "<enter>jj",
        "4<enter>",
        "w",
        "5",
        "<tab><enter>",
        "6h",
        "<f5>",
        "7",
        "<enter>",
    ] {
        console.keys(keys);
        for (width, height) in [(60, 15), (80, 24), (109, 30), (110, 30), (160, 50), (300, 100), (61, 100)] {
            let screen = console.screen(width, height);
            assert!(super::fixture::harmless(&screen), "after {keys}: {screen}");
            let widest = screen.lines().map(crate::text::width).max().unwrap_or(0);
            assert!(widest <= usize::from(width), "after {keys}: {widest} columns in {width}");
        }
    }
}

#[test]
fn a_terminal_that_is_made_smaller_and_larger_is_no_harm() {
    let mut console = console();
    for keys in ["1", "2<enter><enter>G", "3G", "4<enter>G", "w", "5", "6", "7", "?", "<esc>5<enter>"] {
        console.keys(keys);
        for size in [1u16, 2, 5, 14, 15, 16, 59, 60, 61, 200] {
            console.screen(size, size);
            console.screen(200, size);
            console.screen(size, 60);
        }
    }
}
