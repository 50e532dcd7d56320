//! Which engine deploys a pipeline: the cloud's own, or one that the pipeline names; and what only such a one has.

use std::{pin::pin, sync::Arc, time::Duration};

use super::{Backend, Consent, Effect, Error, PlanFile, Result, Strength, plan_file::Place};
use crate::{
    cloud::{
        Error as CloudError, Identity,
        stacks::{Directory, Engine, Operation, Stack, StackEvent, Stacks, Waiting},
    },
    spec::{self, Origin},
};

/// How often it is looked what somebody waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

impl Backend {
    /// Names where the engines come from that pipelines name for themselves.
    #[must_use]
    pub fn with_engines(self, engines: Arc<dyn crate::cloud::stacks::Engines>) -> Self {
        Self { engines: Some(engines), ..self }
    }

    /// The directory from which Terraform deploys a pipeline in this environment; none where it does not.
    pub fn directory(&self, pipeline: &spec::Pipeline) -> Result<Option<Directory>> {
        let Some(terraform) = &pipeline.terraform else { return Ok(None) };
        let Origin::Folder(folder) = &pipeline.origin else {
            return Err(Error::Spec(format!("{}: a directory of Terraform's is on disk", pipeline.name)));
        };
        if pipeline.env(&self.env).is_none() {
            let known = pipeline.env_names().join(", ");
            return Err(Error::Spec(format!("{} has no environment {:?}; it has: {known}", pipeline.name, self.env)));
        }
        let named = |text: &str| text.replace("{env}", &self.env);
        let paths = |all: &[String]| all.iter().map(|path| named(path).into()).collect();
        Ok(Some(Directory {
            stack: self.stack_name(&pipeline.name),
            pipeline: pipeline.name.clone(),
            env: self.env.clone(),
            dir: folder.join(named(&terraform.dir)),
            var_files: paths(&terraform.var_files),
            backend_config: paths(&terraform.backend_config),
            workspace: terraform.workspace.as_deref().map(named),
            shared: Directory::is_shared(&terraform.dir, &terraform.backend_config),
            binary: terraform.binary.clone(),
            lock_timeout_seconds: terraform.lock_timeout_seconds,
        }))
    }

    /// The engine that deploys a pipeline. One that is broken, or not here, may still have a stack of the cloud's own.
    pub fn stacks_of(&self, pipeline: &str) -> Result<Arc<dyn Stacks>> {
        let Ok(spec) = self.pipeline(pipeline) else { return Ok(self.cloud.stacks.clone()) };
        let Some(directory) = self.directory(&spec)? else { return Ok(self.cloud.stacks.clone()) };
        let Some(engines) = &self.engines else {
            let what = format!("{pipeline}: Terraform deploys it, to AWS; leave --local out");
            return Err(CloudError::Unsupported { cloud: "local", what }.into());
        };
        Ok(engines.engine(&directory)?)
    }

    /// What deploys a pipeline.
    pub fn engine_of(&self, pipeline: &str) -> Engine {
        self.stacks_of(pipeline).map_or_else(|_| self.cloud.stacks.engine(), |stacks| stacks.engine())
    }

    /// The stacks of the pipelines that name their engine, as they are known; and whether there is another pipeline.
    pub(super) async fn directories(&self) -> (Vec<Stack>, bool) {
        let (mut stacks, mut others) = (Vec::new(), false);
        let Some(engines) = &self.engines else { return (stacks, true) };
        for location in spec::pipelines(self.pipelines.dir.as_deref()).unwrap_or_default() {
            let spec = spec::load(&location, &self.pipelines.handlers).ok();
            match spec.and_then(|spec| self.directory(&spec).ok().flatten()) {
                Some(directory) => {
                    if let Ok(engine) = engines.engine(&directory) {
                        stacks.extend(engine.list().gather().await.0);
                    }
                }
                None => others = true,
            }
        }
        (stacks, others)
    }

    /// Who and where we are, for a plan file; and why no account is known, where that need not be. Terraform's plan is bound
    /// to a state, by its lineage and serial, and its directory may have nothing to do with AWS.
    pub(super) async fn identity_for(&self, pipeline: &str) -> Result<(Identity, Option<CloudError>)> {
        match self.cloud.identity.ask().await {
            Ok(identity) => Ok((identity, None)),
            Err(why @ (CloudError::Credentials(_) | CloudError::Unavailable(_)))
                if self.engine_of(pipeline) == Engine::Terraform =>
            {
                let known = self.cloud.identity.known();
                Ok((Identity { account: None, principal: None, ..known }, Some(why)))
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Refuses a plan file that does not hold here.
    pub(super) async fn holds_here(&self, pipeline: &str, file: &PlanFile) -> Result<()> {
        let (identity, unknown) = self.identity_for(pipeline).await?;
        let mut here = Place::of(&identity);
        if let (Some(why), Some(account)) = (unknown, &file.cloud.account) {
            return Err(Error::Cloud(CloudError::Conflict(format!(
                "this is a plan for the account {account}, and nobody can say whether this is that one: {why}"
            ))));
        }
        if file.cloud.account.is_none() && self.engine_of(pipeline) == Engine::Terraform {
            (here.account, here.region) = (None, file.cloud.region.clone());
        }
        file.holds_for(pipeline, &self.env, &here)
    }

    /// Deploys and destroys of a pipeline's stack, the newest first.
    pub async fn history(&self, pipeline: &str, limit: usize) -> Result<Vec<Operation>> {
        Ok(self.stacks_of(pipeline)?.history(&self.stack_name(pipeline), limit).await?)
    }

    /// Events of a pipeline's stack, the newest first.
    pub async fn events(&self, pipeline: &str, limit: usize) -> Result<Vec<StackEvent>> {
        Ok(self.stacks_of(pipeline)?.events(&self.stack_name(pipeline), limit).await?)
    }

    /// What it means to ask what is under way in a pipeline's stack to end early.
    pub fn interrupt_effect(&self, pipeline: &str) -> Effect {
        let stack = self.stack_name(pipeline);
        let sentence = format!("what is under way in {stack} is asked to end early");
        Effect { what: "interrupt", target: stack, sentence, strength: Strength::Free }
    }

    /// Asks it to end early, in order.
    pub async fn interrupt(&self, pipeline: &str) -> Result<()> {
        let (stacks, effect) = (self.stacks_of(pipeline)?, self.interrupt_effect(pipeline));
        let stack = effect.target.clone();
        self.gate
            .perform(&effect, &Consent::None, |permit| async move { stacks.interrupt(&permit, &stack).await })
            .await
    }

    /// Does something with a pipeline's stack, and tells now and then what it waits for, where it does.
    pub async fn telling<T>(&self, pipeline: &str, work: impl Future<Output = T>, tell: impl Fn(&Waiting)) -> T {
        let stacks = self.stacks_of(pipeline).ok();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK_AGAIN) => {
                    if let Some(waiting) = stacks.as_ref().and_then(|stacks| stacks.waits_for()) {
                        tell(&waiting);
                    }
                }
            }
        }
    }

    /// What it means to take a lock away, by its id.
    pub fn unlock_effect(&self, pipeline: &str, lock: &str) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("unlock", &stack)?;
        let sentence = format!(
            "the lock {lock} on the state of {stack} is taken away: whoever still works under it, and whoever comes next, \
             may write over each other's changes"
        );
        Ok(Effect { what: "unlock", target: stack, sentence, strength: Strength::TypeName(lock.to_owned()) })
    }

    /// Takes a lock away that nobody is there any more to take away.
    pub async fn unlock(&self, pipeline: &str, lock: &str, consent: &Consent) -> Result<()> {
        let effect = self.unlock_effect(pipeline, lock)?;
        let (stacks, stack) = (self.stacks_of(pipeline)?, effect.target.clone());
        self.gate.perform(&effect, consent, |permit| async move { stacks.unlock(&permit, &stack, lock).await }).await
    }
}
