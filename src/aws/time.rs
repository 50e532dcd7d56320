//! Times, from the SDK's to ours and back.

use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// Ours; none where it is out of our range.
pub(crate) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// Ours, of a time that may be absent.
pub(crate) fn optional(time: Option<&DateTime>) -> Option<Timestamp> {
    time.and_then(timestamp)
}

/// The SDK's.
#[allow(dead_code, reason = "for the ports that ask about a time")]
pub(crate) fn date_time(time: Timestamp) -> DateTime {
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        return DateTime::from_secs_and_nanos(seconds - 1, (nanos + 1_000_000_000).unsigned_abs());
    }
    DateTime::from_secs_and_nanos(seconds, nanos.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_as_it_went() {
        for text in ["2026-11-20T14:03:22.123456789Z", "1969-12-31T23:59:59.25Z", "1970-01-01T00:00:00Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(timestamp(&date_time(time)), Some(time));
        }
        assert_eq!(timestamp(&DateTime::from_secs(i64::MAX)), None);
        assert_eq!(optional(None), None);
    }
}
