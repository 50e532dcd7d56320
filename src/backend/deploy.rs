//! Planning, deploying and destroying a pipeline's stack.

use super::{Backend, Consent, Effect, Error, Outcome, Result, Strength};
use crate::{
    cloud::{
        Error as CloudError,
        resources::Graph,
        stacks::{Action, ChangeSet, Destroyed, Progress, Stack, StackRequest},
    },
    deploy, spec,
};

impl Outcome for Stack {}
impl Outcome for Destroyed {}

impl Backend {
    /// The pipeline's own description.
    pub fn pipeline(&self, name: &str) -> Result<spec::Pipeline> {
        spec::find(self.pipelines.dir.as_deref(), name, &self.pipelines.handlers)
            .map_err(|e| Error::Spec(e.to_string()))
    }

    /// The resources that the pipeline has in this environment.
    pub fn graph(&self, name: &str) -> Result<Graph> {
        deploy::graph(&self.pipeline(name)?, &self.env).map_err(|e| Error::Spec(e.to_string()))
    }

    /// What deploying the pipeline would do.
    pub async fn plan(&self, pipeline: &str) -> Result<ChangeSet> {
        let request = StackRequest::new(self.graph(pipeline)?);
        Ok(self.cloud.stacks.plan(&request).await?)
    }

    /// What deploying the pipeline means, and how much confirmation that deserves: a yes; its stack's name, typed, in a
    /// protected environment or where data would be lost.
    pub async fn deploy_effect(&self, pipeline: &str) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("deploy", &stack)?;
        let plan = self.plan(pipeline).await?;
        let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
        let lost: Vec<_> = plan.changes.iter().filter(|c| c.loses_data).map(|c| c.name.as_str()).collect();
        let mut sentence = format!(
            "{stack}: {} to add, {} to change, {} to replace, {} to remove",
            count(Action::Add),
            count(Action::Change),
            count(Action::Replace),
            count(Action::Remove)
        );
        if !lost.is_empty() {
            sentence = format!("{sentence}; the data of {} is lost", lost.join(", "));
        }
        let strength = if plan.changes.is_empty() && !plan.resumes {
            Strength::Free
        } else if self.protected(pipeline) || !lost.is_empty() {
            Strength::TypeName(stack.clone())
        } else {
            Strength::Confirm
        };
        Ok(Effect { what: "deploy", target: stack, sentence, strength })
    }

    /// Deploys the pipeline, or carries its interrupted deploy on.
    pub async fn deploy(&self, pipeline: &str, consent: &Consent, progress: Progress) -> Result<Stack> {
        let effect = self.deploy_effect(pipeline).await?;
        self.no_run(&effect.target).await?;
        let request = StackRequest::new(self.graph(pipeline)?);
        let stacks = self.cloud.stacks.clone();
        self.gate
            .perform(&effect, consent, |permit| async move { stacks.apply(&permit, &request, progress).await })
            .await
    }

    /// What destroying the pipeline's stack means.
    pub async fn destroy_effect(&self, pipeline: &str) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("destroy", &stack)?;
        let resources = self.cloud.stacks.get(&stack).await?.map_or(0, |s| s.resources.len());
        let sentence = format!("{stack} is destroyed: {resources} resources, with all data in them");
        // A stack whose pipeline is gone, or broken, cannot say that it is unprotected.
        let strength = if self.protected(pipeline) { Strength::TypeName(stack.clone()) } else { Strength::Confirm };
        Ok(Effect { what: "destroy", target: stack, sentence, strength })
    }

    /// Destroys the pipeline's stack with everything in it.
    pub async fn destroy(&self, pipeline: &str, consent: &Consent, progress: Progress) -> Result<Destroyed> {
        let effect = self.destroy_effect(pipeline).await?;
        self.no_run(&effect.target).await?;
        let stacks = self.cloud.stacks.clone();
        let stack = effect.target.clone();
        self.gate
            .perform(&effect, consent, |permit| async move { stacks.destroy(&permit, &stack, &[], progress).await })
            .await
    }

    /// The pipeline's stack; none where it is not deployed.
    pub async fn status(&self, pipeline: &str) -> Result<Option<Stack>> {
        Ok(self.cloud.stacks.get(&self.stack_name(pipeline)).await?)
    }

    /// Refuses to change a stack under a run that is at work in it.
    async fn no_run(&self, stack: &str) -> Result<()> {
        match self.cloud.runs.list(stack, 1).await?.first() {
            Some(run) if run.status == "RUNNING" => Err(Error::Cloud(CloudError::Conflict(format!(
                "run {} of {stack} is at work in another process: wait for it, or end that process",
                run.id
            )))),
            _ => Ok(()),
        }
    }

    /// Whether the pipeline says that this environment is protected. A pipeline that is not here says nothing; one that
    /// is broken may have said so.
    pub(super) fn protects(&self, pipeline: &str) -> bool {
        match spec::find(self.pipelines.dir.as_deref(), pipeline, &self.pipelines.handlers) {
            Ok(pipeline) => pipeline.env(&self.env).is_some_and(|e| e.protected),
            Err(error) => matches!(error, spec::FindError::Invalid(_)),
        }
    }

    /// Whether any pipeline says that this environment is protected: for a face that marks it.
    pub fn protected_env(&self) -> bool {
        let all = spec::pipelines(self.pipelines.dir.as_deref()).unwrap_or_default();
        let mut read = all.iter().filter_map(|location| spec::load(location, &self.pipelines.handlers).ok());
        read.any(|pipeline| pipeline.env(&self.env).is_some_and(|e| e.protected))
    }

    /// Whether the environment asks for the stack's name. Where the pipeline cannot be read, it does.
    fn protected(&self, pipeline: &str) -> bool {
        match self.pipeline(pipeline) {
            Ok(pipeline) => pipeline.env(&self.env).is_none_or(|e| e.protected),
            Err(_) => true,
        }
    }
}
