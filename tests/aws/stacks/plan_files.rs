//! Plans that are kept in a file and applied as they were shown, or not at all.

use std::process::Output;

use serde_json::Value;

use super::{World, pipeline, texts};

impl World {
    /// Writes a plan of `small` to `plan.json`.
    fn kept(more: &str) -> Self {
        let world = Self::new();
        world.done(&format!("plan small --out plan.json{more}"));
        world
    }

    fn run_with(&self, line: &str, variable: (&str, &str)) -> Output {
        self.pumphouse.command().args(line.split(' ')).env(variable.0, variable.1).output().unwrap()
    }

    fn untouched(&self) {
        assert_eq!(self.asked("ExecuteChangeSet"), 0);
    }
}

#[test]
fn what_was_approved_is_applied_and_nobody_is_asked_again() {
    let world = World::new();
    let (out, err) = world.done("plan small --out plan.json");
    assert!(out.contains("to add, 0 to change"), "{out}");
    assert!(err.contains("`pumphouse deploy small --plan-file plan.json` applies it"), "{err}");
    world.untouched();
    let file: Value = serde_json::from_slice(&std::fs::read(world.pumphouse.path("plan.json")).unwrap()).unwrap();
    assert_eq!((&file["format"], &file["version"]), (&"pumphouse plan".into(), &1.into()));
    assert_eq!((&file["cloud"]["account"], &file["cloud"]["region"]), (&"123456789012".into(), &"eu-west-1".into()));
    assert_eq!((&file["pipeline"], &file["env"]), (&"small".into(), &"dev".into()));
    let (_, err) = world.done("deploy small --plan-file plan.json");
    assert!(err.contains("+ add     bucket bucket.landing"), "{err}");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
    // It is done: the same plan says something else than there is to do.
    let err = world.fails("deploy small --plan-file plan.json", 1);
    assert!(err.contains("no longer to be done as confirmed") && err.contains("plan again"), "{err}");
}

#[test]
fn a_plan_to_do_nothing_is_kept_and_applied_too() {
    let world = World::deployed();
    world.done("plan small --out plan.json");
    let (_, err) = world.done("deploy small --plan-file plan.json");
    assert!(err.contains("nothing to change"), "{err}");
    assert_eq!(world.asked("ExecuteChangeSet"), 1);
}

#[test]
fn what_is_not_the_plans_own_is_refused_with_how_to_mend_it() {
    let world = World::kept("");
    let err = world.fails("deploy small --env prod --confirm small-prod --plan-file plan.json", 1);
    assert!(err.contains("for the environment dev, not prod: --env dev"), "{err}");
    let (_, err) = texts(&world.run_with("deploy small --plan-file plan.json", ("AWS_REGION", "us-east-1")));
    assert!(err.contains("the region eu-west-1, and this is us-east-1"), "{err}");
    let other = world.pumphouse.path("pipelines/other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("pipeline.toml"), pipeline("").replace("small", "other")).unwrap();
    let err = world.fails("deploy other --plan-file plan.json", 1);
    assert!(err.contains("a plan of small, not of other"), "{err}");
    let err = world.fails("deploy small --plan-file nowhere.json", 1);
    assert!(err.contains("nowhere.json"), "{err}");
    world.fails("deploy small --plan-file plan.json --revert-drift", 2);
    world.fails("deploy small --plan-file plan.json --read-only", 3);

    let path = world.pumphouse.path("plan.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("LandingBucket", "LandingBuckeT", 1)).unwrap();
    let err = world.fails("deploy small --plan-file plan.json", 1);
    assert!(err.contains("plan.json: this file was changed since it was written"), "{err}");
    std::fs::write(&path, text).unwrap();

    world.write(&pipeline("versioning = false"));
    let err = world.fails("deploy small --plan-file plan.json", 1);
    assert!(err.contains("not what was planned any more: what pipeline.toml says"), "{err}");
    world.untouched();
    world.write(&pipeline("versioning = true"));
    world.done("deploy small --plan-file plan.json");
}

#[test]
fn another_account_is_refused() {
    let world = World::kept("");
    // The same endpoint answers for somebody else.
    let path = world.pumphouse.path("plan.json");
    let elsewhere = World::with(|asked| {
        (asked.operation == "GetCallerIdentity").then(|| {
            crate::fake::Answer::xml(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ada</Arn>\
                 <UserId>A</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
            )
        })
    });
    std::fs::copy(path, elsewhere.pumphouse.path("plan.json")).unwrap();
    let err = elsewhere.fails("deploy small --plan-file plan.json", 1);
    assert!(err.contains("the account 123456789012, and this is 111122223333"), "{err}");
    elsewhere.untouched();
}

#[test]
fn what_changed_in_the_meantime_is_refused_by_cloudformation() {
    let world = World::deployed();
    world.write(&pipeline("versioning = true\nexpire_days = 30"));
    world.done("plan small --out plan.json");
    // Somebody else deploys an older state of the pipeline in which there is no topic.
    world.write(&pipeline("versioning = true").replace("[topic.alarms]\n", ""));
    world.done("deploy small --confirm small-dev");
    let deploys = world.asked("ExecuteChangeSet");
    world.write(&pipeline("versioning = true\nexpire_days = 30"));
    let err = world.fails("deploy small --plan-file plan.json", 1);
    assert!(err.contains("topic.alarms was not confirmed") && err.contains("plan again"), "{err}");
    assert_eq!(world.asked("ExecuteChangeSet"), deploys);
    assert!(world.aws.state().change_sets.is_empty());
}

#[test]
fn a_protected_environment_asks_for_its_name_all_the_same() {
    let world = World::kept(" --env prod");
    let err = world.fails("deploy small --env prod --plan-file plan.json", 3);
    assert!(err.contains("--confirm small-prod confirms it"), "{err}");
    world.fails("deploy small --env prod --plan-file plan.json --yes", 3);
    world.untouched();
    world.done("deploy small --env prod --plan-file plan.json --confirm small-prod");
    assert!(world.aws.stack("small-prod").protected);
}

#[test]
fn a_stack_whose_making_failed_can_be_planned_approved_and_made_anew() {
    let world = World::new();
    world.aws.state().broken.insert("LandingBucket".into(), "no room".into());
    world.fails("deploy small --yes", 1);
    world.aws.state().broken.clear();
    let (out, _) = world.done("plan small --out plan.json");
    assert!(out.contains("ROLLBACK_COMPLETE, which takes no change: it is deleted first"), "{out}");
    world.done("deploy small --plan-file plan.json");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
}

#[test]
fn an_estimate_is_not_kept() {
    let world = World::deployed();
    world.write(&pipeline("versioning = false"));
    let err = world.fails("plan small --out plan.json --read-only", 1);
    assert!(err.contains("an estimate") && err.contains("start without --read-only"), "{err}");
    assert!(!world.pumphouse.path("plan.json").exists());
}

#[test]
fn the_exit_code_tells_whether_there_are_changes_where_that_is_asked_for() {
    let world = World::new();
    world.done("plan small");
    let output = world.run("plan small --detailed-exitcode --out plan.json");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(out.contains("to add") && !err.contains("error"), "{err}");
    world.done("deploy small --plan-file plan.json");
    world.done("plan small --detailed-exitcode");
    // Two is never anything else then.
    world.fails("plan nothing --detailed-exitcode", 1);
    world.fails("plan small --detailed-exitcode --nonsense", 1);
    world.fails("plan small --detailed-exitcode --env NOPE!", 1);
    world.fails("plan small --nonsense", 2);
}

/// Scripts rely on it: fields are added at most, and docs/json.md tells of them.
#[test]
fn the_json_of_a_plan_is_this() {
    let world = World::deployed();
    world.write(&pipeline("versioning = true\nexpire_days = 30"));
    let (out, _) = world.done("plan small --output json");
    let wanted: Value = serde_json::from_str(include_str!("plan.json")).unwrap();
    assert_eq!(out.trim_end(), wanted.to_string());
}

#[test]
fn markdown_is_for_a_plan_alone() {
    let world = World::new();
    let (out, _) = world.done("plan small --output markdown");
    assert!(out.starts_with("<!-- pumphouse plan small-dev -->\n#### <code>small-dev</code>: "), "{out}");
    assert!(out.contains("| add | <code>bucket.landing</code> | <code>bucket</code> |"), "{out}");
    let err = world.fails("status small --output markdown", 2);
    assert!(err.contains("only `plan` prints Markdown"), "{err}");
}
