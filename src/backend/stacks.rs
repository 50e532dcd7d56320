//! What only an engine such as CloudFormation has: rollbacks, protection, drift, the bootstrap stack.

use super::{Backend, Consent, Effect, Error, Outcome, Result, Strength};
use crate::{
    cloud::{
        Error as CloudError,
        resources::{Graph, Properties, Resource, Runtime},
        stacks::{ChangeSet, Drift, Engine, Progress, Stack, StackRequest, Template},
    },
    deploy::{self, TemplateOptions},
};

impl Outcome for Drift {}

/// The stack with the artifact bucket and CloudFormation's role.
pub const BOOTSTRAP: &str = deploy::BOOTSTRAP_STACK;

impl Backend {
    /// The graph as a template, for the endpoint that we are on.
    pub(super) async fn render(&self, graph: &Graph) -> Result<Template> {
        // A profile may name an endpoint, too: it is known once the cloud was asked.
        let endpoint = self.cloud.identity.ask().await?.endpoint;
        let emulated = deploy::is_emulated(endpoint.as_deref());
        let in_rust = |r: &Resource| matches!(&r.properties, Properties::Function(f) if f.runtime == Runtime::Rust);
        let rust = graph.resources.iter().any(in_rust);
        let (graph, found, named) = (graph.clone(), self.executable.clone(), self.pipelines.bootstrap.clone());
        let omit_types = self.pipelines.omit_types.clone();
        let render = move || {
            let find = || found.find(named.as_deref(), emulated).map_err(|e| Error::Usage(e.to_string()));
            let bootstrap = rust.then(find).transpose()?;
            let options = TemplateOptions { bootstrap, omit_types, emulated, ..TemplateOptions::default() };
            deploy::template(&graph, &options).map_err(|e| Error::Spec(e.to_string()))
        };
        // To read and pack the code takes longer than a console may be kept waiting.
        tokio::task::spawn_blocking(render).await.map_err(|e| Error::Usage(format!("no template was made: {e}")))?
    }

    /// What it means to take a failed change back, leaving out what is to be skipped.
    pub fn rollback_effect(&self, pipeline: &str, skip: &[String]) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("rollback", &stack)?;
        let mut sentence = format!("the last change of {stack}, which failed, is taken back");
        if !skip.is_empty() {
            sentence =
                format!("{sentence}; {} stay as they are, and may no longer be as the stack says", skip.join(", "));
        }
        Ok(Effect { what: "rollback", target: stack, sentence, strength: Strength::Confirm })
    }

    /// Takes a failed change back that could not be taken back.
    pub async fn rollback(
        &self,
        pipeline: &str,
        skip: &[String],
        consent: &Consent,
        progress: Progress,
    ) -> Result<Stack> {
        let effect = self.rollback_effect(pipeline, skip)?;
        let (stacks, stack) = (self.stacks_of(pipeline)?, effect.target.clone());
        self.gate
            .perform(&effect, consent, |permit| async move { stacks.rollback(&permit, &stack, skip, progress).await })
            .await
    }

    /// What it means to turn the protection against deletion on or off.
    pub fn protect_effect(&self, pipeline: &str, on: bool) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("protect", &stack)?;
        let (sentence, strength) = if on {
            (format!("{stack} cannot be destroyed until that is taken back"), Strength::Free)
        } else {
            (format!("{stack} can be destroyed, with all data in it"), Strength::TypeName(stack.clone()))
        };
        Ok(Effect { what: "protect", target: stack, sentence, strength })
    }

    /// Turns the protection against deletion on or off.
    pub async fn protect(&self, pipeline: &str, on: bool, consent: &Consent) -> Result<()> {
        let effect = self.protect_effect(pipeline, on)?;
        let (stacks, stack) = (self.stacks_of(pipeline)?, effect.target.clone());
        self.gate.perform(&effect, consent, |permit| async move { stacks.protect(&permit, &stack, on).await }).await
    }

    /// Compares what is deployed with what the stack says; in read-only mode, what the last comparison has found.
    pub async fn drift(&self, pipeline: &str) -> Result<Drift> {
        let (stacks, stack) = (self.stacks_of(pipeline)?, self.stack_name(pipeline));
        if self.gate.read_only() || !stacks.plans_with_permit() {
            return Ok(stacks.drift(&stack).await?);
        }
        let sentence = match stacks.engine() {
            Engine::Terraform => format!("the state of {stack} is locked while Terraform looks for drift"),
            _ => format!("CloudFormation looks for drift of {stack}, and remembers what it finds"),
        };
        let effect = Effect { what: "drift", target: stack.clone(), sentence, strength: Strength::Free };
        self.gate
            .perform(&effect, &Consent::None, |permit| async move { stacks.detect_drift(&permit, &stack).await })
            .await
    }

    fn bootstrap_request(&self) -> Result<StackRequest> {
        if !self.cloud.stacks.takes_templates() {
            let what = "a bootstrap stack: it needs none".to_owned();
            return Err(Error::Cloud(CloudError::Unsupported { cloud: "local", what }));
        }
        let graph = Graph {
            stack: BOOTSTRAP.into(),
            pipeline: String::new(),
            env: String::new(),
            protected: false,
            resources: Vec::new(),
            outputs: Vec::new(),
        };
        let template = Template { body: self.bootstrap_template(), assets: Vec::new() };
        Ok(StackRequest { template: Some(template), ..StackRequest::new(graph) })
    }

    /// The template of the bootstrap stack, without the types that the endpoint does not know.
    pub fn bootstrap_template(&self) -> String {
        deploy::bootstrap_template().body
    }

    /// What making or updating the bootstrap stack would do, and the confirmation that it deserves.
    pub async fn bootstrap_effect(&self) -> Result<(ChangeSet, Effect)> {
        self.gate.check("bootstrap", BOOTSTRAP)?;
        let plan = self.planned(&*self.cloud.stacks, &self.bootstrap_request()?).await?;
        let identity = self.cloud.identity.ask().await?;
        let (account, region) = (identity.account.unwrap_or_default(), identity.region.unwrap_or_default());
        let sentence = format!(
            "{BOOTSTRAP} is made or updated in account {account}, {region}: the artifact bucket and CloudFormation's role"
        );
        let strength = if plan.is_empty() { Strength::Free } else { Strength::Confirm };
        Ok((plan, Effect { what: "bootstrap", target: BOOTSTRAP.into(), sentence, strength }))
    }

    /// Makes or updates the bootstrap stack: what was planned.
    pub async fn bootstrap(
        &self,
        plan: ChangeSet,
        effect: &Effect,
        consent: &Consent,
        progress: Progress,
    ) -> Result<Stack> {
        let request = StackRequest { confirmed: Some(plan), ..self.bootstrap_request()? };
        let stacks = self.cloud.stacks.clone();
        self.gate
            .perform(effect, consent, |permit| async move { stacks.apply(&permit, &request, progress).await })
            .await
    }
}
