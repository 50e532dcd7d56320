//! A build without the embedded cloud says so.

use crate::harness::Pumphouse;

#[test]
fn a_build_without_a_cloud_says_so_and_does_the_rest() {
    let p = Pumphouse::new();
    for args in [&["pipelines"][..], &["buckets", "list"], &["deploy", "crypto-stream", "--yes"], &["local", "serve"]] {
        let said = p.run(args);
        assert_eq!(said.code, 1, "{args:?}");
        assert!(said.err.contains("no embedded cloud"), "{}", said.err);
    }
    p.ok(&["check"]);
    p.ok(&["info"]);
    p.ok(&["--help"]);
}
