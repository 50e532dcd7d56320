use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regex::Regex;

use super::{
    hcl::{Block, Expr, Item, Part, quoted, text},
    *,
};
use crate::{
    deploy::template::tests::document,
    spec::{self, Location},
};

fn pipeline(name: &str) -> Pipeline {
    spec::load(&Location::BuiltIn(name.into()), &|_| true).unwrap_or_else(|report| panic!("{report}"))
}

fn in_memory(toml: &str, others: &[(&str, &str)]) -> Pipeline {
    let files = [("pipeline.toml", toml)].into_iter().chain(others.iter().copied());
    let files = files.map(|(path, text)| (path.to_owned(), Bytes::from(text.to_owned()))).collect();
    spec::load_memory(files, &|_| true).unwrap_or_else(|report| panic!("{report}"))
}

fn export(pipeline: &Pipeline) -> BTreeMap<String, String> {
    let files = terraform(pipeline, &TerraformOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    files.into_iter().filter_map(|(path, content)| Some((path, String::from_utf8(content.to_vec()).ok()?))).collect()
}

/// The shipped pipelines, and one with every section and every key.
fn all() -> Vec<Pipeline> {
    let shipped = spec::built_in();
    assert!(shipped.len() >= 5);
    let mut all: Vec<Pipeline> = shipped.iter().map(|l| spec::load(l, &|_| true).unwrap()).collect();
    let everything = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/valid/everything.toml");
    all.push(spec::load_path(&everything, &|_| true).unwrap_or_else(|report| panic!("{report}")));
    all
}

/// The text of all files of the module.
fn module(files: &BTreeMap<String, String>) -> String {
    let own = |path: &&String| path.starts_with("modules/") && !path.contains("/assets/");
    files.iter().filter(|(path, _)| own(path)).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_small_pipeline_is_written_as_one_would_write_it() {
    let toml = r#"
name = "small"
description = "Files that a function reads"

[env.dev]
[env.prod]
protected = true
region = "eu-west-1"
[env.prod.bucket.landing]
expire_days = 365
[env.prod.function.count]
memory_mib = 512

[bucket.landing]
expire_days = 30
on_created = [{ suffix = ".json", function = "count" }]

[function.count]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"
grants = ["bucket.landing:read"]
"#;
    let files =
        export(&in_memory(toml, &[("functions/count/count.py", "def handler(event, context):\n    return 1\n")]));
    let shown = |path: &&String| !path.contains("/assets/") && !path.contains("/dev/");
    let all: Vec<String> = files.iter().filter(|(p, _)| shown(p)).map(|(p, text)| format!("==> {p}\n{text}")).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_only_some_environments_have_is_there_in_those_alone() {
    let toml = r#"
name = "uneven"

[env.dev]
[env.prod]
protected = true
[env.prod.bucket.landing]
expire_days = 365
on_created = [{ suffix = ".json", function = "count" }]

[bucket.landing]

[function.count]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"
grants = ["bucket.landing:read"]
"#;
    let files =
        export(&in_memory(toml, &[("functions/count/count.py", "def handler(event, context):\n    return 1\n")]));
    let text = module(&files);
    let defined = defined(&text);
    let only = "count           = contains([\"prod\"], var.env) ? 1 : 0";
    let permission = &defined["awscc_lambda_permission.count_function_from_landing_bucket"];
    assert!(permission.replace(' ', "").contains(&only.replace(' ', "")), "{permission}");
    // Nothing is told in dev, and what is told in prod refers to what is there in prod alone.
    let bucket = &defined["awscc_s3_bucket.landing"];
    assert!(bucket.contains("dev = null") && bucket.contains("}[var.env]"), "{bucket}");
    let function = &defined["awscc_lambda_function.count"];
    assert!(function.contains("one(awscc_sqs_queue.count_function_dead_letters[*].arn)"), "{function}");
    // A list of settings is a value, in the provider's names.
    assert!(bucket.contains("rules = var.landing_rules"), "{bucket}");
    assert!(defined["var.landing_rules"].contains("expiration_in_days = optional(number)"), "{text}");
    assert!(files["environments/prod/terraform.tfvars"].contains("expiration_in_days = 365"));
    assert!(!files["environments/dev/terraform.tfvars"].contains("expiration_in_days"));
    for name in referred(&text) {
        assert!(defined.contains_key(&name), "{name} is referred to, and is not there");
    }
}

#[test]
fn code_that_differs_is_told_and_not_exported() {
    let toml = r#"
name = "uneven"

[env.dev]
[env.prod]
[env.prod.function.count]
code = "functions/other"

[function.count]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"
"#;
    let one = "def handler(event, context):\n    return 1\n";
    let pipeline = in_memory(toml, &[("functions/count/count.py", one), ("functions/other/count.py", "# another\n")]);
    let error = terraform(&pipeline, &TerraformOptions::default()).unwrap_err().to_string();
    assert!(error.contains("the code of function.count is not the same in all environments"), "{error}");
}

#[test]
fn a_bucket_of_the_export_s_own_name_is_refused() {
    let toml = r#"
name = "taken"

[bucket.artifacts]

[function.count]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"
"#;
    let one = "def handler(event, context):\n    return 1\n";
    let pipeline = in_memory(toml, &[("functions/count/count.py", one)]);
    let error = terraform(&pipeline, &TerraformOptions::default()).unwrap_err();
    assert_eq!(error, TerraformError::Taken { name: "bucket.artifacts".into() });
}

#[test]
fn each_type_of_our_templates_is_known() {
    for pipeline in all() {
        for env in pipeline.env_names() {
            let document = document(&crate::deploy::graph(&pipeline, env).unwrap());
            for (id, resource) in document["Resources"].as_object().unwrap() {
                let cfn = resource["Type"].as_str().unwrap();
                assert!(kinds::find(cfn).is_some(), "{id}: add {cfn} to KINDS in src/deploy/terraform/kinds.rs");
            }
        }
    }
}

/// What a text refers to: addresses of resources, variables, local values, data, objects.
fn referred(text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(r"(?:\bdata\.|\bephemeral\.)?\baws(?:cc)?_\w+\.\w+|\b(?:var|local)\.\w+");
    pattern.unwrap().find_iter(text).map(|m| m.as_str().to_owned()).collect()
}

/// What a module holds, in the words by which it is referred to, with the text of each.
fn defined(text: &str) -> BTreeMap<String, String> {
    let head = Regex::new(r#"(?ms)^(resource|data|ephemeral|variable) "(\w+)"(?: "(\w+)")? \{(\}|.*?^\})"#).unwrap();
    let mut found = BTreeMap::new();
    for m in head.captures_iter(text) {
        let name = match &m[1] {
            "variable" => format!("var.{}", &m[2]),
            "resource" => format!("{}.{}", &m[2], &m[3]),
            kind => format!("{kind}.{}.{}", &m[2], &m[3]),
        };
        assert!(found.insert(name.clone(), m[4].to_owned()).is_none(), "{name} is there twice");
    }
    let locals = Regex::new(r"(?ms)^locals \{(.*?)^\}").unwrap();
    let local = Regex::new(r"(?m)^  (\w+) += ").unwrap();
    for block in locals.captures_iter(text) {
        for m in local.captures_iter(&block[1]) {
            found.insert(format!("local.{}", &m[1]), String::new());
        }
    }
    found
}

#[test]
fn every_reference_is_to_something_of_the_module_and_nothing_is_there_for_nobody() {
    for pipeline in all() {
        let text = module(&export(&pipeline));
        let (defined, referred) = (defined(&text), referred(&text));
        for name in &referred {
            assert!(defined.contains_key(name), "{}: {name} is referred to, and is not there", pipeline.name);
        }
        let idle = |name: &&String| name.starts_with("local.") || name.starts_with("var.") || name.starts_with("data.");
        for name in defined.keys().filter(idle) {
            assert!(referred.contains(name), "{}: {name} is there, and nothing refers to it", pipeline.name);
        }
    }
}

#[test]
fn references_make_no_circle() {
    for pipeline in all() {
        let defined = defined(&module(&export(&pipeline)));
        // A variable may look at itself alone.
        let of = |name: &str, text: &str| if name.starts_with("var.") { BTreeSet::new() } else { referred(text) };
        let needs: BTreeMap<&String, BTreeSet<String>> =
            defined.iter().map(|(name, text)| (name, of(name, text))).collect();
        let mut done = BTreeSet::new();
        while done.len() < defined.len() {
            let ready: Vec<&String> = needs
                .iter()
                .filter(|(n, of)| !done.contains(*n) && of.iter().all(|o| done.contains(o)))
                .map(|(n, _)| *n)
                .collect();
            let left = || needs.keys().filter(|n| !done.contains(*n)).collect::<Vec<_>>();
            assert!(!ready.is_empty(), "{}: a circle in {:?}", pipeline.name, left());
            done.extend(ready);
        }
    }
}

#[test]
fn nothing_is_named_for_an_account_and_no_arn_names_what_the_module_holds() {
    let account = Regex::new(r"\b\d{12}\b").unwrap();
    for pipeline in all() {
        let files = export(&pipeline);
        let text = module(&files);
        assert!(!account.is_match(&text), "{}", pipeline.name);
        assert!(!text.contains(code::ENV) && !text.contains("pumphouse-artifacts"), "{}", pipeline.name);
        assert!(!text.contains("{{resolve") && !text.contains("arn:aws"), "{}", pipeline.name);
    }
}

#[test]
fn roles_and_rules_have_names_that_begin_like_all_others_and_fit() {
    let toml = r#"
name = "rather-long-name"

[env.dev]
[env.production]

[bucket.landing]
on_created = [{ suffix = ".json", function = "count_what_is_in_a_file" }, { suffix = ".csv", function = "count_what_is_in_a_table" }]

[function.count_what_is_in_a_file]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"

[function.count_what_is_in_a_table]
runtime = "python3.13"
handler = "count.handler"
code = "functions/count"
"#;
    let one = "def handler(event, context):\n    return 1\n";
    let long = in_memory(toml, &[("functions/count/count.py", one)]);
    let form = Regex::new(r#"(?m)^  (?:role_name|name) += "(.*)"$"#).unwrap();
    let mut seen = 0;
    for pipeline in all().into_iter().chain([long]) {
        let env = pipeline.env_names().iter().map(|e| e.len()).max().unwrap();
        let mut names = BTreeSet::new();
        for (address, text) in defined(&module(&export(&pipeline))) {
            if !address.starts_with("awscc_iam_role.") && !address.starts_with("awscc_events_rule.") {
                continue;
            }
            let name = &form.captures(&text).unwrap_or_else(|| panic!("{address} has no name: {text}"))[1];
            let own = name.strip_prefix("${local.name}-").unwrap_or_else(|| panic!("{address}: {name}"));
            assert!(pipeline.name.len() + env + 2 + own.len() <= 64, "{address}: {name}");
            let kind = address.split_once('.').unwrap().0.to_owned();
            assert!(names.insert((kind, own.to_owned())), "{address}: {name} is there twice");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_password_is_read_where_it_is_and_only_written() {
    let text = module(&export(&pipeline("covid-etl")));
    assert!(text.contains(
        "jsondecode(ephemeral.aws_secretsmanager_secret_version.stats_postgres.secret_string)[\"password\"]"
    ));
    let instance = &defined(&text)["aws_db_instance.stats_postgres"];
    assert!(instance.contains("password_wo ") && !Regex::new(r"\bpassword +=").unwrap().is_match(instance));
    assert!(!text.contains("data \"aws_secretsmanager"));
}

#[test]
fn names_follow_the_provider_s_rule() {
    for (cfn, attribute) in [
        ("KMSMasterKeyID", "kms_master_key_id"),
        ("OKActions", "ok_actions"),
        ("SizeInMBs", "size_in_m_bs"),
        ("S3Bucket", "s3_bucket"),
        ("EnableCloudwatchLogsExports", "enable_cloudwatch_logs_exports"),
        ("CloudWatchLoggingOptions", "cloudwatch_logging_options"),
        ("VPCSecurityGroups", "vpc_security_group_ids"),
        ("DBInstanceIdentifier", "db_instance_identifier"),
        ("MapPublicIpOnLaunch", "map_public_ip_on_launch"),
    ] {
        let expected = if cfn == "VPCSecurityGroups" { "vpc_security_groups" } else { attribute };
        assert_eq!(kinds::attribute(cfn), expected);
    }
    assert_eq!(kinds::resource_type("AWS::KinesisFirehose::DeliveryStream"), "awscc_kinesisfirehose_delivery_stream");
    assert_eq!(kinds::local_name("LandingBucketPolicy", "AWS::S3::BucketPolicy"), "landing");
    assert_eq!(kinds::local_name("FetchPricesFunctionLogGroup", "AWS::Logs::LogGroup"), "fetch_prices_function");
    assert_eq!(kinds::local_name("Bucket", "AWS::S3::Bucket"), "bucket");
}

/// What Terraform makes of a text in quotes, for texts without expressions.
fn read(quoted: &str) -> String {
    let inside = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')).unwrap();
    let mut out = String::new();
    let mut left = inside;
    while let Some(c) = left.chars().next() {
        if let Some(rest) = left.strip_prefix("$${").or_else(|| left.strip_prefix("%%{")) {
            out.push_str(&left[1..3]);
            left = rest;
        } else if left.starts_with("${") || left.starts_with("%{") {
            panic!("an expression begins in {quoted}");
        } else if let Some(rest) = left.strip_prefix('\\') {
            let (c, length) = match rest.chars().next().unwrap() {
                'n' => ('\n', 1),
                'r' => ('\r', 1),
                't' => ('\t', 1),
                'u' => (char::from_u32(u32::from_str_radix(&rest[1..5], 16).unwrap()).unwrap(), 5),
                other => (other, 1),
            };
            out.push(c);
            left = &rest[length..];
        } else {
            assert!(c != '"' && !c.is_control(), "{c:?} in {quoted}");
            out.push(c);
            left = &left[c.len_utf8()..];
        }
    }
    out
}

proptest! {
    #[test]
    fn a_text_is_read_as_it_was_written(text in "[ -~\n\t\r\u{1}äé${}%\"\\\\]{0,40}") {
        prop_assert_eq!(read(&quoted(&[Part::Text(text.clone())])), text);
    }

    #[test]
    fn what_is_put_in_stays_an_expression(before in "[a-z\"\\\\{}%$]{0,6}", after in "[a-z\"{}%$]{0,6}") {
        // `$` before an expression is read as it is; two of them are, too.
        prop_assume!(!before.ends_with('$'));
        let written = quoted(&[Part::Text(before.clone()), Part::Expr("var.x".into()), Part::Text(after.clone())]);
        let (first, rest) = written.split_once("${var.x}").unwrap();
        prop_assert_eq!(read(&format!("{first}\"")), before);
        prop_assert_eq!(read(&format!("\"{rest}")), after);
    }
}

#[test]
fn equals_signs_stand_below_each_other_where_values_are_whole() {
    let object = |n: usize| Expr::Object((0..n).map(|n| (format!("key{n}"), Expr::text("value"))).collect());
    let block = Block::new("resource", ["a", "b"])
        .with("a", Expr::raw("1"))
        .with("longer", Expr::raw("2"))
        .with("sql", Expr::text("select 1\n\nfrom b\n"))
        .with("many", object(4))
        .with("one_more", object(0))
        .with("x", Expr::List(vec![object(1), object(4)]))
        .inside(Block::new("lifecycle", []).with("b", Expr::Call("jsonencode", vec![object(4)])));
    insta::assert_snapshot!(text(&[Item::Comment("Why".into()), Item::Block(block)]));
}
