//! Kills at moments that nobody has chosen.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A small generator of delays: different in each test run, printed so that a failure can be looked into.
pub struct Delays(u64);

impl Delays {
    pub fn new() -> Self {
        let seed = std::env::var("KILL_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| jiff::Timestamp::now().as_nanosecond() as u64);
        eprintln!("KILL_SEED={seed}");
        Self(seed | 1)
    }

    pub fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// Runs a command and kills it after `delay`; whether it ended by itself before.
pub fn killed_after(command: &mut Command, delay: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + delay;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?} failed by itself");
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}
