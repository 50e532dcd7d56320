//! Waiting until a delivery stream has written what its stream held.
//!
//! Firehose cannot be told to deliver, nor does it say what it holds. So what is asked is what can be known: the stream
//! says when its records arrived, Firehose says for how long it keeps one at most, and the bucket says which objects
//! came since.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{Aws, error::failed, time::timestamp},
    Settings,
};
use crate::cloud::{Error, Result, streams::Drained};

/// What a delivery takes beyond the time that its buffer may wait.
const SLACK: SignedDuration = SignedDuration::from_secs(15);
/// When an object that has not come counts as lost.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// What Firehose waits where nobody said how long.
const DEFAULT_SECONDS: u64 = 300;
const POLL: Duration = Duration::from_secs(2);

impl Aws {
    /// Waits until what arrived in the delivery's stream between `since` and now is in objects.
    pub(super) async fn wait_for_delivery(&self, delivery: &str, since: Timestamp) -> Result<Drained> {
        let called = Timestamp::now();
        let settings = Settings::of(&self.describe_delivery(delivery).await?);
        let (Some(stream), Some(bucket)) = (&settings.from, &settings.to) else {
            let what = format!("waiting for {delivery}, which does not lead from a stream of Kinesis to a bucket");
            return Err(Error::Unsupported { cloud: "aws", what });
        };
        let arrivals = self.arrivals(stream, since, called).await?;
        let (Some(first), Some(last)) = (arrivals.iter().min().copied(), arrivals.iter().max().copied()) else {
            return Ok(Drained::default());
        };
        let seconds = settings.buffer_seconds.unwrap_or(DEFAULT_SECONDS);
        let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let due = later(last, wait.saturating_add(SLACK));
        pause_until(due).await;
        let lost = later(due, LATE);
        loop {
            let objects = self.objects_since(bucket, &settings.prefix, first).await?;
            if objects > 0 {
                return Ok(Drained { records: arrivals.len() as u64, objects });
            }
            if Timestamp::now() > lost {
                return Err(Error::Failed(format!(
                    "{} records came into {stream}, and {delivery} has written no object to s3://{bucket}/{} since: its \
                     errors are in the log group /aws/kinesisfirehose/{delivery}, or below its error prefix",
                    arrivals.len(),
                    settings.prefix
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many objects below the delivery's prefix came at or after a time.
    async fn objects_since(&self, bucket: &str, prefix: &str, since: Timestamp) -> Result<u64> {
        let mut count = 0;
        for prefix in folders(prefix, since, Timestamp::now()) {
            let mut token = None;
            loop {
                let asked = self.client.s3().await?.list_objects_v2().bucket(bucket).prefix(&prefix);
                let answer = asked.set_continuation_token(token).send().await.map_err(failed(
                    "s3:ListBucket",
                    "bucket",
                    bucket,
                ))?;
                let times = answer.contents.unwrap_or_default().into_iter().filter_map(|o| o.last_modified);
                // S3 gives whole seconds.
                count +=
                    times.filter_map(|t| timestamp(&t)).filter(|time| time.as_second() >= since.as_second()).count()
                        as u64;
                token = answer.next_continuation_token.filter(|t| !t.is_empty());
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

async fn pause_until(time: Timestamp) {
    if let Ok(left) = Duration::try_from(time.duration_since(Timestamp::now())) {
        tokio::time::sleep(left).await;
    }
}

/// What the keys of a delivery's objects begin with: Firehose puts `YYYY/MM/DD/HH/` behind a prefix, unless that says
/// itself where times go.
fn folders(prefix: &str, since: Timestamp, until: Timestamp) -> Vec<String> {
    if let Some((before, _)) = prefix.split_once("!{") {
        return vec![before.to_owned()];
    }
    let mut folders = Vec::new();
    // Firehose names the folder after the time at which an object's first record came to it.
    let mut hour = since.as_second() - since.as_second().rem_euclid(3_600);
    while hour <= until.as_second() {
        if let Ok(time) = Timestamp::from_second(hour) {
            folders.push(format!("{prefix}{}/", time.strftime("%Y/%m/%d/%H")));
        }
        hour += 3_600;
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_an_hour_is_looked_into() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (since, until) = (time("2026-11-20T23:59:58Z"), time("2026-11-21T00:01:00Z"));
        assert_eq!(folders("", since, until), ["2026/11/20/23/", "2026/11/21/00/"]);
        assert_eq!(folders("raw/", since, since), ["raw/2026/11/20/23/"]);
        assert_eq!(folders("raw/!{timestamp:yyyy}/x", since, until), ["raw/"]);
    }
}
