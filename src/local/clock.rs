//! The embedded cloud's clock: the wall clock, or one that runs faster.
//!
//! The time is `virtual + (wall - real) * speed`, and the three numbers stand in the state, so that all processes that
//! share it agree. It never goes back: a slower speed starts from where the faster one had come to.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::store::{Store, sql};
use crate::cloud::{Clock as ClockPort, Error, Result};

const KEY: &str = "clock";

/// Where the clock was set, and how fast it runs from there.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Setting {
    real_ms: i64,
    virtual_ms: i64,
    speed: f64,
}

impl Setting {
    const WALL: Self = Self { real_ms: 0, virtual_ms: 0, speed: 1.0 };

    fn at(self, wall_ms: i64) -> i64 {
        let elapsed = wall_ms.saturating_sub(self.real_ms);
        if self.speed.to_bits() == 1.0_f64.to_bits() {
            return self.virtual_ms.saturating_add(elapsed);
        }
        self.virtual_ms.saturating_add((elapsed as f64 * self.speed) as i64)
    }

    fn read(connection: &Connection) -> Result<Self> {
        let text: Option<String> = connection
            .query_row("select value from meta where key = ?1", [KEY], |r| r.get(0))
            .optional()
            .map_err(sql)?;
        let Some(text) = text else { return Ok(Self::WALL) };
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or_else(|| Error::storage("the clock's setting is damaged"));
        Ok(Self {
            real_ms: next()?.parse().map_err(Error::storage)?,
            virtual_ms: next()?.parse().map_err(Error::storage)?,
            speed: next()?.parse().map_err(Error::storage)?,
        })
    }

    fn write(self, transaction: &Transaction<'_>) -> Result<()> {
        transaction
            .execute(
                "insert into meta values (?1, ?2) on conflict (key) do update set value = excluded.value",
                [KEY, &format!("{} {} {}", self.real_ms, self.virtual_ms, self.speed)],
            )
            .map_err(sql)?;
        Ok(())
    }
}

/// The clock that all processes of one state share.
#[derive(Clone)]
pub struct Clock {
    setting: Arc<Mutex<Setting>>,
}

impl Clock {
    /// The clock as the state has it.
    pub fn open(store: &Store) -> Result<Self> {
        let setting = store.read_now(Setting::read)?;
        Ok(Self { setting: Arc::new(Mutex::new(setting)) })
    }

    /// Reads the setting again: another process may have changed it.
    pub fn refresh(&self, connection: &Connection) -> Result<()> {
        let setting = Setting::read(connection)?;
        *self.setting.lock().unwrap_or_else(PoisonError::into_inner) = setting;
        Ok(())
    }

    /// Changes the speed from now on.
    pub fn set_speed(&self, store: &Store, speed: f64) -> Result<()> {
        if !(speed.is_finite() && (0.1..=100_000.0).contains(&speed)) {
            return Err(Error::invalid(format!("speed {speed} is out of range: 0.1 to 100000")));
        }
        let fresh = store.write_now(|t| {
            let old = Setting::read(t)?;
            if old.speed.to_bits() == speed.to_bits() {
                return Ok(old);
            }
            let wall = wall_ms();
            let fresh = Setting { real_ms: wall, virtual_ms: old.at(wall), speed };
            fresh.write(t)?;
            Ok(fresh)
        })?;
        *self.setting.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Now, in milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner).at(wall_ms())
    }
}

impl ClockPort for Clock {
    fn now(&self) -> Timestamp {
        timestamp(self.now_ms())
    }

    fn speed(&self) -> f64 {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner).speed
    }
}

/// A time from a row.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn wall_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_faster_from_where_it_was_and_never_back() {
        let start = Setting { real_ms: 1_000, virtual_ms: 5_000, speed: 60.0 };
        assert_eq!(start.at(1_000), 5_000);
        assert_eq!(start.at(2_000), 65_000);
        let slow = Setting { real_ms: 2_000, virtual_ms: start.at(2_000), speed: 1.0 };
        assert_eq!(slow.at(2_001), 65_001);
    }

    #[test]
    fn processes_agree_on_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), false).unwrap();
        let clock = Clock::open(&store).unwrap();
        clock.set_speed(&store, 3600.0).unwrap();
        let other = Clock::open(&store).unwrap();
        assert!((clock.now_ms() - other.now_ms()).abs() < 3_600_000);
        assert!((other.speed() - 3600.0).abs() < f64::EPSILON);
        assert!(clock.set_speed(&store, f64::NAN).is_err());
    }
}
