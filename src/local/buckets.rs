//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, buckets::*};

#[async_trait]
impl Buckets for Local {
    async fn list(&self) -> Result<Vec<Bucket>> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.list".into() })
    }
    async fn detail(&self, bucket: &str) -> Result<BucketDetail> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.detail".into() })
    }
    async fn objects(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.objects".into() })
    }
    async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.head".into() })
    }
    async fn get(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Content> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.get".into() })
    }
    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.put".into() })
    }
    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "buckets.delete".into() })
    }
}
