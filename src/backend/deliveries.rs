//! What delivers a pipeline on AWS: a stack of its own, deployed and destroyed as a pipeline's is.

use std::path::{Path, PathBuf};

use super::{Backend, Consent, Effect, Error, Result, Strength};
use crate::{
    cloud::{
        Error as CloudError,
        resources::Graph,
        stacks::{ChangeSet, Destroyed, Progress, Stack, StackRequest},
    },
    deploy::{self, BOOTSTRAP_FOR_RELEASES, BOOTSTRAP_STACK, ReleaseOptions, executable, release_stack},
    spec::Pipeline,
};

impl Backend {
    /// What is asked of the stacks port; `executable` is the pumphouse that the builds run, none: this one.
    async fn delivery_request(&self, pipeline: &str, executable: Option<&Path>) -> Result<StackRequest> {
        let found = self.pipeline(pipeline)?;
        self.delivers_by_stack()?;
        let endpoint = self.cloud.identity.ask().await?.endpoint;
        let emulated = deploy::is_emulated(endpoint.as_deref());
        let (omit_types, bootstrap) = (self.pipelines.omit_types.clone(), self.pipelines.bootstrap.clone());
        let executable = executable.map(Path::to_owned);
        let render = move || {
            let options = options(&found, executable, bootstrap, emulated)?;
            let options = ReleaseOptions { omit_types, ..options };
            deploy::release_template(&found, &options).map_err(|e| Error::Spec(e.to_string()))
        };
        // To read and hash the executables takes longer than a console may be kept waiting.
        let template = tokio::task::spawn_blocking(render)
            .await
            .map_err(|e| Error::Usage(format!("no template was made: {e}")))??;
        let graph = Graph {
            stack: release_stack(pipeline),
            pipeline: pipeline.to_owned(),
            env: String::new(),
            protected: false,
            resources: Vec::new(),
            outputs: Vec::new(),
        };
        Ok(StackRequest { template: Some(template), ..StackRequest::new(graph) })
    }

    fn delivers_by_stack(&self) -> Result<()> {
        if self.cloud.stacks.takes_templates() {
            return Ok(());
        }
        let what = "a stack for releases: it needs none, `pumphouse releases start` is all there is to it".to_owned();
        Err(Error::Cloud(CloudError::Unsupported { cloud: "local", what }))
    }

    /// Refuses where the bootstrap stack is older than releases are.
    async fn bootstrapped_for_releases(&self) -> Result<()> {
        let Some(stack) = self.cloud.stacks.get(BOOTSTRAP_STACK).await? else { return Ok(()) };
        let version = stack.outputs.iter().find(|o| o.name == "Version").and_then(|o| o.value.parse::<u32>().ok());
        if version.is_some_and(|version| version < BOOTSTRAP_FOR_RELEASES) {
            return Err(Error::Cloud(CloudError::Conflict(format!(
                "{BOOTSTRAP_STACK} was made before there were releases: run `pumphouse bootstrap` once more"
            ))));
        }
        Ok(())
    }

    /// What deploying a pipeline's delivery would do.
    pub async fn plan_delivery(&self, pipeline: &str, executable: Option<&Path>) -> Result<ChangeSet> {
        let request = self.delivery_request(pipeline, executable).await?;
        self.bootstrapped_for_releases().await?;
        self.planned(self.cloud.stacks.as_ref(), &request).await
    }

    /// The same, and what it means. The deploy that follows does this and nothing else.
    pub async fn judge_delivery(
        &self,
        pipeline: &str,
        executable: Option<&Path>,
    ) -> Result<(ChangeSet, Effect, StackRequest)> {
        let stack = release_stack(pipeline);
        self.gate.check("releases deploy", &stack)?;
        let mut request = self.delivery_request(pipeline, executable).await?;
        self.bootstrapped_for_releases().await?;
        let plan = self.planned(self.cloud.stacks.as_ref(), &request).await?;
        request.confirmed = Some(plan.clone());
        let found = self.pipeline(pipeline)?;
        let targets = found.release.iter().flat_map(|r| &r.definition.environments);
        let (mut words, mut protected) = (Vec::new(), false);
        for target in targets {
            let approval = if target.approval { " with an approval" } else { "" };
            words.push(format!("{}{approval}", target.env));
            protected |= found.env(&target.env).is_some_and(|e| e.protected);
        }
        let sentence = format!(
            "{stack} is made or updated: from then on, what is pushed is deployed to {}",
            if words.is_empty() { "nowhere".into() } else { words.join(", then to ") }
        );
        let nothing = plan.changes.is_empty() && plan.recreates.is_none() && !plan.resumes;
        let strength = match (nothing, protected) {
            (true, _) => Strength::Free,
            (false, true) => Strength::TypeName(stack.clone()),
            (false, false) => Strength::Confirm,
        };
        Ok((plan, Effect { what: "releases deploy", target: stack, sentence, strength }, request))
    }

    /// Deploys a pipeline's delivery: what was judged.
    pub async fn deploy_delivery(
        &self,
        request: StackRequest,
        effect: &Effect,
        consent: &Consent,
        progress: Progress,
    ) -> Result<Stack> {
        let stacks = self.cloud.stacks.clone();
        self.gate
            .perform(effect, consent, |permit| async move { stacks.apply(&permit, &request, progress).await })
            .await
    }

    /// What destroying a pipeline's delivery means.
    pub async fn destroy_delivery_effect(&self, pipeline: &str) -> Result<Effect> {
        let stack = release_stack(pipeline);
        self.gate.check("releases destroy", &stack)?;
        self.delivers_by_stack()?;
        if self.cloud.stacks.get(&stack).await?.is_none() {
            return Err(Error::Cloud(CloudError::not_found("stack", stack)));
        }
        let sentence = format!(
            "{stack} is destroyed, with the releases of the past: nothing delivers {pipeline} any more; what it has deployed stays"
        );
        Ok(Effect { what: "releases destroy", target: stack, sentence, strength: Strength::Confirm })
    }

    /// Destroys a pipeline's delivery.
    pub async fn destroy_delivery(&self, effect: &Effect, consent: &Consent, progress: Progress) -> Result<Destroyed> {
        let (stacks, stack) = (self.cloud.stacks.clone(), effect.target.clone());
        self.gate
            .perform(effect, consent, |permit| async move { stacks.destroy(&permit, &stack, &[], progress).await })
            .await
    }
}

/// The executables that a pipeline's builds need.
fn options(
    pipeline: &Pipeline,
    program: Option<PathBuf>,
    bootstrap: Option<PathBuf>,
    emulated: bool,
) -> Result<ReleaseOptions> {
    let unfit = |e: executable::Error| Error::Usage(e.to_string());
    // Before anything large is read.
    if pipeline.release.is_none() {
        return Err(Error::Spec(deploy::TemplateError::NoRelease(pipeline.name.clone()).to_string()));
    }
    let rust = deploy::release_in_rust(pipeline).map_err(|e| Error::Spec(e.to_string()))?;
    let bootstrap =
        rust.then(|| executable::find(bootstrap.as_deref(), emulated).map_err(unfit)).transpose()?.map(Into::into);
    let pumphouse = Some(executable::pumphouse(program.as_deref(), emulated).map_err(unfit)?);
    Ok(ReleaseOptions { pumphouse, bootstrap, emulated, ..ReleaseOptions::default() })
}
