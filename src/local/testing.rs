//! Helpers for the embedded cloud's own tests.

use std::path::Path;

use tempfile::TempDir;

use super::{Local, Options, store::sql};
use crate::cloud::{
    Permit,
    functions::Handlers,
    resources::{Bucket, Delivery, Properties, Resource, Stream},
};

/// An embedded cloud in a folder of its own, that lives as long as the folder.
pub fn local() -> (TempDir, Local) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let local = open(dir.path());
    (dir, local)
}

/// The embedded cloud in `dir`, once more, as another process would open it.
pub fn open(dir: &Path) -> Local {
    open_with(dir, |_| None)
}

/// An embedded cloud in `dir` that knows these handlers.
pub fn open_with(dir: &Path, handlers: Handlers) -> Local {
    Local::open(Options {
        state_dir: dir.to_owned(),
        read_only: false,
        principal: "tester".into(),
        handlers,
        online: false,
        read_release: |_| Err("no pipeline is read here".into()),
        database_url: None,
    })
    .expect("an embedded cloud")
}

/// An operator's permit.
pub fn permit() -> Permit {
    Permit::operator("tester")
}

/// A resource by itself.
pub fn resource(physical_name: &str, properties: Properties) -> Resource {
    Resource {
        logical_id: physical_name.into(),
        name: physical_name.into(),
        physical_name: physical_name.into(),
        depends_on: Vec::new(),
        properties,
    }
}

/// A bucket that tells nobody of its objects.
pub fn bucket(name: &str, versioning: bool) -> Resource {
    resource(name, Properties::Bucket(Bucket { versioning, ..Bucket::default() }))
}

/// A data stream that keeps records for a day.
pub fn stream(name: &str) -> Resource {
    resource(name, Properties::Stream(Stream { shards: 1, retention_hours: 24 }))
}

/// A delivery stream that delivers after a minute or at 1 MiB.
pub fn delivery(name: &str, from: &str, to: &str) -> Resource {
    resource(
        name,
        Properties::Delivery(Delivery {
            from: from.into(),
            to: to.into(),
            prefix: String::new(),
            buffer_seconds: 60,
            buffer_mib: 1,
            file_extension: ".json".into(),
            role: "role".into(),
        }),
    )
}

/// Puts resources into the state as if the stack `test` of pipeline `test` had been deployed with them.
pub fn deploy(local: &Local, resources: &[Resource]) {
    local
        .inner
        .store
        .write_now(|t| {
            t.execute(
                "insert or ignore into stacks (name, pipeline, env, status, created, updated) \
                 values ('test', 'test', 'dev', 'CREATE_COMPLETE', 0, 0)",
                [],
            )
            .map_err(sql)?;
            for r in resources {
                let json = serde_json::to_value(r).expect("a resource is JSON");
                let kind = json["type"].as_str().expect("a tag").to_owned();
                t.execute(
                    "insert into stack_resources values ('test', ?1, ?2, ?3, ?4, 'CREATE_COMPLETE', 0, 0, ?5)",
                    [&r.logical_id, &r.name, &r.physical_name, &kind, &json.to_string()],
                )
                .map_err(sql)?;
            }
            Ok(())
        })
        .expect("resources are stored");
}
