use std::collections::BTreeSet;

use super::{compute::sha256, *};
use crate::{cloud::flow::flow, spec};

fn crypto_stream() -> Pipeline {
    let location = spec::Location::BuiltIn("crypto-stream".into());
    spec::load(&location, &|_| true).unwrap_or_else(|report| panic!("{report}"))
}

fn role<'a>(graph: &'a Graph, name: &str) -> Vec<(&'a str, &'a str)> {
    match &graph.by_name(name).unwrap().properties {
        Properties::Role(role) => role.grants.iter().map(|g| (g.action.as_str(), g.resource.as_str())).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_resource_comes_after_what_it_depends_on_and_names_are_unique() {
    for env in ["dev", "prod"] {
        let graph = graph(&crypto_stream(), env).unwrap();
        let mut made = BTreeSet::new();
        let mut named = BTreeSet::new();
        for resource in &graph.resources {
            for id in &resource.depends_on {
                assert!(made.contains(id.as_str()), "{} before {id}", resource.logical_id);
            }
            assert!(made.insert(resource.logical_id.as_str()), "{} twice", resource.logical_id);
            let kind = resource.properties.kind();
            assert!(named.insert((kind, &resource.physical_name)), "{} twice", resource.physical_name);
        }
    }
}

#[test]
fn a_function_gets_what_its_grants_name_and_no_more() {
    let graph = graph(&crypto_stream(), "dev").unwrap();
    assert_eq!(
        role(&graph, "function.alert_on_price/role"),
        [
            ("cloudwatch:PutMetricData", "crypto-stream/dev/btc_usd"),
            ("logs:CreateLogStream", "/aws/lambda/crypto-stream-dev-alert_on_price"),
            ("logs:PutLogEvents", "/aws/lambda/crypto-stream-dev-alert_on_price"),
            ("s3:GetObject", "crypto-stream-dev-landing"),
            ("sns:Publish", "crypto-stream-dev-price_alerts"),
            ("ssm:GetParameter", "/crypto-stream/dev/btc_usd"),
        ]
    );
    let Properties::Function(fetch) = &graph.by_id("FetchPricesFunction").unwrap().properties else { panic!() };
    let variables: Vec<_> = fetch.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        variables,
        [
            ("SECRET_COINBASE_API_KEY", "crypto-stream-dev-coinbase_api_key"),
            ("STREAM_PRICES", "crypto-stream-dev-prices")
        ]
    );
    let recording = fetch.sources["coinbase"].recording.as_ref().unwrap();
    assert_eq!(recording.matches["pair"], "{base}-{currency}");
    assert_eq!(recording.sample_sha256.as_deref(), Some(sha256(recording.sample.as_ref().unwrap()).as_str()));
}

#[test]
fn the_table_is_as_promised() {
    let graph = graph(&crypto_stream(), "dev").unwrap();
    let Properties::Table(table) = &graph.by_id("PricesTable").unwrap().properties else { panic!() };
    let columns = |all: &[spec::Column]| all.iter().map(|c| format!("{} {}", c.name, c.kind)).collect::<Vec<_>>();
    assert_eq!((table.database.as_str(), table.table.as_str()), ("crypto_stream", "prices"));
    assert_eq!(columns(&table.columns), ["currency varchar", "amount double", "timestamp_utc timestamp", "date date"]);
    assert_eq!(
        columns(&table.partition_keys),
        ["base varchar", "year integer", "month integer", "day integer", "hour integer"]
    );
}

#[test]
fn an_environment_changes_what_it_says_and_names() {
    let pipeline = crypto_stream();
    let (dev, prod) = (graph(&pipeline, "dev").unwrap(), graph(&pipeline, "prod").unwrap());
    let days = |graph: &Graph| match &graph.by_name("bucket.landing").unwrap().properties {
        Properties::Bucket(bucket) => (bucket.expire_days, bucket.versioning),
        other => panic!("{other:?}"),
    };
    assert_eq!((days(&dev), days(&prod)), ((Some(90), true), (Some(365), true)));
    assert_eq!(prod.by_id("PricesTable").unwrap().physical_name, "crypto_stream_prod.prices");
    assert_eq!(prod.stack, "crypto-stream-prod");
    let error = graph(&pipeline, "test").unwrap_err();
    assert_eq!(error.to_string(), "crypto-stream has no environment \"test\"; it has: dev, prod");
}

#[test]
fn data_flows_from_the_function_to_the_api() {
    let stages = flow(&graph(&crypto_stream(), "dev").unwrap());
    let text: Vec<String> = stages.iter().map(|s| format!("{} {} <- {}", s.kind, s.name, s.after.join(", "))).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    function fetch_prices <- 
    stream prices <- FetchPricesFunction
    delivery landing <- PricesStream
    bucket landing <- LandingDelivery
    topic new_files <- LandingBucket
    function alert_on_price <- LandingBucket
    topic price_alerts <- AlertOnPriceFunction
    job clean_prices <- LandingBucket
    bucket staging <- CleanPricesJob
    table prices <- StagingBucket, CleanPricesJob
    query latest <- PricesTable
    query by_base <- PricesTable
    function query_prices <- ByBaseQuery
    api prices <- QueryPricesFunction
    ");
}

#[test]
fn outputs_name_what_users_need() {
    let graph = graph(&crypto_stream(), "dev").unwrap();
    let names: Vec<&str> = graph.outputs.iter().map(|o| o.name.as_str()).collect();
    for name in ["LandingBucketName", "PricesStreamName", "PriceAlertsTopicName", "PricesTableName", "PricesApiUrl"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
