//! Functions and their invocations (AWS Lambda), and what a handler is given.

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    functions::{Function, Functions, Invocation, Invoke, Settled},
};

#[async_trait]
impl Functions for Aws {
    fn list(&self) -> Pages<'_, Function> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "functions list".into() }) })
    }

    async fn invoke(&self, _permit: &Permit, _request: Invoke) -> Result<Invocation> {
        Err(Error::Unsupported { cloud: "aws", what: "functions invoke".into() })
    }

    async fn settle(&self, _permit: &Permit, _functions: &[String]) -> Result<Settled> {
        Err(Error::Unsupported { cloud: "aws", what: "functions settle".into() })
    }
}
