//! Schedule expressions: `rate(...)` and `cron(...)` as Amazon EventBridge has them, in UTC.
//!
//! A `rate` has a value and a unit: `rate(1 minute)`, `rate(12 hours)`. A `cron` has six fields: minutes, hours, day of
//! month, month, day of week (1 is Sunday), year; exactly one of the two day fields is `?`.

mod cron;

use std::{fmt, ops::Range, str::FromStr};

use cron::Cron;
use jiff::{SignedDuration, Timestamp};

/// When something runs by itself, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Rate(SignedDuration),
    Cron(Box<Cron>),
}

/// What is wrong with a schedule expression, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct ScheduleError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// The bytes of the expression that are meant.
    pub at: Range<usize>,
}

impl Schedule {
    /// Reads `rate(5 minutes)` or `cron(5 * * * ? *)`.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right; also for a cron that can never match, like 31 February.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let whole = 0..text.len();
        let trimmed = text.trim();
        let start = text.len() - text.trim_start().len();
        let Some((name, rest)) = trimmed.split_once('(') else {
            return Err(shape(text, whole));
        };
        let Some(inside) = rest.strip_suffix(')') else {
            return Err(error("the closing `)` is missing", "write `rate(5 minutes)` or `cron(0 * * * ? *)`", whole));
        };
        let offset = start + name.len() + 1;
        let words = words(inside, offset);
        let kind = match name {
            "rate" => Kind::Rate(rate(&words, offset..offset + inside.len())?),
            "cron" => Kind::Cron(Box::new(Cron::parse(&words, offset..offset + inside.len())?)),
            _ => return Err(shape(text, start..start + name.len())),
        };
        let fields: Vec<&str> = words.iter().map(|w| w.text).collect();
        Ok(Self { text: format!("{name}({})", fields.join(" ")), kind })
    }

    /// The next time strictly after `after`; for a rate, one period later. None where there is no such time any more.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Rate(period) => after.checked_add(*period).ok(),
            Kind::Cron(cron) => cron.next_after(after),
        }
    }

    /// The period of a rate; none for a cron.
    pub fn period(&self) -> Option<SignedDuration> {
        match &self.kind {
            Kind::Rate(period) => Some(*period),
            Kind::Cron(_) => None,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn error(message: impl Into<String>, help: impl Into<String>, at: Range<usize>) -> ScheduleError {
    ScheduleError { message: message.into(), help: help.into(), at }
}

fn shape(text: &str, at: Range<usize>) -> ScheduleError {
    let short: String = text.chars().take(40).collect();
    let fields = text.split_whitespace().count();
    let help = if fields == 5 || fields == 6 {
        "EventBridge's form has six fields in brackets: `cron(5 * * * ? *)`, with `?` for one of the two days"
    } else {
        "write `rate(5 minutes)`, or `cron(minutes hours day-of-month month day-of-week year)` in UTC"
    };
    error(format!("`{short}` is no schedule"), help, at)
}

#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl Word<'_> {
    fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }
}

fn words(text: &str, offset: usize) -> Vec<Word<'_>> {
    text.split_whitespace()
        .map(|word| Word { text: word, at: offset + (word.as_ptr() as usize - text.as_ptr() as usize) })
        .collect()
}

fn rate(words: &[Word<'_>], whole: Range<usize>) -> Result<SignedDuration, ScheduleError> {
    let [value, unit] = words else {
        return Err(error("a rate has a value and a unit", "write `rate(5 minutes)`", whole));
    };
    let number: u32 = match value.text.parse() {
        Ok(number) if number > 0 => number,
        _ => {
            return Err(error(
                format!("`{}` is no whole number above 0", value.text),
                "write `rate(5 minutes)`",
                value.range(),
            ));
        }
    };
    let (seconds, plural) = match unit.text {
        "minute" => (60, false),
        "minutes" => (60, true),
        "hour" => (3_600, false),
        "hours" => (3_600, true),
        "day" => (86_400, false),
        "days" => (86_400, true),
        other => {
            return Err(error(
                format!("`{other}` is no unit of a rate"),
                "the units are minute, minutes, hour, hours, day, days",
                unit.range(),
            ));
        }
    };
    if (number == 1) == plural {
        let right = if plural { unit.text.trim_end_matches('s').to_owned() } else { format!("{}s", unit.text) };
        return Err(error(
            format!("EventBridge refuses `{number} {}`", unit.text),
            format!("write `rate({number} {right})`"),
            unit.range(),
        ));
    }
    Ok(SignedDuration::from_secs(i64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn next(schedule: &str, after: &str) -> String {
        Schedule::parse(schedule).unwrap().next_after(time(after)).map_or("never".into(), |t| t.to_string())
    }

    #[test]
    fn a_rate_is_one_period_later() {
        assert_eq!(next("rate(1 minute)", "2026-01-01T00:00:30Z"), "2026-01-01T00:01:30Z");
        assert_eq!(next("rate(5 minutes)", "2026-01-01T00:00:00Z"), "2026-01-01T00:05:00Z");
        assert_eq!(next("rate(12 hours)", "2026-01-01T00:00:00Z"), "2026-01-01T12:00:00Z");
        assert_eq!(next("rate(2 days)", "2026-02-28T00:00:00Z"), "2026-03-02T00:00:00Z");
    }

    #[test]
    fn a_cron_is_strictly_later() {
        assert_eq!(next("cron(5 * * * ? *)", "2026-01-01T00:05:00Z"), "2026-01-01T01:05:00Z");
        assert_eq!(next("cron(5 * * * ? *)", "2026-01-01T00:04:59.999Z"), "2026-01-01T00:05:00Z");
        assert_eq!(next("cron(0/15 * * * ? *)", "2026-12-31T23:45:00Z"), "2027-01-01T00:00:00Z");
        assert_eq!(next("cron(0 10 * * ? *)", "2026-01-01T11:00:00Z"), "2026-01-02T10:00:00Z");
        assert_eq!(next("cron(0 18 ? * MON-FRI *)", "2026-11-20T18:00:00Z"), "2026-11-23T18:00:00Z");
        assert_eq!(next("cron(0 8 1 * ? *)", "2026-01-01T08:00:00Z"), "2026-02-01T08:00:00Z");
        assert_eq!(next("cron(0 0 29 FEB ? *)", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(next("cron(30 8,20 ? jan,dec sun *)", "2026-02-01T00:00:00Z"), "2026-12-06T08:30:00Z");
        assert_eq!(next("cron(0 0 1 1 ? 2030-2040/5)", "2030-01-01T00:00:00Z"), "2035-01-01T00:00:00Z");
    }

    #[test]
    fn special_days_are_as_eventbridge_has_them() {
        assert_eq!(next("cron(0 0 L * ? *)", "2028-02-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        // 31 January 2026 is a Saturday.
        assert_eq!(next("cron(0 0 LW * ? *)", "2026-01-01T00:00:00Z"), "2026-01-30T00:00:00Z");
        // 15 February 2026 is a Sunday, 15 August 2026 a Saturday, 1 August 2026 a Saturday.
        assert_eq!(next("cron(0 0 15W * ? *)", "2026-02-01T00:00:00Z"), "2026-02-16T00:00:00Z");
        assert_eq!(next("cron(0 0 15W * ? *)", "2026-08-01T00:00:00Z"), "2026-08-14T00:00:00Z");
        assert_eq!(next("cron(0 0 1W * ? *)", "2026-08-01T00:00:00Z"), "2026-08-03T00:00:00Z");
        // 31 May 2026 is a Sunday: the nearest workday within the month is Friday 29.
        assert_eq!(next("cron(0 0 31W 5 ? *)", "2026-05-01T00:00:00Z"), "2026-05-29T00:00:00Z");
        assert_eq!(next("cron(0 9 ? * 2#1 *)", "2026-11-20T00:00:00Z"), "2026-12-07T09:00:00Z");
        assert_eq!(next("cron(0 9 ? * FRI#5 *)", "2026-11-20T00:00:00Z"), "2027-01-29T09:00:00Z");
        assert_eq!(next("cron(0 9 ? * 6L *)", "2026-11-20T09:00:00Z"), "2026-11-27T09:00:00Z");
        assert_eq!(next("cron(0 9 ? * L *)", "2026-11-20T09:00:00Z"), "2026-11-21T09:00:00Z");
    }

    #[test]
    fn years_come_to_an_end() {
        assert_eq!(next("cron(0 0 1 1 ? 2020)", "2026-01-01T00:00:00Z"), "never");
        assert_eq!(next("cron(0 0 * * ? *)", "2199-12-31T00:00:00Z"), "never");
        assert_eq!(next("cron(0 0 * * ? *)", "1960-12-31T00:00:00Z"), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn mistakes_say_where_and_what_would_be_right() {
        for (text, at, says) in [
            ("", "", "is no schedule"),
            ("hourly", "hourly", "rate(5 minutes)"),
            ("*/5 * * * *", "*/5 * * * *", "six fields in brackets"),
            ("at(2026-01-01)", "at", "is no schedule"),
            ("rate(5 minutes", "rate(5 minutes", "closing"),
            ("rate(5)", "5", "a value and a unit"),
            ("rate(0 minutes)", "0", "above 0"),
            ("rate(-1 minutes)", "-1", "above 0"),
            ("rate(1 minutes)", "minutes", "rate(1 minute)"),
            ("rate(5 minute)", "minute", "rate(5 minutes)"),
            ("rate(5 weeks)", "weeks", "units are minute"),
            ("cron(* * * * *)", "* * * * *", "six fields, not 5"),
            ("cron(5 * * * * *)", "* * *", "both given"),
            ("cron(5 * ? * ? *)", "? * ?", "both day fields are `?`"),
            ("cron(60 * * * ? *)", "60", "0 to 59"),
            ("cron(? * * * ? *)", "?", "two day fields alone"),
            ("cron(+5 * * * ? *)", "+5", "0 to 59"),
            ("cron(0 24 * * ? *)", "24", "0 to 23"),
            ("cron(0 22-2 * * ? *)", "22-2", "goes backwards"),
            ("cron(0 0 32 * ? *)", "32", "1 to 31"),
            ("cron(0 0 1,L * ? *)", "1,L", "stand alone"),
            ("cron(0 0 * 13 ? *)", "13", "1 to 12, or JAN to DEC"),
            ("cron(0 0 ? * 8 *)", "8", "1 to 7, or SUN to SAT"),
            ("cron(0 0 ? * 2#6 *)", "2#6", "1 to 5"),
            ("cron(0 0 * * ? 1969)", "1969", "1970 to 2199"),
            ("cron(*/0 * * * ? *)", "*/0", "whole number from 1"),
            ("cron(0 0 31 2 ? *)", "31 2 ? *", "no such day"),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert_eq!(&text[error.at.clone()], at, "{text}: {error}");
        }
    }

    /// Whether a cron of plain values matches, without any search.
    fn matches(t: Timestamp, minutes: &[i8], hours: &[i8], months: &[i8], days: &DayRule) -> bool {
        let at = TimeZone::UTC.to_datetime(t);
        let day = match days {
            DayRule::Month(all) => all.contains(&at.day()),
            DayRule::Week(all) => all.contains(&at.weekday().to_sunday_one_offset()),
            DayRule::Last => at.day() == at.date().days_in_month(),
        };
        minutes.contains(&at.minute()) && hours.contains(&at.hour()) && months.contains(&at.month()) && day
    }

    #[derive(Debug, Clone)]
    enum DayRule {
        Month(Vec<i8>),
        Week(Vec<i8>),
        Last,
    }

    fn some(range: std::ops::RangeInclusive<i8>) -> impl Strategy<Value = Vec<i8>> {
        proptest::collection::vec(range, 1..6)
    }

    fn list(values: &[i8]) -> String {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    proptest! {
        #[test]
        fn the_next_time_matches_and_nothing_between_does(
            minutes in some(0..=59), hours in some(0..=23), months in some(1..=12),
            days in prop_oneof![
                some(1..=28).prop_map(DayRule::Month), some(1..=7).prop_map(DayRule::Week), Just(DayRule::Last)
            ],
            start in 0_i64..4_000_000_000,
        ) {
            let (dom, dow) = match &days {
                DayRule::Month(all) => (list(all), "?".to_owned()),
                DayRule::Week(all) => ("?".to_owned(), list(all)),
                DayRule::Last => ("L".to_owned(), "?".to_owned()),
            };
            let text = format!("cron({} {} {dom} {} {dow} *)", list(&minutes), list(&hours), list(&months));
            let schedule = Schedule::parse(&text).unwrap();
            prop_assert_eq!(schedule.to_string(), text);
            let after = Timestamp::from_second(start).unwrap();
            let found = schedule.next_after(after).unwrap();
            prop_assert!(found > after);
            prop_assert_eq!(found.as_second() % 60, 0);
            prop_assert!(matches(found, &minutes, &hours, &months, &days));
            let mut t = after.as_second() / 60 * 60 + 60;
            // Hours that cannot match are skipped whole: a month is soon walked through.
            while t < found.as_second() {
                let at = Timestamp::from_second(t).unwrap();
                prop_assert!(!matches(at, &minutes, &hours, &months, &days), "{at} lies between");
                let hour = TimeZone::UTC.to_datetime(at).hour();
                t = if hours.contains(&hour) { t + 60 } else { t / 3_600 * 3_600 + 3_600 };
            }
        }

        #[test]
        fn any_text_is_a_schedule_or_an_error_within_it(text in ".{0,60}") {
            if let Err(error) = Schedule::parse(&text) {
                prop_assert!(text.get(error.at).is_some());
            }
        }

        #[test]
        fn any_cron_like_text_is_a_schedule_or_an_error(
            fields in proptest::collection::vec("[0-9*?LW#,/A-Z-]{1,6}", 5..=7), start in 0_i64..7_000_000_000
        ) {
            let text = format!("cron({})", fields.join(" "));
            match Schedule::parse(&text) {
                Ok(schedule) => {
                    let after = Timestamp::from_second(start).unwrap();
                    prop_assert!(schedule.next_after(after).is_none_or(|next| next > after));
                    prop_assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
                }
                Err(error) => prop_assert!(text.get(error.at).is_some()),
            }
        }
    }
}
