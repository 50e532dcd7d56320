//! Log groups and log events (Amazon CloudWatch Logs).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Result,
    logs::{LogGroup, LogPage, Logs, ReadLogs},
};

#[async_trait]
impl Logs for Aws {
    fn groups(&self) -> Pages<'_, LogGroup> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "logs groups".into() }) })
    }

    async fn read(&self, _request: &ReadLogs) -> Result<LogPage> {
        Err(Error::Unsupported { cloud: "aws", what: "logs read".into() })
    }
}
