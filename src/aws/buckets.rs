//! Buckets and the objects in them (Amazon S3).

use async_trait::async_trait;
use bytes::Bytes;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    buckets::{Bucket, BucketDetail, Buckets, Content, ListObjects, Object, ObjectPage},
};

#[async_trait]
impl Buckets for Aws {
    fn list(&self) -> Pages<'_, Bucket> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "buckets list".into() }) })
    }

    async fn detail(&self, _bucket: &str) -> Result<BucketDetail> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets detail".into() })
    }

    async fn objects(&self, _bucket: &str, _request: &ListObjects) -> Result<ObjectPage> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets objects".into() })
    }

    async fn head(&self, _bucket: &str, _key: &str, _version: Option<&str>) -> Result<Object> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets head".into() })
    }

    async fn get(
        &self,
        _bucket: &str,
        _key: &str,
        _version: Option<&str>,
        _range: Option<std::ops::Range<u64>>,
    ) -> Result<Content> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets get".into() })
    }

    async fn put(
        &self,
        _permit: &Permit,
        _bucket: &str,
        _key: &str,
        _body: Bytes,
        _content_type: Option<&str>,
    ) -> Result<Object> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets put".into() })
    }

    async fn delete(&self, _permit: &Permit, _bucket: &str, _key: &str, _version: Option<&str>) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "buckets delete".into() })
    }
}
