//! The way to what is wrong.

use super::{
    super::{Cx, Intent},
    OverviewPane, details,
};
use crate::{
    backend::overview::{Health, PipelineSummary, StageView},
    tui::data::Target,
};

impl OverviewPane {
    /// The stage that is worst, where one is not well.
    pub(super) fn worst_stage(&self) -> Option<&StageView> {
        let stages = &self.view.value.as_ref()?.stages;
        let with = |health| stages.iter().find(move |s| s.health == health);
        with(Health::Bad).or_else(|| with(Health::Warning))
    }

    /// To what went wrong in the pipeline that is shown, or else to a pipeline in which something did.
    pub(super) fn go_to_error(&mut self, cx: &mut Cx) {
        if let Some(error) = &self.view.error {
            cx.show(self.viewed.clone(), error.lines().map(str::to_owned).collect());
            return;
        }
        if self.view.loading && self.view.value.is_none() {
            cx.tell(format!("{} is still being read", self.viewed));
            return;
        }
        match self.worst_stage() {
            Some(stage) if stage.stage.kind == "job" => cx.go(Target::FailedRun(stage.stage.physical_name.clone())),
            Some(stage) if stage.stage.kind == "crawler" => {
                cx.go(Target::FailedCrawl(stage.stage.physical_name.clone()));
            }
            Some(StageView { log_group: Some(group), .. }) => cx.go(Target::LogError(group.clone())),
            Some(stage) => cx.show(stage.stage.name.clone(), details(stage)),
            None => match self.pipelines.selected() {
                Some(pipeline) if matches!(pipeline.health, Health::Bad | Health::Warning) => {
                    Self::go_to_trouble(pipeline, cx);
                }
                _ => self.go_to_worst(cx),
            },
        }
    }

    /// To what is wrong with a pipeline as a whole: an alarm, or its deploy.
    fn go_to_trouble(pipeline: &PipelineSummary, cx: &mut Cx) {
        if pipeline.in_alarm {
            cx.go(Target::Alarm(pipeline.name.clone()));
        } else if pipeline.waits {
            cx.go(Target::Releases(pipeline.name.clone()));
        } else {
            cx.intents.push(Intent::Deploy(pipeline.name.clone()));
        }
    }

    /// To the pipeline that is worst.
    fn go_to_worst(&mut self, cx: &mut Cx) {
        let with = |health| self.pipelines.items().iter().find(move |p| p.health == health);
        match with(Health::Bad).or_else(|| with(Health::Warning)).map(|p| p.name.clone()) {
            Some(name) => {
                self.pipelines.set_filter("");
                self.pipelines.select(&name);
                self.look(false, cx);
            }
            None => cx.tell("nothing is wrong"),
        }
    }
}
