//! Decimal fractions as they are published: their sums are exact, so that a tie is a tie.

use std::{fmt, iter::Sum};

/// Digits after the point that are kept.
const DIGITS: u32 = 9;
const ONE: i128 = 10_i128.pow(DIGITS);
/// Digits before the point: sums of very many stay far from the end of an `i128`.
const MOST: usize = 18;

/// A decimal fraction of at most nine digits after the point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decimal(i128);

impl Decimal {
    /// Reads `-12.5`; none for what is no such number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || whole.len() + fraction.len() == 0 || whole.len() > MOST {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DIGITS as usize {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
        let value = whole * ONE + fraction;
        Some(Self(if negative { -value } else { value }))
    }
}

impl Sum for Decimal {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|d| d.0).sum())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) =
            (self.0.unsigned_abs() / ONE.unsigned_abs(), self.0.unsigned_abs() % ONE.unsigned_abs());
        let fraction = format!("{fraction:09}");
        let fraction = match fraction.trim_end_matches('0') {
            "" => "0",
            some => some,
        };
        write!(f, "{}{whole}.{fraction}", if self.0 < 0 { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        for (text, written) in [
            ("2.6", "2.6"),
            ("-0.1", "-0.1"),
            ("13", "13.0"),
            ("561.703", "561.703"),
            (".5", "0.5"),
            ("+1.50", "1.5"),
            ("0.000000001", "0.000000001"),
            ("-0", "0.0"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), written, "{text}");
        }
        for text in ["", "-", ".", "1e3", "NaN", "1,5", "1.2.3", " 1", "0.0000000001", "1234567890123456789"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_that_are_equal_are_equal() {
        let sum = |all: &[&str]| all.iter().map(|t| Decimal::parse(t).unwrap()).sum::<Decimal>();
        assert_eq!(sum(&["0.1", "0.2"]), sum(&["0.3"]));
        assert_eq!(sum(&["0.1"; 10]).to_string(), "1.0");
    }
}
