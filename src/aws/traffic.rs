//! What the calls to AWS are like, as [`super::guard`] saw them.

use super::Aws;
use crate::cloud::traffic::{Meter, Traffic};

impl Meter for Aws {
    fn traffic(&self) -> Option<Traffic> {
        Some(self.client.guard().traffic())
    }
}
