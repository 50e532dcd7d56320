//! Data streams and delivery streams (Amazon Kinesis, Amazon Data Firehose).

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A data stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Open shards.
    pub shards: u32,
    /// Records that it holds now; Kinesis does not tell.
    pub records: Option<u64>,
    /// Records put in the last minute, or in the newest minute that is measured; none where the metric cannot be read.
    pub records_last_minute: Option<u64>,
    /// The last record's arrival; on AWS, where only metrics tell, to the minute and within the last hour.
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
    /// The place in the stream after it, for [`Streams::records`]: opaque. In a stream of several shards it says how far
    /// each of them was read.
    pub position: String,
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
    /// The stream it reads; none where records are put to it directly.
    pub from: Option<String>,
    /// The bucket it writes to; none where it writes to something else.
    pub to: Option<String>,
    /// It delivers when the oldest record has waited for so many seconds.
    pub buffer_seconds: Option<u64>,
    /// It delivers when so many MiB are waiting.
    pub buffer_mib: Option<u64>,
    /// Records waiting in the buffer; Firehose does not tell.
    pub buffered_records: Option<u64>,
    /// Their size in bytes; Firehose does not tell.
    pub buffered_bytes: Option<u64>,
    /// Records delivered so far; on AWS in the last 24 hours, and none where the metric cannot be read.
    pub delivered_records: Option<u64>,
    /// Seconds until the buffer is delivered for its age; none while it is empty, or where the cloud does not tell.
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
    fn list(&self) -> Pages<'_, Stream>;
    /// All delivery streams, by name.
    fn deliveries(&self) -> Pages<'_, DeliveryStream>;
    /// Records after a position, or from the oldest one on; the oldest first.
    ///
    /// # Errors
    /// [`super::error::Error::Invalid`] for a position that is none of this stream's.
    async fn records(&self, stream: &str, after: Option<&str>, limit: usize) -> Result<Vec<StoredRecord>>;
    /// Puts records in order (`kinesis:PutRecords`): all of them, or none. Kinesis takes records one by one: there, a call
    /// that fails says how many of them it has not taken.
    ///
    /// Put again by the same invocation (one request id, the same place in its order of puts), a record is not stored
    /// twice on a cloud that can tell. Kinesis cannot: there, a tried-again invocation may put a record twice.
    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()>;
    /// Returns when each record that was in the stream at the call is in an object, and what was delivered. On AWS, what
    /// came into the stream at or after `since` counts, and is in an object when the buffer's time has passed and an object
    /// has come.
    async fn drain(&self, permit: &Permit, delivery: &str, since: Timestamp) -> Result<Drained>;
}
