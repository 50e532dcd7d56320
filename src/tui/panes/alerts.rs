//! 5 Alerts: thresholds and alarms, topics and what was published to them, queues and their dead letters.

mod queues;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use queues::Queues;

use super::{Cx, Intent, Pane, turn};
use crate::{
    cloud::alerts::{AlarmState, Alert, AlertKind, Comparison, Message, Topic},
    text,
    tui::{
        data::{Data, Loaded, Request, Target, count, moment, number},
        glyphs,
        keymap::{Action, Context},
        popups::{Popup, Purpose},
        theme::Role,
        ui::{Ui, below, filtered, left, right},
        widgets::{
            list::{Picker, Scroll},
            sparkline::{chart, sparkline},
        },
    },
};

/// Columns and rows of the chart among an alert's details.
const CHART: (usize, usize) = (60, 8);

/// Thresholds, alarms, topics, messages.
pub struct AlertsPane {
    alerts: Picker<Alert>,
    topics: Picker<Topic>,
    list: Loaded<()>,
    /// What could not be read, in words.
    missing: Vec<String>,
    inbox: Loaded<Vec<Message>>,
    /// Why there are no messages to read, where the cloud keeps none.
    no_inbox: Option<String>,
    /// The topic that `inbox` is of, or will be.
    topic: String,
    scroll: Scroll,
    queues: Queues,
    /// 0 alerts, 1 topics, 2 messages, 3 queues, 4 dead letters.
    focus: usize,
    /// The pipeline whose ALARM is to be selected once the list is there.
    seeks_alarm: Option<String>,
}

impl Default for AlertsPane {
    fn default() -> Self {
        Self {
            alerts: Picker::new(|a| &a.name),
            topics: Picker::new(|t| &t.name),
            list: Loaded::default(),
            missing: Vec::new(),
            inbox: Loaded::default(),
            no_inbox: None,
            topic: String::new(),
            scroll: Scroll::default(),
            queues: Queues::default(),
            focus: 0,
            seeks_alarm: None,
        }
    }
}

fn state(state: AlarmState) -> (&'static str, Role) {
    match state {
        AlarmState::Ok => (glyphs::OK, Role::Ok),
        AlarmState::Alarm => (glyphs::WARN, Role::Warn),
        AlarmState::InsufficientData => (glyphs::NONE, Role::Idle),
    }
}

/// The limit with its comparison, where that is not the usual one.
fn limit(alert: &Alert) -> String {
    let value = alert.threshold.map(number).unwrap_or_default();
    match alert.comparison {
        None | Some(Comparison::GreaterThanThreshold) => value,
        Some(other) => format!("{} {value}", other.sign()),
    }
}

/// All about an alert, with its measurements and the line of its limit.
fn details(alert: &Alert) -> Vec<String> {
    let condition = match (alert.comparison, alert.threshold) {
        (Some(comparison), Some(threshold)) => format!("{} {} {}", alert.metric, comparison.sign(), number(threshold)),
        _ => alert.metric.clone(),
    };
    let mut lines = vec![format!("on when    {condition}"), format!("state      {}", alert.state.word())];
    lines.extend(alert.since.map(|since| format!("since      {since}")));
    lines.extend(alert.reason.as_ref().map(|reason| format!("because    {reason}")));
    lines.extend(alert.pipeline.as_ref().map(|pipeline| format!("pipeline   {pipeline}")));
    lines.extend(alert.unit.as_ref().map(|unit| format!("unit       {unit}")));
    lines.extend(alert.topics.iter().map(|topic| format!("tells      {topic}")));
    lines.extend(alert.fixed.as_ref().map(|why| format!("its limit cannot be set: {why}")));
    if let (Some(first), Some(last)) = (alert.samples.first(), alert.samples.last()) {
        let values: Vec<f64> = alert.samples.iter().map(|s| s.value).collect();
        lines.push(String::new());
        lines.extend(chart(&values, alert.threshold, CHART));
        lines.push(format!("{} ({}) to {} ({})", first.time, number(first.value), last.time, number(last.value)));
    }
    lines
}

impl AlertsPane {
    fn look(&mut self, again: bool, cx: &mut Cx) {
        if let Some(name) = self.topics.selected().map(|t| t.name.clone()) {
            self.look_at(name, again, cx);
        }
    }

    fn look_at(&mut self, name: String, again: bool, cx: &mut Cx) {
        if self.topic != name {
            self.topic.clone_from(&name);
            self.inbox.clear();
            self.no_inbox = None;
            self.scroll.select(0);
        } else if !again {
            return;
        }
        self.inbox.ask();
        cx.load(Request::Inbox(name));
    }

    /// The message in a row: the newest is the first.
    fn message(&self, row: usize) -> Option<&Message> {
        let messages = self.inbox.value.as_ref()?;
        messages.get(messages.len().checked_sub(row + 1)?)
    }

    /// Selects what is in ALARM of a pipeline.
    fn select_alarm(&mut self, pipeline: &str) {
        let on = |a: &&Alert| a.state == AlarmState::Alarm && a.pipeline.as_deref() == Some(pipeline);
        if let Some(name) = self.alerts.items().iter().find(on).map(|a| a.name.clone()) {
            self.alerts.select(&name);
        }
    }

    fn set(&self, cx: &mut Cx) {
        let Some(alert) = self.alerts.selected() else { return };
        if let Some(why) = &alert.fixed {
            cx.intents.push(Intent::Fail(format!("{} cannot be set: {why}", alert.name)));
            return;
        }
        let hint = match (alert.kind, alert.comparison) {
            (AlertKind::Threshold, _) => {
                "The functions that read it take the new value from their next invocation on.".to_owned()
            }
            (AlertKind::Alarm, Some(comparison)) => format!("The alarm goes on when {} this.", comparison.in_words()),
            (AlertKind::Alarm, None) => "The alarm goes on when its metric is beyond this.".to_owned(),
        };
        let value = match alert.threshold {
            Some(whole) if whole.fract() == 0.0 => format!("{whole:.0}"),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let popup = Popup::input(format!("Set {}", alert.name), hint, &value, Purpose::SetAlert(alert.name.clone()));
        cx.intents.push(Intent::Popup(popup));
    }

    fn read(&self, message: &Message, cx: &mut Cx) {
        let mut lines = vec![format!("published  {}", message.time)];
        if let Some(subject) = &message.subject {
            lines.push(format!("subject    {subject}"));
        }
        for (name, value) in &message.attributes {
            lines.push(format!("{name}: {value}"));
        }
        lines.push(String::new());
        let laid_out = serde_json::from_str::<serde_json::Value>(&message.message)
            .ok()
            .filter(|v| v.is_object() || v.is_array())
            .and_then(|v| serde_json::to_string_pretty(&v).ok());
        lines.extend(laid_out.as_deref().unwrap_or(&message.message).lines().map(str::to_owned));
        cx.show(format!("Message to {}", self.topic), lines);
    }

    fn draw_alerts(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = filtered(self.list.title("Thresholds and alarms"), self.alerts.filter());
        let inner = ui.frame(frame, area, &title, self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.alerts.filter().is_empty() { "no thresholds, no alarms" } else { "none fits the filter" };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.alerts.is_empty() && self.missing.is_empty());
        let mut inner = below(inner, used);
        for missing in &self.missing {
            let used = ui.paragraph(buffer, inner, 0, Role::Error, &format!("✖ {missing}"));
            inner = below(inner, used.min(2));
        }
        if self.alerts.is_empty() {
            return;
        }
        let wide = area.width >= 130;
        // A name is worth more than the last of the measurements.
        let lately = if area.width >= 150 { 30 } else { 16 };
        let columns = if wide {
            vec![
                left("  state", 19),
                left("name", 0),
                left("kind", 9),
                right("value", 12),
                right("limit", 12),
                left("unit", 6),
                left("since", 16),
                left("lately", lately),
            ]
        } else {
            vec![left("  state", 9), left("name", 0), right("value", 11), right("limit", 11), left("lately", 12)]
        };
        let visible = self.alerts.scroll.visible(usize::from(inner.height.saturating_sub(1)), self.alerts.len());
        let selected = Some((self.alerts.scroll.selected(), self.focus == 0));
        ui.table(buffer, inner, &columns, visible, selected, |n| {
            let Some(alert) = self.alerts.get(n) else { return Vec::new() };
            let (glyph, role) = state(alert.state);
            let values: Vec<f64> = alert.samples.iter().map(|s| s.value).collect();
            let value = values.last().map(|v| number(*v)).unwrap_or_default();
            let limit = limit(alert);
            let word = match alert.state {
                AlarmState::InsufficientData if !wide => "no data",
                other => other.word(),
            };
            let mut cells = vec![(role, format!("{glyph} {word}"))];
            if wide {
                let kind = match alert.kind {
                    AlertKind::Threshold => "threshold",
                    AlertKind::Alarm => "alarm",
                };
                // Names of one pipeline begin alike.
                let room = usize::from(inner.width).saturating_sub(88 + usize::from(lately));
                cells.push((Role::Text, text::truncate_middle(&text::clean(&alert.name), room).into_owned()));
                cells.push((Role::Dim, kind.into()));
                cells.push((role, value));
                cells.push((Role::Text, limit));
                cells.push((Role::Dim, alert.unit.clone().unwrap_or_default()));
                cells.push((Role::Dim, alert.since.map(|t| moment(t, ui.now)).unwrap_or_default()));
                cells.push((role, sparkline(&values, usize::from(lately))));
            } else {
                let room = usize::from(inner.width).saturating_sub(51);
                cells.push((Role::Text, text::truncate_middle(&text::clean(&alert.name), room).into_owned()));
                cells.push((role, value));
                cells.push((Role::Text, limit));
                cells.push((role, sparkline(&values, 12)));
            }
            cells
        });
    }

    fn draw_inbox(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = if self.topic.is_empty() { "Messages".into() } else { format!("Messages to {}", self.topic) };
        let inner = ui.frame(frame, area, &title, self.focus == 2);
        let buffer = frame.buffer_mut();
        let len = self.inbox.value.as_ref().map_or(0, Vec::len);
        let mut row = 0;
        if let Some(topic) = self.topics.selected() {
            let told: Vec<String> =
                topic.subscriptions.iter().map(|s| format!("{} {} ({})", s.protocol, s.endpoint, s.status)).collect();
            let told = if told.is_empty() { "nobody subscribes".to_owned() } else { told.join(", ") };
            ui.line(buffer, inner, 0, &Line::from(ui.span(Role::Dim, told)));
            row = 1;
        }
        let inner = below(inner, row);
        let empty = self.no_inbox.as_deref().unwrap_or("no messages yet: p publishes one");
        let used = ui.loaded(buffer, inner, &self.inbox, empty, len == 0);
        let inner = below(inner, used);
        for (at, row) in self.scroll.visible(usize::from(inner.height), len).enumerate() {
            let Some(message) = self.message(row) else { continue };
            let first = message.message.lines().next().unwrap_or_default();
            let subject = message.subject.as_deref().map(|s| format!("{s}  ")).unwrap_or_default();
            let line = Line::from(vec![
                ui.span(Role::Dim, format!("{}  ", moment(message.time, ui.now))),
                ui.span(Role::Text, subject),
                ui.span(Role::Dim, text::window(first, 0, 400)),
            ]);
            ui.line(buffer, inner, at as u16, &line);
            if row == self.scroll.selected() {
                ui.select(buffer, inner, at as u16, self.focus == 2);
            }
        }
    }
}

impl Pane for AlertsPane {
    fn number(&self) -> u8 {
        5
    }

    fn title(&self) -> &'static str {
        "Alerts"
    }

    fn context(&self) -> Context {
        Context::Alerts
    }

    fn refresh(&mut self, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Alerts);
        self.look(true, cx);
        self.queues.refresh(cx);
    }

    fn arrived(&mut self, request: &Request, part: Data, _: &mut Cx) {
        if let (Request::Alerts, Data::Alerts(alerts, topics, _)) = (request, part)
            && self.list.arrive(alerts.len() + topics.len())
        {
            self.alerts.merge(alerts);
            self.topics.merge(topics);
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Alerts, Ok(Data::Alerts(alerts, topics, missing))) => {
                self.missing = missing;
                self.alerts.set(alerts);
                self.topics.set(topics);
                self.list.answer(Ok(()));
                if let Some(pipeline) = self.seeks_alarm.take() {
                    self.select_alarm(&pipeline);
                }
                // A topic that was jumped to before the list was there.
                self.topics.select(&self.topic);
                self.look(false, cx);
            }
            (Request::Alerts, Err(error)) => self.list.answer(Err(error)),
            (Request::Queues | Request::DeadLetters(_), result) => {
                self.queues.loaded(request, result, cx);
                if !self.queues.any() && self.focus > 2 {
                    self.focus = 1;
                }
            }
            (Request::Inbox(topic), result) if *topic == self.topic => match result {
                Ok(Data::Inbox(messages)) => {
                    // The selection stays on its message when newer ones come, except on the newest itself.
                    let before = self.inbox.value.as_ref().map_or(0, Vec::len);
                    let more = messages.len().saturating_sub(before);
                    self.inbox.answer(Ok(messages));
                    if self.focus == 2 && self.scroll.selected() > 0 {
                        self.scroll.select(self.scroll.selected() + more);
                    }
                }
                Ok(Data::NoInbox(why)) => {
                    self.inbox.answer(Ok(Vec::new()));
                    self.no_inbox = Some(why);
                }
                Ok(_) => {}
                Err(error) => self.inbox.answer(Err(error)),
            },
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, if self.queues.any() { 5 } else { 3 }, action) {
            self.focus = focus;
            return true;
        }
        let topic = self.topics.selected().map(|t| t.name.clone());
        match (action, self.focus) {
            (Action::Set, _) | (Action::Enter, 0) => self.set(cx),
            (Action::Details, _) => {
                if let Some(alert) = self.alerts.selected() {
                    cx.show(alert.name.clone(), details(alert));
                }
            }
            (Action::Publish, _) => {
                if let Some(topic) = topic {
                    let hint = "Whoever subscribes to the topic is told.";
                    let popup = Popup::input(format!("Publish to {topic}"), hint, "", Purpose::Publish(topic));
                    cx.intents.push(Intent::Popup(popup));
                }
            }
            (Action::GoToError, _) => {
                let on = self.alerts.items().iter().find(|a| a.state == AlarmState::Alarm).map(|a| a.name.clone());
                match on {
                    Some(name) => {
                        self.focus = 0;
                        self.alerts.select(&name);
                    }
                    None => cx.tell("nothing is in ALARM"),
                }
            }
            (Action::Redrive, _) => self.queues.redrive(cx),
            (Action::Enter | Action::Right, 3) => self.focus = 4,
            (Action::Enter, 4) => self.queues.read(cx),
            (Action::Enter | Action::Right, 1) => self.focus = 2,
            (Action::Enter, _) => {
                if let Some(message) = self.message(self.scroll.selected()) {
                    self.read(message, cx);
                }
            }
            (Action::Back, 1 | 2 | 4) => self.focus -= 1,
            (Action::Back, 3) => self.focus = 0,
            (_, 3) if self.queues.all.action(action) => self.queues.look(false, cx),
            (_, 4) => return self.queues.letters_action(action),
            (_, 0) => return self.alerts.action(action),
            (_, 1) if self.topics.action(action) => self.look(false, cx),
            (_, 2) => {
                let len = self.inbox.value.as_ref().map_or(0, Vec::len);
                return self.scroll.action(action, len);
            }
            _ => return false,
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        if self.focus == 0 {
            self.alerts.set_filter(text);
        } else if self.focus > 2 {
            self.queues.all.set_filter(text);
            self.queues.look(false, cx);
        } else {
            self.topics.set_filter(text);
            self.look(false, cx);
        }
    }

    fn filter_text(&self) -> &str {
        match self.focus {
            0 => self.alerts.filter(),
            1 | 2 => self.topics.filter(),
            _ => self.queues.all.filter(),
        }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        match target {
            Target::Alert(name) => {
                self.alerts.set_filter("");
                self.alerts.select(name);
                self.focus = 0;
            }
            Target::Alarm(pipeline) => {
                self.alerts.set_filter("");
                self.focus = 0;
                self.select_alarm(pipeline);
                self.seeks_alarm = Some(pipeline.clone());
            }
            Target::Queue(name) => {
                self.focus = 3;
                self.queues.select(name, cx);
            }
            Target::Topic(name) => {
                self.topics.set_filter("");
                self.focus = 1;
                if self.topics.select(name) {
                    self.look(false, cx);
                } else if self.topics.items().is_empty() {
                    self.look_at(name.clone(), false, cx);
                }
            }
            _ => {}
        }
    }

    fn names(&self) -> Vec<String> {
        self.alerts.items().iter().map(|a| a.name.clone()).collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let rows = (self.alerts.len().min(1_000) as u16 + 3 + 2 * self.missing.len() as u16).clamp(4, area.height / 2);
        let [top, bottom] = Layout::vertical([Constraint::Length(rows), Constraint::Min(6)]).areas(area);
        self.draw_alerts(frame, top, ui);
        let list = (area.width / 3).clamp(28, 46);
        let [topics, inbox] = Layout::horizontal([Constraint::Length(list), Constraint::Min(20)]).areas(bottom);
        let mut topics = topics;
        if self.queues.any() {
            let rows = (self.queues.all.len().min(1_000) as u16 + 2).clamp(3, (topics.height / 2).max(3));
            let [above, queues] = Layout::vertical([Constraint::Min(3), Constraint::Length(rows)]).areas(topics);
            topics = above;
            self.queues.draw_list(frame, queues, ui, self.focus == 3);
        }
        let inner = ui.frame(frame, topics, &filtered("Topics", self.topics.filter()), self.focus == 1);
        ui.list(frame.buffer_mut(), inner, &self.topics, self.focus == 1, |topic| {
            let said = topic.messages.map(count).unwrap_or_default();
            (Role::Dim, "✉", &topic.name, Role::Dim, said)
        });
        if self.focus > 2 {
            self.queues.draw_letters(frame, inbox, ui, self.focus == 4);
        } else {
            self.draw_inbox(frame, inbox, ui);
        }
    }
}
