//! The population document: fetched, and read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{POPULATION, put_if_changed};
use crate::cloud::{
    Error, Result,
    functions::{Context, HandlerFuture},
};

const SOURCE: &str = "population";

/// Keeps the population document. It is stored as it came, and only where it has changed.
///
/// Environment: `BUCKET_POPULATION`. Source: `population`. Answer: `{"years": 8, "changed": true}`.
pub fn fetch_population(ctx: Context, _event: Value) -> HandlerFuture {
    Box::pin(async move {
        let bucket = ctx.env("BUCKET_POPULATION")?;
        let answer = ctx.sources.get(SOURCE, &[], &[]).await?;
        if answer.status != 200 {
            let text = String::from_utf8_lossy(answer.body.get(..200).unwrap_or(&answer.body)).into_owned();
            return Err(Error::Failed(format!("the source answered with status {}: {text}", answer.status)));
        }
        // What nobody could read must not take the place of what somebody can.
        let years = years("the source's answer", &answer.body)?;
        let changed = put_if_changed(&ctx, bucket, POPULATION, answer.body.to_vec(), "application/json").await?;
        ctx.log.line(&format!("{} years, {}", years.len(), if changed { "stored" } else { "as before" }));
        Ok(json!({"years": years.len(), "changed": changed}))
    })
}

/// The population by year, of a document `{"data": [{"Year": "2020", "Population": 326569308}]}`. `file` is what an error
/// calls it.
pub(super) fn years(file: &str, content: &[u8]) -> Result<BTreeMap<i64, u64>> {
    let wrong = |why: String| Error::Failed(format!("{file}: {why}"));
    let document: Value = serde_json::from_slice(content)
        .map_err(|e| wrong(format!("line {}, column {}: this is no JSON", e.line(), e.column())))?;
    let rows = document.get("data").and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let rows = rows.ok_or_else(|| wrong("there is no list `data` with anything in it".into()))?;
    let mut years = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        // Numbers come as such or as text.
        let whole = |name: &str| {
            let value = row.get(name);
            let found = match value {
                Some(Value::String(text)) => text.trim().parse().ok(),
                Some(Value::Number(n)) => n.as_u64(),
                _ => None,
            };
            found.ok_or_else(|| {
                let shown = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
                wrong(format!("data[{number}].{name}: {shown} is no whole number"))
            })
        };
        let (year, population): (u64, u64) = (whole("Year")?, whole("Population")?);
        let year = i64::try_from(year).unwrap_or(i64::MAX);
        if years.insert(year, population).is_some_and(|other| other != population) {
            return Err(wrong(format!("data[{number}].Year: {year} stands twice, with other figures")));
        }
    }
    Ok(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_come_as_text_or_numbers() {
        let text = br#"{"data":[{"Year":"2020","Population":5},{"Year":2019,"Population":"4"}]}"#;
        assert_eq!(years("p", text).unwrap(), [(2019, 4), (2020, 5)].into());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("{\"data\":[\n x]}", "p.json: line 2, column 2"),
            ("{}", "p.json: there is no list `data`"),
            (r#"{"data":[]}"#, "no list `data` with anything"),
            (r#"{"data":[{"Year":"2020"}]}"#, "data[0].Population: nothing is no whole number"),
            (r#"{"data":[{"Year":"MMXX","Population":1}]}"#, "data[0].Year: \"MMXX\" is no whole number"),
            (r#"{"data":[{"Year":1,"Population":1},{"Year":"1","Population":2}]}"#, "data[1].Year: 1 stands twice"),
        ] {
            let error = years("p.json", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
