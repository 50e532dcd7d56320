//! Jobs in networks, which the embedded cloud does not have: they run like all others.

use crate::harness::Pumphouse;

const PIPELINE: &str = r#"
name = "inside"
[bucket.raw]
[bucket.lake]
[network.main]
[connection.warehouse]
url = "jdbc:mysql://warehouse.example.com:3306/sales"
secret = "warehouse"
network = "main"
[job.named]
sql = "all.sql"
from = "bucket.raw"
input = { id = "bigint" }
to = "bucket.lake"
prefix = "named/"
connections = ["warehouse"]
[job.plain]
sql = "all.sql"
from = "bucket.raw"
input = { id = "bigint" }
to = "bucket.lake"
prefix = "plain/"
network = "main"
"#;

#[test]
fn a_job_with_a_connection_reads_its_files_and_goes_with_its_pipeline() {
    let p = Pumphouse::new();
    let folder = p.path("pipelines/inside");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pipeline.toml"), PIPELINE).unwrap();
    std::fs::write(folder.join("all.sql"), "select id from input").unwrap();
    let pipelines = p.path("pipelines").display().to_string();
    let inside = |args: &[&str]| p.json(&[args, &["--pipelines", &pipelines]].concat());
    inside(&["deploy", "inside", "--yes"]);
    assert_eq!(inside(&["plan", "inside"])["changes"], serde_json::json!([]));
    let rows = p.path("rows.json");
    std::fs::write(&rows, "{\"id\":1}\n{\"id\":2}\n").unwrap();
    inside(&["buckets", "put", "inside/raw", "rows.json", rows.to_str().unwrap()]);
    for job in ["inside/named", "inside/plain"] {
        let run = inside(&["jobs", "start", job, "--wait"]);
        assert_eq!((&run["state"], &run["rows_out"]), (&"SUCCEEDED".into(), &2.into()), "{run}");
    }
    // The secret is declared by the connection, and waits for its value.
    let secrets = inside(&["secret", "list"]);
    assert_eq!(secrets[0]["name"], "inside-dev-warehouse", "{secrets}");
    p.ok(&["destroy", "inside", "--yes", "--pipelines", &pipelines]);
    assert_eq!(inside(&["secret", "list"]), serde_json::json!([]));
}
