//! crypto-stream: spot prices into a stream, alerts from the files that it becomes, and an API over its table.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::files::files;
use crate::cloud::{
    Error, Result,
    alerts::{Publish, Sample},
    functions::{Context, HandlerFuture, SourceResponse},
    queries::{Query, QueryResult},
    secrets::SecretValue,
    streams::Record,
};

const SOURCE: &str = "coinbase";
const CURRENCY: &str = "USD";
const BASES: [&str; 3] = ["BTC", "ETH", "XRP"];
/// The header in which Coinbase takes an API key.
const KEY_HEADER: &str = "cb-access-key";
/// The base whose price is compared with the threshold.
const WATCHED: &str = "BTC";
/// Crossings in one message: a message holds 256 KiB at most.
const MAX_CROSSINGS: usize = 2_000;
/// Rows that the API gives without a wish, and at most.
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 1_000;

/// A price as it travels: through the stream and into the landing bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Price {
    base: String,
    currency: String,
    amount: String,
    timestamp_utc: String,
}

impl Price {
    /// The amount as a number.
    fn number(&self) -> Result<f64> {
        match self.amount.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Error::Failed(format!("{:?} is no amount", self.amount))),
        }
    }
}

/// Fetches the spot prices of BTC, ETH and XRP and puts them into the stream in one go.
///
/// Environment: `STREAM_PRICES`, `SECRET_COINBASE_API_KEY`. Source: `coinbase`. Answer: `{"records": 3}`.
/// A pair for which a recording has no further observation is left out. Without a value in the secret, no key is sent:
/// Coinbase's spot prices are public.
pub fn fetch_prices(ctx: Context, _event: Value) -> HandlerFuture {
    Box::pin(async move {
        let stream = ctx.env("STREAM_PRICES")?;
        let key = api_key(&ctx).await?;
        let headers: Vec<(&str, &str)> = key.iter().map(|k| (KEY_HEADER, k.expose())).collect();
        let answers = join_all(BASES.iter().map(async |base| {
            let pair = format!("{base}-{CURRENCY}");
            let answer = ctx.sources.get(SOURCE, &[("pair", &pair)], &headers).await;
            (pair, answer)
        }))
        .await;
        let mut records = Vec::with_capacity(BASES.len());
        for (pair, answer) in answers {
            let answer = match answer {
                Err(Error::NotFound { kind: "observation", .. }) => {
                    ctx.log.line(&format!("{pair}: the recording has no further observation"));
                    continue;
                }
                other => other.map_err(|e| at(&pair, e))?,
            };
            let price = spot_price(&answer, ctx.now).map_err(|e| at(&pair, e))?;
            ctx.log.line(&format!("{pair} {} at {}", price.amount, price.timestamp_utc));
            let data = serde_json::to_vec(&price).map_err(Error::failed)?;
            records.push(Record { partition_key: price.base, data: data.into() });
        }
        if !records.is_empty() {
            ctx.cloud.streams.put(&ctx.permit, stream, &records).await?;
        }
        Ok(json!({"records": records.len()}))
    })
}

async fn api_key(ctx: &Context) -> Result<Option<SecretValue>> {
    match ctx.cloud.secrets.get(&ctx.permit, ctx.env("SECRET_COINBASE_API_KEY")?).await {
        Ok(key) => Ok(Some(key)),
        Err(Error::NotFound { .. }) => {
            ctx.log.line("the secret coinbase_api_key has no value: asking without an API key");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Says for which pair something failed, in an error of the same kind.
fn at(pair: &str, error: Error) -> Error {
    match error {
        Error::Failed(why) => Error::Failed(format!("{pair}: {why}")),
        Error::Unavailable(why) => Error::Unavailable(format!("{pair}: {why}")),
        Error::Invalid(why) => Error::Invalid(format!("{pair}: {why}")),
        other => other,
    }
}

/// What Coinbase answers: `{"data": {"base": "BTC", "currency": "USD", "amount": "97000.01"}}`.
fn spot_price(answer: &SourceResponse, now: Timestamp) -> Result<Price> {
    #[derive(Deserialize)]
    struct Answer {
        data: Spot,
    }
    #[derive(Deserialize)]
    struct Spot {
        base: String,
        currency: String,
        amount: Amount,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Text(String),
        Number(serde_json::Number),
    }
    let excerpt = || String::from_utf8_lossy(answer.body.get(..200).unwrap_or(&answer.body)).into_owned();
    if answer.status != 200 {
        return Err(Error::Failed(format!("the source answered with status {}: {}", answer.status, excerpt())));
    }
    let Answer { data } = serde_json::from_slice(&answer.body)
        .map_err(|e| Error::Failed(format!("the source's answer is no spot price ({e}): {}", excerpt())))?;
    let amount = match data.amount {
        Amount::Text(text) => text,
        Amount::Number(number) => number.to_string(),
    };
    let time = answer.date.unwrap_or(now);
    let time = time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor));
    let price = Price {
        base: data.base,
        currency: data.currency,
        amount,
        timestamp_utc: time.map_err(Error::failed)?.to_string(),
    };
    price.number()?;
    Ok(price)
}

/// Publishes one message for each new file that holds a BTC price over the threshold; it lists every crossing.
///
/// Event: S3's. Environment: `THRESHOLD_BTC_USD`, `TOPIC_PRICE_ALERTS`, and `METRIC_BTC_USD` where the last price is to
/// be measured. Answer: `{"crossings": 7}`. A line that is no price is logged and passed over.
pub fn alert_on_price(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let threshold = ctx.cloud.alerts.threshold(&ctx.permit, ctx.env("THRESHOLD_BTC_USD")?).await?;
        let topic = ctx.env("TOPIC_PRICE_ALERTS")?;
        let mut count = 0;
        for file in files(&event)? {
            let version = file.version.as_deref();
            let content = match ctx.cloud.buckets.get(&file.bucket, &file.key, version, None).await {
                Err(Error::NotFound { .. }) => {
                    ctx.log.line(&format!("{} is gone: nothing to look at", file.key));
                    continue;
                }
                other => other?,
            };
            let prices = watched(&content.body, |line| ctx.log.line(&format!("{}: {line}", file.key)));
            if let (Some((time, value)), Some(metric)) = (newest(&prices), ctx.env.get("METRIC_BTC_USD")) {
                ctx.cloud.alerts.measure(&ctx.permit, metric, Sample { time, value }).await?;
            }
            let crossings: Vec<Value> = prices
                .iter()
                .filter(|(_, value)| *value > threshold)
                .map(|(p, _)| json!({"base": p.base, "amount": p.amount, "timestamp_utc": p.timestamp_utc}))
                .collect();
            for some in crossings.chunks(MAX_CROSSINGS) {
                ctx.cloud.alerts.publish(&ctx.permit, topic, &message(some, threshold, &file.key)).await?;
            }
            ctx.log.line(&format!("{}: {} over {threshold}", file.key, crossings.len()));
            count += crossings.len();
        }
        Ok(json!({"crossings": count}))
    })
}

fn message(crossings: &[Value], threshold: f64, key: &str) -> Publish {
    let attributes = [
        ("base", WATCHED.to_owned()),
        ("currency", CURRENCY.to_owned()),
        ("threshold", threshold.to_string()),
        ("crossings", crossings.len().to_string()),
        ("key", key.to_owned()),
    ];
    Publish {
        subject: Some(format!("{WATCHED} over {threshold} {CURRENCY}")),
        message: json!({"crossings": crossings}).to_string(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
    }
}

/// The watched base's prices in JSON lines, in order, with their amounts as numbers.
fn watched(content: &[u8], mut complain: impl FnMut(&str)) -> Vec<(Price, f64)> {
    let mut found = Vec::new();
    for (number, line) in content.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let price = serde_json::from_slice::<Price>(line).map_err(Error::failed);
        match price.and_then(|p| p.number().map(|n| (p, n))) {
            Ok((price, value)) if price.base == WATCHED && price.currency == CURRENCY => found.push((price, value)),
            Ok(_) => {}
            Err(error) => complain(&format!("line {} is passed over: {error}", number + 1)),
        }
    }
    found
}

/// The last price that has a time.
fn newest(prices: &[(Price, f64)]) -> Option<(Timestamp, f64)> {
    prices.iter().rev().find_map(|(price, value)| Some((price.timestamp_utc.parse().ok()?, *value)))
}

/// Answers `GET /prices?base=BTC&limit=10` from the saved query, the newest prices first.
///
/// Event: API Gateway's. Environment: `QUERY_BY_BASE`, the saved query, which takes the base and the limit. The body is
/// a JSON list of objects, or `{"message"}` with status 400.
pub fn query_prices(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let (base, limit) = match asked(&event) {
            Ok(asked) => asked,
            Err(why) => return Ok(answer(400, &json!({"message": why}))),
        };
        let name = ctx.env("QUERY_BY_BASE")?;
        let saved = ctx.cloud.queries.saved().await?;
        let saved = saved.into_iter().find(|q| q.name == name).ok_or_else(|| Error::not_found("query", name))?;
        let query = Query {
            sql: saved.sql,
            database: saved.database,
            parameters: vec![base, limit.to_string()],
            limit,
            workgroup: saved.workgroup,
            reuse_minutes: None,
        };
        // An invocation that is ended (its time is up) ends its query.
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let result = ctx.cloud.queries.execute(&query, cancel).await?;
        ctx.log.line(&format!("{} rows, {} bytes scanned", result.rows.len(), result.scanned_bytes));
        Ok(answer(200, &objects(result)))
    })
}

fn answer(status: u16, body: &Value) -> Value {
    json!({"statusCode": status, "headers": {"content-type": "application/json"}, "body": body.to_string()})
}

/// The base and the limit that a request asks for.
fn asked(event: &Value) -> std::result::Result<(String, usize), String> {
    let parameter = |name: &str| event.get("queryStringParameters")?.get(name)?.as_str();
    let base = parameter("base").ok_or("say which base: ?base=BTC")?;
    let spelt = (2..=10).contains(&base.len()) && base.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !spelt {
        return Err("base is 2 to 10 capital letters and digits, like BTC".into());
    }
    let limit = match parameter("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| format!("limit is a number from 1 to {MAX_LIMIT}"))?,
    };
    Ok((base.to_owned(), limit))
}

fn objects(result: QueryResult) -> Value {
    let QueryResult { columns, rows, .. } = result;
    let object = |row: Vec<Value>| columns.iter().map(|c| c.name.clone()).zip(row).collect::<Map<_, _>>();
    rows.into_iter().map(|row| Value::Object(object(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::catalog::Column;

    fn response(status: u16, body: &str) -> SourceResponse {
        SourceResponse {
            status,
            date: Some("2015-08-08T23:59:00.9Z".parse().unwrap()),
            body: bytes::Bytes::from(body.to_owned()),
        }
    }

    #[test]
    fn an_answer_becomes_a_record_with_the_answer_s_date() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let text = response(200, r#"{"data":{"base":"BTC","currency":"USD","amount":"260.9970093"}}"#);
        let price = spot_price(&text, now).unwrap();
        assert_eq!(
            serde_json::to_string(&price).unwrap(),
            r#"{"base":"BTC","currency":"USD","amount":"260.9970093","timestamp_utc":"2015-08-08T23:59:00Z"}"#
        );
        let number = response(200, r#"{"data":{"base":"BTC","currency":"USD","amount":1.5}}"#);
        let undated = SourceResponse { date: None, ..number };
        let price = spot_price(&undated, now).unwrap();
        assert_eq!((price.amount.as_str(), price.timestamp_utc.as_str()), ("1.5", "2026-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_price_fails_and_says_why() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for (status, body, why) in [
            (503, "busy", "status 503: busy"),
            (200, "<html>", "no spot price"),
            (200, r#"{"data":{"base":"BTC","currency":"USD"}}"#, "amount"),
            (200, r#"{"data":{"base":"BTC","currency":"USD","amount":"NaN"}}"#, "\"NaN\" is no amount"),
        ] {
            let error = at("BTC-USD", spot_price(&response(status, body), now).unwrap_err()).to_string();
            assert!(error.starts_with("BTC-USD: ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_good_lines_of_the_watched_base_count() {
        let content = "{\"base\":\"BTC\",\"currency\":\"USD\",\"amount\":\"60000\",\"timestamp_utc\":\"x\"}\r\n\n\
                       {\"base\":\"ETH\",\"currency\":\"USD\",\"amount\":\"70000\",\"timestamp_utc\":\"x\"}\n\
                       {\"base\":\"BTC\",\"currency\":\"EUR\",\"amount\":\"70000\",\"timestamp_utc\":\"x\"}\n\
                       {\"base\":\"BTC\",\"currency\":\"USD\",\"amount\":\"inf\",\"timestamp_utc\":\"x\"}\n\
                       \u{1b}[31moops\n\
                       {\"base\":\"BTC\",\"currency\":\"USD\",\"amount\":\"1.5\",\"timestamp_utc\":\"2020-01-01T00:00:00Z\"}";
        let mut complaints = Vec::new();
        let found = watched(content.as_bytes(), |line| complaints.push(line.to_owned()));
        assert_eq!(found.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [60_000.0, 1.5]);
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].starts_with("line 5 ") && complaints[1].starts_with("line 6 "), "{complaints:?}");
        assert_eq!(newest(&found), Some(("2020-01-01T00:00:00Z".parse().unwrap(), 1.5)));
        assert_eq!(newest(&found[..1]), None);
    }

    #[test]
    fn the_largest_message_is_small_enough() {
        let crossing = json!({"base": "BTC", "amount": "1".repeat(40), "timestamp_utc": "2015-08-08T23:59:00Z"});
        let message = message(&vec![crossing; MAX_CROSSINGS], 60_000.0, "key");
        assert!(message.message.len() < 256 * 1024);
        assert_eq!(message.subject.as_deref(), Some("BTC over 60000 USD"));
    }

    #[test]
    fn a_request_s_parameters_are_checked() {
        let with = |parameters: Value| asked(&json!({"queryStringParameters": parameters}));
        assert_eq!(with(json!({"base": "BTC"})), Ok(("BTC".into(), 10)));
        assert_eq!(with(json!({"base": "1INCH", "limit": "1000"})), Ok(("1INCH".into(), 1_000)));
        for bad in [
            json!(null),
            json!({}),
            json!({"base": ""}),
            json!({"base": "btc"}),
            json!({"base": "BTC' or 1=1"}),
            json!({"base": "B"}),
            json!({"base": "BTC", "limit": "0"}),
            json!({"base": "BTC", "limit": "1001"}),
            json!({"base": "BTC", "limit": "-1"}),
            json!({"base": "BTC", "limit": "ten"}),
        ] {
            assert!(with(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_become_objects() {
        let column = |name: &str| Column { name: name.into(), kind: "varchar".into() };
        let result = QueryResult {
            columns: vec![column("base"), column("amount")],
            rows: vec![vec![json!("BTC"), json!(1.5)]],
            ..QueryResult::default()
        };
        assert_eq!(answer(200, &objects(result))["body"], r#"[{"base":"BTC","amount":1.5}]"#);
    }
}
