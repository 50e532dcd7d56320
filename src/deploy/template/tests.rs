use std::path::Path;

use super::*;
use crate::{deploy, spec};

/// The head of an ELF file for x86_64.
pub(super) fn executable() -> Bytes {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    file[18] = 62;
    file.into()
}

fn crypto_stream(env: &str) -> Graph {
    let pipeline = spec::load(&spec::Location::BuiltIn("crypto-stream".into()), &|_| true);
    deploy::graph(&pipeline.unwrap_or_else(|report| panic!("{report}")), env).unwrap()
}

/// A pipeline with every section and every key.
pub(super) fn everything() -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/valid/everything.toml");
    let pipeline = spec::load_path(&path, &|_| true).unwrap_or_else(|report| panic!("{report}"));
    deploy::graph(&pipeline, "dev").unwrap()
}

pub(super) fn rendered(graph: &Graph) -> Template {
    let options = TemplateOptions { bootstrap: Some(executable()), ..TemplateOptions::default() };
    template(graph, &options).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_template_is_the_same_each_time() {
    for graph in [crypto_stream("dev"), crypto_stream("prod"), everything()] {
        assert_eq!(rendered(&graph), rendered(&graph));
    }
}
