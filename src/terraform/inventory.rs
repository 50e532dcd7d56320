//! What is in a directory's state, or would be by its plan: to adopt it.

use super::{Mode, Root, state};
use crate::cloud::Result;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The managed resources.
    pub resources: Vec<state::Resource>,
    /// Whether they are planned, since the state has none.
    pub planned: bool,
}

impl Root {
    /// The resources of the state; where it has none, those that a plan would make. Nothing is locked.
    pub async fn inventory(&self) -> Result<Inventory> {
        self.ready(false).await?;
        let said = self.run(&["show".into(), "-json".into()]).await?;
        let values = if said.well() { state::read(&said.stdout)? } else { serde_json::Value::Null };
        let resources = state::resources(&values);
        if !resources.is_empty() {
            return Ok(Inventory { resources, planned: false });
        }
        let made = self.make_plan(Mode::Apply, false, true).await?;
        Ok(Inventory { resources: state::resources(made.plan.planned_values()), planned: true })
    }

    /// The workspaces that there are beside `default`.
    pub async fn workspaces(&self) -> Result<Vec<String>> {
        self.ready(false).await?;
        let said = self.program.run(&["workspace".into(), "list".into()], false).await?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let names = text.lines().map(|l| l.trim_start_matches('*').trim()).filter(|l| !l.is_empty() && *l != "default");
        Ok(if said.well() { names.map(str::to_owned).collect() } else { Vec::new() })
    }
}
