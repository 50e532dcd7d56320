//! The terminal: taken for the console, and given back whatever happens.

use std::{
    io::{self, BufWriter, Stdout, Write},
    mem::ManuallyDrop,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor, event, execute, queue,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while the console has it; given back when dropped.
pub struct Screen {
    /// Never dropped: its own way of showing the cursor again complains on standard error, and a terminal that is gone
    /// makes that a panic.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    mouse: bool,
    focus: bool,
}

impl Screen {
    /// Takes the terminal, and with it the wheel, and news of whether somebody looks, where they are wanted. A panic gives it
    /// back before it says anything.
    pub fn take(mouse: bool, focus: bool) -> io::Result<Self> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // A function's panic is its own failure: the console goes on.
                if crate::cloud::functions::in_handler() {
                    return;
                }
                give_back();
                earlier(panic);
            }));
        });
        enter(mouse, focus)?;
        // One frame of a large screen fits, so that it goes out in one write.
        let backend = CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, io::stdout()));
        Ok(Self { terminal: ManuallyDrop::new(Terminal::new(backend)?), mouse, focus })
    }

    /// Draws a frame; the terminal shows it at once or not at all.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(view)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        io::Write::flush(self.terminal.backend_mut())
    }

    /// Forgets what the terminal shows: the next frame is drawn whole.
    pub fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` would ask the terminal for its cursor and wait for the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Gives the terminal back, stops this process until the shell continues it, and takes the terminal again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        #[cfg(unix)]
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        enter(self.mouse, self.focus)?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(mouse: bool, focus: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        execute!(out, event::EnableMouseCapture)?;
    }
    if focus {
        execute!(out, event::EnableFocusChange)?;
    }
    Ok(())
}

/// Gives the terminal back, once. Errors are of no use here: a terminal that is gone needs nothing.
pub fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = queue!(
            out,
            EndSynchronizedUpdate,
            event::DisableMouseCapture,
            event::DisableFocusChange,
            event::DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = out.flush();
        let _ = disable_raw_mode();
    }
}

/// Returns when the terminal behind standard input is gone. Never returns where that cannot be told.
///
/// Reading a terminal that is gone fails at once, again and again: whoever reads it must be stopped, or it would keep a
/// processor busy for ever.
pub async fn gone() {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        use tokio::io::{Interest, unix::AsyncFd};
        let watch = |fd| {
            #[allow(deprecated, reason = "its successor is unsafe; we own the descriptor while it is watched")]
            AsyncFd::with_interest(fd, Interest::READABLE | Interest::ERROR)
        };
        if let Ok(watched) = io::stdin().as_fd().try_clone_to_owned().and_then(watch) {
            while let Ok(mut guard) = watched.readable().await {
                let ready = guard.ready();
                if ready.is_read_closed() || ready.is_error() {
                    return;
                }
                guard.clear_ready();
            }
        }
    }
    std::future::pending::<()>().await;
}
