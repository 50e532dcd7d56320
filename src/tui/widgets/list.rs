//! A list of things of which one is selected, with a fuzzy filter. A long one costs what its visible part costs.

use std::{cell::Cell, collections::HashMap, ops::Range};

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use crate::tui::keymap::Action;

/// Which row is selected, and which are seen.
#[derive(Debug, Clone, Default)]
pub struct Scroll {
    selected: usize,
    offset: Cell<usize>,
    height: Cell<usize>,
    len: Cell<usize>,
}

impl Scroll {
    /// The selected row.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// Selects a row.
    pub fn select(&mut self, row: usize) {
        self.selected = row;
    }

    /// The rows that are seen, or will be once they are drawn, among `len`; a screen full where nothing was drawn yet.
    pub fn seen(&self, len: usize) -> Range<usize> {
        let height = match self.height.get() {
            0 => 40,
            height => height,
        };
        let offset = self.offset.get().min(self.selected).max((self.selected + 1).saturating_sub(height));
        offset.min(len)..(offset + height).min(len)
    }

    /// Moves as an action asks, among `len` rows; whether the action was one that moves.
    pub fn action(&mut self, action: Action, len: usize) -> bool {
        let last = len.saturating_sub(1);
        let page = self.height.get().max(2) - 1;
        self.selected = match action {
            Action::Up => self.selected.saturating_sub(1),
            Action::Down => self.selected + 1,
            Action::PageUp => self.selected.saturating_sub(page),
            Action::PageDown => self.selected + page,
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        }
        .min(last);
        true
    }

    /// Moves the first row that is seen, for text without a selected row, by what was last drawn.
    pub fn page(&mut self, action: Action) -> bool {
        let len = (self.len.get() + 1).saturating_sub(self.height.get());
        self.action(action, len)
    }

    /// The rows that are seen in `height` of text without a selected row.
    pub fn text(&self, height: usize, len: usize) -> Range<usize> {
        self.height.set(height);
        self.len.set(len);
        let first = self.selected.min(len.saturating_sub(height));
        first..(first + height).min(len)
    }

    /// The rows that are seen in `height`, with the selected one among them.
    pub fn visible(&self, height: usize, len: usize) -> Range<usize> {
        self.height.set(height);
        self.len.set(len);
        let selected = self.selected.min(len.saturating_sub(1));
        let mut offset = self.offset.get().min(len.saturating_sub(height));
        if selected < offset {
            offset = selected;
        } else if height > 0 && selected >= offset + height {
            offset = selected + 1 - height;
        }
        self.offset.set(offset);
        offset..(offset + height).min(len)
    }
}

/// A filtered list.
#[derive(Debug, Clone)]
pub struct Picker<T> {
    items: Vec<T>,
    shown: Vec<usize>,
    filter: String,
    name: fn(&T) -> &str,
    /// Which row is selected, of those that are shown.
    pub scroll: Scroll,
}

impl<T> Picker<T> {
    /// An empty list of things with names.
    pub fn new(name: fn(&T) -> &str) -> Self {
        Self { items: Vec::new(), shown: Vec::new(), filter: String::new(), name, scroll: Scroll::default() }
    }

    /// All items.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// New items; the selection stays on the thing of the same name.
    pub fn set(&mut self, items: Vec<T>) {
        let selected = self.selected().map(|item| (self.name)(item).to_owned());
        self.items = items;
        self.apply();
        if let Some(name) = selected {
            self.select(&name);
        }
        self.clamp();
    }

    /// More of a list that arrives in parts: what is there by its name is replaced, the rest goes behind it. The selection
    /// and the filter stay.
    pub fn merge(&mut self, items: Vec<T>) {
        let selected = self.selected().map(|item| (self.name)(item).to_owned());
        let known: HashMap<&str, usize> =
            self.items.iter().enumerate().map(|(at, item)| ((self.name)(item), at)).collect();
        let places: Vec<_> = items.iter().map(|item| known.get((self.name)(item)).copied()).collect();
        for (item, place) in items.into_iter().zip(places) {
            match place.and_then(|at| self.items.get_mut(at)) {
                Some(old) => *old = item,
                None => self.items.push(item),
            }
        }
        self.apply();
        if let Some(name) = selected {
            self.select(&name);
        }
    }

    /// Selects the thing of that name; whether it is shown.
    pub fn select(&mut self, name: &str) -> bool {
        let at = self.shown.iter().position(|at| self.items.get(*at).is_some_and(|item| (self.name)(item) == name));
        if let Some(at) = at {
            self.scroll.select(at);
        }
        at.is_some()
    }

    /// Shows only what fits, the best first.
    pub fn set_filter(&mut self, filter: &str) {
        let selected = self.selected().map(|item| (self.name)(item).to_owned());
        filter.clone_into(&mut self.filter);
        self.apply();
        self.scroll.select(0);
        if filter.is_empty()
            && let Some(name) = selected
        {
            self.select(&name);
        }
    }

    /// The filter.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Rows that are shown.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The item in a row.
    pub fn get(&self, row: usize) -> Option<&T> {
        self.shown.get(row).and_then(|at| self.items.get(*at))
    }

    /// The selected item.
    pub fn selected(&self) -> Option<&T> {
        self.get(self.scroll.selected())
    }

    /// Moves as an action asks; whether the action was one that moves.
    pub fn action(&mut self, action: Action) -> bool {
        self.scroll.action(action, self.shown.len())
    }

    fn clamp(&mut self) {
        let last = self.shown.len().saturating_sub(1);
        if self.scroll.selected() > last {
            self.scroll.select(last);
        }
    }

    fn apply(&mut self) {
        if self.filter.is_empty() {
            self.shown = (0..self.items.len()).collect();
            return;
        }
        let pattern = Pattern::parse(&self.filter, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, usize)> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| {
                let score = pattern.score(Utf32Str::new((self.name)(item), &mut buffer), &mut matcher)?;
                Some((score, at))
            })
            .collect();
        scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
        self.shown = scored.into_iter().map(|(_, at)| at).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_in_sight() {
        let mut scroll = Scroll::default();
        assert_eq!(scroll.visible(3, 10), 0..3);
        scroll.action(Action::PageDown, 10);
        scroll.action(Action::Down, 10);
        assert_eq!(scroll.selected(), 3);
        assert_eq!(scroll.visible(3, 10), 1..4);
        scroll.action(Action::Bottom, 10);
        assert_eq!(scroll.visible(3, 10), 7..10);
        assert_eq!(scroll.visible(3, 2), 0..2);
        scroll.action(Action::Up, 0);
        assert_eq!(scroll.selected(), 0);
    }

    #[test]
    fn the_filter_is_fuzzy_and_the_selection_goes_by_name() {
        let mut picker = Picker::new(|s: &String| s.as_str());
        picker.set(vec!["landing".into(), "staging".into(), "query-results".into()]);
        picker.select("staging");
        picker.set(vec!["archive".into(), "landing".into(), "staging".into()]);
        assert_eq!(picker.selected().map(String::as_str), Some("staging"));
        picker.set_filter("lnd");
        assert_eq!((picker.len(), picker.selected().map(String::as_str)), (1, Some("landing")));
        picker.set_filter("");
        assert_eq!(picker.selected().map(String::as_str), Some("landing"));
        picker.set(vec!["x".into()]);
        assert_eq!(picker.selected().map(String::as_str), Some("x"));
    }

    #[test]
    fn parts_of_a_list_leave_the_selection_and_the_filter() {
        let mut picker = Picker::new(|s: &String| s.as_str());
        picker.merge(vec!["a-1".into(), "b-1".into()]);
        picker.set_filter("b");
        picker.merge(vec!["b-1".into(), "a-b".into(), "b-2".into()]);
        assert_eq!((picker.items().len(), picker.len(), picker.filter()), (4, 3, "b"));
        assert_eq!(picker.selected().map(String::as_str), Some("b-1"));
    }
}
