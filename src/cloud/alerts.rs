//! Thresholds, alarms, topics and subscriptions (AWS Systems Manager parameters, Amazon CloudWatch, Amazon SNS).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// An alarm's state, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Nothing was measured yet.
    InsufficientData,
}

impl AlarmState {
    /// CloudWatch's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub time: Timestamp,
    /// How much.
    pub value: f64,
}

/// What is watched: a pipeline's threshold that its functions read, or an alarm on a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its physical name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Whether it is a threshold or an alarm.
    pub kind: AlertKind,
    /// The metric that is compared with it.
    pub metric: String,
    /// The limit: the alert is on when the metric is greater.
    pub threshold: f64,
    /// Its unit, in words.
    pub unit: Option<String>,
    /// On or off.
    pub state: AlarmState,
    /// When the state changed.
    pub since: Option<Timestamp>,
    /// The newest measurements, oldest first.
    pub samples: Vec<Sample>,
}

/// The two kinds of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A number that functions read while they run.
    Threshold,
    /// An alarm that the cloud itself evaluates.
    Alarm,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Messages published so far, where the cloud keeps them.
    pub messages: Option<u64>,
    /// Who is told.
    pub subscriptions: Vec<Subscription>,
}

/// A topic's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// `email`, `sqs`, `lambda`.
    pub protocol: String,
    /// An address or a name.
    pub endpoint: String,
    /// `confirmed`, `pending confirmation`, or, on the embedded cloud, `not sent: local`.
    pub status: String,
}

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When it was published.
    pub time: Timestamp,
    /// The subject, where there is one: up to 100 characters.
    pub subject: Option<String>,
    /// The text.
    pub message: String,
    /// The attributes.
    pub attributes: BTreeMap<String, String>,
}

/// A message to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publish {
    /// The subject: up to 100 characters.
    pub subject: Option<String>,
    /// The text: up to 256 KiB.
    pub message: String,
    /// The attributes.
    pub attributes: BTreeMap<String, String>,
}

/// Thresholds, alarms, topics and subscriptions.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// All thresholds and alarms, by name, each with at most `samples` measurements.
    fn list(&self, samples: usize) -> Pages<'_, Alert>;
    /// The threshold that functions read (`ssm:GetParameter`).
    async fn threshold(&self, permit: &Permit, name: &str) -> Result<f64>;
    /// Changes a threshold or an alarm's limit (`ssm:PutParameter`, `cloudwatch:PutMetricAlarm`).
    async fn set(&self, permit: &Permit, name: &str, value: f64) -> Result<()>;
    /// Records a measurement of a pipeline's own metric (`cloudwatch:PutMetricData`).
    async fn measure(&self, permit: &Permit, metric: &str, sample: Sample) -> Result<()>;
    /// All topics, by name.
    fn topics(&self) -> Pages<'_, Topic>;
    /// Publishes a message (`sns:Publish`). Published again by the same invocation, it is not stored twice where the
    /// cloud can tell.
    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()>;
    /// The messages of a topic, oldest first, at most the newest `limit`: what a subscriber of it would have got.
    async fn inbox(&self, topic: &str, limit: usize) -> Result<Vec<Message>>;
}
