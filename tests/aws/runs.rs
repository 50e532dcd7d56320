//! Runs of pipelines, which this machine remembers.

use pumphouse::cloud::{
    Error,
    runs::{PipelineRun, StageRun},
};

use crate::{
    fake::{Answer, Fake},
    harness,
};

const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                      <Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
                      </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn run(id: &str, status: &str, second: i64) -> PipelineRun {
    PipelineRun {
        id: id.into(),
        stack: "crypto-stream-dev".into(),
        scope: id.into(),
        inputs: "online".into(),
        status: status.into(),
        started: jiff::Timestamp::from_second(1_800_000_000 + second).unwrap(),
        ended: None,
        stages: vec![StageRun { name: "fetch_prices".into(), kind: "function".into(), ..StageRun::default() }],
    }
}

#[tokio::test]
async fn a_run_is_written_down_and_one_is_at_work_at_a_time() {
    let fake = Fake::start(|_| Answer::xml(CALLER));
    let state = tempfile::tempdir().unwrap();
    // Two processes, as far as files can tell: each has locks of its own.
    let (ours, theirs) = (harness::cloud(&fake, &state).runs, harness::cloud(&fake, &state).runs);
    assert_eq!(ours.list("crypto-stream-dev", 10).await, Ok(vec![]));
    harness::permitted(&state, |permit| async move {
        let mut one = run("one", "RUNNING", 0);
        ours.begin(&permit, &one).await?;
        assert_eq!(theirs.list("crypto-stream-dev", 10).await?[0].status, "RUNNING");
        let told = theirs.begin(&permit, &run("two", "RUNNING", 1)).await.unwrap_err();
        assert!(matches!(&told, Error::Conflict(why) if why.contains("run already")), "{told:?}");
        assert!(theirs.save(&permit, &one).await.is_err(), "it is not theirs");

        one.stages[0].step = 7;
        one.status = "SUCCEEDED".into();
        ours.save(&permit, &one).await?;
        theirs.begin(&permit, &run("two", "RUNNING", 1)).await?;
        // Their process ends, however it ends.
        drop(theirs);
        let all = ours.list("crypto-stream-dev", 10).await?;
        let told: Vec<_> = all.iter().map(|r| (r.id.as_str(), r.status.as_str(), r.stages[0].step)).collect();
        assert_eq!(told, [("two", "INTERRUPTED", 0), ("one", "SUCCEEDED", 7)]);
        // It is taken up again.
        ours.begin(&permit, &run("two", "RUNNING", 1)).await
    })
    .await
    .unwrap();
    let files = state.path().join("runs/123456789012-eu-west-1/crypto-stream-dev");
    assert!(files.join("one.json").is_file() && files.join("two.json").is_file());
}
