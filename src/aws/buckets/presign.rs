//! URLs by which whoever has them reads an object, for a time.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use jiff::Timestamp;

use super::content::get_action;
use crate::{
    aws::Aws,
    cloud::{Error, Result, buckets::Presigned},
};

impl Aws {
    pub(super) async fn presigned(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        expires: Duration,
    ) -> Result<Presigned> {
        if expires < Duration::from_secs(1) {
            return Err(Error::Invalid("a URL that works for less than a second is of no use: 1s is the least".into()));
        }
        let config = PresigningConfig::expires_in(expires)
            .map_err(|e| Error::Invalid(format!("a URL cannot work for that long: {e}; 7 days is the most")))?;
        // Asked before it is signed: only the object's own region takes the signature, and who may not read it signs in
        // vain.
        self.head_object(bucket, key, version).await?;
        let until = Timestamp::now().checked_add(expires).map_err(Error::failed)?;
        let id = version.map(str::to_owned);
        let request = self
            .ask_object((bucket, key, version), get_action(version), |s3| {
                s3.get_object().bucket(bucket).key(key).set_version_id(id.clone()).presigned(config.clone())
            })
            .await?;
        Ok(Presigned { url: request.uri().to_owned(), until })
    }
}
