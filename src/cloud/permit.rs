//! Proof that a change was allowed.
//!
//! Every port method that changes anything takes a [`Permit`]. There are two ways to one: the backend's gate makes an
//! operator's permit after it has checked read-only mode, confirmation and the audit file; an adapter that executes a
//! function or a job makes the permit of its execution role, which allows what the role's grants name and no more. On AWS,
//! where a handler acts with its role's own credentials, IAM is who says so: such a permit carries no list.
//! `tests/architecture.rs` keeps it at these two.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// One permission of an execution role: an IAM action on one named resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The IAM action, for example `kinesis:PutRecords`.
    pub action: String,
    /// The physical name of the resource.
    pub resource: String,
}

/// Proof that a change was allowed, and who may be held to it.
#[derive(Debug, Clone)]
pub struct Permit {
    holder: Holder,
}

#[derive(Debug, Clone)]
enum Holder {
    Operator {
        who: String,
    },
    #[cfg_attr(not(feature = "local"), allow(dead_code, reason = "no adapter in this build executes anything"))]
    Role {
        name: String,
        /// None where the cloud itself checks each call.
        grants: Option<Arc<[Grant]>>,
        request_id: String,
        effects: Arc<AtomicU64>,
        written: Arc<AtomicU64>,
    },
}

impl Permit {
    /// For `backend::gate` alone: the operator `who` may make the change that was asked for.
    pub(crate) fn operator(who: impl Into<String>) -> Self {
        Self { holder: Holder::Operator { who: who.into() } }
    }

    /// For an adapter that executes a function or a job: what its role's `grants` name, within one invocation.
    #[cfg_attr(not(feature = "local"), allow(dead_code, reason = "no adapter in this build executes anything"))]
    pub(crate) fn role(name: impl Into<String>, grants: Arc<[Grant]>, request_id: impl Into<String>) -> Self {
        Self {
            holder: Holder::Role {
                name: name.into(),
                grants: Some(grants),
                request_id: request_id.into(),
                effects: Arc::default(),
                written: Arc::default(),
            },
        }
    }

    /// For the adapter on AWS, within one invocation on AWS Lambda: what the credentials of the function's role are allowed,
    /// which IAM checks at each call.
    #[cfg(any(feature = "bootstrap", test))]
    pub(crate) fn role_checked_by_cloud(name: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            holder: Holder::Role {
                name: name.into(),
                grants: None,
                request_id: request_id.into(),
                effects: Arc::default(),
                written: Arc::default(),
            },
        }
    }

    /// Counts records, messages or objects that a role has written.
    pub(crate) fn wrote(&self, count: u64) {
        if let Holder::Role { written, .. } = &self.holder {
            written.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How many records, messages and objects a role has written; for an operator nobody counts.
    pub fn written(&self) -> u64 {
        match &self.holder {
            Holder::Operator { .. } => 0,
            Holder::Role { written, .. } => written.load(Ordering::Relaxed),
        }
    }

    /// Who holds this permit: the operator's name, or the role's.
    pub fn principal(&self) -> &str {
        match &self.holder {
            Holder::Operator { who } => who,
            Holder::Role { name, .. } => name,
        }
    }

    /// A name for the next effect of this invocation, `REQUEST_ID/0`, `REQUEST_ID/1` and so on; none for an operator. An
    /// invocation that is tried again gives the same names in the same order, so that a cloud can tell what it has.
    pub fn next_token(&self) -> Option<String> {
        match &self.holder {
            Holder::Operator { .. } => None,
            Holder::Role { request_id, effects, .. } => {
                Some(format!("{request_id}/{}", effects.fetch_add(1, Ordering::Relaxed)))
            }
        }
    }

    /// Checks one IAM `action` on the resource with the physical name `target`.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] when the holder is a role without that grant. Where the cloud checks, its call will tell.
    pub fn check(&self, action: &str, target: &str) -> Result<()> {
        match &self.holder {
            Holder::Operator { .. } | Holder::Role { grants: None, .. } => Ok(()),
            Holder::Role { grants: Some(grants), .. } => {
                if grants.iter().any(|g| g.action == action && g.resource == target) {
                    Ok(())
                } else {
                    Err(Error::AccessDenied { action: action.to_owned(), target: target.to_owned() })
                }
            }
        }
    }

    /// Checks one IAM `action` on an object: granted on its bucket, or on those of the bucket's keys that begin with the
    /// grant's prefix (`BUCKET/PREFIX`).
    ///
    /// # Errors
    /// As [`Permit::check`].
    pub fn check_object(&self, action: &str, bucket: &str, key: &str) -> Result<()> {
        if let Holder::Role { grants: Some(grants), .. } = &self.holder {
            let below = |resource: &str| {
                let prefix = resource.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
                prefix.is_some_and(|prefix| key.starts_with(prefix))
            };
            if grants.iter().any(|g| g.action == action && below(&g.resource)) {
                return Ok(());
            }
            let narrow = grants.iter().any(|g| g.action == action && g.resource.split('/').next() == Some(bucket));
            if narrow && self.check(action, bucket).is_err() {
                let target = format!("{bucket}/{key}");
                return Err(Error::AccessDenied { action: action.to_owned(), target });
            }
        }
        self.check(action, bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_its_grants_name_and_no_more() {
        let grants = [Grant { action: "kinesis:PutRecords".into(), resource: "prices".into() }];
        let permit = Permit::role("fetch", grants.into(), "r-1");
        assert!(permit.check("kinesis:PutRecords", "prices").is_ok());
        assert!(permit.check("kinesis:PutRecords", "other").is_err());
        assert!(permit.check("s3:PutObject", "prices").is_err());
    }

    #[test]
    fn a_grant_on_a_prefix_reaches_no_other_key() {
        let grants = [Grant { action: "s3:PutObject".into(), resource: "lake/report/".into() }];
        let permit = Permit::role("report", grants.into(), "r-1");
        assert!(permit.check_object("s3:PutObject", "lake", "report/a.csv").is_ok());
        for (action, bucket, key) in [
            ("s3:PutObject", "lake", "raw/a.csv"),
            ("s3:PutObject", "lake2", "report/a.csv"),
            ("s3:DeleteObject", "lake", "report/a.csv"),
        ] {
            assert!(matches!(permit.check_object(action, bucket, key), Err(Error::AccessDenied { .. })), "{key}");
        }
        let error = permit.check_object("s3:PutObject", "lake", "raw/a.csv").unwrap_err().to_string();
        assert!(error.contains("lake/raw/a.csv"), "{error}");
        assert!(Permit::operator("me").check_object("s3:PutObject", "lake", "raw/a.csv").is_ok());
    }

    #[test]
    fn where_the_cloud_checks_it_is_asked() {
        let permit = Permit::role_checked_by_cloud("fetch", "r-1");
        assert!(permit.check("s3:PutObject", "prices").is_ok());
        assert_eq!(permit.next_token().as_deref(), Some("r-1/0"));
        permit.clone().wrote(3);
        assert_eq!(permit.written(), 3);
    }
}
