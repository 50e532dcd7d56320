use super::*;
use crate::{
    cloud::releases::{Definition, ReleaseStatus, SOURCE},
    local::testing,
};

fn definition() -> Definition {
    Definition {
        pipeline: "lake".into(),
        folder: String::new(),
        branch: "main".into(),
        checks: Vec::new(),
        environments: Vec::new(),
        email: Vec::new(),
    }
}

/// A release that has not begun, of a repository that is not there.
fn release(number: i64) -> ReleaseRow {
    ReleaseRow {
        id: uuid::Uuid::now_v7().simple().to_string(),
        delivery: "lake--release".into(),
        number,
        pipeline: "lake".into(),
        top: "/nonexistent".into(),
        folder: String::new(),
        revision: "0".repeat(40),
        summary: String::new(),
        status: ReleaseStatus::Pending,
        trigger: "a test".into(),
        started: 0,
        updated: 0,
        stop_requested: false,
        definition: definition(),
        process: None,
    }
}

fn insert(local: &Local, row: &ReleaseRow) {
    let first = StepRow::new(SOURCE, SOURCE, StepKind::Source);
    local.inner.store.write_now(|t| rows::insert(t, row, &first)).unwrap();
}

fn seen(local: &Local, number: i64) -> ReleaseRow {
    local.inner.store.read_now(|c| rows::find(c, "lake--release", &number.to_string())).unwrap()
}

fn execute(local: &Local, text: &str) {
    local.inner.store.write_now(|t| t.execute_batch(text).map_err(sql)).unwrap();
}

#[tokio::test]
async fn a_release_that_could_not_even_be_given_up_is_begun_again_by_the_same_process() {
    let (_dir, local) = testing::local();
    insert(&local, &release(1));
    let never = CancellationToken::new();
    // The disk is full when the step begins, and still when the release is to fail of it.
    execute(&local, "create trigger full before update on release_steps begin select raise(fail, 'full'); end");
    execute(
        &local,
        "create trigger fuller before update of status on releases when new.status = 'FAILED' \
         begin select raise(fail, 'full'); end",
    );
    let error = local.carry_releases("lake--release", &never).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(seen(&local, 1).status, ReleaseStatus::InProgress);
    execute(&local, "drop trigger full; drop trigger fuller");
    assert_eq!(local.inner.store.read_now(|c| local.releases_to_carry(c)).unwrap(), ["lake--release"]);
    local.carry_releases("lake--release", &never).await.unwrap();
    assert_eq!(seen(&local, 1).status, ReleaseStatus::Failed, "there is no such repository");
}

#[tokio::test]
async fn one_process_at_a_time_is_at_work_on_a_delivery() {
    let (dir, local) = testing::local();
    let other = testing::open(dir.path());
    insert(&local, &release(1));
    let held = local.claim_release("lake--release").await.unwrap();
    for cloud in [&local, &other] {
        assert!(cloud.claim_release("lake--release").await.unwrap().is_none());
        assert!(cloud.inner.store.read_now(|c| cloud.releases_to_carry(c)).unwrap().is_empty());
    }
    insert(&local, &release(2));
    assert!(other.claim_release("lake--release").await.unwrap().is_none(), "the older one comes to its end first");
    drop(held);
    assert!(other.claim_release("lake--release").await.unwrap().is_none(), "its process lives, and may go on");
    let (row, _held) = local.claim_release("lake--release").await.unwrap().unwrap();
    assert_eq!(row.number, 1);
}

#[tokio::test]
async fn a_release_whose_last_step_was_done_when_it_was_to_stop_has_succeeded() {
    let (_dir, local) = testing::local();
    let row = release(1);
    insert(&local, &row);
    execute(&local, "update release_steps set status = 'SUCCEEDED'");
    execute(&local, "update releases set status = 'STOPPING', stop_requested = 1");
    local.carry_releases("lake--release", &CancellationToken::new()).await.unwrap();
    assert_eq!(seen(&local, 1).status, ReleaseStatus::Succeeded);
}
