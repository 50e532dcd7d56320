//! What both faces call: plan, deploy, run, observe; and the gate before every change.
//!
//! Reading goes straight to the ports in [`Backend::cloud`]. Changing goes through the methods here, each with an
//! `..._effect` that says what will happen and how much confirmation it deserves.

pub mod alerts;
pub mod audit;
pub mod buckets;
pub mod crawlers;
pub mod dashboards;
pub mod deliveries;
pub mod deploy;
mod engines;
pub mod error;
pub mod functions;
pub mod gate;
pub mod jobs;
pub mod names;
pub mod overview;
pub mod plan_file;
pub mod preview;
pub mod prices;
pub mod queries;
pub mod queues;
pub mod releases;
pub mod run;
pub mod secrets;
mod spared;
pub mod stacks;
pub mod transfers;
mod uploads;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    cloud::{
        Cloud,
        stacks::{Engines, StackRequest},
    },
    deploy::executable::Finder,
};

pub use error::{Error, Refusal, Result};
pub use gate::{Consent, Effect, Gate, Outcome, Strength};
pub use names::Kind;
pub use plan_file::PlanFile;
pub use prices::Prices;

/// A cloud, an environment, and the gate before every change. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The cloud's ports, for reading.
    pub cloud: Cloud,
    /// The environment: `dev`, `prod`.
    pub env: String,
    /// What things cost.
    pub prices: Prices,
    /// The workgroup that is set for queries; none: each pipeline's own.
    pub workgroup: Option<String>,
    gate: Gate,
    pipelines: Pipelines,
    /// What was shown to be confirmed, by stack: a deploy does that and nothing else.
    judged: Arc<Mutex<BTreeMap<String, StackRequest>>>,
    /// The same of a destroy, where the engine has planned it.
    judged_destroys: Arc<Mutex<BTreeMap<String, Effect>>>,
    /// The engines that pipelines name for themselves; none on the embedded cloud.
    engines: Option<Arc<dyn Engines>>,
    /// The executable for functions in Rust, as it was found last.
    executable: Arc<Finder>,
    /// What was read last of a cloud that wants to be spared.
    spared: Arc<spared::Spared>,
}

/// Where pipelines are described.
#[derive(Debug, Clone)]
pub struct Pipelines {
    /// The folder of pipelines; none: `./pipelines`, else those built in.
    pub dir: Option<PathBuf>,
    /// Whether there is a handler in Rust of this name.
    pub handlers: fn(&str) -> bool,
    /// The executable that serves the handlers in Rust to AWS Lambda; none: `bootstrap` beside the running program.
    pub bootstrap: Option<PathBuf>,
    /// CloudFormation types to leave out of templates, for an endpoint that does not know them.
    pub omit_types: Vec<String>,
}

impl Backend {
    /// A backend on `cloud` for the environment `env`.
    pub fn new(cloud: Cloud, env: impl Into<String>, gate: Gate, pipelines: Pipelines) -> Self {
        let gate = gate.of(cloud.identity.clone());
        Self {
            cloud,
            env: env.into(),
            prices: Prices::default(),
            workgroup: None,
            gate,
            pipelines,
            judged: Arc::default(),
            judged_destroys: Arc::default(),
            engines: None,
            executable: Arc::default(),
            spared: Arc::default(),
        }
    }

    /// Whether every change is refused.
    pub fn read_only(&self) -> bool {
        self.gate.read_only()
    }

    /// The gate, to ask beforehand whether it would open.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The name of a pipeline's stack in this environment.
    pub fn stack_name(&self, pipeline: &str) -> String {
        format!("{pipeline}-{}", self.env)
    }
}
