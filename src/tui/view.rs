//! The screen: header, tabs, the pane, the last line, and what is open over them.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Position, Rect},
    style::Modifier,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};

use super::{
    app::{App, Phase, Status, Typing},
    glyphs,
    keymap::{self, Action},
    link::Trouble,
    theme::Role,
    ui::Ui,
};
use crate::text;

/// The smallest screen that a pane can be read on.
const SMALLEST: (u16, u16) = (60, 15);

/// Draws the whole screen.
pub fn view(app: &App, frame: &mut Frame, ascii: bool) {
    let ui = Ui { theme: &app.theme, now: app.now, covered: !app.popups.is_empty() };
    let area = frame.area();
    let style = ui.style(Role::Text);
    frame.buffer_mut().set_style(area, style);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let told = format!(
            "pumphouse needs {} by {} columns and rows;\nthis terminal has {} by {}.\nMake it larger, or q to quit.",
            SMALLEST.0, SMALLEST.1, area.width, area.height
        );
        let rows = area.height.min(3);
        let middle = Rect { y: area.y + (area.height - rows) / 2, height: rows, ..area };
        Paragraph::new(told).alignment(Alignment::Center).style(style).render(middle, frame.buffer_mut());
    } else {
        let trouble = app.trouble().filter(|_| app.phase == Phase::Open).map(|trouble| trouble_line(app, trouble));
        let rows = trouble.as_ref().map_or(0, |told| text::wrap(told, usize::from(area.width), 2).len() as u16);
        let [header, tabs, banner, pane, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(rows),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(area);
        if let Some(told) = trouble {
            ui.wrapped(frame.buffer_mut(), banner, Role::Error, &told);
        }
        draw_header(app, frame, header, &ui);
        draw_tabs(app, frame, tabs, &ui);
        match &app.phase {
            Phase::Open => {
                if let Some(shown) = app.shown() {
                    shown.draw(frame, pane, &ui);
                }
            }
            Phase::Opening => {
                let what = format!("opening {} · {} …", app.session.cloud, app.session.env);
                draw_notice(frame, pane, &ui, Role::Dim, &what);
            }
            Phase::Failed(error) => {
                let what = format!(
                    "✖ {} could not be opened\n\n{error}\n\nR: try again   q: quit   pumphouse doctor: find out why",
                    app.session.cloud
                );
                draw_notice(frame, pane, &ui, Role::Error, &what);
            }
        }
        draw_footer(app, frame, footer, &ui);
        for popup in &app.popups {
            popup.draw(frame, pane, &ui);
        }
    }
    glyphs::finish(frame.buffer_mut(), ascii);
}

/// What keeps all panes from being read, and what to do about it.
fn trouble_line(app: &App, trouble: &Trouble) -> String {
    let told = match trouble {
        Trouble::Credentials(why) => {
            let login = app.session.login.as_ref().filter(|login| !why.contains(login.as_str()));
            let run = login.map(|login| format!(" · run `{login}`")).unwrap_or_default();
            format!("✖ R once you have logged in{run} · {why}")
        }
        Trouble::Network(why) => format!("✖ no connection, trying again (R: now) · {why}"),
    };
    text::clean_lines(&told).collect::<Vec<_>>().join(" ")
}

fn draw_notice(frame: &mut Frame, area: Rect, ui: &Ui, role: Role, what: &str) {
    let width = area.width.saturating_sub(8).min(100);
    let rows = area.height.saturating_sub(2).min(14);
    let rect = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - rows) / 2, width, height: rows };
    let (first, rest) = what.split_once('\n').unwrap_or((what, ""));
    let used = ui.paragraph(frame.buffer_mut(), rect, 0, role, first);
    ui.paragraph(frame.buffer_mut(), rect, used, Role::Text, rest);
}

/// ` pumphouse  local · dev  READ-ONLY  identity`: the cloud, the environment and READ-ONLY are never cut.
fn draw_header(app: &App, frame: &mut Frame, area: Rect, ui: &Ui) {
    let session = &app.session;
    let mut spans = vec![ui.span(Role::Title, " pumphouse"), Span::raw("   ")];
    spans.push(ui.span(Role::Header, format!("{} · ", session.cloud)));
    if session.protected {
        // Reversed, so that it is seen without colours, too.
        let style = ui.style(Role::Warn).add_modifier(Modifier::REVERSED | Modifier::BOLD);
        spans.push(Span::styled(format!(" {} ", text::clean(&session.env)), style));
    } else {
        spans.push(ui.span(Role::Header, session.env.as_str()));
    }
    if session.read_only {
        spans.push(Span::raw("   "));
        spans.push(ui.span(Role::Readonly, "READ-ONLY"));
    }
    if (session.speed - 1.0).abs() > f64::EPSILON {
        spans.push(Span::raw("   "));
        spans.push(ui.span(Role::Warn, format!("×{}", session.speed)));
    }
    let line = Line::from(spans);
    let used = line.width();
    ui.line(frame.buffer_mut(), area, 0, &line);
    let room = usize::from(area.width).saturating_sub(used + 4);
    let identity = text::clean(&session.identity);
    let throttled = if app.calls.throttled { "   throttled" } else { "" };
    let words = if app.calls.words.is_empty() { String::new() } else { format!("   {}", app.calls.words) };
    // The calls go first where there is little room, what is throttled last.
    let all = text::width(&identity) + text::width(&words) + text::width(throttled);
    let words = if all <= room { words } else { String::new() };
    if room >= 8 && !(identity.is_empty() && words.is_empty() && throttled.is_empty()) {
        let rest = room.saturating_sub(text::width(&words) + text::width(throttled));
        let spans = vec![
            ui.span(Role::Dim, text::truncate(&identity, rest).into_owned()),
            ui.span(Role::Dim, words),
            ui.span(Role::Warn, throttled),
        ];
        let line = Line::from(spans);
        let at = area.width.saturating_sub(line.width() as u16 + 1);
        ui.line(frame.buffer_mut(), Rect { x: area.x + at, width: area.width - at, ..area }, 0, &line);
    }
}

fn draw_tabs(app: &App, frame: &mut Frame, area: Rect, ui: &Ui) {
    let mut spans = Vec::new();
    let all: usize = app.panes.titles().map(|(_, title)| title.len() + 4).sum();
    let tight = all > usize::from(area.width);
    for (number, title) in app.panes.titles() {
        // Where there is little room, a number is all that the other tabs have.
        let title = if tight && number != app.current { "" } else { title };
        if number == app.current {
            spans.push(ui.span(Role::Tab, format!(" {number} {title} ")));
        } else {
            spans.push(ui.span(Role::Key, format!(" {number}")));
            spans.push(ui.span(Role::Dim, format!(" {title} ")));
        }
    }
    let line = Line::from(spans);
    let used = line.width() as u16;
    ui.line(frame.buffer_mut(), area, 0, &line);
    let hint = Line::from(vec![
        ui.span(Role::Key, "?"),
        ui.span(Role::Dim, " keys  "),
        ui.span(Role::Key, ":"),
        ui.span(Role::Dim, " go to "),
    ]);
    let width = hint.width() as u16;
    if used + width + 1 < area.width {
        let rect = Rect { x: area.x + area.width - width, width, ..area };
        ui.line(frame.buffer_mut(), rect, 0, &hint);
    }
}

fn draw_footer(app: &App, frame: &mut Frame, area: Rect, ui: &Ui) {
    if let Some(typing) = &app.typing {
        let (mark, edit) = match typing {
            Typing::Command { edit, .. } => (":", edit),
            Typing::Filter(edit, _) => ("/", edit),
        };
        let (shown, cursor) = edit.view(usize::from(area.width.saturating_sub(2)));
        let mut spans = vec![ui.span(Role::Key, mark), ui.span(Role::Text, shown)];
        let hint = match typing {
            Typing::Command { completions: Some((all, at)), .. } if all.len() > 1 => {
                format!("   {} of {}", at + 1, all.len())
            }
            Typing::Command { .. } if edit.text().is_empty() => {
                let names: Vec<_> = super::commands::TABLE.iter().map(|(name, ..)| *name).collect();
                format!("   {}", names.join("  "))
            }
            _ => String::new(),
        };
        spans.push(ui.span(Role::Dim, hint));
        ui.line(frame.buffer_mut(), area, 0, &Line::from(spans));
        if app.popups.is_empty() {
            frame.set_cursor_position(Position::new(area.x + 1 + cursor as u16, area.y));
        }
        return;
    }
    let line = match &app.status {
        Some(Status::Told(told)) => Line::from(ui.span(Role::Text, format!(" {told}"))),
        Some(Status::Failed(why)) => Line::from(ui.span(Role::Error, format!(" ✖ {why}"))),
        None => {
            let mut hints = Vec::new();
            for binding in keymap::of(app.context()).filter(|b| !b.footer.is_empty()) {
                let kept = matches!(binding.action, Action::Help | Action::Quit);
                if app.phase == Phase::Open || kept {
                    let key = binding.keys.first().map(|k| keymap::pretty(k)).unwrap_or_default();
                    hints.push((kept, format!(" {key}"), format!(" {} ", binding.footer)));
                }
            }
            // Where not all fit, the last go as a whole; the way to help and the way out stay.
            let width = |hints: &[(bool, String, String)]| -> usize {
                hints.iter().map(|(_, key, word)| text::width(key) + text::width(word)).sum()
            };
            while width(&hints) > usize::from(area.width) + 1
                && let Some(at) = hints.iter().rposition(|(kept, ..)| !kept)
            {
                hints.remove(at);
            }
            let spans =
                hints.into_iter().flat_map(|(_, key, word)| [ui.span(Role::Key, key), ui.span(Role::Dim, word)]);
            Line::from(spans.collect::<Vec<_>>())
        }
    };
    let line = match line.spans.as_slice() {
        [only] if line.width() > usize::from(area.width) => {
            Line::styled(text::truncate(&only.content, usize::from(area.width)).into_owned(), only.style)
        }
        _ => line,
    };
    ui.line(frame.buffer_mut(), area, 0, &line);
}
