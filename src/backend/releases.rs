//! Releases: starting them, approving or refusing what they wait for, ending them.

use std::time::Duration;

use super::{Backend, Consent, Effect, Error, Outcome, Result, Strength};
use crate::{
    cloud::{
        Error as CloudError,
        releases::{Approval, Decision, Delivery, Release, ReleaseRequest, ReleaseStatus, delivered, delivery_name},
    },
    spec::Origin,
};

/// How soon a release that is waited for is looked at again: less and less often, the longer it takes.
const POLL: Duration = Duration::from_millis(200);
const SLOWEST_POLL: Duration = Duration::from_secs(10);
/// Looks in a row that may fail because the network, or the cloud, does not answer, or because CodePipeline does not know
/// yet what it has just started: a release goes on without us.
const MOST_MISSED: u32 = 5;
/// Releases of a delivery among which one that waits is looked for: newer ones come up behind it.
const LOOKED_AT: usize = 20;

// One that starts has not failed yet; how it ends stands in its own history.
impl Outcome for Release {}

/// Somebody's word on a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What waits.
    pub approval: Approval,
    /// Go on, or not.
    pub decision: Decision,
    /// Why, where that is said.
    pub comment: String,
}

/// The name under which people know what is delivered: the pipeline's, else the delivery's own.
fn known_as(delivery: &str) -> &str {
    delivered(delivery).unwrap_or(delivery)
}

/// Starting a release.
pub fn start_effect(delivery: &str, revision: Option<&str>) -> Effect {
    let what = revision.map_or_else(|| "the branch's newest commit".to_owned(), |r| format!("revision {r}"));
    Effect {
        what: "releases start",
        target: delivery.to_owned(),
        sentence: format!(
            "{what} of {} is checked, and deployed to each environment that asks for no approval",
            known_as(delivery)
        ),
        strength: Strength::Confirm,
    }
}

/// Ending a release.
pub fn stop_effect(delivery: &str, release: &str) -> Effect {
    Effect {
        what: "releases stop",
        target: format!("{delivery} {release}"),
        sentence: format!("release {release} of {} ends; a deploy that is at work is waited for", known_as(delivery)),
        strength: Strength::Confirm,
    }
}

impl Backend {
    /// All deliveries: those of the cloud, and, where the cloud makes one of a pipeline's first release, those that the
    /// pipelines here would have.
    pub async fn deliveries(&self) -> Result<Vec<Delivery>> {
        let mut all = self.cloud.releases.list().await?;
        if self.cloud.identity.known().cloud == "local" {
            for location in crate::spec::pipelines(self.pipelines.dir.as_deref()).unwrap_or_default() {
                let Ok(pipeline) = crate::spec::load(&location, &self.pipelines.handlers) else { continue };
                let name = delivery_name(&pipeline.name);
                if pipeline.release.is_some() && !all.iter().any(|d| d.name == name) {
                    all.push(Delivery { name, pipeline: Some(pipeline.name), updated: None });
                }
            }
            all.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(all)
    }

    /// The delivery that is meant: a pipeline's, or one by its own name.
    ///
    /// # Errors
    /// Says what there is, and that a pipeline without `[release]` has none.
    pub async fn delivery(&self, name: &str) -> Result<Delivery> {
        let all = self.deliveries().await?;
        let of_pipeline = all.iter().find(|d| d.pipeline.as_deref() == Some(name) && delivered(&d.name) == Some(name));
        let found = of_pipeline.or_else(|| all.iter().find(|d| d.name == name));
        if let Some(found) = found.or_else(|| all.iter().find(|d| d.pipeline.as_deref() == Some(name))) {
            return Ok(found.clone());
        }
        let pipeline = self.pipeline(name)?;
        let local = self.cloud.identity.known().cloud == "local";
        Err(Error::Cloud(CloudError::Invalid(match pipeline.release {
            Some(_) if !local => {
                format!("the delivery of {name} is not deployed: `pumphouse releases deploy {name}` does it")
            }
            _ => format!(
                "{name} has no section [release], which says how a change of it is delivered: see docs/pipeline.md"
            ),
        })))
    }

    /// What a release of a delivery goes through, from the pipeline that is here.
    fn release_request(&self, delivery: &Delivery, revision: Option<&str>) -> Result<ReleaseRequest> {
        let Some(name) = delivery.pipeline.as_deref() else {
            return Err(Error::Usage(format!("{}: it is not known which pipeline that delivers", delivery.name)));
        };
        let pipeline = self.pipeline(name)?;
        let Some(release) = pipeline.release else {
            return Err(Error::Cloud(CloudError::Invalid(format!(
                "{name} has no section [release], which says how a change of it is delivered: see docs/pipeline.md"
            ))));
        };
        let repository = match pipeline.origin {
            Origin::Folder(folder) => Some(folder),
            Origin::BuiltIn(_) | Origin::Memory => None,
        };
        if repository.is_none() && self.cloud.identity.known().cloud == "local" {
            return Err(Error::Cloud(CloudError::Invalid(format!(
                "{name} is built in, and a release takes a revision from a git repository: `pumphouse new NAME --from {name}` \
                 makes a folder of it, `git init` and `git commit` make that a repository"
            ))));
        }
        Ok(ReleaseRequest {
            delivery: delivery.name.clone(),
            definition: release.definition,
            repository,
            revision: revision.map(str::to_owned),
        })
    }

    /// Starts a release and returns at once.
    pub async fn start_release(&self, delivery: &str, revision: Option<&str>, consent: &Consent) -> Result<Release> {
        let effect = start_effect(delivery, revision);
        self.gate.check(effect.what, &effect.target)?;
        let delivery = self.delivery(delivery).await?;
        // What is no pipeline of ours has no [release] here, and needs none.
        let request = match delivered(&delivery.name) {
            None if self.cloud.identity.known().cloud != "local" => foreign(&delivery, revision),
            _ => self.release_request(&delivery, revision)?,
        };
        let releases = self.cloud.releases.clone();
        self.gate.perform(&effect, consent, |permit| async move { releases.start(&permit, &request).await }).await
    }

    /// What approving or refusing means, and the confirmation that it deserves: a yes; the stack's name, typed, where
    /// approving lets a protected environment be deployed to.
    pub fn decide_effect(&self, word: &Word) -> Effect {
        let Word { approval, decision, .. } = word;
        let pipeline = known_as(&approval.delivery);
        let place = approval.env.as_deref().unwrap_or(&approval.stage);
        let target = format!("{} {} {}", approval.delivery, approval.release, approval.stage);
        if *decision == Decision::Reject {
            return Effect {
                what: "releases reject",
                target,
                sentence: format!("release {} of {pipeline} ends: {place} is not deployed to", approval.release),
                strength: Strength::Confirm,
            };
        }
        let protected = approval.env.as_deref().is_some_and(|env| match self.pipeline(pipeline) {
            Ok(pipeline) => pipeline.env(env).is_none_or(|e| e.protected),
            // One that cannot be read may have said so; what is none of ours has no environments.
            Err(_) => delivered(&approval.delivery).is_some(),
        });
        let strength = if protected { Strength::TypeName(format!("{pipeline}-{place}")) } else { Strength::Confirm };
        Effect {
            what: "releases approve",
            target,
            sentence: format!("release {} of {pipeline} goes on: {place} is deployed to, as planned", approval.release),
            strength,
        }
    }

    /// Approves or refuses what waits.
    pub async fn decide_release(&self, word: &Word, consent: &Consent) -> Result<()> {
        let effect = self.decide_effect(word);
        let (releases, word) = (self.cloud.releases.clone(), word.clone());
        self.gate
            .perform(&effect, consent, |permit| async move {
                releases.decide(&permit, &word.approval, word.decision, &word.comment).await
            })
            .await
    }

    /// Asks a release to end.
    pub async fn stop_release(&self, delivery: &str, release: &str, reason: &str, consent: &Consent) -> Result<()> {
        let (effect, releases) = (stop_effect(delivery, release), self.cloud.releases.clone());
        self.gate
            .perform(&effect, consent, |permit| async move { releases.stop(&permit, delivery, release, reason).await })
            .await
    }

    /// Returns when a release is over, or has come `until` here; `seen` is shown it each time that it was looked at.
    pub async fn follow_release(
        &self,
        delivery: &str,
        release: &str,
        until: &Until,
        mut seen: impl FnMut(&Release),
    ) -> Result<Release> {
        let slowest = if self.cloud.identity.known().cloud == "local" { POLL } else { SLOWEST_POLL };
        let (mut wait, mut missed) = (POLL, 0);
        loop {
            match self.cloud.releases.get(delivery, release).await {
                Ok(now) => {
                    missed = 0;
                    seen(&now);
                    if now.status.is_final() || until.reached(&now) {
                        return Ok(now);
                    }
                }
                Err(CloudError::Throttled(_) | CloudError::Unavailable(_) | CloudError::NotFound { .. })
                    if missed < MOST_MISSED =>
                {
                    missed += 1;
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
    }

    /// What waits for somebody's approval, with the pipeline: what cannot be read tells nothing.
    pub async fn waiting_releases(&self) -> Vec<(String, Release)> {
        let Ok(deliveries) = self.cloud.releases.list().await else { return Vec::new() };
        let mut waiting = Vec::new();
        for delivery in deliveries {
            let Some(pipeline) = delivery.pipeline else { continue };
            let Ok(newest) = self.cloud.releases.releases(&delivery.name, LOOKED_AT).await else { continue };
            let waits = newest.into_iter().find(|r| r.status == ReleaseStatus::Waiting);
            if let Some(release) = waits
                && let Ok(whole) = self.cloud.releases.get(&delivery.name, &release.id).await
            {
                waiting.push((pipeline, whole));
            }
        }
        waiting
    }
}

/// How far a release is followed that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Until it waits for an approval; for another one than this, which was just decided: CodePipeline may tell of that for
    /// a while yet.
    ItWaits(Option<Approval>),
    /// Until it is over.
    ItsEnd,
}

impl Until {
    fn reached(&self, release: &Release) -> bool {
        match self {
            Self::ItWaits(past) => {
                release.status == ReleaseStatus::Waiting && (past.is_none() || release.waits_for() != *past)
            }
            Self::ItsEnd => false,
        }
    }
}

/// A request for a delivery that is no pipeline's of ours: the cloud knows what it goes through.
fn foreign(delivery: &Delivery, revision: Option<&str>) -> ReleaseRequest {
    ReleaseRequest {
        delivery: delivery.name.clone(),
        definition: crate::cloud::releases::Definition {
            pipeline: delivery.pipeline.clone().unwrap_or_default(),
            folder: String::new(),
            branch: String::new(),
            checks: Vec::new(),
            environments: Vec::new(),
            email: Vec::new(),
        },
        repository: None,
        revision: revision.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::releases::{Stage, Step, StepKind};

    fn waiting(token: &str) -> Release {
        let step = Step {
            name: "approve".into(),
            kind: StepKind::Approval,
            env: Some("prod".into()),
            status: ReleaseStatus::Waiting,
            started: None,
            updated: None,
            summary: None,
            log_group: None,
            log_stream: None,
            token: Some(token.into()),
        };
        let stage = Stage { name: "to-prod".into(), status: ReleaseStatus::Waiting, steps: vec![step] };
        Release {
            id: "1".into(),
            delivery: "lake--release".into(),
            pipeline: None,
            revision: None,
            summary: None,
            status: ReleaseStatus::Waiting,
            trigger: None,
            started: None,
            updated: None,
            stages: vec![stage],
        }
    }

    #[test]
    fn a_release_is_followed_past_the_approval_that_was_just_given() {
        let release = waiting("1");
        assert!(Until::ItWaits(None).reached(&release));
        let given = Until::ItWaits(release.waits_for());
        assert!(!given.reached(&release), "CodePipeline is late");
        assert!(given.reached(&waiting("2")), "it waits again: the stage was tried once more");
        assert!(!given.reached(&Release { status: ReleaseStatus::InProgress, ..release.clone() }));
        assert!(!Until::ItsEnd.reached(&release), "one that is to stop does not wait for anybody");
    }
}
