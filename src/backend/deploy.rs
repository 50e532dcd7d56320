//! Planning, deploying and destroying a pipeline's stack.

use std::{collections::BTreeMap, sync::PoisonError};

use super::{Backend, Consent, Effect, Error, Outcome, PlanFile, Result, Strength, plan_file::Wanted, uploads};
use crate::{
    cloud::{
        Error as CloudError,
        buckets::ListObjects,
        resources::{Graph, Properties},
        stacks::{Action, Change, ChangeSet, Destroyed, Engine, Progress, Replacement, Stack, StackRequest, Stacks},
    },
    deploy, spec,
};

impl Outcome for Stack {}
impl Outcome for Destroyed {}
impl Outcome for ChangeSet {}

/// Objects that are counted before a destroy, in pages of a thousand; so many and more are told as such.
const COUNTED: u32 = 20;

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

    /// What is asked of the stacks port.
    async fn request(&self, pipeline: &str) -> Result<StackRequest> {
        let graph = self.graph(pipeline)?;
        let takes = self.stacks_of(pipeline)?.takes_templates();
        let template = if takes { Some(self.render(&graph).await?) } else { None };
        Ok(StackRequest { template, protected: self.protects(pipeline), ..StackRequest::new(graph) })
    }

    /// What deploying the pipeline would do.
    pub async fn plan(&self, pipeline: &str) -> Result<ChangeSet> {
        let mut plan = self.planned(&*self.stacks_of(pipeline)?, &self.request(pipeline).await?).await?;
        plan.changes.extend(uploads::changes(&self.changed_files(pipeline).await?));
        Ok(plan)
    }

    /// The same, with a file in which it waits for an approval.
    ///
    /// # Errors
    /// Where the plan is an estimate, which cannot be applied as it was shown.
    pub async fn plan_to_keep(&self, pipeline: &str, revert_drift: bool) -> Result<(ChangeSet, PlanFile)> {
        let request = StackRequest { revert_drift, ..self.request(pipeline).await? };
        let mut plan = self.planned(&*self.stacks_of(pipeline)?, &request).await?;
        // Of a stack that is made anew, everything is added: that much is certain.
        if plan.estimated && plan.recreates.is_none() {
            let why =
                if self.gate.read_only() { "start without --read-only" } else { "plan again once that is mended" };
            let notes = plan.notes.join("; ");
            return Err(Error::Cloud(CloudError::Conflict(format!(
                "{}: this plan is an estimate, which cannot be applied as it is shown, so no file is written: {why} ({notes})",
                plan.stack
            ))));
        }
        plan.changes.extend(uploads::changes(&self.changed_files(pipeline).await?));
        let (identity, unknown) = self.identity_for(pipeline).await?;
        if let Some(why) = unknown {
            plan.notes.push(format!("the file names no account, as nobody could say whose this is: {why}"));
        }
        let file = PlanFile::new(&request, &self.uploads(pipeline), plan.clone(), &identity)?;
        Ok((plan, file))
    }

    /// What deploying a kept plan means, as [`Self::judge_deploy`] says it of a new one. The deploy that follows does
    /// this and nothing else.
    ///
    /// # Errors
    /// Where the plan is of something else, for elsewhere, or does not lead to what pipeline.toml and the code say now.
    pub async fn judge_plan_file(&self, pipeline: &str, file: &PlanFile) -> Result<(ChangeSet, Effect)> {
        let stack = self.stack_name(pipeline);
        self.gate.check("deploy", &stack)?;
        self.holds_here(pipeline, file).await?;
        let mut request = self.request(pipeline).await?;
        file.leads_to(&Wanted::of(&request, &self.uploads(pipeline))?)?;
        let files: Vec<_> = uploads::changes(&self.changed_files(pipeline).await?).collect();
        let (planned, changes): (Vec<_>, Vec<_>) = file.plan.changes.iter().cloned().partition(uploads::is_file);
        if planned != files {
            return Err(Error::Cloud(CloudError::Conflict(format!(
                "{stack}: the files that are to be uploaded are not those of the plan any more: plan again"
            ))));
        }
        request.revert_drift = file.revert_drift;
        request.confirmed = Some(ChangeSet { changes, ..file.plan.clone() });
        let effect = self.effect_of(pipeline, &file.plan);
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).insert(stack, request);
        Ok((file.plan.clone(), effect))
    }

    /// What applying a request would do. CloudFormation makes a change set for that, and what it refers to is uploaded
    /// before: that takes a permit and is on record. In read-only mode, reading alone has to do.
    /// Terraform locks its state meanwhile.
    pub(super) async fn planned(&self, stacks: &dyn Stacks, request: &StackRequest) -> Result<ChangeSet> {
        if self.gate.read_only() || !stacks.plans_with_permit() {
            return Ok(stacks.estimate(request).await?);
        }
        let target = request.graph.stack.clone();
        let sentence = match stacks.engine() {
            Engine::Terraform => format!("the state of {target} is locked while Terraform plans"),
            _ => format!("a change set of {target} is made, and deleted again"),
        };
        let effect = Effect { what: "plan", target, sentence, strength: Strength::Free };
        self.gate.perform(&effect, &Consent::None, |permit| async move { stacks.plan(&permit, request).await }).await
    }

    /// What deploying the pipeline would probably do, at the price of reading alone: for a face that shows it unasked.
    pub async fn estimate(&self, pipeline: &str) -> Result<ChangeSet> {
        let stacks = self.stacks_of(pipeline)?;
        let mut plan = stacks.estimate(&self.request(pipeline).await?).await?;
        // On AWS that would be a request a file, each time.
        if stacks.engine() == Engine::Embedded {
            plan.changes.extend(uploads::changes(&self.changed_files(pipeline).await?));
        }
        Ok(plan)
    }

    /// What deploying the pipeline means, and how much confirmation that deserves: a yes; its stack's name, typed, in a
    /// protected environment or where data would be lost. The deploy that follows does this and nothing else.
    pub async fn deploy_effect(&self, pipeline: &str) -> Result<Effect> {
        Ok(self.judge_deploy(pipeline, false).await?.1)
    }

    /// The same, with the plan; `revert_drift` also brings back what was changed behind the stack's back.
    pub async fn judge_deploy(&self, pipeline: &str, revert_drift: bool) -> Result<(ChangeSet, Effect)> {
        let stack = self.stack_name(pipeline);
        self.gate.check("deploy", &stack)?;
        let mut request = self.request(pipeline).await?;
        request.revert_drift = revert_drift;
        let mut plan = self.planned(&*self.stacks_of(pipeline)?, &request).await?;
        request.confirmed = Some(plan.clone());
        plan.changes.extend(uploads::changes(&self.changed_files(pipeline).await?));
        let effect = self.effect_of(pipeline, &plan);
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).insert(stack, request);
        Ok((plan, effect))
    }

    fn effect_of(&self, pipeline: &str, plan: &ChangeSet) -> Effect {
        let stack = self.stack_name(pipeline);
        let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
        let mut sentence = format!(
            "{stack}: {} to add, {} to change, {} to replace, {} to remove",
            count(Action::Add),
            count(Action::Change),
            count(Action::Replace),
            count(Action::Remove)
        );
        if let Some(status) = &plan.recreates {
            sentence = format!("{sentence}; the stack is {}: it is deleted first, and made anew", status.word());
        }
        if plan.resumes && plan.changes.is_empty() && self.engine_of(pipeline) == Engine::Terraform {
            sentence = format!("{stack}: {}", plan.notes.join("; "));
        }
        let sure = |c: &&Change| c.certain && c.replacement != Some(Replacement::Conditional);
        let names = |of: &dyn Fn(&&Change) -> bool| {
            let lost = plan.changes.iter().filter(|c| c.loses_data).filter(|c| of(c));
            lost.map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (lost, may_be) = (names(&|c| sure(c)), names(&|c| !sure(c)));
        if !lost.is_empty() {
            sentence = format!("{sentence}; the data of {lost} is lost");
        }
        if !may_be.is_empty() {
            sentence = format!("{sentence}; the data of {may_be} may be lost, where it is made anew");
        }
        let strength = if plan.is_empty() {
            Strength::Free
        } else if self.protected(pipeline) || !lost.is_empty() || !may_be.is_empty() {
            Strength::TypeName(stack.clone())
        } else {
            Strength::Confirm
        };
        Effect { what: "deploy", target: stack, sentence, strength }
    }

    /// Deploys the pipeline, or carries its interrupted deploy on: what was judged last, where something was.
    pub async fn deploy(&self, pipeline: &str, consent: &Consent, progress: Progress) -> Result<Stack> {
        let stack = self.stack_name(pipeline);
        let judged = |backend: &Self| backend.judged.lock().unwrap_or_else(PoisonError::into_inner).remove(&stack);
        let mut request = judged(self);
        if request.is_none() {
            self.judge_deploy(pipeline, false).await?;
            request = judged(self);
        }
        let Some((request, mut plan)) = request.and_then(|r| Some((r.clone(), r.confirmed?))) else {
            return Err(Error::Usage(format!("{stack}: there is no plan to deploy")));
        };
        plan.changes.extend(uploads::changes(&self.changed_files(pipeline).await?));
        let effect = self.effect_of(pipeline, &plan);
        let stacks = self.stacks_of(pipeline)?;
        // What Terraform deploys is not run from here.
        if stacks.engine() != Engine::Terraform {
            self.no_run(&effect.target).await?;
        }
        self.gate
            .perform(&effect, consent, |permit| async move {
                let stack = stacks.apply(&permit, &request, progress.clone()).await?;
                let uploaded = self.upload_changed(&permit, pipeline, &progress).await;
                uploaded.map(|()| stack).map_err(|e| {
                    CloudError::failed(format!("the stack is as it should be, but not its files; deploy it again: {e}"))
                })
            })
            .await
    }

    /// What destroying the pipeline's stack means. Where the engine plans that, the destroy that follows does what was
    /// planned and nothing else.
    pub async fn destroy_effect(&self, pipeline: &str) -> Result<Effect> {
        Ok(self.judge_destroy(pipeline).await?.1)
    }

    /// The same, with the plan where the engine makes one.
    pub async fn judge_destroy(&self, pipeline: &str) -> Result<(Option<ChangeSet>, Effect)> {
        let stacks = self.stacks_of(pipeline)?;
        if stacks.engine() != Engine::Terraform {
            return Ok((None, self.whole_destroy(pipeline).await?));
        }
        let stack = self.stack_name(pipeline);
        self.gate.check("destroy", &stack)?;
        let sentence = format!("the state of {stack} is locked while Terraform plans its destroy");
        let effect = Effect { what: "plan", target: stack.clone(), sentence, strength: Strength::Free };
        let plan = self
            .gate
            .perform(&effect, &Consent::None, |permit| {
                let (stacks, stack) = (stacks.clone(), stack.clone());
                async move { stacks.plan_destroy(&permit, &stack).await }
            })
            .await?;
        let changes = plan.as_ref().map(|p| p.changes.as_slice()).unwrap_or_default();
        let lost: Vec<_> = changes.iter().filter(|c| c.loses_data).map(|c| c.name.as_str()).collect();
        let mut sentence = format!("{stack} is destroyed: {} resources", changes.len());
        if !lost.is_empty() {
            sentence = format!("{sentence}; the data of {} is lost", lost.join(", "));
        }
        let strong = self.protected(pipeline) || !lost.is_empty();
        let strength = if strong { Strength::TypeName(stack.clone()) } else { Strength::Confirm };
        let effect = Effect { what: "destroy", target: stack.clone(), sentence, strength };
        self.judged_destroys.lock().unwrap_or_else(PoisonError::into_inner).insert(stack, effect.clone());
        Ok((plan, effect))
    }

    async fn whole_destroy(&self, pipeline: &str) -> Result<Effect> {
        let stack = self.stack_name(pipeline);
        self.gate.check("destroy", &stack)?;
        let found = self.cloud.stacks.get(&stack).await?;
        if found.as_ref().is_some_and(|s| s.protected == Some(true)) {
            return Err(Error::Cloud(CloudError::Conflict(format!(
                "{stack} is protected against deletion: `pumphouse protect {pipeline} --off` takes that back"
            ))));
        }
        let resources = found.as_ref().map_or(0, |s| s.resources.len());
        let mut sentence = format!("{stack} is destroyed: {resources} resources, with all data in them");
        if let (true, Some(found)) = (self.cloud.stacks.takes_templates(), &found)
            && let Some(objects) = self.objects_in(found).await
        {
            sentence = format!("{sentence}; its buckets are emptied first: {objects}");
        }
        // A stack whose pipeline is gone, or broken, cannot say that it is unprotected.
        let strength = if self.protected(pipeline) { Strength::TypeName(stack.clone()) } else { Strength::Confirm };
        Ok(Effect { what: "destroy", target: stack, sentence, strength })
    }

    /// How many objects are in the stack's buckets, old versions included, in words; none where they cannot be counted.
    async fn objects_in(&self, stack: &Stack) -> Option<String> {
        let (mut objects, mut more, mut buckets) = (0_usize, false, 0);
        for bucket in stack.resources.iter().filter(|r| r.kind == "bucket") {
            let mut list = ListObjects { versions: true, limit: 1_000, ..ListObjects::default() };
            for page in 0..=COUNTED {
                let found = match self.cloud.buckets.objects(&bucket.physical_name, &list).await {
                    Ok(found) => found,
                    Err(CloudError::NotFound { .. }) => break,
                    Err(_) => return None,
                };
                objects += found.objects.len();
                (list.after, list.token) = (found.next, found.token);
                let further = list.after.is_some() || list.token.is_some();
                more |= page == COUNTED && further;
                if !further {
                    break;
                }
            }
            buckets += 1;
        }
        let plus = if more { " and more" } else { "" };
        (buckets > 0).then(|| format!("{objects}{plus} versions of objects in {buckets} buckets"))
    }

    /// Destroys the pipeline's stack with everything in it, save what is to be kept, by logical ids.
    pub async fn destroy(
        &self,
        pipeline: &str,
        retain: &[String],
        consent: &Consent,
        progress: Progress,
    ) -> Result<Destroyed> {
        let stacks = self.stacks_of(pipeline)?;
        let judged = {
            let mut all = self.judged_destroys.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(&self.stack_name(pipeline))
        };
        let effect = match judged {
            Some(effect) => effect,
            None => self.destroy_effect(pipeline).await?,
        };
        if stacks.engine() != Engine::Terraform {
            self.no_run(&effect.target).await?;
        }
        let stack = effect.target.clone();
        self.gate
            .perform(&effect, consent, |permit| async move { stacks.destroy(&permit, &stack, retain, progress).await })
            .await
    }

    /// The pipeline's stack; none where it is not deployed. Where the engine does not remember the graph, it is that of
    /// pipeline.toml, with the names that the stack's resources have.
    pub async fn status(&self, pipeline: &str) -> Result<Option<Stack>> {
        let stack = self.stacks_of(pipeline)?.get(&self.stack_name(pipeline)).await?;
        Ok(stack.map(|stack| self.with_graph(pipeline, stack)))
    }

    /// A pipeline's stack with its graph.
    pub(super) fn with_graph(&self, pipeline: &str, mut stack: Stack) -> Stack {
        let ours = || self.stacks_of(pipeline).is_ok_and(|stacks| stacks.takes_templates());
        if stack.graph.is_none() && ours() && stack.pipeline.as_deref() == Some(pipeline) {
            stack.graph = self.graph(pipeline).ok().map(|graph| named_as(graph, &stack));
        }
        stack
    }

    /// Refuses to change a stack under a run that is at work in it.
    pub(super) async fn no_run(&self, stack: &str) -> Result<()> {
        let runs = match self.cloud.runs.list(stack, 1).await {
            Err(CloudError::Unsupported { .. }) => Vec::new(),
            runs => runs?,
        };
        match runs.first() {
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
    pub(super) fn protected(&self, pipeline: &str) -> bool {
        match self.pipeline(pipeline) {
            Ok(pipeline) => pipeline.env(&self.env).is_none_or(|e| e.protected),
            Err(_) => true,
        }
    }
}

/// The graph with the names of buckets and roles that CloudFormation has given them.
fn named_as(mut graph: Graph, stack: &Stack) -> Graph {
    let real = |kind: &str| -> BTreeMap<String, String> {
        let there = stack.resources.iter().filter(|r| r.kind == kind && !r.physical_name.is_empty());
        there
            .filter_map(|r| Some((graph.by_id(&r.logical_id)?.physical_name.clone(), r.physical_name.clone())))
            .collect()
    };
    let (buckets, roles) = (real("bucket"), real("role"));
    // A delivery may be called like its bucket, a role like its function: each name is changed where its kind is meant.
    let rename = |name: &mut String, names: &BTreeMap<String, String>| {
        if let Some(real) = names.get(name) {
            name.clone_from(real);
        }
    };
    for resource in &mut graph.resources {
        match &mut resource.properties {
            Properties::Bucket(_) => rename(&mut resource.physical_name, &buckets),
            Properties::Role(role) => {
                rename(&mut resource.physical_name, &roles);
                let on_buckets = role.grants.iter_mut().filter(|g| g.action.starts_with("s3:"));
                // It may be granted below a prefix alone.
                on_buckets.for_each(|grant| {
                    let (bucket, prefix) =
                        grant.resource.split_at(grant.resource.find('/').unwrap_or(grant.resource.len()));
                    if let Some(real) = buckets.get(bucket) {
                        grant.resource = format!("{real}{prefix}");
                    }
                });
            }
            Properties::Delivery(delivery) => {
                rename(&mut delivery.to, &buckets);
                rename(&mut delivery.role, &roles);
            }
            Properties::Job(job) => {
                rename(&mut job.from, &buckets);
                rename(&mut job.to, &buckets);
                rename(&mut job.role, &roles);
            }
            Properties::Table(table) => rename(&mut table.bucket, &buckets),
            Properties::Function(function) => {
                rename(&mut function.role, &roles);
                let told = function.environment.iter_mut().filter(|(name, _)| name.starts_with("BUCKET_"));
                told.for_each(|(_, value)| rename(value, &buckets));
            }
            _ => {}
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cloud::stacks::{StackResource, StackStatus};

    #[test]
    fn a_bucket_and_a_role_get_their_real_names_and_what_is_called_alike_keeps_its_own() {
        let pipeline = spec::load(&spec::Location::BuiltIn("crypto-stream".into()), &|_| true).unwrap();
        let graph = deploy::graph(&pipeline, "dev").unwrap();
        let there = |logical_id: &str, kind: &str, physical_name: &str| StackResource {
            logical_id: logical_id.into(),
            name: String::new(),
            physical_name: physical_name.into(),
            kind: kind.into(),
            status: "CREATE_COMPLETE".into(),
            updated: Timestamp::UNIX_EPOCH,
        };
        let stack = Stack {
            name: "crypto-stream-dev".into(),
            pipeline: None,
            env: None,
            status: StackStatus::CreateComplete,
            interrupted: false,
            reason: None,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            outputs: vec![],
            protected: None,
            drift: None,
            graph: None,
            resources: vec![
                there("LandingBucket", "bucket", "landing-1"),
                there("FetchPricesFunctionRole", "role", "role-1"),
                there("FetchPricesFunction", "function", "crypto-stream-dev-fetch_prices"),
            ],
        };
        let graph = named_as(graph, &stack);
        let name = |id: &str| graph.by_id(id).unwrap().physical_name.as_str();
        assert_eq!(name("LandingBucket"), "landing-1");
        assert_eq!(name("LandingDelivery"), "crypto-stream-dev-landing");
        assert_eq!(name("FetchPricesFunctionRole"), "role-1");
        assert_eq!(name("FetchPricesFunction"), "crypto-stream-dev-fetch_prices");
        let Properties::Delivery(delivery) = &graph.by_id("LandingDelivery").unwrap().properties else { panic!() };
        assert_eq!(delivery.to, "landing-1");
        let Properties::Function(fetch) = &graph.by_id("FetchPricesFunction").unwrap().properties else { panic!() };
        assert_eq!(fetch.role, "role-1");
    }
}
