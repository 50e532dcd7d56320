//! DynamoDB's numbers: decimal, at most 38 digits, from 1E-130 to 9.9999999999999999999999999999999999999E+125.

use std::fmt::Write;

use serde_json::{Number, Value};

use crate::cloud::{Error, Result};

const DIGITS: usize = 38;
const GREATEST: i64 = 126;
/// `1E-130` is a tenth times ten to the power of this.
const LEAST: i64 = -129;
/// What is added to an exponent, so that it has no sign.
const OFFSET: i64 = 500;

/// A number: `0.DIGITS` times ten to the power of `exponent`; no digits for zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// From 0 to 9 each, neither the first nor the last a zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads JSON's form of a number.
    pub(super) fn of(number: &Number) -> Result<Self> {
        let text = number.to_string();
        let (negative, rest) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
        let (mantissa, power) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let power: i64 =
            power.trim_start_matches('+').parse().map_err(|_| Error::invalid(format!("{text} is no number")))?;
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b.saturating_sub(b'0')).collect();
        let mut exponent = power + whole.len() as i64;
        let leading = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..leading);
        exponent -= leading as i64;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Ok(Self { negative: false, digits, exponent: 0 });
        }
        if digits.len() > DIGITS {
            return Err(Error::invalid(format!("{text} has more than {DIGITS} digits, and a number holds no more")));
        }
        if !(LEAST..=GREATEST).contains(&exponent) {
            return Err(Error::invalid(format!("{text} is out of range: numbers reach from 1E-130 to 9.9E+125")));
        }
        Ok(Self { negative, digits, exponent })
    }

    /// A text that is greater, byte by byte, where the number is.
    pub(super) fn sortable(&self) -> String {
        if self.digits.is_empty() {
            return "O".into();
        }
        let (mark, exponent) =
            if self.negative { ('N', OFFSET - self.exponent) } else { ('P', OFFSET + self.exponent) };
        let mut text = format!("{mark}{exponent:04}");
        for digit in &self.digits {
            let digit = if self.negative { 9 - digit } else { *digit };
            let _ = write!(text, "{digit}");
        }
        if self.negative {
            // Fewer digits are less far from zero.
            text.push('~');
        }
        text
    }

    /// As JSON has it: without what says nothing, `1` for `1.0`.
    pub(super) fn json(&self, given: &Number) -> Value {
        if self.digits.is_empty() {
            return 0.into();
        }
        let zeros = self.exponent - self.digits.len() as i64;
        if (0..=18).contains(&zeros) && self.exponent <= 19 {
            let mut text: String = self.digits.iter().map(|d| char::from(b'0' + d)).collect();
            text.extend(std::iter::repeat_n('0', zeros.unsigned_abs() as usize));
            let sign = if self.negative { "-" } else { "" };
            if let Ok(whole) = format!("{sign}{text}").parse::<i64>() {
                return whole.into();
            }
        }
        Value::Number(given.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    fn key(text: &str) -> String {
        Decimal::of(&number(text)).unwrap().sortable()
    }

    #[test]
    fn one_number_has_one_form() {
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0", "-0.0"), ("0.5", "5e-1"), ("-1200", "-1.2e3")] {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        let json = |text: &str| Decimal::of(&number(text)).unwrap().json(&number(text)).to_string();
        assert_eq!([json("1.0"), json("1e2"), json("-0.0"), json("2.50")], ["1", "100", "0", "2.5"]);
        assert_eq!(json("18446744073709551615"), "18446744073709551615");
    }

    #[test]
    fn what_dynamodb_does_not_hold_is_refused() {
        for text in ["1.5e126", "-1e200", "1e-132"] {
            assert!(Decimal::of(&number(text)).is_err(), "{text}");
        }
        for text in ["9.9e125", "1.5e-130"] {
            assert!(Decimal::of(&number(text)).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn keys_sort_as_numbers_do(a in -1e60_f64..1e60, b in -1e60_f64..1e60, m in -1_000_i64..1_000, n in -1_000_i64..1_000) {
            let float = |x: f64| Decimal::of(&Number::from_f64(x).unwrap()).unwrap().sortable();
            prop_assert_eq!(float(a).cmp(&float(b)), a.partial_cmp(&b).unwrap());
            let whole = |x: i64| Decimal::of(&x.into()).unwrap().sortable();
            prop_assert_eq!(whole(m).cmp(&whole(n)), m.cmp(&n));
            prop_assert_eq!(whole(m).cmp(&float(n as f64 / 8.0)), (m as f64).partial_cmp(&(n as f64 / 8.0)).unwrap());
        }
    }
}
