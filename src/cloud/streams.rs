//! Data streams and delivery streams (Amazon Kinesis, Amazon Data Firehose).

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, permit::Permit};

/// A data stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Open shards.
    pub shards: u32,
    /// Records that it holds now.
    pub records: u64,
    /// Records put in the last minute.
    pub records_last_minute: u64,
    /// The last record's arrival.
    pub last_record: Option<Timestamp>,
}

/// A record to put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Chooses the shard: 1 to 256 characters.
    pub partition_key: String,
    /// The data: up to 1 MiB.
    pub data: Bytes,
}

/// A record that a stream holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// Its place in the stream; later records have greater ones.
    pub sequence: u64,
    /// The key that chose its shard.
    pub partition_key: String,
    /// When it arrived.
    pub arrived: Timestamp,
    /// The data.
    #[serde(skip)]
    pub data: Bytes,
}

/// A delivery stream: reads a stream, buffers, writes objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStream {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The stream it reads.
    pub from: String,
    /// The bucket it writes to.
    pub to: String,
    /// Records waiting in the buffer.
    pub buffered_records: u64,
    /// Their size in bytes.
    pub buffered_bytes: u64,
    /// Records delivered so far.
    pub delivered_records: u64,
    /// Seconds until the buffer is delivered for its age; none while it is empty.
    pub seconds_left: Option<u64>,
}

/// What one drain delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Records delivered.
    pub records: u64,
    /// Objects they were written to.
    pub objects: u64,
}

/// Data streams and delivery streams.
#[async_trait]
pub trait Streams: Send + Sync {
    /// All data streams, by name.
    async fn list(&self) -> Result<Vec<Stream>>;
    /// All delivery streams, by name.
    async fn deliveries(&self) -> Result<Vec<DeliveryStream>>;
    /// Records after a sequence number, oldest first.
    async fn records(&self, stream: &str, after: u64, limit: usize) -> Result<Vec<StoredRecord>>;
    /// Puts records in order (`kinesis:PutRecords`): all of them, or none.
    ///
    /// Put again by the same invocation (one request id, the same place in its order of puts), a record is not stored
    /// twice on a cloud that can tell. Kinesis cannot: there, a tried-again invocation may put a record twice.
    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()>;
    /// Returns when each record that was in the stream at the call is in an object.
    async fn drain(&self, permit: &Permit, delivery: &str) -> Result<Drained>;
}
