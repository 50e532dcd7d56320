use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;

use super::*;
use crate::{deploy, spec};

/// The head of an ELF file for x86_64.
fn executable() -> Bytes {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    file[18] = 62;
    file.into()
}

fn crypto_stream(env: &str) -> Graph {
    built_in(&spec::Location::BuiltIn("crypto-stream".into()), env)
}

fn built_in(location: &spec::Location, env: &str) -> Graph {
    let pipeline = spec::load(location, &|_| true).unwrap_or_else(|report| panic!("{report}"));
    deploy::graph(&pipeline, env).unwrap()
}

/// The shipped pipelines in both environments, and one with every section and every key.
fn all() -> Vec<Graph> {
    let shipped = spec::built_in();
    assert!(shipped.len() >= 5);
    let both = shipped.iter().flat_map(|location| ["dev", "prod"].map(|env| built_in(location, env)));
    both.chain([everything()]).collect()
}

/// A pipeline with every section and every key.
pub(super) fn everything() -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/valid/everything.toml");
    let pipeline = spec::load_path(&path, &|_| true).unwrap_or_else(|report| panic!("{report}"));
    deploy::graph(&pipeline, "dev").unwrap()
}

fn options() -> TemplateOptions {
    TemplateOptions { bootstrap: Some(executable().into()), ..TemplateOptions::default() }
}

fn with(graph: &Graph, options: &TemplateOptions) -> Value {
    let template = template(graph, options).unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_str(&template.body).unwrap()
}

pub(in crate::deploy) fn document(graph: &Graph) -> Value {
    with(graph, &options())
}

/// Of what our script for Spark is hashed to stands in the snapshots as this.
fn steady(body: &str) -> String {
    let script = package::file("jobs", "py", include_str!("../glue/runner.py").into());
    body.replace(&script.key, "jobs/RUNNER.py")
}

fn resources<'a>(document: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    document["Resources"].as_object().unwrap().iter().filter(move |(_, r)| r["Type"] == kind)
}

/// The statements of a role.
fn allowed(document: &Value, role: &str) -> Vec<Value> {
    let policy = &document["Resources"][role]["Properties"]["Policies"][0];
    policy["PolicyDocument"]["Statement"].as_array().unwrap().clone()
}

fn many(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

#[test]
fn crypto_stream_in_dev() {
    let template = template(&crypto_stream("dev"), &options()).unwrap();
    insta::assert_snapshot!(steady(&template.body));
}

#[test]
fn what_differs_in_prod() {
    let plain = |env: &str| {
        let text = steady(&template(&crypto_stream(env), &options()).unwrap().body);
        let text = text.replace(&format!("crypto-stream-{env}"), "STACK");
        text.replace(&format!("crypto-stream/{env}"), "NAMESPACE")
    };
    let (dev, prod) = (plain("dev"), plain("prod"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (dev, prod) = (lines(&dev), lines(&prod));
    assert_eq!(dev.len(), prod.len());
    let differ: Vec<String> =
        dev.iter().zip(&prod).filter(|(a, b)| a != b).map(|(a, b)| format!("-{a}\n+{b}")).collect();
    insta::assert_snapshot!(differ.join("\n"));
}

#[test]
fn a_template_and_its_assets_are_the_same_each_time() {
    for graph in all() {
        assert_eq!(template(&graph, &options()), template(&graph, &options()));
    }
    assert_eq!(bootstrap_template(), bootstrap_template());
}

#[test]
fn what_a_template_refers_to_in_the_artifact_bucket_is_among_its_assets() {
    let template = template(&everything(), &options()).unwrap();
    let mut keys = BTreeSet::new();
    for asset in &template.assets {
        assert!(template.body.contains(&asset.key), "{} is used", asset.key);
        assert!(keys.insert(asset.key.clone()), "{} once", asset.key);
    }
    for word in template.body.split(['"', '}']).filter(|w| w.starts_with("functions/") || w.starts_with("/jobs/")) {
        assert!(keys.contains(word.trim_start_matches('/')), "{word} is an asset");
    }
    // One for all functions in Rust, one each for the others; one script, one SQL: the jobs' are the same.
    assert_eq!(keys.len(), 5);
}

#[test]
fn no_statement_names_everything_where_a_name_is_known() {
    for graph in all() {
        let document = document(&graph);
        for (id, role) in resources(&document, "AWS::IAM::Role") {
            assert_eq!(role["Properties"]["Path"], "/pumphouse/");
            for statement in allowed(&document, id) {
                for action in many(&statement["Action"]) {
                    assert!(!action.as_str().unwrap().contains('*'), "{id}: {action}");
                }
                for resource in many(&statement["Resource"]) {
                    // Lambda's work on network interfaces: AWS asks for all of them.
                    let all = resource == "*" && statement["Sid"] != "JoinNetwork";
                    assert!(!all || statement["Action"] == "cloudwatch:PutMetricData", "{id}: {statement}");
                    assert!(!all || statement["Condition"]["StringEquals"]["cloudwatch:namespace"].is_string());
                }
            }
        }
    }
}

#[test]
fn no_role_gets_beyond_the_boundary() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    let boundary = &bootstrap["Resources"]["Boundary"]["Properties"]["PolicyDocument"]["Statement"];
    let actions = |statements: &[Value]| -> BTreeSet<String> {
        let all = statements.iter().flat_map(|s| many(&s["Action"]));
        all.map(|a| a.as_str().unwrap().to_owned()).collect()
    };
    let most = actions(boundary.as_array().unwrap());
    let mut used = BTreeSet::new();
    for graph in all() {
        let document = document(&graph);
        for (id, _) in resources(&document, "AWS::IAM::Role") {
            used.extend(actions(&allowed(&document, id)));
        }
    }
    assert_eq!(used.difference(&most).collect::<Vec<_>>(), Vec::<&String>::new(), "missing from the boundary");
    assert_eq!(most.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "in the boundary for nothing");
}

#[test]
fn the_deploying_role_may_make_every_kind_that_we_render() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    let attached = bootstrap["Resources"]["ServiceRole"]["Properties"]["ManagedPolicyArns"].as_array().unwrap();
    let policy = |arn: &Value| &bootstrap["Resources"][arn["Ref"].as_str().unwrap()]["Properties"]["PolicyDocument"];
    let statements: Vec<Value> =
        attached.iter().flat_map(|arn| policy(arn)["Statement"].as_array().unwrap().clone()).collect();
    let may: BTreeSet<String> = statements
        .iter()
        .filter(|s| s["Effect"] == "Allow")
        .flat_map(|s| many(&s["Action"]))
        .map(|a| a.as_str().unwrap().to_owned())
        .collect();
    assert!(may.iter().all(|a| !a.contains('*')));
    for graph in all() {
        for (id, resource) in document(&graph)["Resources"].as_object().unwrap() {
            let makes = match resource["Type"].as_str().unwrap() {
                "AWS::ApiGateway::ApiKey"
                | "AWS::ApiGateway::Deployment"
                | "AWS::ApiGateway::Resource"
                | "AWS::ApiGateway::RestApi"
                | "AWS::ApiGateway::Stage"
                | "AWS::ApiGateway::UsagePlan"
                | "AWS::ApiGateway::UsagePlanKey" => "apigateway:POST",
                "AWS::ApiGateway::Method" => "apigateway:PUT",
                "AWS::Athena::NamedQuery" => "athena:CreateNamedQuery",
                "AWS::Athena::WorkGroup" => "athena:CreateWorkGroup",
                "AWS::CloudWatch::Alarm" => "cloudwatch:PutMetricAlarm",
                "AWS::DynamoDB::Table" => "dynamodb:CreateTable",
                "AWS::CloudWatch::Dashboard" => "cloudwatch:PutDashboard",
                "AWS::EC2::EIP" => "ec2:AllocateAddress",
                "AWS::EC2::InternetGateway" => "ec2:CreateInternetGateway",
                "AWS::EC2::NatGateway" => "ec2:CreateNatGateway",
                "AWS::EC2::Route" => "ec2:CreateRoute",
                "AWS::EC2::RouteTable" => "ec2:CreateRouteTable",
                "AWS::EC2::SecurityGroup" => "ec2:CreateSecurityGroup",
                "AWS::EC2::SecurityGroupEgress" => "ec2:AuthorizeSecurityGroupEgress",
                "AWS::EC2::SecurityGroupIngress" => "ec2:AuthorizeSecurityGroupIngress",
                "AWS::EC2::Subnet" => "ec2:CreateSubnet",
                "AWS::EC2::SubnetRouteTableAssociation" => "ec2:AssociateRouteTable",
                "AWS::EC2::VPC" => "ec2:CreateVpc",
                "AWS::EC2::VPCEndpoint" => "ec2:CreateVpcEndpoint",
                "AWS::EC2::VPCGatewayAttachment" => "ec2:AttachInternetGateway",
                "AWS::Events::Rule" => "events:PutRule",
                "AWS::Glue::Connection" => "glue:CreateConnection",
                "AWS::Glue::Crawler" => "glue:CreateCrawler",
                "AWS::Glue::Database" => "glue:CreateDatabase",
                "AWS::Glue::Job" => "glue:CreateJob",
                "AWS::Glue::Table" => "glue:CreateTable",
                "AWS::Glue::Trigger" => "glue:CreateTrigger",
                "AWS::IAM::Role" => "iam:CreateRole",
                "AWS::KMS::Alias" => "kms:CreateAlias",
                "AWS::KMS::Key" => "kms:CreateKey",
                "AWS::Kinesis::Stream" => "kinesis:CreateStream",
                "AWS::KinesisFirehose::DeliveryStream" => "firehose:CreateDeliveryStream",
                "AWS::Lambda::EventSourceMapping" => "lambda:CreateEventSourceMapping",
                "AWS::Lambda::Function" => "lambda:CreateFunction",
                "AWS::Lambda::Permission" => "lambda:AddPermission",
                "AWS::Logs::LogGroup" => "logs:CreateLogGroup",
                "AWS::Logs::LogStream" => "logs:CreateLogStream",
                "AWS::RDS::DBInstance" => "rds:CreateDBInstance",
                "AWS::RDS::DBParameterGroup" => "rds:CreateDBParameterGroup",
                "AWS::RDS::DBSubnetGroup" => "rds:CreateDBSubnetGroup",
                "AWS::S3::Bucket" => "s3:CreateBucket",
                "AWS::S3::BucketPolicy" => "s3:PutBucketPolicy",
                "AWS::SNS::Subscription" => "sns:Subscribe",
                "AWS::SNS::Topic" => "sns:CreateTopic",
                "AWS::SNS::TopicPolicy" => "sns:SetTopicAttributes",
                "AWS::SQS::Queue" => "sqs:CreateQueue",
                "AWS::SQS::QueuePolicy" => "sqs:SetQueueAttributes",
                "AWS::SSM::Parameter" => "ssm:PutParameter",
                "AWS::SecretsManager::Secret" => "secretsmanager:CreateSecret",
                "AWS::SecretsManager::SecretTargetAttachment" => "secretsmanager:PutSecretValue",
                other => panic!("{id}: is the deploying role allowed to make {other}?"),
            };
            assert!(may.contains(makes), "{makes} for {id}");
        }
    }
}

#[test]
fn a_secret_has_no_value_and_functions_get_its_name() {
    let document = document(&everything());
    // That of a database is made by Secrets Manager.
    let made = |secret: &Value| secret["Properties"]["GenerateSecretString"].is_object();
    let secrets = resources(&document, "AWS::SecretsManager::Secret").filter(|(_, secret)| !made(secret));
    let secrets: Vec<_> = secrets.collect();
    assert_eq!(secrets.len(), 3);
    for (id, secret) in secrets {
        let properties = secret["Properties"].as_object().unwrap();
        assert!(properties.keys().all(|k| k == "Name" || k == "Description"), "{id}");
    }
    let variables = &document["Resources"]["RustFunction"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["SECRET_FEED_KEY"], "everything-dev-feed_key");
}

#[test]
fn a_bucket_tells_at_most_one_of_those_whose_rules_overlap() {
    let document = document(&everything());
    let told = &document["Resources"]["LandingBucket"]["Properties"]["NotificationConfiguration"];
    assert_eq!(told["TopicConfigurations"][0]["Topic"], json!({"Ref": "NewsTopic"}));
    assert_eq!(told["EventBridgeConfiguration"], json!({"EventBridgeEnabled": true}));
    assert!(told.get("LambdaConfigurations").is_none());
    let pattern = |id: &str| document["Resources"][id]["Properties"]["EventPattern"]["detail"]["object"]["key"].clone();
    assert_eq!(pattern("LandingBucketToPythonFunction"), json!([{"wildcard": "raw/*.jsonl"}]));
    assert_eq!(pattern("LandingBucketToNodeFunction"), json!([{"prefix": "raw/"}]));
}

#[test]
fn a_rule_of_its_own_is_told_by_s3_after_its_permission() {
    let mut graph = crypto_stream("dev");
    for resource in &mut graph.resources {
        if let Properties::Bucket(bucket) = &mut resource.properties {
            bucket.on_created.retain(|n| matches!(n.target, crate::cloud::resources::NotificationTarget::Function(_)));
        }
    }
    let document = document(&graph);
    let bucket = &document["Resources"]["LandingBucket"];
    let permission = "AlertOnPriceFunctionFromLandingBucket";
    assert!(bucket["DependsOn"].as_array().unwrap().contains(&json!(permission)));
    assert_eq!(document["Resources"][permission]["Properties"]["Principal"], "s3.amazonaws.com");
    assert!(bucket["Properties"]["NotificationConfiguration"].get("EventBridgeConfiguration").is_none());
}

#[test]
fn another_api_is_another_deployment_and_the_same_is_the_same() {
    let id = |graph: &Graph| {
        let document = document(graph);
        resources(&document, "AWS::ApiGateway::Deployment").next().unwrap().0.clone()
    };
    let mut graph = crypto_stream("dev");
    let before = id(&graph);
    for resource in &mut graph.resources {
        if let Properties::Function(function) = &mut resource.properties {
            function.memory_mib += 1;
        }
    }
    assert_eq!(id(&graph), before);
    for resource in &mut graph.resources {
        if let Properties::Api(api) = &mut resource.properties {
            api.path = "/newest".into();
        }
    }
    assert_ne!(id(&graph), before);
}

#[test]
fn what_holds_data_stays_where_the_environment_is_protected() {
    for (env, policy) in [("dev", "Delete"), ("prod", "Retain")] {
        let graph = crypto_stream(env);
        assert_eq!(graph.protected, env == "prod");
        let document = document(&graph);
        for resource in graph.resources.iter().filter(|r| r.properties.stateful()) {
            let rendered = &document["Resources"][&resource.logical_id];
            assert_eq!(rendered["DeletionPolicy"], policy, "{}", resource.logical_id);
            assert_eq!(rendered["UpdateReplacePolicy"], policy, "{}", resource.logical_id);
        }
    }
}

#[test]
fn what_an_endpoint_does_not_know_is_left_out() {
    let omit_types = vec!["AWS::Athena::NamedQuery".to_owned()];
    let document = with(&crypto_stream("dev"), &TemplateOptions { omit_types, ..options() });
    assert_eq!(resources(&document, "AWS::Athena::NamedQuery").count(), 0);
    let omit_types = vec!["AWS::SNS::TopicPolicy".to_owned(), "AWS::Athena::WorkGroup".to_owned()];
    let error = template(&crypto_stream("dev"), &TemplateOptions { omit_types, ..options() }).unwrap_err().to_string();
    assert!(error.contains("ByBaseQuery: it refers to AthenaWorkGroup"), "{error}");
    assert!(error.contains("LandingBucket: S3 may not tell NewFilesTopic"), "{error}");
}

#[test]
fn an_endpoint_that_only_answers_like_aws_is_asked_for_less() {
    let graph = everything();
    let (real, emulated) = (document(&graph), with(&graph, &TemplateOptions { emulated: true, ..options() }));
    assert!(real.to_string().contains("aws:SecureTransport") && !real.to_string().contains("IfExists"));
    assert!(!emulated.to_string().contains("aws:SecureTransport") && emulated.to_string().contains("IfExists"));
    for own in
        [None, Some("https://s3.eu-west-1.amazonaws.com"), Some("https://vpce-1.athena.eu-west-1.vpce.amazonaws.com")]
    {
        assert!(!is_emulated(own), "{own:?}");
    }
    for other in ["http://127.0.0.1:4566", "https://aws.example.com/amazonaws.com"] {
        assert!(is_emulated(Some(other)), "{other}");
    }
}

#[test]
fn functions_in_rust_need_an_executable_or_ask_for_its_key() {
    let graph = crypto_stream("dev");
    let error = template(&graph, &TemplateOptions::default()).unwrap_err();
    assert_eq!(error, TemplateError::NoBootstrap("function.fetch_prices".into()));
    let asking = TemplateOptions { ask_for_bootstrap: true, ..TemplateOptions::default() };
    let document = with(&graph, &asking);
    let parameters: Vec<_> = document["Parameters"].as_object().unwrap().keys().collect();
    assert_eq!(parameters, ["BootstrapKey", "BootstrapArchitecture"]);
    let wrong = TemplateOptions { bootstrap: Some(Bytes::from("#!/bin/sh").into()), ..TemplateOptions::default() };
    let error = template(&graph, &wrong).unwrap_err().to_string();
    assert!(error.starts_with("function.fetch_prices: the bootstrap executable is no ELF file"), "{error}");
}

#[test]
fn names_that_are_too_long_or_taken_are_refused_with_the_way_out() {
    let text = r#"
        name = "pipeline-with-long-name"
        [bucket.athena]
        [bucket.a_long_name_for_a_bucket]
        [query.q]
        sql = "q.sql"
    "#;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.toml"), text).unwrap();
    std::fs::write(dir.path().join("q.sql"), "select 1").unwrap();
    let pipeline = spec::load_path(dir.path(), &|_| true).unwrap_or_else(|report| panic!("{report}"));
    let graph = deploy::graph(&pipeline, "dev").unwrap();
    let error = template(&graph, &options()).unwrap_err().to_string();
    assert!(error.contains("AthenaBucket: two resources have this logical id"), "{error}");
    assert!(error.contains("ALongNameForABucketBucket: the bucket's name"), "{error}");
}

#[test]
fn a_password_is_made_by_secrets_manager_and_a_database_is_reached_from_its_network_alone() {
    let text = template(&everything(), &options()).unwrap().body;
    let document: Value = serde_json::from_str(&text).unwrap();
    let (id, database) = resources(&document, "AWS::RDS::DBInstance").next().unwrap();
    let of = |name: &str| &database["Properties"][name];
    let resolved = of("MasterUserPassword")["Fn::Sub"].as_str().unwrap();
    assert_eq!(resolved, format!("{{{{resolve:secretsmanager:${{{id}Secret}}:SecretString:password}}}}"));
    assert_eq!((of("PubliclyAccessible"), of("StorageEncrypted")), (&json!(false), &json!(true)));
    let own = |kind, suffix: &str| {
        let wanted = format!("{id}{suffix}");
        resources(&document, kind).find(|(id, _)| **id == wanted).unwrap().1["Properties"].clone()
    };
    assert!(own("AWS::SecretsManager::Secret", "Secret")["GenerateSecretString"]["PasswordLength"].as_u64() > Some(30));
    assert_eq!(own("AWS::RDS::DBParameterGroup", "Parameters")["Parameters"]["rds.force_ssl"], "1");
    let ingress = &own("AWS::EC2::SecurityGroup", "Group")["SecurityGroupIngress"];
    assert_eq!(ingress.as_array().unwrap().len(), 1);
    assert_eq!(ingress[0]["SourceSecurityGroupId"], json!({"Fn::GetAtt": ["MainNetworkGroup", "GroupId"]}));
    let output = document["Outputs"]["StatsPostgresConnection"]["Value"]["Fn::Sub"].as_str().unwrap();
    assert!(output.starts_with("postgresql://pumphouse@${StatsPostgres.Endpoint.Address}:"), "{output}");
    assert!(output.ends_with("?sslmode=verify-full") && !output.contains("password"), "{output}");
}

#[test]
fn a_network_has_one_way_out_or_an_endpoint_for_each_service() {
    let kinds = |graph: &Graph, kind| resources(&document(graph), kind).count();
    let mut graph = everything();
    let way_out = "AWS::EC2::NatGateway";
    let endpoint = "AWS::EC2::VPCEndpoint";
    let services = |graph: &Graph| -> Vec<usize> {
        let others = |r: &Resource| match &r.properties {
            Properties::Network(network) => Some(network.services.iter().filter(|s| *s != "s3").count()),
            _ => None,
        };
        graph.resources.iter().filter_map(others).collect()
    };
    let others = services(&graph);
    assert!(others.iter().all(|n| *n > 1), "{others:?}");
    // The first of the two has a way out; both have one for S3.
    assert_eq!((kinds(&graph, way_out), kinds(&graph, endpoint)), (1, 2 + others[1]));
    for resource in &mut graph.resources {
        if let Properties::Network(network) = &mut resource.properties {
            network.internet = false;
        }
    }
    assert_eq!((kinds(&graph, way_out), kinds(&graph, endpoint)), (0, 2 + others[0] + others[1]));
}

#[test]
fn a_job_in_a_network_reaches_its_database_and_what_it_calls() {
    let document = document(&everything());
    let of = |id: &str| &document["Resources"][id]["Properties"];
    let reference = |id: &str| json!({"Ref": id});
    assert_eq!(
        of("ForeignJob")["Connections"]["Connections"],
        json!([reference("OwnConnection"), reference("WarehouseConnection")])
    );
    assert_eq!(of("ItemsJob")["Connections"]["Connections"], json!([reference("ClosedNetworkForJobs")]));
    assert_eq!(of("TotalsJob").get("Connections"), None);

    let own = &of("OwnConnection")["ConnectionInput"];
    let url = own["ConnectionProperties"]["JDBC_CONNECTION_URL"]["Fn::Sub"].as_str().unwrap();
    assert!(url.starts_with("jdbc:postgresql://${StatsPostgres.Endpoint.Address}:"), "{url}");
    assert_eq!(own["ConnectionProperties"]["SECRET_ID"], reference("StatsPostgresSecret"));
    assert_eq!(
        of("WarehouseConnection")["ConnectionInput"]["ConnectionProperties"]["SECRET_ID"],
        reference("WarehouseSecret")
    );
    assert_eq!(of("ClosedNetworkForJobs")["ConnectionInput"]["ConnectionType"], "NETWORK");
    for id in ["OwnConnection", "WarehouseConnection", "InsideConnection", "ClosedNetworkForJobs"] {
        let text = of(id).to_string();
        assert!(!text.contains("PASSWORD") && !text.contains("USERNAME"), "{text}");
    }
    // From a group to itself, and to the port of the other database.
    assert_eq!(
        of("MainNetworkJobsGroupIngress")["SourceSecurityGroupId"],
        of("MainNetworkJobsGroupIngress")["GroupId"]
    );
    assert_eq!(
        (&of("MainNetworkJobsGroupTo3306")["FromPort"], &of("MainNetworkJobsGroupTo3306")["ToPort"]),
        (&json!(3306), &json!(3306))
    );
    // Without the internet, what the job calls has endpoints, and DynamoDB one that costs nothing.
    let mut services: Vec<&str> = resources(&document, "AWS::EC2::VPCEndpoint")
        .filter(|(_, e)| e["Properties"]["VpcId"] == reference("ClosedNetwork"))
        .map(|(_, e)| e["Properties"]["ServiceName"]["Fn::Sub"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect();
    services.sort_unstable();
    assert_eq!(services, ["dynamodb", "glue", "logs", "s3"]);

    let role = of("ForeignJobRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let sid = |sid: &str| role.iter().find(|s| s["Sid"] == sid).unwrap_or_else(|| panic!("{sid}: {role:#?}"));
    assert_eq!(sid("ReachOwnConnection")["Action"], "glue:GetConnection");
    assert!(sid("ReadStatsPostgresSecret")["Resource"].to_string().contains("-stats-??????"));
    assert!(sid("ReadWarehouseSecret")["Resource"].to_string().contains("-warehouse-??????"));
    assert!(sid("JoinNetwork")["Action"].to_string().contains("ec2:DescribeVpcEndpoints"));
    assert_eq!(
        sid("MarkInterfaces")["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"],
        json!(["aws-glue-service-resource"])
    );
    let plain = of("TotalsJobRole")["Policies"].to_string();
    assert!(!plain.contains("ec2:") && !plain.contains("GetConnection"), "{plain}");
}

#[test]
fn a_port_of_a_network_is_opened_once_for_however_many_connections() {
    let mut graph = everything();
    let mut second = graph.resources.iter().find(|r| r.logical_id == "WarehouseConnection").unwrap().clone();
    second.logical_id = "SecondConnection".into();
    second.physical_name = format!("{}-second", second.physical_name);
    graph.resources.push(second);
    let document = document(&graph);
    let rules: Vec<String> = resources(&document, "AWS::EC2::SecurityGroupEgress")
        .map(|(_, rule)| ["GroupId", "CidrIp", "FromPort"].map(|key| rule["Properties"][key].to_string()).join(" "))
        .collect();
    let once: BTreeSet<&String> = rules.iter().collect();
    assert_eq!(once.len(), rules.len(), "EC2 refuses a rule that is there: {rules:#?}");
}

#[test]
fn a_chart_s_title_is_no_reference() {
    let mut graph = everything();
    for resource in &mut graph.resources {
        if let Properties::Dashboard(dashboard) = &mut resource.properties {
            for chart in &mut dashboard.charts {
                chart.title = "Cost in ${USD}".into();
            }
        }
    }
    let document = document(&graph);
    let (_, board) = resources(&document, "AWS::CloudWatch::Dashboard").next().unwrap();
    let body = board["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert_eq!((body.matches("Cost in ${!USD}").count(), body.matches("${USD}").count()), (2, 0), "{body}");
}

#[test]
fn no_policy_is_longer_than_iam_takes() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    // References are longer than what they become.
    let length = |policy: &Value| policy["PolicyDocument"].to_string().len();
    let managed: Vec<usize> =
        resources(&bootstrap, "AWS::IAM::ManagedPolicy").map(|(_, p)| length(&p["Properties"])).collect();
    assert!((2..=10).contains(&managed.len()) && managed.iter().all(|n| *n <= 6_144), "{managed:?}");
    for document in all().iter().map(document).chain([bootstrap]) {
        for (id, role) in resources(&document, "AWS::IAM::Role") {
            let inline: usize = many(&role["Properties"]["Policies"]).iter().map(length).sum();
            assert!(inline <= 10_240, "{id} has policies of {inline} characters");
        }
    }
}
