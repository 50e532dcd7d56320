//! The loop that everything goes through.

use std::{
    future::Future,
    io,
    time::{Duration, Instant},
};

use crossterm::event::{Event, EventStream, MouseEventKind};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::{
    app::{Absence, App, Options},
    command::{Command, Executor},
    data::Session,
    glyphs,
    link::{self, Switch},
    msg::Msg,
    terminal::{self, Screen},
    theme::{Depth, Theme},
    view::view,
};
use crate::backend::{Backend, Result as BackendResult};

/// The time that a frame is worth: with those that are saved up, at most 30 come in a second.
const FRAME: Duration = Duration::from_millis(36);
/// The same over SSH: at most 10.
const FRAME_REMOTE: Duration = Duration::from_millis(125);
/// Frames that a pause saves up: a key, and what comes of it, are seen at once.
const SAVED: u32 = 3;
/// How long what is to be given up before the process stops may take.
const LEAVE: Duration = Duration::from_secs(2);
/// Rows that one turn of the wheel scrolls.
const WHEEL: i16 = 3;

/// Runs the console until somebody quits or the terminal is gone. The first frame is drawn before `connect` is asked for
/// the first time; it is asked again when it failed and the user wants to retry. `absence` is told when the process
/// stops, and when it goes on.
///
/// # Errors
/// The terminal cannot be used, or the theme does not exist.
pub async fn run<F, C>(connect: C, options: Options, absence: Absence) -> io::Result<()>
where
    C: Fn(&Switch) -> F,
    F: Future<Output = BackendResult<Backend>> + Send + 'static,
{
    let var = |name: &str| std::env::var(name).ok();
    let depth = Depth::detect(var);
    let theme = Theme::load(&options.theme, depth).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let ascii = options.ascii.unwrap_or_else(|| glyphs::ascii_only(var));
    let frame = if std::env::var_os("SSH_CONNECTION").is_some() { FRAME_REMOTE } else { FRAME };
    let mut pace = Pace::new(frame, Instant::now());
    let mut app = App::new(&options, theme, depth);
    // Whether somebody looks matters where looking has its price.
    let mut screen = Screen::take(options.mouse, options.cloud != "local")?;
    screen.draw(|frame| view(&app, frame, ascii))?;
    pace.drawn(Instant::now());

    let (tx, mut rx) = mpsc::unbounded_channel();
    let (opened_tx, mut opened) = mpsc::unbounded_channel::<Backend>();
    let open = |switch: Switch, proven: bool| {
        let (future, tx, opened) = (connect(&switch), tx.clone(), opened_tx.clone());
        let task = tokio::spawn(async move {
            let backend = match future.await {
                Ok(backend) if proven => backend.cloud.identity.ask().await.map(|_| backend).map_err(Into::into),
                other => other,
            };
            let session = match backend {
                Ok(backend) => {
                    let session = session(&backend);
                    let _ = opened.send(backend);
                    Ok(session)
                }
                Err(error) => Err(error.to_string()),
            };
            let _ = tx.send(if proven {
                Msg::Switched(session.map(|session| (session, switch)))
            } else {
                Msg::Opened(session)
            });
        });
        task.abort_handle()
    };
    let mut opening = open(Switch::default(), false);
    let mut executor: Option<Executor> = None;
    let mut events = EventStream::new();
    let mut signals = Signals::new()?;
    let mut gone = std::pin::pin!(terminal::gone());
    let mut dirty = false;
    loop {
        // Without a timer where it can be: the shortest one takes a millisecond, and a key wants its frame sooner.
        let wait = pace.wait(Instant::now());
        if dirty && wait.is_zero() {
            screen.draw(|frame| view(&app, frame, ascii))?;
            pace.drawn(Instant::now());
            dirty = false;
        }
        let msg = tokio::select! {
            biased;
            () = &mut gone => return Ok(()),
            signal = signals.next() => match signal {
                Signal::End => {
                    if let Some(executor) = &mut executor {
                        executor.stop_query().await;
                    }
                    return Ok(());
                }
                Signal::Stop => {
                    suspend(&mut screen, &absence).await?;
                    dirty = true;
                    continue;
                }
            },
            event = events.next() => match event {
                Some(Ok(event)) => match message(&event) {
                    Some(msg) => msg,
                    None => continue,
                },
                // The end of input: nobody is there any more.
                Some(Err(_)) | None => return Ok(()),
            },
            () = tokio::time::sleep(wait), if dirty => continue,
            Some(msg) = rx.recv() => msg,
        };
        if matches!(msg, Msg::Opened(Ok(_)) | Msg::Switched(Ok(_)))
            && let Ok(backend) = opened.try_recv()
        {
            // What the earlier one still reads is given up.
            executor = Some(Executor::new(backend, tx.clone()));
        }
        dirty = true;
        for command in app.update(msg) {
            match command {
                Command::Quit => {
                    if let Some(executor) = &mut executor {
                        executor.stop_query().await;
                    }
                    return Ok(());
                }
                Command::Suspend => suspend(&mut screen, &absence).await?,
                Command::Redraw => screen.clear()?,
                Command::Open(switch) => {
                    opening.abort();
                    opening = open(switch, false);
                }
                Command::Switch(switch) => {
                    opening.abort();
                    opening = open(switch, true);
                }
                other => {
                    if let Some(executor) = &mut executor {
                        executor.execute(other);
                    }
                }
            }
        }
    }
}

/// Stops this process until the shell continues it.
async fn suspend(screen: &mut Screen, absence: &Absence) -> io::Result<()> {
    // Whoever presses Ctrl-Z wants the shell, whatever else is slow to end.
    let _ = tokio::time::timeout(LEAVE, (absence.leave)()).await;
    let result = screen.suspend();
    (absence.back)();
    result
}

/// When the next frame may be drawn.
struct Pace {
    frame: Duration,
    /// Until when the frames so far have used up the time.
    used: Instant,
}

impl Pace {
    fn new(frame: Duration, now: Instant) -> Self {
        Self { frame, used: now }
    }

    /// How long the next frame has to wait.
    fn wait(&self, now: Instant) -> Duration {
        self.used.saturating_duration_since(now).saturating_sub(self.frame * (SAVED - 1))
    }

    fn drawn(&mut self, now: Instant) {
        self.used = self.used.max(now) + self.frame;
    }
}

fn session(backend: &Backend) -> Session {
    let identity = backend.cloud.identity.known();
    Session {
        identity: link::identity(&identity),
        login: identity.login,
        cloud: identity.cloud,
        env: backend.env.clone(),
        read_only: backend.read_only(),
        protected: backend.protected_env(),
        speed: backend.cloud.clock.speed(),
        prices: backend.prices,
        workgroup: backend.workgroup.clone(),
    }
}

fn message(event: &Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(*key)),
        Event::Paste(text) => Some(Msg::Paste(text.clone())),
        Event::Resize(..) => Some(Msg::Resize),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollDown => Some(Msg::Wheel(WHEEL)),
            MouseEventKind::ScrollUp => Some(Msg::Wheel(-WHEEL)),
            _ => None,
        },
        Event::FocusGained => Some(Msg::Seen(true)),
        Event::FocusLost => Some(Msg::Seen(false)),
    }
}

/// What the system may want of us.
enum Signal {
    /// To end.
    End,
    /// To stop until we are continued.
    Stop,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP))?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.stop.recv() => Signal::Stop,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::End,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_saves_up_frames_and_no_second_has_more_than_thirty() {
        for (frame, most) in [(FRAME, 30), (FRAME_REMOTE, 10)] {
            let begun = Instant::now();
            let mut pace = Pace::new(frame, begun);
            // Something changes all the time, after a pause.
            let mut now = begun + Duration::from_secs(5);
            let mut drawn = Vec::new();
            while now < begun + Duration::from_secs(8) {
                if pace.wait(now).is_zero() {
                    pace.drawn(now);
                    drawn.push(now);
                }
                now += Duration::from_millis(1);
            }
            assert!(drawn[SAVED as usize - 1] - drawn[0] < Duration::from_millis(5), "the first frames come at once");
            for from in &drawn {
                let second = drawn.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count();
                assert!(second <= most, "{second} frames in a second");
            }
            assert!(drawn.len() >= most * 2, "{} frames in three seconds", drawn.len());
        }
    }
}
