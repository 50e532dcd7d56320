//! Numbers, times and sizes as a person reads them.

use jiff::Timestamp;

use crate::text::count;

/// A moment as panes show it: the time of day for today's, with the date for others.
pub fn moment(time: Timestamp, now: Timestamp) -> String {
    let day = |t: Timestamp| t.strftime("%Y-%m-%d").to_string();
    if day(time) == day(now) {
        time.strftime("%H:%M:%S").to_string()
    } else {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// Bytes as a person reads them: `1.2 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let (mut value, mut unit) = (n as f64 / 1024.0, "KiB");
    for next in UNITS.iter().skip(1) {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A measured number: whole ones without decimals.
pub fn number(value: f64) -> String {
    if !value.is_finite() || value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    // Rounded first, so that 0.999 is 1 and not 0.100.
    let text = format!("{:.2}", value.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = count(whole.parse().unwrap_or(0));
    if value.fract() == 0.0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A duration as a person reads it: `4.1 s`, `12 min 3 s`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}
