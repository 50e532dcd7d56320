//! HTTP APIs: their keys, quotas and addresses. [`super::gateway`] serves them.

use std::path::Path;

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Local, clock::timestamp, lookup, lookup::Deployed, process, store::sql};
use crate::cloud::{
    Error, Pages, Permit, Result,
    apis::{Api, Apis},
    resources::{self, Properties},
    secrets::SecretValue,
};

/// Where the state says which port is served, and by which process.
const PORT_KEY: &str = "api_port";
const KEY_LENGTH: usize = 40;

#[async_trait]
impl Apis for Local {
    fn list(&self) -> Pages<'_, Api> {
        Pages::once(async move {
            let (dir, now_ms) = (self.inner.store.dir().to_owned(), self.inner.clock.now_ms());
            self.inner.store.read(move |c| list(c, &dir, now_ms)).await
        })
    }

    async fn key(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        permit.check("apigateway:GET", name)?;
        let wanted = name.to_owned();
        let found = self
            .inner
            .store
            .read(move |c| {
                if !one(c, &wanted)?.1.api_key {
                    return Err(Error::Invalid(format!("the API {wanted} needs no key")));
                }
                key_of(c, &wanted)
            })
            .await?;
        if let Some(key) = found {
            return Ok(SecretValue::new(key));
        }
        let (name, fresh) = (name.to_owned(), fresh_key()?);
        let key = self
            .inner
            .store
            .write(move |t| {
                t.execute("insert or ignore into api_keys (name, key) values (?1, ?2)", [&name, &fresh])
                    .map_err(sql)?;
                key_of(t, &name)?.ok_or_else(|| Error::storage("the API's key was not stored"))
            })
            .await?;
        Ok(SecretValue::new(key))
    }
}

/// An API with where it belongs.
pub(crate) fn one(connection: &Connection, name: &str) -> Result<(Deployed, resources::Api)> {
    api_of(lookup::one(connection, "api", name)?).ok_or_else(|| Error::not_found("API", name))
}

/// All deployed APIs.
pub(crate) fn all(connection: &Connection) -> Result<Vec<(Deployed, resources::Api)>> {
    Ok(lookup::all(connection, "api")?.into_iter().filter_map(api_of).collect())
}

fn api_of(deployed: Deployed) -> Option<(Deployed, resources::Api)> {
    match &deployed.resource.properties {
        Properties::Api(api) => {
            let api = api.clone();
            Some((deployed, api))
        }
        _ => None,
    }
}

/// The key of an API, if one was made.
pub(crate) fn key_of(connection: &Connection, name: &str) -> Result<Option<String>> {
    connection
        .prepare_cached("select key from api_keys where name = ?1")
        .and_then(|mut s| s.query_row([name], |r| r.get(0)).optional())
        .map_err(sql)
}

/// The whole path of an API: two pipelines may both have `/prices`.
pub(crate) fn full_path(stack: &str, path: &str) -> String {
    format!("/{stack}{path}")
}

fn list(connection: &Connection, dir: &Path, now_ms: i64) -> Result<Vec<Api>> {
    let port = serving(connection)?.filter(|(_, process)| process::alive(dir, process)).map(|(port, _)| port);
    all(connection)?
        .into_iter()
        .map(|(deployed, api)| {
            let name = deployed.resource.physical_name;
            let start = period_start(now_ms, period(&api));
            let used: Option<i64> = connection
                .prepare_cached("select used from api_usage where name = ?1 and period_start = ?2")
                .and_then(|mut s| s.query_row(params![name, start], |r| r.get(0)).optional())
                .map_err(sql)?;
            Ok(Api {
                name,
                pipeline: deployed.pipeline,
                url: port.map(|port| format!("http://127.0.0.1:{port}{}", full_path(&deployed.stack, &api.path))),
                path: api.path,
                function: api.function,
                api_key: api.api_key,
                throttle: api.throttle.map(|t| (t.rate, t.burst)),
                quota: api.quota.map(|q| (q.limit, q.period)),
                used: Some(used.unwrap_or(0) as u64),
            })
        })
        .collect()
}

/// The port that is or was served, and by whom.
pub(crate) fn serving(connection: &Connection) -> Result<Option<(u16, String)>> {
    let text: Option<String> = connection
        .prepare_cached("select value from meta where key = ?1")
        .and_then(|mut s| s.query_row([PORT_KEY], |r| r.get(0)).optional())
        .map_err(sql)?;
    Ok(text.and_then(|text| {
        let (port, process) = text.split_once(' ')?;
        Some((port.parse().ok()?, process.to_owned()))
    }))
}

/// Writes down who serves which port.
pub(crate) fn set_serving(t: &Transaction<'_>, port: u16, process: &str) -> Result<()> {
    t.execute(
        "insert into meta values (?1, ?2) on conflict (key) do update set value = excluded.value",
        [PORT_KEY, &format!("{port} {process}")],
    )
    .map_err(sql)?;
    Ok(())
}

/// Counts a request against the quota; false where the period's requests are used up, and nothing is counted.
pub(crate) fn consume(t: &Transaction<'_>, name: &str, api: &resources::Api, now_ms: i64) -> Result<bool> {
    let start = period_start(now_ms, period(api));
    let used: Option<i64> = t
        .prepare_cached("select used from api_usage where name = ?1 and period_start = ?2")
        .and_then(|mut s| s.query_row(params![name, start], |r| r.get(0)).optional())
        .map_err(sql)?;
    let used = used.unwrap_or(0);
    if api.quota.as_ref().is_some_and(|quota| used as u64 >= quota.limit) {
        return Ok(false);
    }
    t.prepare_cached(
        "insert into api_usage (name, period_start, used) values (?1, ?2, ?3) \
         on conflict (name) do update set period_start = excluded.period_start, used = excluded.used",
    )
    .and_then(|mut s| s.execute(params![name, start, used + 1]))
    .map_err(sql)?;
    Ok(true)
}

/// The period that requests are counted in: the quota's, or a day.
fn period(api: &resources::Api) -> &str {
    api.quota.as_ref().map_or("day", |q| q.period.as_str())
}

/// When the period began that `now_ms` lies in: days, weeks from Sunday, as Amazon API Gateway has them, and months in
/// UTC.
fn period_start(now_ms: i64, period: &str) -> i64 {
    let now: Zoned = timestamp(now_ms).to_zoned(TimeZone::UTC);
    let day = now.date();
    let first = match period {
        "month" => day.first_of_month(),
        "week" => day.saturating_sub(i64::from(day.weekday().since(Weekday::Sunday)).days()),
        _ => day,
    };
    first.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |z| z.timestamp()).as_millisecond()
}

/// A key of 40 letters and digits.
fn fresh_key() -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut key = String::with_capacity(KEY_LENGTH);
    let mut random = [0_u8; KEY_LENGTH];
    while key.len() < KEY_LENGTH {
        getrandom::fill(&mut random).map_err(|e| Error::Unavailable(format!("there is no randomness: {e}")))?;
        // 248 is four times 62: each letter is as likely as the others.
        let letters = random.iter().filter(|b| **b < 248).filter_map(|b| LETTERS.get(usize::from(*b) % LETTERS.len()));
        key.extend(letters.map(|b| char::from(*b)).take(KEY_LENGTH - key.len()));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_on_sundays_and_firsts() {
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let now = ms("2026-11-20T14:03:22.5Z");
        assert_eq!(period_start(now, "day"), ms("2026-11-20T00:00:00Z"));
        assert_eq!(period_start(now, "week"), ms("2026-11-15T00:00:00Z"));
        assert_eq!(period_start(ms("2026-11-15T00:00:00Z"), "week"), ms("2026-11-15T00:00:00Z"));
        assert_eq!(period_start(ms("2026-11-14T23:59:59Z"), "week"), ms("2026-11-08T00:00:00Z"));
        assert_eq!(period_start(now, "month"), ms("2026-11-01T00:00:00Z"));
    }

    #[test]
    fn keys_are_long_and_differ() {
        let (one, other) = (fresh_key().unwrap(), fresh_key().unwrap());
        assert!(one != other && one.len() == 40 && one.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
