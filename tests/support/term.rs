//! The binary in a real pty, with the screen that a terminal would show.

#![allow(dead_code, reason = "each user of this file needs a part of it")]

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a screen may take to show what is waited for, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program in a terminal. It is killed when this is dropped.
pub struct Term {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    screen: Arc<Mutex<Screen>>,
}

struct Screen {
    parser: vt100::Parser,
    bytes: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Term {
    /// Starts `program` with `args` in a terminal of this size, with an environment of its own.
    pub fn spawn(program: &Path, args: &[&str], cols: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        for gone in ["NO_COLOR", "COLORTERM", "SSH_CONNECTION", "SSH_TTY"] {
            command.env_remove(gone);
        }
        for (key, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8")].iter().chain(env) {
            command.env(key, value);
        }
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let screen = Arc::new(Mutex::new(Screen {
            parser: vt100::Parser::new(row_count(rows), row_count(cols), 0),
            bytes: 0,
            first: None,
            last: None,
        }));
        let sink = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let mut screen = sink.lock().unwrap();
                let now = Instant::now();
                screen.first.get_or_insert(now);
                screen.last = Some(now);
                screen.bytes += n as u64;
                screen.parser.process(&buffer[..n]);
            }
        });
        Self { child, master: Some(pair.master), writer: Some(writer), screen }
    }

    /// The screen's text, each line without the blanks at its end.
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap();
        let cols = screen.parser.screen().size().1.get();
        let lines: Vec<_> = screen.parser.screen().rows(0, cols).map(|l| l.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    /// What `look` sees in the screen.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.screen.lock().unwrap().parser.screen())
    }

    /// Bytes that the program has written so far.
    pub fn bytes(&self) -> u64 {
        self.screen.lock().unwrap().bytes
    }

    /// When its first byte came.
    pub fn first_byte(&self) -> Option<Instant> {
        self.screen.lock().unwrap().first
    }

    /// When its last byte came.
    pub fn last_byte(&self) -> Option<Instant> {
        self.screen.lock().unwrap().last
    }

    /// Whether the terminal is as a shell wants it: no alternate screen, a cursor, no mouse or paste modes.
    pub fn restored(&self) -> bool {
        let screen = self.screen.lock().unwrap();
        let s = screen.parser.screen();
        !s.alternate_screen()
            && !s.hide_cursor()
            && !s.bracketed_paste()
            && s.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("the terminal is there");
        writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        writer.flush().expect("the terminal takes keys");
    }

    /// Waits until the screen shows `wanted`.
    ///
    /// # Panics
    /// With the screen, when that takes too long.
    pub fn wait_for(&self, wanted: &str) {
        self.wait_until(wanted, |text| text.contains(wanted));
    }

    /// Waits until the screen is as `wanted` says.
    ///
    /// # Panics
    /// With the screen, when that takes too long.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if wanted(&text) {
                return;
            }
            assert!(Instant::now() < end, "the screen never showed {what:?}:\n{text}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Changes the terminal's size.
    pub fn resize(&self, cols: u16, rows: u16) {
        let mut screen = self.screen.lock().unwrap();
        screen.parser.screen_mut().set_size(row_count(rows), row_count(cols));
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the terminal is there").resize(size).expect("the terminal takes a size");
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("the program has a process id")
    }

    /// Sends a signal by name: `TERM`, `HUP`, `KILL`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(status.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// With the screen, when that takes too long.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the program can be waited for") {
                // What it wrote last may still be on its way.
                thread::sleep(Duration::from_millis(100));
                return status;
            }
            assert!(Instant::now() < end, "the program did not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.pid())]).status();
            let _ = self.child.wait();
        }
    }
}

fn row_count(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}
