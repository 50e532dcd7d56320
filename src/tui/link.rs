//! How the console hears of a cloud behind a network: who we are there, what the calls are like, and what is wrong.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::msg::Msg;
use crate::{
    backend,
    cloud::{Cloud, Error, Identity, traffic::Meter},
};

/// What keeps every pane from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There are no credentials, or they have expired.
    Credentials(String),
    /// The cloud cannot be reached.
    Network(String),
}

impl Trouble {
    /// What an error means for all panes; nothing for one that is a matter of its own pane.
    pub fn of(error: &backend::Error) -> Option<Self> {
        match error {
            backend::Error::Cloud(Error::Credentials(why)) => Some(Self::Credentials(why.clone())),
            backend::Error::Cloud(Error::Unavailable(why)) => Some(Self::Network(why.clone())),
            _ => None,
        }
    }
}

/// What the calls are like, as the header shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many a second, and when the last answer came: `12 calls/s · 4 s ago`.
    pub words: String,
    /// Whether the cloud asks to slow down.
    pub throttled: bool,
}

/// Another account, region or role to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switch {
    /// The profile that was named inside.
    pub profile: Option<String>,
    /// The region that was named inside.
    pub region: Option<String>,
    /// The role that was named inside.
    pub role: Option<String>,
}

/// How often the header looks at the calls.
const LOOK: Duration = Duration::from_secs(1);
/// How long after the cloud has asked to slow down the header says so.
const THROTTLED: Duration = Duration::from_secs(10);
/// The first and the longest pause before a cloud that cannot be reached is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// The pause before the next attempt, after so many that failed.
pub fn pause(attempts: u32) -> Duration {
    PAUSE.0.saturating_mul(1 << attempts.min(6)).min(PAUSE.1)
}

/// Who we are, short enough for the header: `123456789012 eu-west-1 role/reader`.
pub fn identity(identity: &Identity) -> String {
    if identity.cloud == "local" {
        let who = [&identity.principal, &identity.account];
        return who.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    }
    let profile = identity.profile.as_ref().map(|name| format!("profile {name}"));
    let endpoint = identity.endpoint.as_ref().map(|url| format!("at {}", url.split("://").last().unwrap_or(url)));
    let principal = identity.principal.as_deref().map(|arn| short(arn).to_owned());
    let parts = [identity.account.clone(), identity.region.clone(), principal, profile, endpoint];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What an ARN's last part says: `user/ada`, `role/reader`.
fn short(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    // A role's session has the role's name, and one of its own.
    match resource.strip_prefix("assumed-") {
        Some(role) => role.rsplit_once('/').map_or(role, |(role, _)| role),
        None => resource,
    }
}

/// Asks who we are until the cloud has said so, and tells it.
pub async fn identify(cloud: Cloud, tx: UnboundedSender<Msg>) {
    for attempt in 0.. {
        match cloud.identity.ask().await {
            Ok(known) => {
                let _ = tx.send(Msg::Identified(identity(&known)));
                return;
            }
            // What it needs is asked for again when the panes are read.
            Err(Error::Credentials(_)) => return,
            Err(error) => tracing::warn!(%error, "nobody says who we are"),
        }
        tokio::time::sleep(pause(attempt)).await;
    }
}

/// Tells what the calls are like, whenever that reads differently.
pub async fn watch(meter: Arc<dyn Meter>, tx: UnboundedSender<Msg>) {
    let (mut last, mut since, mut told) = (0, Instant::now(), Calls::default());
    while let Some(traffic) = meter.traffic() {
        let now = jiff::Timestamp::now();
        let seconds = since.elapsed().as_secs_f64().max(LOOK.as_secs_f64());
        let rate = (traffic.calls.saturating_sub(last) as f64 / seconds).round();
        (last, since) = (traffic.calls, Instant::now());
        let age = |time: Option<jiff::Timestamp>| time.map(|time| now.duration_since(time).as_secs());
        let throttled = age(traffic.last_throttled).is_some_and(|s| s < THROTTLED.as_secs() as i64);
        let words = match age(traffic.last_answer).map(ago) {
            Some(ago) => format!("{rate} calls/s · {ago}"),
            None => String::new(),
        };
        let calls = Calls { words, throttled };
        if calls != told {
            told = calls.clone();
            if tx.send(Msg::Calls(calls)).is_err() {
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// In steps, so that an idle screen is seldom drawn.
fn ago(seconds: i64) -> String {
    match seconds {
        ..2 => "now".into(),
        2..5 => format!("{seconds} s ago"),
        5..60 => format!("{} s ago", seconds / 5 * 5),
        60..3_600 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_short_name_of_the_caller() {
        assert_eq!(short("arn:aws:iam::123456789012:user/ada"), "user/ada");
        assert_eq!(short("arn:aws:sts::123456789012:assumed-role/reader/pumphouse"), "role/reader");
        assert_eq!(short("arn:aws:iam::123456789012:root"), "root");
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        let seconds: Vec<_> = (0..8).map(|n| pause(n).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn an_idle_minute_is_told_in_few_words() {
        let words: std::collections::BTreeSet<_> = (0..60).map(ago).collect();
        assert!(words.len() <= 15, "{words:?}");
    }
}
