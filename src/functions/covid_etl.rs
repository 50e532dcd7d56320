//! covid-etl: two published series become one table, loaded day by day.
//!
//! Nothing is loaded unless all of both files is right: a changed schema, a gap in the dates, a repeated date or a value
//! that is no number fails the run with file, line and column.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

use crate::cloud::{
    Error, Result,
    alerts::{Publish, Sample},
    functions::{Context, HandlerFuture},
    postgres::{Done, Statement},
};

/// A file as its publisher describes it.
struct File {
    source: &'static str,
    /// The file's name where it is published.
    name: &'static str,
    header: &'static [&'static str],
    /// The column with the date.
    date: usize,
    /// The rows that count: a column and its value; none: all.
    only: Option<(usize, &'static str)>,
    /// The columns with numbers.
    numbers: &'static [usize],
}

/// US totals by day (New York Times).
const US: File =
    File { source: "nyt", name: "us.csv", header: &["date", "cases", "deaths"], date: 0, only: None, numbers: &[1, 2] };

/// Every country's days (Johns Hopkins, combined).
const WORLD: File = File {
    source: "jhu",
    name: "time-series-19-covid-combined.csv",
    header: &["Date", "Country/Region", "Province/State", "Lat", "Long", "Confirmed", "Recovered", "Deaths"],
    date: 0,
    only: Some((1, "US")),
    numbers: &[5, 6, 7],
};
/// The place of `Recovered` among the numbers of [`WORLD`].
const RECOVERED: usize = 1;

/// The days of a file, each with its numbers.
type Days = BTreeMap<Date, Vec<i64>>;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    date: Date,
    cases: i64,
    deaths: i64,
    recovered: i64,
}

/// Loads the days that the table does not have yet, and says how many, or why none.
///
/// Environment: `POSTGRES_STATS`, `TOPIC_LOADS`; where they are there, `METRIC_CASES`, `METRIC_DEATHS` and
/// `METRIC_RECOVERED` are measured. Sources: `nyt`, `jhu`. Answer: `{"new_rows", "first", "last", "rows"}`.
pub fn load_daily(ctx: Context, _event: Value) -> HandlerFuture {
    Box::pin(async move {
        let topic = ctx.env("TOPIC_LOADS")?;
        match load(&ctx).await {
            Ok(answer) => {
                // An attempt before this one may have told of a failure under the first token: this is other news.
                let _ = ctx.permit.next_token();
                let rows = answer.get("new_rows").and_then(Value::as_i64).unwrap_or(0);
                let subject = format!("covid-etl: {rows} new row{}", if rows == 1 { "" } else { "s" });
                let mut message = answer.clone();
                if let Some(fields) = message.as_object_mut() {
                    fields.insert("status".into(), json!("SUCCEEDED"));
                }
                ctx.cloud.alerts.publish(&ctx.permit, topic, &told(subject, "SUCCEEDED", &message)).await?;
                Ok(answer)
            }
            Err(error) => {
                let message = json!({"status": "FAILED", "new_rows": 0, "error": error.to_string()});
                let news = told("covid-etl: nothing was loaded".into(), "FAILED", &message);
                if let Err(more) = ctx.cloud.alerts.publish(&ctx.permit, topic, &news).await {
                    ctx.log.line(&format!("the failure could not be published: {more}"));
                }
                Err(error)
            }
        }
    })
}

fn told(subject: String, status: &str, message: &Value) -> Publish {
    let attributes = [("status".to_owned(), status.to_owned())].into();
    Publish { subject: Some(subject), message: message.to_string(), attributes }
}

async fn load(ctx: &Context) -> Result<Value> {
    let database = ctx.env("POSTGRES_STATS")?;
    let (us, world) = futures::future::try_join(days(ctx, &US), days(ctx, &WORLD)).await?;
    let joined = join(&us, &world)?;
    ctx.log.line(&format!(
        "{} days in {}, {} in {}, {} in both",
        us.len(),
        US.source,
        world.len(),
        WORLD.source,
        joined.len()
    ));
    let done = ctx.cloud.postgres.transact(&ctx.permit, database, &statements(&joined, &ctx.request_id)).await?;
    let answer = answer(&done)?;
    ctx.log.line(&format!("loaded: {answer}"));
    if let Some(last) = joined.last() {
        for (variable, value) in
            [("METRIC_CASES", last.cases), ("METRIC_DEATHS", last.deaths), ("METRIC_RECOVERED", last.recovered)]
        {
            let Some(metric) = ctx.env.get(variable) else { continue };
            let sample = Sample { time: ctx.now, value: value as f64 };
            // The rows are there: what cannot be measured does not take them back.
            if let Err(error) = ctx.cloud.alerts.measure(&ctx.permit, metric, sample).await {
                ctx.log.line(&format!("{metric} was not measured: {error}"));
            }
        }
    }
    Ok(answer)
}

/// A source's days.
async fn days(ctx: &Context, file: &File) -> Result<Days> {
    let answer = ctx.sources.get(file.source, &[], &[]).await?;
    if answer.status != 200 {
        let excerpt = String::from_utf8_lossy(answer.body.get(..200).unwrap_or(&answer.body)).into_owned();
        return Err(Error::Failed(format!("{} answered with status {}: {excerpt}", file.source, answer.status)));
    }
    file.days(&answer.body)
}

impl File {
    /// Where something is wrong, and what.
    fn wrong(&self, line: u64, column: Option<usize>, why: &str) -> Error {
        let column = column.and_then(|n| Some(format!(", column {} ({})", n + 1, self.header.get(n)?)));
        Error::Failed(format!("{} {}, line {line}{}: {why}", self.source, self.name, column.unwrap_or_default()))
    }

    /// Reads and checks a file's content: its header, and of the rows that count each date and number.
    fn days(&self, content: &[u8]) -> Result<Days> {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content);
        let mut days = Days::new();
        let mut last: Option<Date> = None;
        let mut record = csv::ByteRecord::new();
        let mut header = true;
        loop {
            let line = reader.position().line();
            let more = reader.read_byte_record(&mut record);
            if !more.map_err(|e| self.wrong(line, None, &format!("this is no CSV: {e}")))? {
                break;
            }
            // Empty lines before a record are passed over.
            let line = record.position().map_or(line, csv::Position::line);
            let cells: Vec<String> = record.iter().map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            if std::mem::take(&mut header) {
                self.check_header(line, &cells)?;
                continue;
            }
            if cells.len() != self.header.len() {
                let why = format!("{} values, and the header names {}", cells.len(), self.header.len());
                return Err(self.wrong(line, Some(cells.len().min(self.header.len() - 1)), &why));
            }
            let cell = |n: usize| cells.get(n).map_or("", String::as_str);
            if self.only.is_some_and(|(n, wanted)| cell(n) != wanted) {
                continue;
            }
            let date = date(cell(self.date)).map_err(|why| self.wrong(line, Some(self.date), &why))?;
            follows(last, date).map_err(|why| self.wrong(line, Some(self.date), &why))?;
            last = Some(date);
            let number = |n: &usize| number(cell(*n)).map_err(|why| self.wrong(line, Some(*n), &why));
            days.insert(date, self.numbers.iter().map(number).collect::<Result<_>>()?);
        }
        if header {
            return Err(self.wrong(1, None, "the file is empty"));
        }
        if days.is_empty() {
            let what = self.only.map_or_else(String::new, |(_, wanted)| format!(" of {wanted}"));
            return Err(self.wrong(reader.position().line(), None, &format!("there is no row{what} in the file")));
        }
        Ok(days)
    }

    fn check_header(&self, line: u64, cells: &[String]) -> Result<()> {
        for n in 0..self.header.len().max(cells.len()) {
            let why = match (self.header.get(n), cells.get(n)) {
                (Some(wanted), Some(found)) if wanted == found => continue,
                (Some(wanted), Some(found)) => format!("the schema has changed: {found:?} stands for {wanted:?}"),
                (Some(wanted), None) => format!("the schema has changed: the column {wanted:?} is missing"),
                (None, found) => {
                    let found = found.map_or("", String::as_str);
                    let column = format!("the schema has changed: column {} ({found:?}) is new", n + 1);
                    return Err(self.wrong(line, None, &column));
                }
            };
            return Err(self.wrong(line, Some(n), &why));
        }
        Ok(())
    }
}

/// Whether a date is the day after the last one.
fn follows(last: Option<Date>, date: Date) -> std::result::Result<(), String> {
    let Some(last) = last else { return Ok(()) };
    let next = last.checked_add(1.day()).map_err(|e| e.to_string())?;
    match date.cmp(&next) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(format!("a gap: {date} follows {last}")),
        std::cmp::Ordering::Less if date == last => Err(format!("{date} is repeated")),
        std::cmp::Ordering::Less => Err(format!("{date} follows {last}: it is repeated, or out of order")),
    }
}

fn date(text: &str) -> std::result::Result<Date, String> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() });
    let date = if shaped { text.parse().ok() } else { None };
    date.ok_or_else(|| format!("{text:?} is no date like 2020-01-31"))
}

fn number(text: &str) -> std::result::Result<i64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("{text:?} is no whole number"))
}

/// The days that both have, in order.
fn join(us: &Days, world: &Days) -> Result<Vec<Day>> {
    let day = |(date, numbers): (&Date, &Vec<i64>)| {
        let recovered = *world.get(date)?.get(RECOVERED)?;
        Some(Day { date: *date, cases: *numbers.first()?, deaths: *numbers.get(1)?, recovered })
    };
    let joined: Vec<Day> = us.iter().filter_map(day).collect();
    if joined.is_empty() {
        return Err(Error::Failed(format!(
            "{} and {} have no day in common: nothing can be joined",
            US.source, WORLD.source
        )));
    }
    Ok(joined)
}

/// Makes the table where it is not there, and loads what is newer than its last day.
///
/// Runs at the same time take turns. What an invocation loaded is kept under its id, so that the same one tried again
/// tells the same.
fn statements(days: &[Day], request_id: &str) -> Vec<Statement> {
    let rows: Vec<Value> = days
        .iter()
        .map(
            |d| json!({"rep_date": d.date.to_string(), "cases": d.cases, "deaths": d.deaths, "recovered": d.recovered}),
        )
        .collect();
    let rows = Value::Array(rows).to_string();
    let first = days.first().map(|d| d.date.to_string()).unwrap_or_default();
    vec![
        Statement::new("select pg_advisory_xact_lock(hashtext('covid.daily_stats'))", &[]),
        Statement::new("create schema if not exists covid", &[]),
        Statement::new(
            "create table if not exists covid.daily_stats (rep_date date primary key, cases bigint not null, \
             deaths bigint not null, recovered bigint not null)",
            &[],
        ),
        Statement::new(
            "create table if not exists covid.loads (request_id text primary key, \
             loaded_at timestamptz not null default now(), new_rows bigint not null)",
            &[],
        ),
        Statement::forbidding(
            "select 'a gap: the files begin with ' || $1::text || ', and the last day in covid.daily_stats is ' \
             || max(rep_date) from covid.daily_stats having max(rep_date) + 1 < $1::text::date",
            &[&first],
        ),
        Statement::new(
            "insert into covid.daily_stats \
             select r.rep_date, r.cases, r.deaths, r.recovered \
             from json_to_recordset($1::text::json) as r(rep_date date, cases bigint, deaths bigint, recovered bigint) \
             where not exists (select from covid.loads where request_id = $2::text) \
             and r.rep_date > coalesce((select max(rep_date) from covid.daily_stats), '-infinity'::date) \
             order by r.rep_date",
            &[&rows, request_id],
        ),
        // The rows of this very transaction.
        Statement::new(
            "with kept as (insert into covid.loads (request_id, new_rows) select $1::text, count(*) from covid.daily_stats \
             where xmin::text::bigint = txid_current() & x'ffffffff'::bigint \
             on conflict (request_id) do nothing returning 1) select count(*) from kept",
            &[request_id],
        ),
        Statement::new(
            "select l.new_rows, min(s.rep_date)::text, max(s.rep_date)::text, count(s.rep_date) \
             from covid.loads l left join covid.daily_stats s on true where l.request_id = $1::text group by l.new_rows",
            &[request_id],
        ),
    ]
}

fn answer(done: &[Done]) -> Result<Value> {
    match done.last().and_then(|d| d.rows.first()).map(Vec::as_slice) {
        Some([new_rows, first, last, rows]) => {
            Ok(json!({"new_rows": new_rows, "first": first, "last": last, "rows": rows}))
        }
        _ => Err(Error::Storage("the load left no record in covid.loads".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US_CSV: &str = "date,cases,deaths\n2020-01-21,1,0\n2020-01-22,1,0\n2020-01-23,4,1\n";
    const WORLD_CSV: &str = "Date,Country/Region,Province/State,Lat,Long,Confirmed,Recovered,Deaths\n\
        2020-01-22,\"Korea, South\",,1,2,,,\n2020-01-22,US,,40.0,-100.0,1,0,0\n2020-01-23,US,,40.0,-100.0,1,2,0";

    #[test]
    fn text_becomes_days_and_what_both_have_is_joined() {
        let joined = join(&US.days(US_CSV.as_bytes()).unwrap(), &WORLD.days(WORLD_CSV.as_bytes()).unwrap()).unwrap();
        let day = |text: &str, cases, deaths, recovered| Day { date: text.parse().unwrap(), cases, deaths, recovered };
        assert_eq!(joined, [day("2020-01-22", 1, 0, 0), day("2020-01-23", 4, 1, 2)]);
        let crlf = format!("\u{feff}{}", US_CSV.replace('\n', "\r\n"));
        assert_eq!(US.days(crlf.as_bytes()).unwrap(), US.days(US_CSV.as_bytes()).unwrap());
        let apart = US.days(b"date,cases,deaths\n2019-01-01,1,1\n").unwrap();
        assert!(
            join(&apart, &WORLD.days(WORLD_CSV.as_bytes()).unwrap())
                .unwrap_err()
                .to_string()
                .contains("no day in common")
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_column() {
        let head = "date,cases,deaths\n2020-01-21,1,0\n";
        for (content, wanted) in [
            ("", "nyt us.csv, line 1: the file is empty"),
            ("date,cases,deaths\n", "nyt us.csv, line 2: there is no row in the file"),
            ("date,cases\n", "line 1, column 3 (deaths): the schema has changed: the column \"deaths\" is missing"),
            (
                "date,deaths,cases\n",
                "line 1, column 2 (cases): the schema has changed: \"deaths\" stands for \"cases\"",
            ),
            ("date,cases,deaths,state\n", "line 1: the schema has changed: column 4 (\"state\") is new"),
            ("2020-01-21,1,0\n", "line 1, column 1 (date): the schema has changed"),
            (&format!("{head}2020-01-23,1,0\n"), "line 3, column 1 (date): a gap: 2020-01-23 follows 2020-01-21"),
            (&format!("{head}2020-01-21,1,0\n"), "line 3, column 1 (date): 2020-01-21 is repeated"),
            (&format!("{head}2020-01-20,1,0\n"), "line 3, column 1 (date): 2020-01-20 follows 2020-01-21"),
            (&format!("{head}2020-01-22,many,0\n"), "line 3, column 2 (cases): \"many\" is no whole number"),
            (&format!("{head}2020-01-22,1,\n"), "line 3, column 3 (deaths): \"\" is no whole number"),
            (&format!("{head}2020-01-22,1,-5\n"), "line 3, column 3 (deaths): \"-5\" is no whole number"),
            (&format!("{head}2020-01-22,1.5,0\n"), "line 3, column 2 (cases): \"1.5\" is no whole number"),
            (&format!("{head}2020-01-22,99999999999999999999,0\n"), "column 2 (cases)"),
            (&format!("{head}01/22/2020,1,0\n"), "line 3, column 1 (date): \"01/22/2020\" is no date"),
            (&format!("{head}2020-02-30,1,0\n"), "line 3, column 1 (date): \"2020-02-30\" is no date"),
            (&format!("{head}2020-01-22,1\n"), "line 3, column 3 (deaths): 2 values, and the header names 3"),
            (&format!("{head}2020-01-22,1,0,7\n"), "line 3, column 3 (deaths): 4 values, and the header names 3"),
        ] {
            let error = US.days(content.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("nyt us.csv, line ") && error.contains(wanted), "{content:?}: {error}");
        }
        let of_us = |line: &str| WORLD.days(format!("{WORLD_CSV}\n{line}").as_bytes()).unwrap_err().to_string();
        assert!(
            of_us("2020-01-24,US,,1,1,1,x,0").contains(
                "jhu time-series-19-covid-combined.csv, line 5, column 7 (Recovered): \"x\" is no whole number"
            )
        );
        assert!(of_us("2020-01-23,US,Ohio,1,1,1,1,0").contains("line 5, column 1 (Date): 2020-01-23 is repeated"));
        assert!(WORLD.days(format!("{WORLD_CSV}\nx,Elsewhere,,1,1,x,x,x").as_bytes()).is_ok(), "only US rows count");
        let none = WORLD.days(WORLD_CSV.replace("US", "USA").as_bytes()).unwrap_err().to_string();
        assert!(none.contains("there is no row of US"), "{none}");
    }
}
