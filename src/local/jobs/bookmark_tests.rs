//! Whatever happens to a job, each object is read once.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::tests::{clean_job, cloud, price, put, rows, run};
use crate::{
    cloud::jobs::{JobRunState, Jobs},
    local::testing::permit,
};

/// What may happen to a job.
#[derive(Debug, Clone)]
enum Step {
    /// An object is put, perhaps in place of another.
    Put(u8),
    /// The job runs.
    Run,
    /// It runs, and its process is killed before the run's end is written down.
    Die,
    /// Its bookmark is reset.
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..6).prop_map(Step::Put),
        3 => Just(Step::Run),
        1 => Just(Step::Die),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_object_is_read_once_until_the_bookmark_is_reset(steps in vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check(steps));
    }
}

async fn check(steps: Vec<Step>) {
    let (_dir, local) = cloud(|_, _| ());
    let (mut there, mut unread, mut table) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut marked = false;
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put(key) => {
                put(&local, &format!("{key}.json"), &price("BTC", &number.to_string(), "2020-01-01T00:00:00Z")).await;
                there.insert(key, number);
                unread.insert(key, number);
            }
            Step::Run => {
                let done = run(&local).await;
                assert_eq!(done.state, JobRunState::Succeeded, "{:?}", done.error);
                let read = if marked { &unread } else { &there };
                assert_eq!(done.files_in, Some(read.len() as u64));
                if !marked && !there.is_empty() {
                    table.clear();
                    marked = true;
                }
                table.extend(read.values().copied());
                unread.clear();
            }
            Step::Die => super::run::die_before_commit(&local, "clean", clean_job()).await,
            Step::Reset => {
                local.reset_bookmark(&permit(), "clean").await.unwrap();
                marked = false;
            }
        }
        table.sort_unstable();
        let found: Vec<usize> = rows(&local, "select cast(amount as bigint) from prices order by 1")
            .await
            .into_iter()
            .map(|row| row[0].as_u64().unwrap() as usize)
            .collect();
        assert_eq!(found, table);
    }
}
