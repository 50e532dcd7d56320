//! A program in a pty, with the moment at which each of its bytes came.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The screen that everything is measured on.
pub const SIZE: (u16, u16) = (120, 40);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program in a terminal. It is ended when this is dropped.
pub struct Probe {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    came: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    /// Just before it was started.
    pub begun: Instant,
    /// When its first byte came.
    pub first: Option<Instant>,
    /// Bytes that it has written.
    pub bytes: u64,
    _master: Box<dyn MasterPty + Send>,
}

impl Probe {
    /// Starts a program.
    pub fn start(program: &Path, args: &[&str], home: &Path) -> Self {
        let (cols, rows) = SIZE;
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        let home = home.to_str().unwrap();
        for (key, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("HOME", home), ("PATH", "/usr/bin:/bin")]
        {
            command.env(key, value);
        }
        command.cwd(home);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (tx, came) = channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if tx.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
        });
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let size = |n| NonZeroU16::new(n).unwrap();
        let parser = vt100::Parser::new(size(rows), size(cols), 0);
        Self { child, writer, came, parser, begun, first: None, bytes: 0, _master: pair.master }
    }

    /// The screen's text.
    pub fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Takes in what comes until `end`; the moment of the first of it.
    fn take(&mut self, end: Instant) -> Option<Instant> {
        match self.came.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok((at, bytes)) => {
                self.first.get_or_insert(at);
                self.bytes += bytes.len() as u64;
                self.parser.process(&bytes);
                Some(at)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the program ended:\n{}", self.text()),
        }
    }

    /// Waits until the screen is as wanted; the moment at which the bytes came that made it so.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Instant {
        let end = Instant::now() + PATIENCE;
        let mut at = Instant::now();
        while !wanted(&self.text()) {
            match self.take(end) {
                Some(came) => at = came,
                None => panic!("the screen never showed {what}:\n{}", self.text()),
            }
        }
        at
    }

    /// Waits for a text on the screen.
    pub fn until_text(&mut self, wanted: &str) -> Instant {
        self.until(wanted, |text| text.contains(wanted))
    }

    /// Waits until nothing has come for `quiet`.
    pub fn settle(&mut self, quiet: Duration) {
        while self.take(Instant::now() + quiet).is_some() {}
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Types a key; how long until the first byte of its frame came.
    pub fn key(&mut self, key: &str) -> Duration {
        self.settle(Duration::from_millis(60));
        let pressed = Instant::now();
        self.send(key);
        match self.take(Instant::now() + PATIENCE) {
            Some(at) => at - pressed,
            None => panic!("{key:?} drew nothing:\n{}", self.text()),
        }
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Time that each of its threads has had a processor for.
    pub fn cpu(&self) -> BTreeMap<OsString, Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            .map(|task| {
                let task = task.unwrap();
                let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let ns = stat.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
                (task.file_name(), Duration::from_nanos(ns))
            })
            .collect()
    }

    /// Time that its threads have had a processor for since [`Probe::cpu`] was asked.
    pub fn cpu_since(&self, before: &BTreeMap<OsString, Duration>) -> Duration {
        self.cpu().iter().map(|(task, time)| time.saturating_sub(before.get(task).copied().unwrap_or_default())).sum()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-KILL", &self.pid().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}
