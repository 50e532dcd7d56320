//! Queues, and the messages that nobody could deal with.

use ratatui::{Frame, layout::Rect, text::Line};

use super::super::{Cx, Intent};
use crate::{
    cloud::queues::{Queue, QueueMessage},
    text,
    tui::{
        data::{Act, Data, Loaded, Request, count, moment},
        glyphs,
        keymap::Action,
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::list::{Picker, Scroll},
    },
};

/// The queues of the pane, and the dead letters of the selected one.
pub(super) struct Queues {
    pub(super) all: Picker<Queue>,
    list: Loaded<()>,
    letters: Loaded<Vec<QueueMessage>>,
    /// The queue whose messages `letters` are, or will be.
    of: String,
    pub(super) scroll: Scroll,
    /// The queue to be selected once the list is there.
    seeks: Option<String>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            all: Picker::new(|q| &q.name),
            list: Loaded::default(),
            letters: Loaded::default(),
            of: String::new(),
            scroll: Scroll::default(),
            seeks: None,
        }
    }
}

impl Queues {
    /// Whether there is anything to show.
    pub(super) fn any(&self) -> bool {
        !self.all.items().is_empty()
    }

    pub(super) fn refresh(&mut self, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Queues);
        self.look(true, cx);
    }

    /// Where the dead letters of the selected queue are; the queue itself, where it holds those of others.
    fn dead_letters(&self) -> Option<String> {
        let queue = self.all.selected()?;
        if queue.is_dead_letter() { Some(queue.name.clone()) } else { queue.dead_letter.clone() }
    }

    /// How many dead letters there are of a queue.
    fn dead(&self, queue: &Queue) -> u64 {
        let holder = |q: &&Queue| match &queue.dead_letter {
            Some(name) => q.name == *name,
            None => queue.is_dead_letter() && q.name == queue.name,
        };
        self.all.items().iter().find(holder).and_then(Queue::messages).unwrap_or(0)
    }

    /// Reads the dead letters of the selected queue.
    pub(super) fn look(&mut self, again: bool, cx: &mut Cx) {
        let Some(name) = self.dead_letters() else {
            self.of.clear();
            self.letters.clear();
            return;
        };
        if self.of != name {
            self.of.clone_from(&name);
            self.letters.clear();
            self.scroll.select(0);
        } else if !again {
            return;
        }
        self.letters.ask();
        cx.load(Request::DeadLetters(name));
    }

    pub(super) fn select(&mut self, name: &str, cx: &mut Cx) {
        self.all.set_filter("");
        if self.all.select(name) {
            self.look(false, cx);
        } else {
            self.seeks = Some(name.to_owned());
        }
    }

    pub(super) fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Queues, Ok(Data::Queues(queues))) => {
                self.all.set(queues);
                self.list.answer(Ok(()));
                if let Some(name) = self.seeks.take() {
                    self.all.select(&name);
                }
                self.look(false, cx);
            }
            (Request::Queues, Err(error)) => self.list.answer(Err(error)),
            (Request::DeadLetters(queue), Ok(Data::DeadLetters(letters))) if *queue == self.of => {
                self.letters.answer(Ok(letters));
            }
            (Request::DeadLetters(queue), Err(error)) if *queue == self.of => self.letters.answer(Err(error)),
            _ => {}
        }
    }

    /// Gives the dead letters back.
    pub(super) fn redrive(&self, cx: &mut Cx) {
        let Some(queue) = self.dead_letters() else {
            cx.intents.push(Intent::Fail("the queue has no dead-letter queue".into()));
            return;
        };
        cx.act(Act::Redrive(queue));
    }

    fn letter(&self) -> Option<&QueueMessage> {
        self.letters.value.as_ref()?.get(self.scroll.selected())
    }

    /// Shows all of the selected dead letter.
    pub(super) fn read(&self, cx: &mut Cx) {
        let Some(letter) = self.letter() else { return };
        let mut lines = vec![format!("id        {}", letter.id)];
        lines.extend(letter.sent.map(|sent| format!("sent      {sent}")));
        lines.extend(letter.receives.map(|n| format!("receives  {n}")));
        lines.extend(letter.error.as_ref().map(|error| format!("failed    {error}")));
        lines.extend(letter.attributes.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(String::new());
        let laid_out = serde_json::from_str::<serde_json::Value>(&letter.body).ok();
        let laid_out = laid_out.and_then(|v| serde_json::to_string_pretty(&v).ok());
        lines.extend(laid_out.as_deref().unwrap_or(&letter.body).lines().map(str::to_owned));
        cx.show(format!("Dead letter in {}", self.of), lines);
    }

    /// Moves among the dead letters.
    pub(super) fn letters_action(&mut self, action: Action) -> bool {
        let len = self.letters.value.as_ref().map_or(0, Vec::len);
        self.scroll.action(action, len)
    }

    pub(super) fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let inner = ui.frame(frame, area, &filtered(self.list.title("Queues"), self.all.filter()), focused);
        let empty = if self.all.filter().is_empty() { "no queues" } else { "none fits the filter" };
        let used = ui.loaded(frame.buffer_mut(), inner, &self.list, empty, self.all.is_empty());
        ui.list(frame.buffer_mut(), below(inner, used), &self.all, focused, |queue| {
            let dead = self.dead(queue);
            let waiting = queue.messages().map(count).unwrap_or_default();
            if dead > 0 {
                return (Role::Error, "≣", &queue.name, Role::Error, format!("{} {}", glyphs::FAILED, count(dead)));
            }
            (Role::Dim, "≣", &queue.name, Role::Dim, waiting)
        });
    }

    pub(super) fn draw_letters(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let title = if self.of.is_empty() { "Dead letters".into() } else { format!("Dead letters in {}", self.of) };
        let inner = ui.frame(frame, area, &title, focused);
        let buffer = frame.buffer_mut();
        let mut row = 0;
        if let Some(queue) = self.all.selected() {
            let told = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), count);
            let words = match queue.max_receives {
                Some(most) => format!(
                    "{} visible, {} in flight; dead after {most} receives",
                    told(queue.visible),
                    told(queue.in_flight)
                ),
                None => format!("holds the dead letters of {}", queue.dead_letters_of.join(", ")),
            };
            ui.line(buffer, inner, 0, &Line::from(ui.span(Role::Dim, words)));
            row = 1;
        }
        let inner = below(inner, row);
        let letters = self.letters.value.as_deref().unwrap_or_default();
        let used = ui.loaded(buffer, inner, &self.letters, "no dead letters", letters.is_empty());
        let inner = below(inner, used);
        for (at, row) in self.scroll.visible(usize::from(inner.height), letters.len()).enumerate() {
            let Some(letter) = letters.get(row) else { continue };
            let sent = letter.sent.map(|t| moment(t, ui.now)).unwrap_or_default();
            let why = letter.error.as_deref().map(|e| format!("{}  ", e.lines().next().unwrap_or(e)));
            let line = Line::from(vec![
                ui.span(Role::Dim, format!("{sent}  ")),
                ui.span(Role::Error, why.unwrap_or_default()),
                ui.span(Role::Dim, text::window(letter.body.lines().next().unwrap_or_default(), 0, 400)),
            ]);
            ui.line(buffer, inner, at as u16, &line);
            if row == self.scroll.selected() {
                ui.select(buffer, inner, at as u16, focused);
            }
        }
    }
}
