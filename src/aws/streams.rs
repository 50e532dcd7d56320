//! Data streams and delivery streams (Amazon Kinesis, Amazon Data Firehose).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    streams::{DeliveryStream, Drained, Record, StoredRecord, Stream, Streams},
};

#[async_trait]
impl Streams for Aws {
    async fn list(&self) -> Result<Vec<Stream>> {
        Err(Error::Unsupported { cloud: "aws", what: "streams list".into() })
    }

    async fn deliveries(&self) -> Result<Vec<DeliveryStream>> {
        Err(Error::Unsupported { cloud: "aws", what: "streams deliveries".into() })
    }

    async fn records(&self, _stream: &str, _after: u64, _limit: usize) -> Result<Vec<StoredRecord>> {
        Err(Error::Unsupported { cloud: "aws", what: "streams records".into() })
    }

    async fn put(&self, _permit: &Permit, _stream: &str, _records: &[Record]) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "streams put".into() })
    }

    async fn drain(&self, _permit: &Permit, _delivery: &str) -> Result<Drained> {
        Err(Error::Unsupported { cloud: "aws", what: "streams drain".into() })
    }
}
