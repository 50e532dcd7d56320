//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, alerts::*};

#[async_trait]
impl Alerts for Local {
    async fn list(&self, samples: usize) -> Result<Vec<Alert>> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.list".into() })
    }
    async fn threshold(&self, permit: &Permit, name: &str) -> Result<f64> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.threshold".into() })
    }
    async fn set(&self, permit: &Permit, name: &str, value: f64) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.set".into() })
    }
    async fn measure(&self, permit: &Permit, metric: &str, sample: Sample) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.measure".into() })
    }
    async fn topics(&self) -> Result<Vec<Topic>> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.topics".into() })
    }
    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.publish".into() })
    }
    async fn inbox(&self, topic: &str, limit: usize) -> Result<Vec<Message>> {
        Err(Error::Unsupported { cloud: "local", what: "alerts.inbox".into() })
    }
}
