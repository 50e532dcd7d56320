//! The reports: what the population and the series come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{POPULATION, decimal::Decimal, lines, population::years, put_if_changed, rows::Rows, small};
use crate::cloud::{
    Error, Result,
    functions::{Context, HandlerFuture},
};

/// The file of series that is read.
const DATA: &str = "pr.data.0.Current";
/// The years whose population is summed up.
const YEARS: std::ops::RangeInclusive<i64> = 2013..=2018;
/// The series that is joined with the population, in its first quarters.
const SERIES: &str = "PRS30006032";
const PERIOD: &str = "Q01";

/// Makes the reports anew, from what the two buckets hold now.
///
/// Event: messages of a queue, each with S3's event as its body; what else it holds fails that message. Environment:
/// `BUCKET_DATA`, `BUCKET_POPULATION`. Answer: `{"report": {...}, "batchItemFailures": []}`. Where only one of the two is
/// there, there is nothing to report yet, and no failure either: the other's arrival sends a message of its own.
pub fn report(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let empty = Vec::new();
        let messages = event.get("Records").and_then(Value::as_array).unwrap_or(&empty);
        let mut failures = Vec::new();
        for message in messages {
            let id = message.get("messageId").and_then(Value::as_str).unwrap_or_default();
            if let Err(why) = news(message) {
                ctx.log.line(&format!("[ERROR] message {id}: {why}"));
                failures.push((id, why));
            }
        }
        if failures.len() == messages.len()
            && let Some((id, why)) = failures.pop()
        {
            return Err(Error::Invalid(format!("message {id}: {why}")));
        }
        let report = make(&ctx).await?;
        let failures: Vec<Value> = failures.into_iter().map(|(id, _)| json!({"itemIdentifier": id})).collect();
        Ok(json!({"report": report, "batchItemFailures": failures}))
    })
}

/// Whether a message tells of new objects.
fn news(message: &Value) -> std::result::Result<(), String> {
    // Invoked by hand, it may be given S3's event itself.
    if message.get("s3").is_some() {
        return Ok(());
    }
    let body = message.get("body").and_then(Value::as_str).unwrap_or_default();
    let event: Value = serde_json::from_str(body).map_err(|_| "its body is no JSON".to_owned())?;
    // What S3 sends when a notification is set up.
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(());
    }
    let records = event.get("Records").and_then(Value::as_array);
    match records {
        Some(all) if all.iter().all(|r| r.pointer("/s3/object/key").is_some()) => Ok(()),
        _ => Err("its body is no event of S3's: {\"Records\":[{\"s3\":{\"bucket\":…".to_owned()),
    }
}

/// Makes the reports, and says what they hold.
async fn make(ctx: &Context) -> Result<Value> {
    let (data, population) = (ctx.env("BUCKET_DATA")?, ctx.env("BUCKET_POPULATION")?);
    let Some(document) = small(ctx, population, POPULATION).await? else {
        ctx.log.line(&format!("{POPULATION} is not there yet: its arrival will make the report"));
        return Ok(json!({"waits_for": POPULATION}));
    };
    let years = years(POPULATION, &document)?;
    let mut rows = Rows::new(DATA);
    match lines(ctx, data, DATA, |number, line| rows.line(number, line)).await {
        Ok(()) => {}
        Err(Error::NotFound { kind, .. }) if kind != "bucket" => {
            ctx.log.line(&format!("{DATA} is not there yet: its arrival will make the report"));
            return Ok(json!({"waits_for": DATA}));
        }
        Err(error) => return Err(error),
    }
    if !rows.begun() {
        return Err(Error::Failed(format!("{DATA}, line 1: the file is empty")));
    }
    let (mean, std) = mean_and_deviation(&years)?;
    ctx.log.line(&format!("population {} to {}: mean {mean}, standard deviation {std}", YEARS.start(), YEARS.end()));
    let best = rows.best_years();
    let joined: Vec<(i64, Decimal, u64)> = rows
        .first_quarters(SERIES)
        .into_iter()
        .filter_map(|(year, value)| Some((year, value, *years.get(&year)?)))
        .collect();
    ctx.log.line(&format!("{} rows: {} series, {SERIES} {PERIOD} in {} years", rows.count, best.len(), joined.len()));
    let summary = serde_json::to_vec(&json!({"mean": mean, "std": std})).map_err(Error::failed)?;
    let best_year = table(
        &["series_id", "year", "value"],
        best.iter().map(|(series, year, sum)| vec![(*series).to_owned(), year.to_string(), sum.to_string()]),
    )?;
    let series_population = table(
        &["series_id", "year", "period", "value", "population"],
        joined.iter().map(|(year, value, population)| {
            vec![SERIES.into(), year.to_string(), PERIOD.into(), value.to_string(), population.to_string()]
        }),
    )?;
    let mut written = 0;
    for (key, content, kind) in [
        ("report/summary.json", summary, "application/json"),
        ("report/best_year.csv", best_year, "text/csv"),
        ("report/series_population.csv", series_population, "text/csv"),
    ] {
        written += u64::from(put_if_changed(ctx, population, key, content, kind).await?);
    }
    ctx.log.line(&format!("{written} of 3 reports changed"));
    Ok(json!({"mean": mean, "std": std, "series": best.len(), "joined": joined.len(), "written": written}))
}

/// The mean of the population and its sample standard deviation.
#[allow(clippy::cast_precision_loss, reason = "no country has 2^53 inhabitants")]
fn mean_and_deviation(years: &BTreeMap<i64, u64>) -> Result<(f64, f64)> {
    let missing: Vec<String> = YEARS.filter(|y| !years.contains_key(y)).map(|y| y.to_string()).collect();
    if !missing.is_empty() {
        return Err(Error::Failed(format!("{POPULATION}: data: there is no population of {}", missing.join(", "))));
    }
    let all: Vec<f64> = YEARS.filter_map(|y| years.get(&y)).map(|n| *n as f64).collect();
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    let squares: f64 = all.iter().map(|n| (n - mean) * (n - mean)).sum();
    Ok((mean, (squares / (count - 1.0)).sqrt()))
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(Error::failed)?;
    for row in rows {
        writer.write_record(&row).map_err(Error::failed)?;
    }
    writer.into_inner().map_err(Error::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_year_is_named() {
        let years = [2013, 2014, 2015, 2017].map(|y| (y, 1)).into();
        let error = mean_and_deviation(&years).unwrap_err().to_string();
        assert!(error.contains("no population of 2016, 2018"), "{error}");
        let years = (2013..=2018).zip([2, 4, 4, 4, 5, 5]).collect();
        assert_eq!(mean_and_deviation(&years).unwrap(), (4.0, 1.2_f64.sqrt()));
    }

    #[test]
    fn only_news_of_objects_is_a_message() {
        let body = |text: &str| json!({"messageId": "m", "body": text});
        for good in [
            body(r#"{"Records":[{"s3":{"object":{"key":"a"}}}]}"#),
            body(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#),
            json!({"s3": {"object": {"key": "a"}}}),
        ] {
            assert_eq!(news(&good), Ok(()), "{good}");
        }
        assert!(news(&body("hello")).unwrap_err().contains("no JSON"));
        assert!(news(&body("{}")).unwrap_err().contains("no event of S3's"));
    }
}
