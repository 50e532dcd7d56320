//! `doctor` on AWS: credentials, caller, region, endpoint, clock, and what a deploy needs.

use std::time::Instant;

use super::{
    doctor::{Finding, fail, ok, warn},
    failure::Result,
    session::Session,
};
use crate::cloud::{Cloud, Error};

/// More than this and AWS does not take our signatures: five minutes.
const SKEW_MS: u64 = 300_000;
/// The stack that holds what deploys need.
const BOOTSTRAP: &str = "pumphouse-bootstrap";

/// Asks AWS once who we are, and makes what it can of the answer.
pub(super) async fn look(s: &Session) -> Result<Vec<Finding>> {
    let backend = s.connect_to_read()?.backend;
    let cloud = &backend.cloud;
    let begun = Instant::now();
    let asked = cloud.identity.ask().await;
    let took = begun.elapsed();
    let known = cloud.identity.known();
    let login = known.login.clone().unwrap_or_default();
    let mut findings = Vec::new();
    let source = known.credentials.clone();
    findings.push(match (&source, &asked) {
        (_, Err(Error::Credentials(why))) => fail("credentials", why.clone(), format!("run `{login}`, then try again")),
        (Some(source), _) => ok("credentials", source.clone()),
        (None, _) => warn("credentials", "none were asked for", "see the other checks"),
    });
    findings.push(match &asked {
        Ok(identity) => {
            let arn = identity.principal.as_deref().unwrap_or("somebody");
            ok("caller", format!("{arn} in account {}", identity.account.as_deref().unwrap_or("not told")))
        }
        Err(error) => warn("caller", format!("not known: {error}"), "sts:GetCallerIdentity says who we are"),
    });
    findings.push(match &known.region {
        Some(region) => ok("region", region.clone()),
        None => fail("region", "none", "name one with --region, AWS_REGION, or `aws configure set region eu-west-1`"),
    });
    let endpoint = known.endpoint.clone().unwrap_or_else(|| "AWS's own".into());
    findings.push(match &asked {
        Err(Error::Unavailable(why)) => {
            let advice = "look at the network, HTTPS_PROXY and AWS_CA_BUNDLE, or name another with --endpoint-url";
            fail("endpoint", format!("{endpoint}: {why}"), advice)
        }
        _ if cloud.traffic.traffic().is_some_and(|t| t.last_answer.is_some()) => {
            ok("endpoint", format!("{endpoint}: an answer after {} ms", took.as_millis()))
        }
        _ => warn("endpoint", format!("{endpoint}: not asked"), "see the credentials"),
    });
    if let Some(ms) = cloud.traffic.traffic().and_then(|t| t.skew_ms) {
        let seconds = ms.unsigned_abs() / 1000;
        let side = if ms < 0 { "behind" } else { "ahead of" };
        findings.push(if ms.unsigned_abs() > SKEW_MS {
            fail(
                "clock skew",
                format!("{seconds} s {side} AWS"),
                "set the clock: AWS takes no signature from so far off",
            )
        } else {
            ok("clock skew", format!("{seconds} s"))
        });
    }
    if asked.is_ok() {
        findings.extend(bootstrap(cloud).await);
    }
    Ok(findings)
}

async fn bootstrap(cloud: &Cloud) -> Option<Finding> {
    const CHECK: &str = "bootstrap stack";
    let advice = "run `pumphouse bootstrap` once in this account and region before the first deploy";
    Some(match cloud.stacks.get(BOOTSTRAP).await {
        Ok(Some(stack)) => ok(CHECK, stack.status.word()),
        Ok(None) => warn(CHECK, "not there", advice),
        Err(Error::Unsupported { .. }) => return None,
        Err(error) => {
            warn(CHECK, error.to_string(), "looking needs cloudformation:DescribeStacks; deploying needs the stack")
        }
    })
}
