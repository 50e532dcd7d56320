//! EventBridge's cron expressions: six fields, of which one of the two for days is `?`.

use std::ops::Range;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use super::{ScheduleError, Word, error};

const FIRST_YEAR: i16 = 1970;
const LAST_YEAR: i16 = 2199;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron's fields as sets: bit `n` stands for the value `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    months: u64,
    /// Bit `n` of word `w` stands for the year `1970 + 64 * w + n`.
    years: [u64; 4],
    days: Days,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    OfMonth(u64),
    /// `L`
    Last,
    /// `LW`
    LastWorkday,
    /// `15W`: the Monday to Friday nearest to the day, within the month
    NearestWorkday(i8),
    /// Bit 1 is Sunday.
    OfWeek(u64),
    /// `6L`: the last Friday
    LastOfWeek(i8),
    /// `6#3`: the third Friday
    NthOfWeek(i8, i8),
}

/// What one field may hold.
struct Field {
    name: &'static str,
    low: u16,
    high: u16,
    names: &'static [&'static str],
}

const MINUTES: Field = Field { name: "minutes", low: 0, high: 59, names: &[] };
const HOURS: Field = Field { name: "hours", low: 0, high: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { name: "day of month", low: 1, high: 31, names: &[] };
const MONTH: Field = Field { name: "month", low: 1, high: 12, names: &MONTHS };
const DAY_OF_WEEK: Field = Field { name: "day of week", low: 1, high: 7, names: &WEEKDAYS };
const YEAR: Field = Field { name: "year", low: FIRST_YEAR as u16, high: LAST_YEAR as u16, names: &[] };

impl Cron {
    pub(super) fn parse(words: &[Word<'_>], whole: Range<usize>) -> Result<Self, ScheduleError> {
        let [minutes, hours, day, month, weekday, year] = words else {
            return Err(error(
                format!("a cron has six fields, not {}", words.len()),
                "write `cron(minutes hours day-of-month month day-of-week year)`, for example `cron(5 * * * ? *)`",
                whole,
            ));
        };
        let days = match (day.text, weekday.text) {
            ("?", "?") => {
                return Err(error(
                    "both day fields are `?`",
                    "write `*` for the day of month: `cron(5 * * * ? *)`",
                    day.at..weekday.at + 1,
                ));
            }
            ("?", _) => days_of_week(*weekday)?,
            (_, "?") => days_of_month(*day)?,
            _ => {
                return Err(error(
                    "the day of month and the day of week are both given",
                    "put `?` for the one that does not matter: `cron(5 * * * ? *)`",
                    day.at..weekday.range().end,
                ));
            }
        };
        let cron = Self {
            minutes: bits(&MINUTES, *minutes)?,
            hours: bits(&HOURS, *hours)?,
            months: bits(&MONTH, *month)?,
            years: years(*year)?,
            days,
        };
        if cron.next_from(DateTime::constant(FIRST_YEAR, 1, 1, 0, 0, 0, 0)).is_none() {
            return Err(error(
                "there is no such day in any of these months and years",
                "30 February and 31 April do not exist; `L` is a month's last day",
                day.at..year.range().end,
            ));
        }
        Ok(cron)
    }

    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let civil = TimeZone::UTC.to_datetime(after);
        let minute = civil.date().at(civil.hour(), civil.minute(), 0, 0);
        let found = self.next_from(minute.checked_add(1.minute()).ok()?)?;
        found.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp())
    }

    /// The first match that is not before `from`, which is a whole minute.
    fn next_from(&self, from: DateTime) -> Option<DateTime> {
        let from = from.max(DateTime::constant(FIRST_YEAR, 1, 1, 0, 0, 0, 0));
        for year in from.year()..=LAST_YEAR {
            if !self.has_year(year) {
                continue;
            }
            let first_month = if year == from.year() { from.month() } else { 1 };
            for month in (first_month..=12).filter(|m| has(self.months, *m)) {
                let first = Date::new(year, month, 1).ok()?;
                let this_month = first.year() == from.year() && month == from.month();
                let days = self.days.within(first);
                for day in (1..=first.days_in_month()).filter(|d| has(days, *d)) {
                    if this_month && day < from.day() {
                        continue;
                    }
                    let (hour, minute) =
                        if this_month && day == from.day() { (from.hour(), from.minute()) } else { (0, 0) };
                    if let Some((hour, minute)) = self.time_from(hour, minute) {
                        return Some(Date::new(year, month, day).ok()?.at(hour, minute, 0, 0));
                    }
                }
            }
        }
        None
    }

    fn time_from(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let first = |minute: i8| (minute..60).find(|m| has(self.minutes, *m));
        if has(self.hours, hour)
            && let Some(minute) = first(minute)
        {
            return Some((hour, minute));
        }
        let hour = (hour + 1..24).find(|h| has(self.hours, *h))?;
        Some((hour, first(0)?))
    }

    fn has_year(&self, year: i16) -> bool {
        let n = usize::from(year.abs_diff(FIRST_YEAR));
        self.years.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }
}

impl Days {
    /// The matching days of the month that begins with `first`.
    fn within(self, first: Date) -> u64 {
        let last = first.days_in_month();
        let bit = |day: i8| 1_u64 << day;
        // The weekday of a day of this month; 1 is Sunday.
        let weekday = |day: i8| (first.weekday().to_sunday_zero_offset() + day - 1) % 7 + 1;
        let workday = |day: i8| !matches!(weekday(day), 1 | 7);
        match self {
            Self::OfMonth(mask) => mask,
            Self::Last => bit(last),
            Self::LastWorkday => (1..=last).rev().find(|d| workday(*d)).map_or(0, bit),
            Self::NearestWorkday(day) if day > last => 0,
            Self::NearestWorkday(day) => [0, -1, 1, 2, -2]
                .into_iter()
                .map(|step| day + step)
                .find(|d| (1..=last).contains(d) && workday(*d))
                .map_or(0, bit),
            Self::OfWeek(mask) => (1..=last).filter(|d| has(mask, weekday(*d))).map(bit).sum(),
            Self::LastOfWeek(wanted) => (1..=last).rev().find(|d| weekday(*d) == wanted).map_or(0, bit),
            Self::NthOfWeek(wanted, nth) => {
                (1..=last).filter(|d| weekday(*d) == wanted).nth(nth.unsigned_abs().into()).map_or(0, bit)
            }
        }
    }
}

fn has(mask: u64, value: i8) -> bool {
    mask >> value & 1 == 1
}

fn days_of_month(word: Word<'_>) -> Result<Days, ScheduleError> {
    let upper = word.text.to_ascii_uppercase();
    match upper.as_str() {
        "L" => return Ok(Days::Last),
        "LW" => return Ok(Days::LastWorkday),
        _ => {}
    }
    if let Some(day) = upper.strip_suffix('W') {
        let day = one(&DAY_OF_MONTH, Word { text: day, at: word.at })?;
        return Ok(Days::NearestWorkday(day as i8));
    }
    if upper.contains(['L', 'W']) {
        let help = "`L` (the last day), `LW` and `15W` (the nearest Monday to Friday) stand alone";
        return Err(error(format!("`{}` is no day of month", word.text), help, word.range()));
    }
    bits(&DAY_OF_MONTH, word).map(Days::OfMonth)
}

fn days_of_week(word: Word<'_>) -> Result<Days, ScheduleError> {
    let upper = word.text.to_ascii_uppercase();
    if upper == "L" {
        return Ok(Days::OfWeek(1 << 7));
    }
    if let Some((day, nth)) = upper.split_once('#') {
        let weekday = one(&DAY_OF_WEEK, Word { text: day, at: word.at })?;
        return match nth.parse::<i8>() {
            // Counted from 0.
            Ok(n @ 1..=5) => Ok(Days::NthOfWeek(weekday as i8, n - 1)),
            _ => Err(error(
                format!("`{}` is no day of week", word.text),
                "after `#` comes 1 to 5: `6#3` is the third Friday, and it stands alone",
                word.range(),
            )),
        };
    }
    if let Some(day) = upper.strip_suffix('L') {
        let day = one(&DAY_OF_WEEK, Word { text: day, at: word.at })?;
        return Ok(Days::LastOfWeek(day as i8));
    }
    bits(&DAY_OF_WEEK, word).map(Days::OfWeek)
}

fn years(word: Word<'_>) -> Result<[u64; 4], ScheduleError> {
    let mut set = [0_u64; 4];
    for year in values(&YEAR, word)? {
        let n = usize::from(year - YEAR.low);
        if let Some(word) = set.get_mut(n / 64) {
            *word |= 1 << (n % 64);
        }
    }
    Ok(set)
}

fn bits(field: &Field, word: Word<'_>) -> Result<u64, ScheduleError> {
    Ok(values(field, word)?.into_iter().fold(0, |mask, value| mask | 1 << value))
}

/// All values of a field: a list of `*`, single values and ranges, each with a step or without.
fn values(field: &Field, word: Word<'_>) -> Result<Vec<u16>, ScheduleError> {
    let mut all = Vec::new();
    let mut at = word.at;
    for text in word.text.split(',') {
        let item = Word { text, at };
        at += text.len() + 1;
        let (span, step) = match text.split_once('/') {
            None => (text, None),
            Some((span, step)) => match step.parse::<u16>() {
                Ok(number) if number > 0 && number <= field.high => (span, Some(number)),
                _ => {
                    return Err(error(
                        format!("`{step}` is no step for {}", field.name),
                        format!("after `/` comes a whole number from 1 to {}", field.high),
                        item.range(),
                    ));
                }
            },
        };
        let (low, high) = match span.split_once('-') {
            _ if span == "*" => (field.low, field.high),
            Some((low, high)) => (
                one(field, Word { text: low, at: item.at })?,
                one(field, Word { text: high, at: item.at + low.len() + 1 })?,
            ),
            None => {
                let value = one(field, Word { text: span, at: item.at })?;
                (value, if step.is_some() { field.high } else { value })
            }
        };
        if low > high {
            return Err(error(
                format!("the range `{span}` goes backwards"),
                format!("write two ranges with a comma between them, each within {} to {}", field.low, field.high),
                item.range(),
            ));
        }
        all.extend((low..=high).step_by(step.unwrap_or(1).into()));
    }
    Ok(all)
}

fn one(field: &Field, word: Word<'_>) -> Result<u16, ScheduleError> {
    if let Some(n) = field.names.iter().position(|name| name.eq_ignore_ascii_case(word.text)) {
        return Ok(field.low + n as u16);
    }
    match word.text.parse::<u16>() {
        Ok(value) if (field.low..=field.high).contains(&value) && !word.text.starts_with('+') => Ok(value),
        _ => {
            let names = match (field.names.first(), field.names.last()) {
                (Some(first), Some(last)) => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            let hint = if word.text == "?" { "; `?` is for the two day fields alone" } else { "" };
            Err(error(
                format!("`{}` is no value for {}", word.text, field.name),
                format!("{} goes from {} to {}{names}{hint}", field.name, field.low, field.high),
                word.range(),
            ))
        }
    }
}
