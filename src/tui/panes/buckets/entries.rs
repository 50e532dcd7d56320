//! What a walk shows at one place: up to millions of entries in little memory, filtered without holding up a key.
//!
//! The entries of a page stand in one text and a row of numbers each: an object takes 32 bytes and its key. A filter of
//! many runs beside the console, on the pages that are there; what comes later is filtered as it comes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use crate::{
    cloud::buckets::{Bucket, Object, ObjectPage},
    tui::{keymap::Action, widgets::list::Scroll},
};

/// So many are filtered at once, between two keys.
const AT_ONCE: usize = 20_000;
/// Stands for a number that is not known.
const UNKNOWN: i64 = i64::MIN;

/// What stands in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bucket,
    Prefix,
    Latest,
    Old,
    Marker,
}

#[derive(Debug)]
struct Row {
    /// Where its key begins in the page's text; the version follows it.
    at: u32,
    key: u16,
    version: u16,
    kind: Kind,
    /// Bytes.
    size: i64,
    /// Milliseconds since 1970; of a bucket, its objects.
    other: i64,
}

/// A page of entries.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    rows: Vec<Row>,
}

/// One entry, as it is drawn and acted on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Entry<'a> {
    Bucket {
        name: &'a str,
        objects: Option<u64>,
        bytes: Option<u64>,
    },
    Prefix(&'a str),
    Object {
        key: &'a str,
        version: Option<&'a str>,
        size: u64,
        modified: Option<Timestamp>,
        latest: bool,
        marker: bool,
    },
}

impl Page {
    fn push(&mut self, key: &str, version: &str, kind: Kind, size: Option<u64>, other: i64) {
        let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        // A page has a thousand keys of a thousand bytes.
        let Ok(at) = u32::try_from(self.text.len()) else { return };
        self.text.push_str(key);
        self.text.push_str(version);
        let size = size.and_then(|n| i64::try_from(n).ok()).unwrap_or(UNKNOWN);
        self.rows.push(Row { at, key: number(key.len()), version: number(version.len()), kind, size, other });
    }

    fn done(mut self) -> Self {
        self.text.shrink_to_fit();
        self.rows.shrink_to_fit();
        self
    }

    /// A page of buckets.
    pub(super) fn buckets(buckets: &[Bucket]) -> Self {
        let mut page = Self::default();
        for bucket in buckets {
            let objects = bucket.objects.and_then(|n| i64::try_from(n).ok()).unwrap_or(UNKNOWN);
            page.push(&bucket.name, "", Kind::Bucket, bucket.bytes, objects);
        }
        page.done()
    }

    /// A page of prefixes and objects; with their versions where `versions` are shown.
    pub(super) fn objects(listed: &ObjectPage, versions: bool) -> Self {
        let mut page = Self::default();
        for prefix in &listed.prefixes {
            page.prefix(prefix);
        }
        for object in &listed.objects {
            let version = object.version.as_deref().filter(|_| versions).unwrap_or_default();
            let modified = object.modified.map_or(UNKNOWN, Timestamp::as_millisecond);
            page.push(&object.key, version, kind(object), Some(object.size), modified);
        }
        page.done()
    }

    /// One prefix.
    pub(super) fn prefix(&mut self, prefix: &str) {
        self.push(prefix, "", Kind::Prefix, None, UNKNOWN);
    }

    /// What a row goes by: its key and version.
    fn name(&self, row: &Row) -> &str {
        let (at, length) = (row.at as usize, usize::from(row.key) + usize::from(row.version));
        self.text.get(at..at + length).unwrap_or_default()
    }

    fn entry(&self, row: &Row) -> Entry<'_> {
        let (key, version) = self.name(row).split_at_checked(usize::from(row.key)).unwrap_or_default();
        let number = |n: i64| u64::try_from(n).ok();
        match row.kind {
            Kind::Bucket => Entry::Bucket { name: key, objects: number(row.other), bytes: number(row.size) },
            Kind::Prefix => Entry::Prefix(key),
            kind => Entry::Object {
                key,
                version: Some(version).filter(|v| !v.is_empty()),
                size: number(row.size).unwrap_or_default(),
                modified: Timestamp::from_millisecond(row.other).ok().filter(|_| row.other != UNKNOWN),
                latest: kind == Kind::Latest || (kind == Kind::Marker && row.version == 0),
                marker: kind == Kind::Marker,
            },
        }
    }
}

fn kind(object: &Object) -> Kind {
    match (object.delete_marker, object.latest) {
        (true, _) => Kind::Marker,
        (false, true) => Kind::Latest,
        (false, false) => Kind::Old,
    }
}

/// A filter that runs beside the console, on the pages that were there.
#[derive(Debug, Clone)]
pub struct Sieve {
    pages: Vec<Arc<Page>>,
    filter: String,
    generation: u64,
    newest: Arc<AtomicU64>,
}

impl Sieve {
    /// Its generation, and what it lets through, the best first; none where a newer filter has taken its place.
    pub fn run(&self) -> Option<(u64, Vec<u32>)> {
        let mut found = Vec::new();
        let mut from = 0;
        for page in &self.pages {
            if self.newest.load(Ordering::Relaxed) != self.generation {
                return None;
            }
            fits(&self.filter, page, from, &mut found);
            from += page.rows.len();
        }
        Some((self.generation, best_first(found)))
    }
}

/// Those of a page that fit, with how well they do.
fn fits(filter: &str, page: &Page, from: usize, found: &mut Vec<(u32, u32)>) {
    let pattern = Pattern::parse(filter, CaseMatching::Smart, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let mut buffer = Vec::new();
    for (at, row) in page.rows.iter().enumerate() {
        if let Some(score) = pattern.score(Utf32Str::new(page.name(row), &mut buffer), &mut matcher) {
            found.push((score, (from + at) as u32));
        }
    }
}

fn best_first(mut found: Vec<(u32, u32)>) -> Vec<u32> {
    found.sort_unstable_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    found.into_iter().map(|(_, at)| at).collect()
}

/// All entries of one place.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pages: Vec<Arc<Page>>,
    /// The number of the first entry of each page.
    starts: Vec<usize>,
    total: usize,
    filter: String,
    /// What the filter lets through; none: everything.
    shown: Option<Vec<u32>>,
    /// The filter that runs, and the entries that it was given.
    running: Option<(u64, usize)>,
    newest: Arc<AtomicU64>,
    /// Which row is selected, of those that are shown.
    pub(super) scroll: Scroll,
}

impl Entries {
    /// All, shown or not.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Rows that are shown.
    pub(super) fn len(&self) -> usize {
        self.shown.as_ref().map_or(self.total, Vec::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    /// Whether a filter runs whose outcome is not there yet.
    pub(super) fn filtering(&self) -> bool {
        self.running.is_some()
    }

    /// The entry in a row.
    pub(super) fn get(&self, row: usize) -> Option<Entry<'_>> {
        let (page, row) = self.row(self.number(row)?)?;
        Some(page.entry(row))
    }

    pub(super) fn selected(&self) -> Option<Entry<'_>> {
        self.get(self.scroll.selected())
    }

    /// The number, among all, of the entry in a row.
    fn number(&self, row: usize) -> Option<usize> {
        match &self.shown {
            Some(shown) => shown.get(row).map(|n| *n as usize),
            None => (row < self.total).then_some(row),
        }
    }

    fn row(&self, number: usize) -> Option<(&Page, &Row)> {
        let at = self.starts.partition_point(|start| *start <= number).checked_sub(1)?;
        let page = self.pages.get(at)?;
        Some((page, page.rows.get(number - self.starts.get(at)?)?))
    }

    fn name(&self, number: usize) -> Option<&str> {
        self.row(number).map(|(page, row)| page.name(row))
    }

    /// Other entries; the selection stays on the one of the same name.
    pub(super) fn set(&mut self, page: Page) {
        let selected = self.number(self.scroll.selected()).and_then(|n| self.name(n)).map(str::to_owned);
        self.stop();
        (self.pages, self.starts, self.total) = (Vec::new(), Vec::new(), 0);
        self.shown = (!self.filter.is_empty()).then(Vec::new);
        self.append(page);
        if let Some(name) = selected {
            self.select(&name);
        }
        let last = self.len().saturating_sub(1);
        if self.scroll.selected() > last {
            self.scroll.select(last);
        }
    }

    /// More entries behind those that are there; the selection stays.
    pub(super) fn append(&mut self, page: Page) {
        if page.rows.is_empty() {
            return;
        }
        if let Some(shown) = &mut self.shown
            && self.running.is_none()
        {
            let mut found = Vec::new();
            fits(&self.filter, &page, self.total, &mut found);
            shown.extend(best_first(found));
        }
        self.starts.push(self.total);
        self.total += page.rows.len();
        self.pages.push(Arc::new(page));
    }

    /// More of a short list that arrives in parts: what is there by its name stays where it is.
    pub(super) fn merge(&mut self, buckets: &[Bucket]) {
        let known: std::collections::HashSet<&str> = (0..self.total).filter_map(|n| self.name(n)).collect();
        let new: Vec<Bucket> = buckets.iter().filter(|b| !known.contains(b.name.as_str())).cloned().collect();
        self.append(Page::buckets(&new));
    }

    /// Selects the entry of that name; whether it is shown.
    pub(super) fn select(&mut self, name: &str) -> bool {
        let found = (0..self.len()).find(|row| self.number(*row).and_then(|n| self.name(n)) == Some(name));
        if let Some(row) = found {
            self.scroll.select(row);
        }
        found.is_some()
    }

    /// Shows only what fits, the best first: at once, or, of many, when what is returned has run.
    pub(super) fn set_filter(&mut self, filter: &str) -> Option<Sieve> {
        let selected = self.number(self.scroll.selected());
        self.stop();
        filter.clone_into(&mut self.filter);
        if filter.is_empty() {
            self.shown = None;
            self.scroll.select(selected.unwrap_or_default());
            return None;
        }
        let generation = self.newest.load(Ordering::Relaxed);
        let (pages, newest) = (self.pages.clone(), self.newest.clone());
        let sieve = Sieve { pages, filter: filter.to_owned(), generation, newest };
        if self.total > AT_ONCE {
            self.running = Some((generation, self.pages.len()));
            return Some(sieve);
        }
        self.shown = sieve.run().map(|(_, shown)| shown);
        self.scroll.select(0);
        None
    }

    /// What a filter has let through.
    pub(super) fn filtered(&mut self, generation: u64, mut found: Vec<u32>) {
        let Some((_, given)) = self.running.take_if(|(running, _)| *running == generation) else { return };
        // What has come meanwhile.
        for (page, start) in self.pages.iter().zip(&self.starts).skip(given) {
            let mut more = Vec::new();
            fits(&self.filter, page, *start, &mut more);
            found.extend(best_first(more));
        }
        self.shown = Some(found);
        self.scroll.select(0);
    }

    /// Moves as an action asks; whether the action was one that moves.
    pub(super) fn action(&mut self, action: Action) -> bool {
        let len = self.len();
        self.scroll.action(action, len)
    }

    /// A filter that runs is for nothing from now on.
    fn stop(&mut self) {
        self.running = None;
        self.newest.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(from: usize, to: usize) -> Page {
        let object = |n: usize| Object {
            key: format!("part-{n:09}.parquet"),
            size: n as u64,
            etag: String::new(),
            modified: Timestamp::from_millisecond(n as i64).ok(),
            version: None,
            content_type: None,
            latest: true,
            delete_marker: false,
        };
        Page::objects(&ObjectPage { objects: (from..to).map(object).collect(), ..ObjectPage::default() }, false)
    }

    fn key(entry: Option<Entry<'_>>) -> &str {
        match entry {
            Some(Entry::Object { key, .. } | Entry::Prefix(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_object_takes_its_key_and_32_bytes() {
        assert_eq!(size_of::<Row>(), 32);
        let page = page(0, 1000);
        assert_eq!(page.text.capacity(), 1000 * 22);
        assert_eq!(page.rows.capacity(), 1000);
    }

    #[test]
    fn pages_are_one_list() {
        let mut entries = Entries::default();
        let mut first = Page::default();
        first.prefix("a/");
        entries.set(first);
        (0..5).for_each(|n| entries.append(page(n * 10, n * 10 + 10)));
        assert_eq!((entries.total(), entries.len()), (51, 51));
        assert_eq!(key(entries.get(0)), "a/");
        assert_eq!(key(entries.get(50)), "part-000000049.parquet");
        assert_eq!(entries.get(51), None);
        assert!(entries.select("part-000000031.parquet"));
        assert!(entries.set_filter("31.p").is_none());
        assert_eq!((entries.len(), key(entries.selected())), (1, "part-000000031.parquet"));
        entries.append(page(131, 132));
        assert_eq!(entries.len(), 2);
        entries.set_filter("");
        assert_eq!((entries.len(), key(entries.selected())), (52, "part-000000031.parquet"));
    }

    #[test]
    fn many_are_filtered_beside_the_console() {
        let mut entries = Entries::default();
        (0..21).for_each(|n| entries.append(page(n * 1000, n * 1000 + 1000)));
        let stale = entries.set_filter("9").unwrap();
        let sieve = entries.set_filter("20999").unwrap();
        assert!(entries.filtering());
        assert_eq!(stale.run(), None, "a newer one has taken its place");
        entries.append(page(120_999, 121_000));
        let (generation, found) = sieve.run().unwrap();
        entries.filtered(generation + 1, vec![1]);
        assert!(entries.filtering());
        entries.filtered(generation, found);
        assert_eq!(entries.len(), 2);
        assert_eq!(key(entries.get(0)), "part-000020999.parquet");
        assert_eq!(key(entries.get(1)), "part-000120999.parquet");
    }
}
