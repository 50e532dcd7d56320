//! APIs: which function answers at which path and method, and how often.

use std::collections::BTreeMap;

use super::{
    diagnostic::{quote, suggest},
    read::Context,
    sections::each,
    tree::{Section, Table},
    types::{Api, Quota, Throttle},
};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const PERIODS: [&str; 3] = ["day", "week", "month"];

/// Reads the APIs; two at one path and method are a mistake.
pub(super) fn apis(c: &mut Context<'_>, root: &Table) -> Vec<Api> {
    let taken = std::cell::RefCell::new(BTreeMap::<(String, String), String>::new());
    each(c, root, "api", |c, s, name| {
        let path = s.required(c.m, "path", "\"/prices\"");
        let api = api(c, s, name.clone(), path.as_ref().map(|p| p.value.clone()));
        let (api, path) = (api?, path?);
        let part = |p: &str| {
            let p = p.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(p);
            !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && p != "." && p != ".."
        };
        if path.value.len() > 200 || !path.value.strip_prefix('/').is_some_and(|p| p.split('/').all(part)) {
            let help =
                "a path begins with `/` and has letters, digits, `-`, `_` and `{parameter}` between slashes: `/prices`";
            c.m.add(path.at.clone(), format!("{} is no path", quote(&path.value)), help);
        }
        if let Some(other) = taken.borrow_mut().insert((api.path.clone(), api.method.clone()), name) {
            let message = format!("api.{other} answers {} {} already", api.method, quote(&api.path));
            c.m.add(path.at, message, "give one of the two another path or method");
        }
        Some(api)
    })
}

fn api(c: &mut Context<'_>, s: &mut Section<'_>, name: String, path: Option<String>) -> Option<Api> {
    let method = s.text(c.m, "method", "\"GET\"");
    if let Some(method) = method.as_ref().filter(|m| !METHODS.contains(&m.value.as_str())) {
        let message = format!("there is no method {}", quote(&method.value));
        c.m.add(method.at.clone(), message, suggest(&method.value, METHODS, ""));
    }
    let function = s.required(c.m, "function", "\"NAME\"").and_then(|f| c.bare("function", f));
    let api_key = s.boolean(c.m, "api_key").unwrap_or(true);
    let throttle = s.section(c.m, "throttle", "{ rate = 10, burst = 20 }").and_then(|mut t| {
        let rate = t.number(c.m, "rate", "10");
        let burst = t.count(c.m, "burst", 1..=5_000);
        if rate.is_none() && t.node("rate").is_none() {
            t.missing(c.m, "rate", "10");
        }
        if burst.is_none() && t.node("burst").is_none() {
            t.missing(c.m, "burst", "20");
        }
        if let Some(rate) = rate.as_ref().filter(|r| !(0.01..=10_000.0).contains(&r.value)) {
            c.m.add(rate.at.clone(), "`rate` is out of range", "requests a second, from 0.01 to 10000");
        }
        t.finish(c.m);
        Some(Throttle { rate: rate?.value, burst: burst? })
    });
    let quota = s.section(c.m, "quota", "{ limit = 1000, period = \"day\" }").and_then(|mut q| {
        let limit = q.integer(c.m, "limit", 1..=1_000_000_000);
        let period = q.required(c.m, "period", "\"day\"");
        if limit.is_none() && q.node("limit").is_none() {
            q.missing(c.m, "limit", "1000");
        }
        if let Some(period) = period.as_ref().filter(|p| !PERIODS.contains(&p.value.as_str())) {
            let message = format!("{} is no period of a quota", quote(&period.value));
            c.m.add(period.at.clone(), message, suggest(&period.value, PERIODS, ""));
        }
        if !api_key {
            c.m.add(
                q.at.clone(),
                "a quota counts the requests of an API key",
                "add `api_key = true`, or remove the quota",
            );
        }
        q.finish(c.m);
        Some(Quota { limit: limit?.unsigned_abs(), period: period?.value })
    });
    let (path, function) = (path?, function?);
    let method = method.map_or_else(|| "GET".into(), |m| m.value);
    Some(Api { name, path, method, function: function.value, api_key, throttle, quota })
}
