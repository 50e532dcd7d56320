//! Thresholds, alarms, topics and subscriptions (AWS Systems Manager parameters, Amazon CloudWatch, Amazon SNS).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    alerts::{Alert, Alerts, Message, Publish, Sample, Topic},
};

#[async_trait]
impl Alerts for Aws {
    fn list(&self, _samples: usize) -> Pages<'_, Alert> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "alerts list".into() }) })
    }

    async fn threshold(&self, _permit: &Permit, _name: &str) -> Result<f64> {
        Err(Error::Unsupported { cloud: "aws", what: "alerts threshold".into() })
    }

    async fn set(&self, _permit: &Permit, _name: &str, _value: f64) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "alerts set".into() })
    }

    async fn measure(&self, _permit: &Permit, _metric: &str, _sample: Sample) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "alerts measure".into() })
    }

    fn topics(&self) -> Pages<'_, Topic> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "alerts topics".into() }) })
    }

    async fn publish(&self, _permit: &Permit, _topic: &str, _message: &Publish) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "alerts publish".into() })
    }

    async fn inbox(&self, _topic: &str, _limit: usize) -> Result<Vec<Message>> {
        Err(Error::Unsupported { cloud: "aws", what: "alerts inbox".into() })
    }
}
