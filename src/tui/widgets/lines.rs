//! A million log lines in memory: compressed blocks, an index of where they begin, a search over all of them.
//!
//! A line costs what its compressed text costs and two or three bytes for its time. Reading one line decompresses its
//! block, and the last few blocks stay decompressed. A search decompresses every block, on all cores.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use memchr::memmem::Finder;

/// Text in a block before it is compressed, in bytes: lz4 looks back over 64 KiB, so more gains nothing.
const BLOCK: usize = 128 * 1024;
/// Blocks kept decompressed for reading: what is on the screen, and a page each way.
const CACHED: usize = 4;

/// A compressed run of lines.
#[derive(Debug)]
struct Block {
    /// The lines' text with a newline after each.
    text: Vec<u8>,
    /// Length of the text when decompressed.
    len: usize,
    /// The lines' times, each as the difference to the one before, in variable-length integers.
    times: Vec<u8>,
    lines: usize,
}

impl Block {
    fn new(raw: &Raw) -> Self {
        let mut times = Vec::with_capacity(raw.times.len() * 2);
        let mut last = 0;
        for time in &raw.times {
            put_varint(&mut times, time.wrapping_sub(last));
            last = *time;
        }
        times.shrink_to_fit();
        let mut text = lz4_flex::block::compress(&raw.text);
        text.shrink_to_fit();
        Self { text, len: raw.text.len(), times, lines: raw.times.len() }
    }

    /// The text, in a buffer that is used again: a new one for each block costs as much as what is done with it.
    ///
    /// A block that we made ourselves decompresses; were its memory broken, it would read as empty lines.
    fn text_into(&self, buffer: &mut Vec<u8>) {
        buffer.resize(self.len, 0);
        if lz4_flex::block::decompress_into(&self.text, buffer).is_err() {
            buffer.clear();
            buffer.resize(self.lines, b'\n');
        }
    }

    fn decompress(&self) -> Raw {
        let mut times = Vec::with_capacity(self.lines);
        let (mut at, mut last) = (0, 0i64);
        while let Some(delta) = get_varint(&self.times, &mut at) {
            last = last.wrapping_add(delta);
            times.push(last);
        }
        let mut text = Vec::new();
        self.text_into(&mut text);
        let mut ends = Vec::with_capacity(self.lines);
        ends.extend(memchr::memchr_iter(b'\n', &text));
        Raw { text, ends, times }
    }
}

/// Lines that are not compressed.
#[derive(Debug, Clone, Default)]
struct Raw {
    text: Vec<u8>,
    /// Where each line's newline stands.
    ends: Vec<usize>,
    times: Vec<i64>,
}

impl Raw {
    fn line(&self, n: usize) -> Option<(i64, &str)> {
        let end = *self.ends.get(n)?;
        let start = match n.checked_sub(1) {
            Some(before) => self.ends.get(before)? + 1,
            None => 0,
        };
        let text = self.text.get(start..end)?;
        Some((*self.times.get(n)?, std::str::from_utf8(text).unwrap_or_default()))
    }
}

/// What a search looks for: a literal text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needle {
    /// The text; an empty one is in every line.
    pub text: String,
    /// Whether `A` and `a` are the same. ASCII letters alone.
    pub ignore_case: bool,
}

impl Needle {
    /// Letter case counts as soon as a capital is typed.
    pub fn smart(text: &str) -> Self {
        Self { text: text.to_owned(), ignore_case: !text.chars().any(char::is_uppercase) }
    }

    /// Where it is in a line, as byte ranges.
    pub fn find_all(&self, line: &str) -> Vec<Range<usize>> {
        if self.text.is_empty() {
            return Vec::new();
        }
        let (hay, needle) = self.folded(line.as_bytes());
        memchr::memmem::find_iter(&hay, &needle).map(|at| at..at + needle.len()).collect()
    }

    fn folded<'a>(&self, hay: &'a [u8]) -> (std::borrow::Cow<'a, [u8]>, Vec<u8>) {
        if self.ignore_case {
            (hay.to_ascii_lowercase().into(), self.text.to_ascii_lowercase().into_bytes())
        } else {
            (hay.into(), self.text.clone().into_bytes())
        }
    }
}

/// Lines with their times, numbered from 0; the oldest are dropped beyond a limit.
#[derive(Debug)]
pub struct Lines {
    blocks: VecDeque<(usize, Arc<Block>)>,
    tail: Raw,
    /// The number of the first line that is still here.
    first: usize,
    /// The number after the last line.
    end: usize,
    limit: usize,
    cache: RefCell<VecDeque<(usize, Raw)>>,
    /// Set when nobody waits any more for the searches that have this one.
    given_up: Arc<AtomicBool>,
}

impl Lines {
    /// Holds at least the newest `limit` lines.
    pub fn new(limit: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            tail: Raw::default(),
            first: 0,
            end: 0,
            limit: limit.max(1),
            cache: RefCell::default(),
            given_up: Arc::default(),
        }
    }

    /// Lines that are here.
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// Whether none is here.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// The numbers of the lines that are here. A line keeps its number when older ones are dropped.
    pub fn numbers(&self) -> Range<usize> {
        self.first..self.end
    }

    /// Appends one line: clean text without a newline, and its time in milliseconds.
    pub fn push(&mut self, time: i64, text: &str) {
        self.tail.text.extend(text.bytes().map(|b| if b == b'\n' { b' ' } else { b }));
        self.tail.ends.push(self.tail.text.len());
        self.tail.text.push(b'\n');
        self.tail.times.push(time);
        self.end += 1;
        if self.tail.text.len() >= BLOCK {
            let start = self.end - self.tail.times.len();
            self.blocks.push_back((start, Arc::new(Block::new(&self.tail))));
            self.tail.text.clear();
            self.tail.ends.clear();
            self.tail.times.clear();
            while let Some((start, block)) = self.blocks.front()
                && self.end - (start + block.lines) >= self.limit
            {
                self.first = start + block.lines;
                self.blocks.pop_front();
            }
        }
    }

    /// Calls `see` with the time and the text of a line, if it is here.
    pub fn with<R>(&self, number: usize, see: impl FnOnce(i64, &str) -> R) -> Option<R> {
        if number < self.first || number >= self.end {
            return None;
        }
        let tail = self.end - self.tail.times.len();
        if number >= tail {
            return self.tail.line(number - tail).map(|(time, text)| see(time, text));
        }
        let at = self.blocks.partition_point(|(start, _)| *start <= number).checked_sub(1)?;
        let (start, block) = self.blocks.get(at)?;
        let mut cache = self.cache.borrow_mut();
        let raw = if let Some(hit) = cache.iter().position(|(s, _)| s == start) {
            cache.remove(hit)?.1
        } else {
            cache.truncate(CACHED - 1);
            block.decompress()
        };
        let out = raw.line(number - start).map(|(time, text)| see(time, text));
        cache.push_front((*start, raw));
        out
    }

    /// A line's time and text.
    pub fn get(&self, number: usize) -> Option<(i64, String)> {
        self.with(number, |time, text| (time, text.to_owned()))
    }

    /// What is here now, to be searched on another thread. Shares the blocks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            blocks: self.blocks.iter().cloned().collect(),
            tail: self.tail.text.clone(),
            tail_start: self.end - self.tail.times.len(),
            end: self.end,
            given_up: self.given_up.clone(),
        }
    }

    /// Ends the searches that are under way on snapshots; what they found so far is all they return.
    pub fn give_up_searches(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.given_up = Arc::default();
    }

    /// Bytes of memory that the lines take, about.
    pub fn memory(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|(_, b)| b.text.capacity() + b.times.capacity() + 96).sum();
        blocks + self.tail.text.capacity() + self.tail.ends.capacity() * 8 + self.tail.times.capacity() * 8
    }
}

/// Lines as they were at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    blocks: Vec<(usize, Arc<Block>)>,
    tail: Vec<u8>,
    tail_start: usize,
    end: usize,
    given_up: Arc<AtomicBool>,
}

impl Snapshot {
    /// The number after the last line.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Numbers of the lines that hold the needle, ascending, from line `from` on. Uses all cores.
    pub fn search(&self, needle: &Needle, from: usize) -> Vec<u32> {
        let skip = self.blocks.partition_point(|(start, b)| start + b.lines <= from);
        let blocks = self.blocks.get(skip..).unwrap_or_default();
        let folded = if needle.ignore_case { needle.text.to_ascii_lowercase() } else { needle.text.clone() };
        let finder = Finder::new(folded.as_bytes());
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(blocks.len().max(1));
        let share = blocks.len().div_ceil(threads).max(1);
        let scan = |blocks: &[(usize, Arc<Block>)]| {
            let (mut out, mut text) = (Vec::new(), Vec::new());
            for (start, block) in blocks {
                if self.given_up.load(Ordering::Relaxed) {
                    break;
                }
                block.text_into(&mut text);
                matches(&mut text, *start, &finder, needle.ignore_case, &mut out);
            }
            out
        };
        let mut found = std::thread::scope(|scope| {
            let mut shares = blocks.chunks(share);
            let mine = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|share| scope.spawn(|| scan(share))).collect();
            let mut found = scan(mine);
            for other in others {
                found.extend(other.join().unwrap_or_default());
            }
            found
        });
        matches(&mut self.tail.clone(), self.tail_start, &finder, needle.ignore_case, &mut found);
        found.drain(..found.partition_point(|n| (*n as usize) < from));
        found
    }
}

/// Adds the numbers of the lines in `text`, the first of which is number `start`, that hold the needle.
fn matches(text: &mut [u8], start: usize, finder: &Finder, ignore_case: bool, out: &mut Vec<u32>) {
    if ignore_case {
        text.make_ascii_lowercase();
    }
    let mut number = start;
    let mut at = 0;
    if finder.needle().is_empty() {
        out.extend(memchr::memchr_iter(b'\n', text).zip(start..).map(|(_, n)| n as u32));
        return;
    }
    while let Some(rest) = text.get(at..)
        && let Some(hit) = finder.find(rest)
    {
        let (before, after) = rest.split_at(hit);
        number += memchr::memchr_iter(b'\n', before).count();
        // The needle holds no newline, so the match lies in one line; go on behind its end.
        let Some(end) = memchr::memchr(b'\n', after) else { break };
        if end >= finder.needle().len() {
            out.push(number as u32);
        }
        number += 1;
        at += hit + end + 1;
    }
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn get_varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(lines: &[String], limit: usize) -> Lines {
        let mut out = Lines::new(limit);
        for (n, line) in lines.iter().enumerate() {
            out.push(n as i64 * 1000 - 5, line);
        }
        out
    }

    #[test]
    fn lines_come_back_across_blocks() {
        let lines: Vec<String> = (0..20_000).map(|n| format!("line {n} of the log with some text")).collect();
        let store = filled(&lines, usize::MAX);
        assert!(store.blocks.len() > 3);
        for n in [0, 1, 4095, 10_000, 19_999] {
            assert_eq!(store.get(n), Some((n as i64 * 1000 - 5, lines[n].clone())));
        }
        assert_eq!(store.get(20_000), None);
        let compressed: usize = store.blocks.iter().map(|(_, b)| b.text.len() + b.times.len()).sum();
        assert!(compressed < lines.iter().map(String::len).sum::<usize>() / 2);
    }

    #[test]
    fn the_oldest_are_dropped_and_numbers_stay() {
        let lines: Vec<String> = (0..50_000).map(|n| format!("line {n} of the log with some text")).collect();
        let store = filled(&lines, 10_000);
        assert!(store.len() >= 10_000 && store.len() < 20_000, "{}", store.len());
        assert_eq!(store.get(0), None);
        assert_eq!(store.get(49_999).unwrap().1, lines[49_999]);
        let found = store.snapshot().search(&Needle { text: "line 4999".into(), ignore_case: false }, 0);
        assert_eq!(found, (49_990..50_000).collect::<Vec<u32>>());
    }

    #[test]
    fn a_search_folds_case_when_asked() {
        let store = filled(&["An ERROR".into(), "no".into(), "error, error".into()], 10);
        assert_eq!(store.snapshot().search(&Needle::smart("error"), 0), [0, 2]);
        assert_eq!(store.snapshot().search(&Needle::smart("ERROR"), 0), [0]);
        assert_eq!(store.snapshot().search(&Needle::smart("error"), 1), [2]);
        assert_eq!(store.snapshot().search(&Needle::smart(""), 0), [0, 1, 2]);
        assert_eq!(Needle::smart("error").find_all("error, Error"), [0..5, 7..12]);
    }

    #[test]
    fn a_search_that_is_given_up_ends_and_the_next_one_does_not() {
        let lines: Vec<String> = (0..50_000).map(|n| format!("line {n} of the log with some text")).collect();
        let mut store = filled(&lines, usize::MAX);
        let before = store.snapshot();
        store.give_up_searches();
        let needle = Needle::smart("line");
        assert!(before.search(&needle, 0).len() < 10_000, "the blocks are not searched");
        assert_eq!(store.snapshot().search(&needle, 0).len(), 50_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_like_a_list(
            lines in proptest::collection::vec("[abA é\\PC]{0,12}", 0..200),
            repeat in 1usize..60,
            needle in "[abA é]{0,3}",
            ignore_case: bool,
            from in 0usize..300,
        ) {
            // Repeated and padded, so that there are several blocks.
            let lines: Vec<String> = lines.iter().cycle().take(lines.len() * repeat)
                .map(|l| format!("{l}{}", "-".repeat(30))).collect();
            let store = filled(&lines, usize::MAX);
            prop_assert_eq!(store.len(), lines.len());
            for (n, line) in lines.iter().enumerate().step_by(17) {
                prop_assert_eq!(store.get(n).map(|l| l.1), Some(line.clone()));
            }
            let needle = Needle { text: needle, ignore_case };
            let naive: Vec<u32> = lines.iter().enumerate().skip(from).filter(|(_, l)| if ignore_case {
                l.to_ascii_lowercase().contains(&needle.text.to_ascii_lowercase())
            } else { l.contains(&needle.text) }).map(|(n, _)| n as u32).collect();
            prop_assert_eq!(store.snapshot().search(&needle, from), naive);
        }

        #[test]
        fn integers_come_back(values: Vec<i64>) {
            let mut bytes = Vec::new();
            for value in &values {
                put_varint(&mut bytes, *value);
            }
            let mut at = 0;
            let back: Vec<i64> = std::iter::from_fn(|| get_varint(&bytes, &mut at)).collect();
            prop_assert_eq!(back, values);
        }
    }
}
