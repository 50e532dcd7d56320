//! The rows of a series file as published: tab separated, padded with spaces, CRLF.

use std::collections::BTreeMap;

use super::decimal::Decimal;
use crate::cloud::{Error, Result};

/// Columns that are read, by their names in the file's header.
const COLUMNS: [&str; 4] = ["series_id", "year", "period", "value"];
/// The quarters; `Q05` is the annual average.
const QUARTERS: [&str; 4] = ["Q01", "Q02", "Q03", "Q04"];

/// Per series and year, the values of its quarters.
type Quarters = BTreeMap<String, BTreeMap<i64, [Option<(u64, Decimal)>; 4]>>;

/// What the rows of a file come to.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    file: &'a str,
    /// Where the columns are that are read.
    places: Option<[usize; 4]>,
    quarters: Quarters,
    /// Rows, without the header.
    pub(super) count: u64,
}

impl<'a> Rows<'a> {
    /// None yet; `file` is what an error calls it.
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, places: None, quarters: Quarters::new(), count: 0 }
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// [`Error::Failed`] with the file, the line and the column of what is wrong.
    pub(super) fn line(&mut self, number: u64, line: &[u8]) -> Result<()> {
        let wrong = |what: String| Error::Failed(format!("{}, line {number}: {what}", self.file));
        let line = std::str::from_utf8(line).map_err(|e| {
            let column = memchr::memchr_iter(b'\t', line.get(..e.valid_up_to()).unwrap_or_default()).count() + 1;
            wrong(format!("column {column}: this is no UTF-8 text"))
        })?;
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let Some(places) = self.places else {
            let place = |name: &str| {
                fields
                    .iter()
                    .position(|f| *f == name)
                    .ok_or_else(|| wrong(format!("the header has no column {name}; it has {}", fields.join(", "))))
            };
            let [a, b, c, d] = COLUMNS;
            self.places = Some([place(a)?, place(b)?, place(c)?, place(d)?]);
            return Ok(());
        };
        if line.trim().is_empty() {
            return Ok(());
        }
        let mut values = [""; 4];
        for ((value, place), column) in values.iter_mut().zip(places).zip(COLUMNS) {
            *value = fields
                .get(place)
                .filter(|f| !f.is_empty())
                .ok_or_else(|| wrong(format!("column {column}: there is nothing in it")))?;
        }
        let [series, year, period, value] = values;
        let year: i64 = year
            .parse()
            .ok()
            .filter(|y| (1000..=9999).contains(y))
            .ok_or_else(|| wrong(format!("column year: {year:?} is no year")))?;
        if !is_period(period) {
            return Err(wrong(format!("column period: {period:?} is no period like Q01")));
        }
        let value =
            Decimal::parse(value).ok_or_else(|| wrong(format!("column value: {value:?} is no decimal number")))?;
        self.count += 1;
        let Some(quarter) = QUARTERS.iter().position(|q| *q == period) else { return Ok(()) };
        let of_year = self.quarters.entry(series.to_owned()).or_default().entry(year).or_default();
        if let Some((other, _)) = of_year.get_mut(quarter).and_then(|place| place.replace((number, value))) {
            return Err(wrong(format!("column period: {series} has {year} {period} already, in line {other}")));
        }
        Ok(())
    }

    /// Each series with the year whose quarters have the largest sum, and that sum; on a tie the earlier year.
    pub(super) fn best_years(&self) -> Vec<(&str, i64, Decimal)> {
        let sum = |year: &[Option<(u64, Decimal)>; 4]| year.iter().flatten().map(|(_, value)| *value).sum::<Decimal>();
        self.quarters
            .iter()
            .filter_map(|(series, years)| {
                let mut best: Option<(i64, Decimal)> = None;
                for (year, quarters) in years {
                    let sum = sum(quarters);
                    if best.is_none_or(|(_, most)| sum > most) {
                        best = Some((*year, sum));
                    }
                }
                best.map(|(year, sum)| (series.as_str(), year, sum))
            })
            .collect()
    }

    /// The first quarters of a series, by year.
    pub(super) fn first_quarters(&self, series: &str) -> Vec<(i64, Decimal)> {
        let years = self.quarters.get(series).into_iter().flatten();
        years.filter_map(|(year, quarters)| Some((*year, quarters[0]?.1))).collect()
    }

    /// Whether there was a header.
    pub(super) fn begun(&self) -> bool {
        self.places.is_some()
    }
}

/// A letter and two digits: `Q01`, `M13`, `A01`.
fn is_period(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, a, b] if letter.is_ascii_uppercase() && a.is_ascii_digit() && b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rows<'static>> {
        let mut rows = Rows::new("pr.data.0.Current");
        for (number, line) in (1..).zip(text.split("\r\n")) {
            rows.line(number, line.as_bytes())?;
        }
        Ok(rows)
    }

    const HEADER: &str = "series_id        \tyear\tperiod\t       value\tfootnote_codes\r\n";

    #[test]
    fn the_year_with_the_largest_sum_is_the_earlier_one_on_a_tie() {
        let rows = read(&format!(
            "{HEADER}PRS1      \t2001\tQ01\t   0.1\t\r\nPRS1      \t2001\tQ02\t   0.2\t\r\nPRS1      \t2002\tQ04\t   0.3\tR\r\n\
             PRS1      \t2003\tQ05\t   9.9\t\r\nPRS0      \t1999\tQ03\t  -1.5\t\r\n"
        ))
        .unwrap();
        let best: Vec<_> = rows.best_years().into_iter().map(|(s, y, v)| format!("{s} {y} {v}")).collect();
        assert_eq!(best, ["PRS0 1999 -1.5", "PRS1 2001 0.3"]);
        assert_eq!(rows.count, 5);
        assert_eq!(rows.first_quarters("PRS1").len(), 1);
        assert_eq!(rows.first_quarters("PRS9"), []);
    }

    #[test]
    fn a_bad_row_is_named_with_file_line_and_column() {
        for (row, why) in [
            ("PRS1\t2001\tQ01\tx\t", "line 2: column value: \"x\" is no decimal number"),
            ("PRS1\t2001\tQ01\t\t", "line 2: column value: there is nothing"),
            ("PRS1\t20x1\tQ01\t1\t", "line 2: column year: \"20x1\" is no year"),
            ("PRS1\t2001\t1\t1\t", "line 2: column period: \"1\" is no period"),
            ("\t2001\tQ01\t1\t", "line 2: column series_id: there is nothing"),
            ("PRS1 2001 Q01 1", "line 2: column year: there is nothing"),
            (
                "PRS1\t2001\tQ01\t1\t\r\nPRS1\t2001\tQ01\t2\t",
                "line 3: column period: PRS1 has 2001 Q01 already, in line 2",
            ),
        ] {
            let error = read(&format!("{HEADER}{row}")).unwrap_err().to_string();
            assert!(error.contains("pr.data.0.Current, ") && error.contains(why), "{error}");
        }
        let error = read("series_id\tyear\tvalue\r\n").unwrap_err().to_string();
        assert!(error.contains("line 1: the header has no column period; it has series_id, year, value"), "{error}");
        let mut rows = Rows::new("f");
        rows.line(1, HEADER.trim_end().as_bytes()).unwrap();
        assert!(rows.line(2, b"a\t\xff").unwrap_err().to_string().contains("line 2: column 2: this is no UTF-8"));
    }
}
