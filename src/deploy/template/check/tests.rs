//! Each rule sees the very fault that it is for, put into a template that is right.

use serde_json::{Value, json};

use super::{Fault, check};
use crate::deploy::template::tests::{document, everything};

/// A template that is right, with this done to it.
fn with(change: impl FnOnce(&mut Value)) -> Vec<Fault> {
    let mut document = document(&everything());
    assert_eq!(check(&document, &[]), [], "it is right before");
    change(&mut document);
    check(&document, &[])
}

/// The one fault that a change makes: at which resource, and what it says.
fn refused(resource: &str, words: &str, change: impl FnOnce(&mut Value)) {
    let faults = with(change);
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(faults.len(), 1, "{texts:#?}");
    assert_eq!(faults[0].resource, resource, "{texts:#?}");
    assert!(texts[0].contains(words), "{}", texts[0]);
    assert!(!faults[0].mend.is_empty());
}

/// Sets a property of a resource: `set("LandingBucket", "/BucketName", ..)`.
fn set(resource: &str, pointer: &str, value: Value) -> impl FnOnce(&mut Value) + use<> {
    let pointer = format!("/Resources/{resource}/Properties{pointer}");
    move |document| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} is not there"));
        match parent {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            other => other[name] = value,
        }
    }
}

/// Removes something: `/DependsOn`.
fn without(resource: &str, pointer: &str) -> impl FnOnce(&mut Value) + use<> {
    let pointer = format!("/Resources/{resource}{pointer}");
    move |document| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
        assert!(parent.shift_remove(name).is_some(), "{pointer} is not there");
    }
}

#[test]
fn a_role_by_its_name() {
    let name = json!({"Ref": "RustFunctionRole"});
    refused("RustFunction", "Ref gives a role's name", set("RustFunction", "/Role", name.clone()));
    refused("TotalsJob", "not the ARN of a role", set("TotalsJob", "/Role", name.clone()));
    let source = "/KinesisStreamSourceConfiguration/RoleARN";
    refused("LandingDelivery", "not the ARN of a role", set("LandingDelivery", source, name));
}

#[test]
fn a_delivery_s_error_prefix() {
    let place = "/ExtendedS3DestinationConfiguration/ErrorOutputPrefix";
    let no = without("LandingDelivery", &format!("/Properties{place}"));
    refused("LandingDelivery", "there is no ErrorOutputPrefix", no);
    let vague = json!("errors/!{timestamp:yyyy}/");
    refused("LandingDelivery", "what kind of error", set("LandingDelivery", place, vague));
    let unknown = json!("errors/!{firehose:error-output-type}/!{firehose:hour}/");
    refused("LandingDelivery", "!{firehose:hour}", set("LandingDelivery", place, unknown));
}

#[test]
fn a_usage_plan_s_period() {
    refused("TotalsApiUsagePlan", "DAY, MONTH, WEEK", set("TotalsApiUsagePlan", "/Quota/Period", json!("HOUR")));
    refused("TotalsApiUsagePlan", "DAY, MONTH, WEEK", without("TotalsApiUsagePlan", "/Properties/Quota/Period"));
}

#[test]
fn an_api_s_methods() {
    refused("TotalsApiMethod", "there is no method \"FETCH\"", set("TotalsApiMethod", "/HttpMethod", json!("FETCH")));
    let proxy = "/Integration/IntegrationHttpMethod";
    refused("TotalsApiMethod", "POST alone", set("TotalsApiMethod", proxy, json!("GET")));
}

#[test]
fn a_deployment_that_does_not_wait_for_its_methods() {
    let document = document(&everything());
    let mut ids = document["Resources"].as_object().unwrap().keys();
    let id = ids.find(|id| id.starts_with("TotalsApiDeployment")).unwrap();
    refused(id, "add DependsOn TotalsApiMethod", without(id, "/DependsOn"));
}

#[test]
fn a_queue_whose_messages_are_seen_again_too_early() {
    let early = set("ArrivalsQueue", "/VisibilityTimeout", json!(29));
    refused("ArrivalsQueue", "raise VisibilityTimeout", early);
    let default = without("ArrivalsQueue", "/Properties/VisibilityTimeout");
    let slow = |document: &mut Value| {
        default(document);
        set("ReaderFunction", "/Timeout", json!(31))(document);
    };
    refused("ArrivalsQueue", "seen again after 30 s, and ReaderFunction may take 31 s", slow);
}

#[test]
fn a_notification_before_its_permission() {
    let late =
        |document: &mut Value| document["Resources"]["LandingBucket"]["DependsOn"] = json!(["S3LogsBucketPolicy"]);
    refused("LandingBucket", "add DependsOn NewsTopicPolicy", late);
    let none = |document: &mut Value| {
        late(document);
        document["Resources"].as_object_mut().unwrap().shift_remove("NewsTopicPolicy");
    };
    refused("LandingBucket", "add an AWS::SNS::TopicPolicy for s3.amazonaws.com", none);
    let late =
        |document: &mut Value| document["Resources"]["StagingBucket"]["DependsOn"] = json!(["S3LogsBucketPolicy"]);
    refused("StagingBucket", "add DependsOn PlainQueuePolicy", late);
    let none = |document: &mut Value| {
        late(document);
        document["Resources"].as_object_mut().unwrap().shift_remove("PlainQueuePolicy");
    };
    refused("StagingBucket", "add an AWS::SQS::QueuePolicy for s3.amazonaws.com", none);
    let function = |document: &mut Value| {
        let told = json!([{"Event": "s3:ObjectRemoved:*", "Function": {"Fn::Sub": "arn:x:${NodeFunction}"}}]);
        document["Resources"]["StagingBucket"]["Properties"]["NotificationConfiguration"] =
            json!({"LambdaConfigurations": told});
    };
    refused("StagingBucket", "add an AWS::Lambda::Permission", function);
    let circular = |document: &mut Value| {
        function(document);
        document["Resources"]["Permission"] = json!({"Type": "AWS::Lambda::Permission", "Properties": {
            "FunctionName": {"Ref": "NodeFunction"},
            "Principal": "s3.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["StagingBucket", "Arn"]},
        }});
    };
    refused("StagingBucket", "name the bucket in the permission's SourceArn by its name", circular);
}

#[test]
fn notifications_that_overlap() {
    let second = |prefix: &'static str| {
        move |document: &mut Value| {
            let place = "/Resources/LandingBucket/Properties/NotificationConfiguration/TopicConfigurations";
            let all = document.pointer_mut(place).and_then(Value::as_array_mut).unwrap();
            let mut first = all[0].clone();
            first["Filter"] = json!({"S3Key": {"Rules": [{"Name": "prefix", "Value": "a/"}]}});
            let mut second = first.clone();
            second["Filter"]["S3Key"]["Rules"][0]["Value"] = json!(prefix);
            *all = vec![first, second];
        }
    };
    refused("LandingBucket", "S3 refuses rules that overlap", second("a/b/"));
    assert_eq!(with(second("b/")), []);
}

#[test]
fn infrequent_access_too_early() {
    let rule = |days: u32| {
        set(
            "LandingBucket",
            "/LifecycleConfiguration/Rules/0",
            json!({"Status": "Enabled", "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": days}]}),
        )
    };
    refused("LandingBucket", "before 30 days", rule(29));
    assert_eq!(with(rule(30)), []);
}

#[test]
fn a_version_that_glue_does_not_have() {
    refused("TotalsJob", "there is no AWS Glue 5.9", set("TotalsJob", "/GlueVersion", json!("5.9")));
    refused("TotalsJob", "GlueVersion is one of", without("TotalsJob", "/Properties/GlueVersion"));
}

#[test]
fn a_schedule_that_glue_does_not_have() {
    let schedule = |text: &str| set("TotalsJobSchedule", "/Schedule", json!(text));
    refused("TotalsJobSchedule", "write a cron", schedule("rate(1 hour)"));
    refused("TotalsJobSchedule", "no schedule of AWS Glue", schedule("cron(5 * * * * *)"));
    refused("TotalsJobSchedule", "no schedule of AWS Glue", schedule("cron(5 * * *)"));
    refused("TotalsJobSchedule", "every 5 minutes at most", schedule("cron(* * * * ? *)"));
}

#[test]
fn a_stream_s_retention() {
    refused("EventsStream", "24 to 8760", set("EventsStream", "/RetentionPeriodHours", json!(12)));
    refused("EventsStream", "24 to 8760", set("EventsStream", "/RetentionPeriodHours", json!(8_761)));
}

#[test]
fn a_subscription_s_protocol() {
    let change = |document: &mut Value| {
        let resources = document["Resources"].as_object_mut().unwrap();
        let all = resources.values_mut().filter(|r| r["Type"] == "AWS::SNS::Subscription");
        all.take(1).for_each(|r| r["Properties"]["Protocol"] = json!("mail"));
    };
    let faults = with(change);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].resource.starts_with("NewsTopicEmail") && faults[0].what.contains("\"mail\""), "{}", faults[0]);
}

#[test]
fn a_secret_in_plain_text() {
    let plain = "set it with `pumphouse secret set`";
    refused("OtherSecret", plain, set("OtherSecret", "/SecretString", json!("hunter2")));
    let variable = |name: &str| format!("/Environment/Variables/{name}");
    refused("RustFunction", plain, set("RustFunction", &variable("DB_PASSWORD"), json!("hunter2")));
    // Put together here, so that no scanner takes this file for a leak.
    let key = format!("AK{}", "IAIOSFODNN7EXAMPLE");
    refused("RustFunction", plain, set("RustFunction", &variable("LEVEL"), json!(key)));
    let value = json!("dGhpcyBpcyBubyBuYW1lIG9mIGEgc2VjcmV0IDEyMw==");
    refused("RustFunction", plain, set("RustFunction", &variable("SECRET_FEED_KEY"), value));
    refused("TotalsJob", plain, set("TotalsJob", "/DefaultArguments/--api_token", json!("abc")));
    refused("LimitThreshold", plain, set("LimitThreshold", "/Value", json!(format!("gh{}", "p_0123456789"))));
    refused("TotalsApiKey", "AWS makes one", set("TotalsApiKey", "/Value", json!("0123456789abcdefghij")));
    let resolved = json!("{{resolve:secretsmanager:everything-dev-other}}");
    refused("RustFunction", "the secret's name", set("RustFunction", &variable("OTHER"), resolved));
}

#[test]
fn a_bucket_s_name() {
    let name = |text: &str| {
        set("StagingBucket", "/BucketName", json!({"Fn::Sub": format!("{text}-${{AWS::AccountId}}-${{AWS::Region}}")}))
    };
    // 35, and 28 for the account and the longest region.
    assert_eq!(with(name(&"a".repeat(35))), []);
    refused("StagingBucket", "comes to 64 characters", name(&"a".repeat(36)));
    refused("StagingBucket", "no name for a bucket", name("a_b"));
}

#[test]
fn what_is_not_there() {
    let set_id = |value: Value| set("RustFunction", "/Environment/Variables/X", value);
    refused("RustFunction", "refers to Nothing", set_id(json!({"Ref": "Nothing"})));
    refused("RustFunction", "refers to Nothing", set_id(json!({"Fn::GetAtt": ["Nothing", "Arn"]})));
    refused("RustFunction", "refers to Nothing", set_id(json!({"Fn::Sub": "a-${Nothing.Arn}-${AWS::Region}"})));
    refused("RustFunction", "waits for Nothing", |d| d["Resources"]["RustFunction"]["DependsOn"] = json!("Nothing"));
    refused("Outputs/X", "refers to Nothing", |d| d["Outputs"]["X"] = json!({"Value": {"Ref": "Nothing"}}));
}

#[test]
fn a_logical_id_that_is_taken_or_is_none() {
    let parameter = |d: &mut Value| d["Parameters"] = json!({"StagingBucket": {"Type": "String"}});
    refused("StagingBucket", "a parameter has this logical id, too", parameter);
    refused("A_B", "letters and digits", |d| d["Resources"]["A_B"] = json!({"Type": "AWS::SNS::Topic"}));
}

#[test]
fn too_much() {
    refused("Resources", "a stack has 500 at most", |d| {
        for n in 0..500 {
            d["Resources"][format!("T{n}")] = json!({"Type": "AWS::SNS::Topic"});
        }
    });
    refused("Resources", "CloudFormation takes 1000000", set("TopQuery", "/QueryString", json!("x".repeat(1_000_000))));
}

#[test]
fn a_connection_that_no_job_could_use() {
    let input = "/ConnectionInput";
    let place = format!("{input}/PhysicalConnectionRequirements");
    let property = |name: &str| format!("{input}/ConnectionProperties/{name}");
    refused(
        "OwnConnection",
        "PASSWORD stands in plain text",
        set("OwnConnection", &property("PASSWORD"), json!("hush")),
    );
    let none = without("OwnConnection", &format!("/Properties{}", property("SECRET_ID")));
    refused("OwnConnection", "without SECRET_ID", none);
    let zone = json!({"Fn::GetAtt": ["MainNetworkPrivateB", "AvailabilityZone"]});
    let elsewhere = set("OwnConnection", &format!("{place}/AvailabilityZone"), zone);
    refused("OwnConnection", "not that of its subnet", elsewhere);
    let groups = json!([{"Fn::GetAtt": ["MainNetworkGroup", "GroupId"]}]);
    let closed = set("OwnConnection", &format!("{place}/SecurityGroupIdList"), groups);
    refused("OwnConnection", "none of its security groups is open to itself", closed);
    let nowhere = without("InsideConnection", &format!("/Properties{place}"));
    refused("InsideConnection", "it leads into no network", nowhere);
    let both = json!([{"Ref": "OwnConnection"}, {"Ref": "InsideConnection"}]);
    let torn = set("ForeignJob", "/Connections/Connections", both);
    refused("ForeignJob", "lead into several subnets", torn);
}
