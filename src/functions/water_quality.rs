//! water-quality: an alert for samples that are too turbid, and a count of what the lake and the table hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::files::files;
use crate::cloud::{
    Error, Result,
    alerts::{Publish, Sample},
    buckets::ListObjects,
    delimited::{Dialect, misfit, records},
    functions::{Context, HandlerFuture},
};

const SAMPLE: &str = "Sample";
const TURBIDITY: &str = "Turbidity (NTU)";
/// Samples in one message: a message holds 256 KiB at most.
const MAX_SAMPLES: usize = 2_000;

/// A sample of a site.
#[derive(Debug, Clone, PartialEq)]
struct Turbid {
    sample: String,
    ntu: f64,
}

/// Publishes one message for each new file that holds samples over the threshold; it lists every one.
///
/// Event: S3's. Environment: `THRESHOLD_TURBIDITY_NTU`, `TOPIC_WATER_ALERTS`, and `METRIC_TURBIDITY_NTU` where the
/// greatest turbidity of a file is to be measured. Answer: `{"samples": 2}`, those over the threshold. A row that is no
/// sample is logged and passed over: the job sets it aside.
pub fn alert_on_turbidity(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let threshold = ctx.cloud.alerts.threshold(&ctx.permit, ctx.env("THRESHOLD_TURBIDITY_NTU")?).await?;
        let topic = ctx.env("TOPIC_WATER_ALERTS")?;
        let mut count = 0;
        for file in files(&event)? {
            let content = match ctx.cloud.buckets.get(&file.bucket, &file.key, file.version.as_deref(), None).await {
                Err(Error::NotFound { .. }) => {
                    ctx.log.line(&format!("{} is gone: nothing to look at", file.key));
                    continue;
                }
                other => other?,
            };
            let text = String::from_utf8_lossy(&content.body);
            let samples = samples(&text, |line| ctx.log.line(&format!("{}: {line}", file.key)))
                .map_err(|why| Error::Failed(format!("{}: {why}", file.key)))?;
            let greatest = samples.iter().map(|s| s.ntu).reduce(f64::max);
            if let (Some(value), Some(metric)) = (greatest, ctx.env.get("METRIC_TURBIDITY_NTU")) {
                ctx.cloud.alerts.measure(&ctx.permit, metric, Sample { time: ctx.now, value }).await?;
            }
            let turbid: Vec<&Turbid> = samples.iter().filter(|s| s.ntu > threshold).collect();
            for some in turbid.chunks(MAX_SAMPLES) {
                ctx.cloud.alerts.publish(&ctx.permit, topic, &message(some, threshold, &file.key)).await?;
            }
            ctx.log.line(&format!("{}: {} of {} samples over {threshold}", file.key, turbid.len(), samples.len()));
            count += turbid.len();
        }
        Ok(json!({"samples": count}))
    })
}

/// The site that a file of samples is of: its name without the extension.
fn site(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.rsplit_once('.').map_or(name, |(site, _)| site)
}

fn message(samples: &[&Turbid], threshold: f64, key: &str) -> Publish {
    let site = site(key);
    let attributes = [
        ("site", site.to_owned()),
        ("threshold", threshold.to_string()),
        ("samples", samples.len().to_string()),
        ("key", key.to_owned()),
    ];
    let list: Vec<Value> = samples.iter().map(|s| json!({"sample": s.sample, "turbidity_ntu": s.ntu})).collect();
    Publish {
        subject: Some(format!("Turbidity over {threshold} NTU at {site}").chars().take(100).collect()),
        message: json!({"site": site, "threshold_ntu": threshold, "samples": list}).to_string(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
    }
}

/// The samples in a table in pipes, in order.
fn samples(text: &str, mut complain: impl FnMut(&str)) -> Result<Vec<Turbid>> {
    let rows = records(text, &Dialect::pipes());
    let Some((header, rows)) = rows.split_first() else { return Ok(Vec::new()) };
    let names = header.values.as_ref().map_err(|why| Error::Failed(format!("line {}: {why}", header.line)))?;
    let place = |name: &str| {
        let missing = || Error::Failed(format!("column {name:?} is missing: the header has {}", names.join(", ")));
        names.iter().position(|n| n == name).ok_or_else(missing)
    };
    let (sample, turbidity) = (place(SAMPLE)?, place(TURBIDITY)?);
    let mut found = Vec::new();
    for row in rows {
        let cells = row.values.as_deref().unwrap_or_default();
        let value = cells.get(turbidity).filter(|v| cells.len() == names.len() && misfit(v, "double").is_none());
        match (cells.get(sample), value.and_then(|v| v.parse().ok())) {
            (Some(sample), Some(ntu)) => found.push(Turbid { sample: sample.clone(), ntu }),
            _ => complain(&format!("line {} is passed over: no turbidity in it", row.line)),
        }
    }
    Ok(found)
}

/// Counts the current objects of the lake and the items of the table.
///
/// Environment: `BUCKET_LAKE`, `DYNAMODB_SPECIES`. Answer: `{"numberOfS3Objects": 4, "numberOfDynamoDBItems": 30}`.
/// Old versions and delete markers do not count.
pub fn count(ctx: Context, _event: Value) -> HandlerFuture {
    Box::pin(async move {
        let bucket = ctx.env("BUCKET_LAKE")?;
        let mut request = ListObjects { limit: 1_000, ..ListObjects::default() };
        let mut objects = 0;
        loop {
            let page = ctx.cloud.buckets.objects(bucket, &request).await?;
            objects += page.objects.iter().filter(|o| o.latest && !o.delete_marker).count();
            if page.next.is_none() && page.token.is_none() {
                break;
            }
            (request.after, request.token) = (page.next, page.token);
        }
        let items = ctx.cloud.tables.count(ctx.env("DYNAMODB_SPECIES")?).await?;
        ctx.log.line(&format!("{objects} objects in {bucket}, {items} items"));
        Ok(json!({"numberOfS3Objects": objects, "numberOfDynamoDBItems": items}))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| Sample | pH  | Temperature (°C) | Turbidity (NTU) |\n|---|---|---|---|\n\
                         | 1 | 7.2 | 25.6 | 12.3 |\n| 2 | 7.1 | | high |\noops\n| 3 | 6.9 | 24 | 15.1 |\n";

    #[test]
    fn samples_are_read_and_what_is_none_is_told() {
        let mut told = Vec::new();
        let found = samples(TABLE, |line| told.push(line.to_owned())).unwrap();
        let turbid = |sample: &str, ntu| Turbid { sample: sample.into(), ntu };
        assert_eq!(found, [turbid("1", 12.3), turbid("3", 15.1)]);
        assert_eq!(told, ["line 4 is passed over: no turbidity in it", "line 5 is passed over: no turbidity in it"]);
        let error = samples("| Sample | pH |\n|---|---|\n", |_| ()).unwrap_err().to_string();
        assert!(error.contains("\"Turbidity (NTU)\" is missing: the header has Sample, pH"), "{error}");
        assert!(samples("", |_| ()).unwrap().is_empty());
    }

    #[test]
    fn a_message_names_the_site_and_the_samples() {
        let turbid = Turbid { sample: "7".into(), ntu: 15.1 };
        let message = message(&[&turbid], 15.0, "samples/north/iowa_homes.txt");
        assert_eq!(message.subject.as_deref(), Some("Turbidity over 15 NTU at iowa_homes"));
        assert_eq!(message.attributes["samples"], "1");
        let said: Value = serde_json::from_str(&message.message).unwrap();
        assert_eq!(
            said,
            json!({"site": "iowa_homes", "threshold_ntu": 15.0, "samples": [{"sample": "7", "turbidity_ntu": 15.1}]})
        );
    }

    #[test]
    fn the_largest_message_is_small_enough() {
        let turbid = Turbid { sample: "1".repeat(40), ntu: 1_234.567_890_123 };
        assert!(message(&vec![&turbid; MAX_SAMPLES], 1.0, "k").message.len() < 256 * 1024);
    }
}
