//! The region that `[env.X]` names holds for every command that is about it, and what was chosen for a command goes before.

use std::fs;

use crate::{
    fake::{Asked, Fake},
    harness::Pumphouse,
    read_only::something,
};

/// The regions that the requests of a command were signed for.
fn regions(fake: &Fake, p: &Pumphouse, arguments: &[&str], more: &[(&str, &str)]) -> Vec<String> {
    let before = fake.asked().len();
    let mut command = p.command();
    command.env_remove("AWS_REGION").env("AWS_DEFAULT_REGION", "sa-east-1").envs(more.iter().copied());
    command.args(arguments).output().unwrap();
    let signed = |asked: &Asked| {
        let text = asked.headers.get("authorization")?.to_str().ok()?;
        text.split('/').nth(2).map(str::to_owned)
    };
    let mut found: Vec<_> = fake.asked()[before..].iter().filter_map(signed).collect();
    found.dedup();
    found
}

#[test]
fn a_region_that_pipeline_toml_names_is_where_every_command_goes() {
    let fake = Fake::start(something);
    let p = Pumphouse::on(&fake);
    let write = |name: &str, region: &str| {
        let folder = p.path("pipelines").join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = format!("name = \"{name}\"\n[env.dev]\nregion = \"{region}\"\n[bucket.b]\n");
        fs::write(folder.join("pipeline.toml"), text).unwrap();
    };
    let ask = |arguments: &[&str]| regions(&fake, &p, arguments, &[]);
    assert_eq!(ask(&["status", "crypto-stream"]), ["sa-east-1"], "what is built in sends nobody anywhere");

    write("one-lake", "eu-central-1");
    for arguments in [
        &["status", "one-lake"][..],
        &["plan", "one-lake", "--read-only"],
        &["history", "one-lake"],
        &["buckets", "show", "one-lake/b"],
        &["stacks", "list"],
        &["jobs", "list"],
    ] {
        assert_eq!(ask(arguments), ["eu-central-1"], "{arguments:?}");
    }
    write("two-lake", "us-west-2");
    assert_eq!(ask(&["status", "two-lake"]), ["us-west-2"]);
    assert_eq!(ask(&["jobs", "list"]), ["sa-east-1"], "they do not agree");
    let chosen = |arguments: &[&str], more: &[(&str, &str)]| regions(&fake, &p, arguments, more);
    assert_eq!(chosen(&["status", "one-lake", "--region", "eu-north-1"], &[]), ["eu-north-1"]);
    assert_eq!(chosen(&["status", "one-lake"], &[("AWS_REGION", "eu-south-1")]), ["eu-south-1"]);
}
