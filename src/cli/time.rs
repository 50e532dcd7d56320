//! Points in time as a person gives them: `10m`, `2h30m`, `1d`, or RFC 3339.

use jiff::{SignedDuration, Timestamp};

/// A point in time, or how long ago one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(SignedDuration),
    /// Then.
    At(Timestamp),
}

impl When {
    /// The time that is meant, on a clock that says `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Reads a point in time.
pub fn when(text: &str) -> Result<When, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(When::At(time));
    }
    duration(text).map(When::Ago).map_err(|_| {
        format!("{text:?} is neither a duration such as 90s, 10m, 2h or 1d, nor a time such as 2026-11-20T14:00:00Z")
    })
}

/// Reads a duration: numbers, each with `s`, `m`, `h`, `d` or `w`.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is no duration such as 90s, 10m, 2h or 1d");
    let mut total: i64 = 0;
    let mut number = String::new();
    let mut any = false;
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let n: i64 = number.parse().map_err(|_| wrong())?;
        total = n.checked_mul(unit).and_then(|s| total.checked_add(s)).ok_or_else(wrong)?;
        number.clear();
        any = true;
    }
    if !any || !number.is_empty() {
        return Err(wrong());
    }
    Ok(SignedDuration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read() {
        assert_eq!(duration("90s").unwrap().as_secs(), 90);
        assert_eq!(duration("1h30m").unwrap().as_secs(), 5_400);
        assert_eq!(duration("1d").unwrap().as_secs(), 86_400);
        for wrong in ["", "10", "m", "10x", "1h30", "-5m", "99999999999999999w"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        let now: Timestamp = "2026-11-20T14:00:00Z".parse().unwrap();
        assert_eq!(when("10m").unwrap().resolve(now), "2026-11-20T13:50:00Z".parse().unwrap());
        assert_eq!(when("2026-11-20T12:00:00Z").unwrap().resolve(now), "2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(when("4000000w").unwrap().resolve(now), Timestamp::MIN);
    }
}
