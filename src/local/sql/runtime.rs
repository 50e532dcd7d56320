//! Where SQL is executed: on threads of its own, and so that each statement can be ended.

use std::{
    num::NonZero,
    sync::{Arc, LazyLock},
};

use datafusion::{
    common::{
        Result as DataFusionResult,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    datasource::object_store::ObjectStoreUrl,
    execution::{
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    object_store::memory::InMemory,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec},
        unnest::UnnestExec,
    },
};
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::cloud::{Error, Result};

/// Where DataFusion thinks that the files are; they are found by their names in the state.
pub(super) const STORE_URL: &str = "pumphouse://state/";
/// The memory that all queries and jobs of a process may take together, in bytes. Beyond it, they spill to disk.
const MEMORY: usize = 1_024 * 1_024 * 1_024;

/// The stack of a thread, in bytes, of which the system gives only what is used: plans are walked as deep as they are.
const STACK: usize = 64 * 1_024 * 1_024;

/// How many threads execute SQL.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A statement computes for long without waiting for anything: on the threads that serve the screen and the clocks, it
/// would hold them up.
static THREADS: LazyLock<std::result::Result<Runtime, String>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("sql")
        .worker_threads(threads())
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())
});

/// Executes a future on SQL's own threads.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> JoinHandle<Result<T>> {
    match &*THREADS {
        Ok(runtime) => runtime.spawn(future),
        Err(e) => {
            let e = Error::Storage(format!("SQL cannot start: {e}"));
            tokio::spawn(async move { Err(e) })
        }
    }
}

static ENVIRONMENT: LazyLock<std::result::Result<Arc<RuntimeEnv>, String>> = LazyLock::new(|| {
    let consumers = NonZero::new(5).unwrap_or(NonZero::<usize>::MIN);
    let pool = TrackConsumersPool::new(FairSpillPool::new(MEMORY), consumers);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().map_err(|e| e.to_string())?;
    let url = ObjectStoreUrl::parse(STORE_URL).map_err(|e| e.to_string())?;
    runtime.register_object_store(url.as_ref(), Arc::new(InMemory::new()));
    Ok(runtime)
});

/// The memory and the disk that all statements share.
pub(super) fn environment() -> Result<Arc<RuntimeEnv>> {
    ENVIRONMENT.clone().map_err(|e| Error::Storage(format!("SQL cannot start: {e}")))
}

/// Makes what multiplies rows let go of its thread now and then: the sources do so each time they give rows, and a join
/// can make millions of batches of one batch of a source.
#[derive(Debug)]
pub(super) struct YieldInJoins;

impl PhysicalOptimizerRule for YieldInJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let multiplies = node.is::<CrossJoinExec>()
                || node.is::<NestedLoopJoinExec>()
                || node.is::<HashJoinExec>()
                || node.is::<SortMergeJoinExec>()
                || node.is::<UnnestExec>();
            Ok(if multiplies { Transformed::yes(Arc::new(CooperativeExec::new(node))) } else { Transformed::no(node) })
        })
        .map(|t| t.data)
    }

    fn name(&self) -> &'static str {
        "YieldInJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
