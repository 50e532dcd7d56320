//! `releases start`, `follow`, `approve`, `reject`, `stop`.

use std::collections::BTreeMap;

use super::{
    super::{
        connect::Connection,
        failure::{Failure, Result},
        out::note,
        session::Session,
        signals::Watch,
    },
    carry::{self, Carrier},
    show::{self, Which, first, known_as},
};
use crate::{
    backend::{
        Consent,
        releases::{self, Until},
    },
    cloud::releases::{Decision, Release, ReleaseStatus},
};

/// What to release.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The pipeline's name, or the delivery's
    pub pipeline: String,
    /// The revision: a commit, a tag or a branch [default: the newest commit of [release]'s branch]
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Return at once
    #[arg(long)]
    pub no_follow: bool,
}

/// What to approve or refuse.
#[derive(Debug, clap::Args)]
pub struct Decide {
    #[command(flatten)]
    pub which: Which,
    /// Why: it stands in the release's history
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
}

/// What to approve.
#[derive(Debug, clap::Args)]
pub struct Approve {
    #[command(flatten)]
    pub decide: Decide,
    /// Return at once
    #[arg(long)]
    pub no_follow: bool,
}

/// What to end.
#[derive(Debug, clap::Args)]
pub struct Stop {
    #[command(flatten)]
    pub which: Which,
    /// Why: it stands in the release's history
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

impl Start {
    /// Starts it.
    pub async fn run(&self, s: &Session, connection: &Connection) -> Result {
        let backend = &connection.backend;
        let delivery = backend.delivery(&self.pipeline).await?.name;
        let consent = s.consent(backend, &releases::start_effect(&delivery, self.revision.as_deref()))?;
        let release = backend.start_release(&delivery, self.revision.as_deref(), &consent).await?;
        note(&format!("release {} of {} is started", release.id, self.pipeline));
        if self.no_follow {
            left_to_others(s, connection, &release);
            return show::show(s, &release);
        }
        follow(s, connection, &release, true, Until::ItWaits(None)).await
    }
}

/// Says who carries a release on, where nobody does yet.
fn left_to_others(s: &Session, connection: &Connection, release: &Release) {
    if !carry::by_others(connection, &s.settings.state_dir.value) {
        note(&format!(
            "nobody drives this embedded cloud now: the console, `pumphouse local serve` or `pumphouse --local releases follow {}` \
             carries it on",
            known_as(release)
        ));
    }
}

impl Decide {
    async fn decide(&self, s: &Session, connection: &Connection, decision: Decision) -> Result<Release> {
        let backend = &connection.backend;
        let waits = |r: &Release| r.status == ReleaseStatus::Waiting;
        let release = self.which.find(backend, waits, "waits for an approval").await?;
        let Some(approval) = release.waits_for() else {
            return Err(Failure::failed(format!(
                "release {} of {} does not wait for an approval: it is {}",
                release.id,
                self.which.pipeline,
                release.status.word()
            )));
        };
        note(&waits_for(&release));
        let word = releases::Word { approval, decision, comment: self.comment.clone() };
        let consent = s.consent(backend, &backend.decide_effect(&word))?;
        backend.decide_release(&word, &consent).await?;
        Ok(release)
    }
}

impl Approve {
    /// Lets it go on.
    pub async fn run(&self, s: &Session, connection: &Connection) -> Result {
        let release = self.decide.decide(s, connection, Decision::Approve).await?;
        note(&format!("release {} of {} is approved", release.id, self.decide.which.pipeline));
        if self.no_follow {
            left_to_others(s, connection, &release);
            return show::show(s, &connection.backend.cloud.releases.get(&release.delivery, &release.id).await?);
        }
        follow(s, connection, &release, true, Until::ItWaits(release.waits_for())).await
    }
}

impl Decide {
    /// Ends it: nothing is left to follow.
    pub async fn reject(&self, s: &Session, connection: &Connection) -> Result {
        let release = self.decide(s, connection, Decision::Reject).await?;
        note(&format!("release {} of {} is rejected", release.id, self.which.pipeline));
        show::show(s, &connection.backend.cloud.releases.get(&release.delivery, &release.id).await?)
    }
}

impl Stop {
    /// Ends it.
    pub async fn run(&self, s: &Session, connection: &Connection) -> Result {
        let backend = &connection.backend;
        let open = |r: &Release| !r.status.is_final();
        let release = self.which.find(backend, open, "goes on").await?;
        let consent = s.consent(backend, &releases::stop_effect(&release.delivery, &release.id))?;
        backend.stop_release(&release.delivery, &release.id, &self.reason, &consent).await?;
        let ended = watch(connection, &release, false, &Until::ItsEnd).await?;
        show::show(s, &ended)?;
        match ended.status {
            // It may have been quicker.
            ReleaseStatus::Stopped | ReleaseStatus::Succeeded => Ok(()),
            _ => Err(Failure::failed(how(&ended))),
        }
    }
}

/// Follows the release that is named, else the newest.
pub async fn follow_named(s: &Session, connection: &Connection, which: &Which) -> Result {
    let release = which.find(&connection.backend, |_| true, "is there yet").await?;
    follow(s, connection, &release, false, Until::ItWaits(None)).await
}

/// Follows a release until it is over or waits, and shows it then.
async fn follow(s: &Session, connection: &Connection, release: &Release, ours: bool, until: Until) -> Result {
    let ended = watch(connection, release, ours, &until).await?;
    show::show(s, &ended)?;
    match ended.status {
        ReleaseStatus::Succeeded => Ok(()),
        ReleaseStatus::Waiting => {
            note(&waits_for(&ended));
            let (name, id) = (known_as(&ended), &ended.id);
            note(&format!(
                "`pumphouse releases approve {name} {id}` lets it go on, `releases reject {name} {id}` ends it"
            ));
            Ok(())
        }
        _ => Err(Failure::failed(how(&ended))),
    }
}

/// What a release waits for, and what is planned.
fn waits_for(release: &Release) -> String {
    let all = release.stages.iter().flat_map(|stage| &stage.steps);
    let step = all.clone().find(|s| s.status == ReleaseStatus::Waiting);
    let place = step.and_then(|s| s.env.as_deref()).unwrap_or("it");
    let planned = step.and_then(|s| s.summary.as_deref()).map(|s| format!(": {}", first(s))).unwrap_or_default();
    format!("release {} of {} waits for an approval of {place}{planned}", release.id, known_as(release))
}

/// How a release has ended, and in which step.
fn how(release: &Release) -> String {
    let (name, id, word) = (known_as(release), &release.id, release.status.word());
    for stage in &release.stages {
        let bad = |s: &&crate::cloud::releases::Step| s.status.is_final() && s.status != ReleaseStatus::Succeeded;
        if let Some(step) = stage.steps.iter().find(bad) {
            let why = step.summary.as_deref().unwrap_or("no reason is known");
            return format!("release {id} of {name} is {word} in {}/{}: {why}", stage.name, step.name);
        }
    }
    format!("release {id} of {name} is {word}")
}

/// Follows a release until it is over or has come so far, with a line for each step as it gets on. On the embedded cloud,
/// Ctrl-C asks a release to stop that this command has begun or let go on.
async fn watch(connection: &Connection, release: &Release, ours: bool, until: &Until) -> Result<Release> {
    let backend = &connection.backend;
    let local = backend.cloud.identity.known().cloud == "local";
    let (delivery, id) = (release.delivery.as_str(), release.id.as_str());
    let carrier = Carrier::start(connection, delivery);
    let mut seen: BTreeMap<String, ReleaseStatus> = BTreeMap::new();
    let mut signals = Watch::begin();
    let mut asked = false;
    let result = {
        let mut following =
            std::pin::pin!(backend.follow_release(delivery, id, until, |release| tell(release, &mut seen)));
        loop {
            tokio::select! {
                ended = &mut following => break ended.map_err(Failure::from),
                () = signals.asked_to_end() => {
                    if asked || !ours || !local {
                        let consequence = if local {
                            "what was at work is left as it is; the console, `pumphouse local serve` or `pumphouse releases follow` \
                             carries the release on"
                        } else {
                            "the release goes on; `releases show` tells how, `releases stop` ends it"
                        };
                        break Err(Failure::failed(format!("interrupted: {consequence}")));
                    }
                    asked = true;
                    note("asking the release to stop; once more, and it is left as it is");
                    if let Err(error) = backend.stop_release(delivery, id, "Ctrl-C", &Consent::Yes).await {
                        note(&format!("it could not be asked to stop: {error}"));
                    }
                }
            }
        }
    };
    carrier.stop().await;
    let mut ended = result?;
    ended.pipeline = ended.pipeline.or_else(|| release.pipeline.clone());
    Ok(ended)
}

/// A line for each step that is otherwise than it was.
fn tell(release: &Release, seen: &mut BTreeMap<String, ReleaseStatus>) {
    for stage in &release.stages {
        for step in &stage.steps {
            let name = format!("{}/{}", stage.name, step.name);
            if step.status == ReleaseStatus::Pending || seen.get(&name) == Some(&step.status) {
                continue;
            }
            let said = step.summary.as_deref().map(|s| format!("  {}", first(s))).unwrap_or_default();
            note(&format!("{name:<18} {:<11}{said}", step.status.word()));
            seen.insert(name, step.status);
        }
    }
}
