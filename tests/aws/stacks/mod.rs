//! CloudFormation behind the stacks port, as the user of the binary sees it.

mod cut_off;
mod deploys;
mod destroys;
mod drift;
mod owners;
mod plan_files;
mod plans;
mod runs;

use std::process::Output;

use crate::{
    cloudformation::CloudFormation,
    fake::{Answer, Asked, Fake},
    harness::Pumphouse,
};

/// A pipeline of two buckets and a topic; `more` goes to the first bucket.
fn pipeline(more: &str) -> String {
    format!(
        "name = \"small\"\ndescription = \"a test\"\n[env.dev]\nregion = \"eu-west-1\"\n[env.prod]\nregion = \"eu-west-1\"\n\
         protected = true\n[bucket.landing]\n{more}\n[bucket.staging]\n[topic.alarms]\n"
    )
}

/// The binary on a CloudFormation of its own.
struct World {
    aws: CloudFormation,
    fake: Fake,
    pumphouse: Pumphouse,
}

impl World {
    fn new() -> Self {
        Self::with(|_| None)
    }

    /// The same, where `first` is asked first.
    fn with(first: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let aws = CloudFormation::new();
        let answering = aws.clone();
        let fake = Fake::start(move |asked| first(asked).unwrap_or_else(|| answering.answer(asked)));
        let pumphouse = Pumphouse::on(&fake);
        let world = Self { aws, fake, pumphouse };
        world.write(&pipeline("versioning = true"));
        world
    }

    fn write(&self, text: &str) {
        let dir = self.pumphouse.path("pipelines/small");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("pipeline.toml"), text).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        self.pumphouse.run(&line.split(' ').collect::<Vec<_>>())
    }

    /// Runs what must succeed: stdout and stderr.
    fn done(&self, line: &str) -> (String, String) {
        let output = self.run(line);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{line}: {out}\n{err}");
        (out, err)
    }

    /// Runs what must fail with this code: stderr.
    fn fails(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {out}\n{err}");
        err
    }

    /// With the stack deployed.
    fn deployed() -> Self {
        let world = Self::new();
        world.done("deploy small --yes");
        assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
        world
    }

    /// How often an operation was asked for.
    fn asked(&self, operation: &str) -> usize {
        self.fake.asked().iter().filter(|a| a.operation == operation).count()
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
