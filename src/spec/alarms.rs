//! Alarms: what they watch, and from where on it is too much.

use super::{
    diagnostic::quote,
    read::Context,
    tree::{At, Section},
    types::{Alarm, Metric},
};

pub(super) fn alarm(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Alarm> {
    let metric = s.required(c.m, "metric", "\"function.NAME:errors\"");
    let above = s.number(c.m, "above", "0");
    let period_minutes = s.count(c.m, "period_minutes", 1..=1_440).unwrap_or(5);
    let topic = s.text(c.m, "topic", "\"NAME\"").and_then(|t| c.bare("topic", t));
    let metric = metric?;
    let parts = metric.value.split_once('.').and_then(|(section, rest)| Some((section, rest.rsplit_once(':')?)));
    let (section, name_of, made): (&'static str, _, fn(String) -> Metric) = match parts {
        Some(("function", (of, "errors"))) => ("function", of, Metric::FunctionErrors),
        Some(("job", (of, "failures"))) => ("job", of, Metric::JobFailures),
        _ => {
            let help = "an alarm watches `function.NAME:errors` or `job.NAME:failures`";
            c.m.add(metric.at, format!("{} is no metric", quote(&metric.value)), help);
            return None;
        }
    };
    let of = c.bare(section, At { value: name_of.to_owned(), at: metric.at.clone() })?;
    if let Some(above) = above.as_ref().filter(|a| a.value < 0.0) {
        c.m.add(above.at.clone(), "a count is never below 0", "write `above = 0` for the first failure");
    }
    Some(Alarm {
        name,
        metric: made(of.value),
        above: above.map_or(0.0, |a| a.value),
        period_minutes,
        topic: topic.map(|t| t.value),
    })
}
