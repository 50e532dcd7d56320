//! Thresholds, alarms, topics and subscriptions (AWS Systems Manager parameters, Amazon CloudWatch, Amazon SNS).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    pages::Pages,
    permit::Permit,
};

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

/// How a metric is compared with the threshold, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each says it")]
pub enum Comparison {
    GreaterThanThreshold,
    GreaterThanOrEqualToThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// By CloudWatch's word; none for those that compare with a band.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "GreaterThanThreshold" => Some(Self::GreaterThanThreshold),
            "GreaterThanOrEqualToThreshold" => Some(Self::GreaterThanOrEqualToThreshold),
            "LessThanThreshold" => Some(Self::LessThanThreshold),
            "LessThanOrEqualToThreshold" => Some(Self::LessThanOrEqualToThreshold),
            _ => None,
        }
    }

    /// Its sign: `>`, `>=`, `<`, `<=`.
    pub fn sign(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => ">",
            Self::GreaterThanOrEqualToThreshold => ">=",
            Self::LessThanThreshold => "<",
            Self::LessThanOrEqualToThreshold => "<=",
        }
    }

    /// It in words, before the limit: `its metric is greater than`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => "its metric is greater than",
            Self::GreaterThanOrEqualToThreshold => "its metric reaches",
            Self::LessThanThreshold => "its metric is less than",
            Self::LessThanOrEqualToThreshold => "its metric falls to",
        }
    }

    /// Whether `value` is beyond `threshold`.
    pub fn beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanThreshold => value > threshold,
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
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
    /// The metric that is compared with it, the expression, or the rule of a composite alarm.
    pub metric: String,
    /// The limit; none where the alarm is a rule over others, or the limit a band that the cloud computes.
    pub threshold: Option<f64>,
    /// How the metric is beyond it; none where there is none.
    pub comparison: Option<Comparison>,
    /// Its unit, in words.
    pub unit: Option<String>,
    /// On or off.
    pub state: AlarmState,
    /// When the state changed.
    pub since: Option<Timestamp>,
    /// Why the state is what it is, where the cloud says so.
    pub reason: Option<String>,
    /// The topics that are told when it goes on.
    pub topics: Vec<String>,
    /// Why its limit cannot be set; none where it can.
    pub fixed: Option<String>,
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

// The limits of SNS.
const MAX_MESSAGE: usize = 256 * 1_024;
const MAX_SUBJECT: usize = 100;

impl Publish {
    /// Whether SNS would take it.
    ///
    /// # Errors
    /// [`Error::Invalid`], with what is wrong.
    pub fn check(&self) -> Result<()> {
        if self.message.is_empty() || self.message.len() > MAX_MESSAGE {
            return Err(Error::invalid(format!(
                "a message has 1 byte to 256 KiB, and this one {} bytes",
                self.message.len()
            )));
        }
        if let Some(subject) = &self.subject
            && (subject.is_empty() || subject.chars().count() > MAX_SUBJECT || subject.contains(char::is_control))
        {
            return Err(Error::invalid(format!(
                "a subject has 1 to {MAX_SUBJECT} characters on one line: {subject:?}"
            )));
        }
        Ok(())
    }
}

/// Thresholds, alarms, topics and subscriptions.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// All thresholds and alarms, each with at most `samples` measurements: by name, where they come as one page.
    ///
    /// A part that cannot be read is an error among the pages, and the others come nevertheless: [`Pages::gather`].
    fn list(&self, samples: usize) -> Pages<'_, Alert>;
    /// The threshold that functions read (`ssm:GetParameter`).
    async fn threshold(&self, permit: &Permit, name: &str) -> Result<f64>;
    /// Changes a threshold or an alarm's limit (`ssm:PutParameter`, `cloudwatch:PutMetricAlarm`).
    async fn set(&self, permit: &Permit, name: &str, value: f64) -> Result<()>;
    /// Records a measurement of a pipeline's own metric (`cloudwatch:PutMetricData`).
    async fn measure(&self, permit: &Permit, metric: &str, sample: Sample) -> Result<()>;
    /// The newest measurements of pipelines' own metrics, each `namespace/name`, at most `limit` of each, oldest first. On AWS
    /// the greatest of each day.
    async fn samples(&self, metrics: &[String], limit: usize) -> Result<BTreeMap<String, Vec<Sample>>>;
    /// All topics, by name; an error among the pages as in [`Alerts::list`].
    fn topics(&self) -> Pages<'_, Topic>;
    /// Publishes a message (`sns:Publish`). Published again by the same invocation, it is not stored twice where the
    /// cloud can tell.
    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()>;
    /// The messages of a topic, oldest first, at most the newest `limit`: what a subscriber of it would have got.
    async fn inbox(&self, topic: &str, limit: usize) -> Result<Vec<Message>>;
}
