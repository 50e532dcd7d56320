//! What CloudFormation's types are to Terraform: AWS's own provider `awscc` is made from the same schemas, so that its names
//! follow by rule; what does not follow stands in a table.

/// Where a resource's tags go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tags {
    /// It has none, or they follow from the provider.
    None,
    /// A list of objects with `key` and `value`.
    List,
    /// A map.
    Map,
    /// A map, as JSON.
    Json,
}

/// What is to be known of a type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// CloudFormation's name.
    pub(super) cfn: &'static str,
    /// The attribute that `Ref` gives.
    pub(super) reference: &'static str,
    pub(super) tags: Tags,
    /// The file of the module that it stands in.
    pub(super) file: &'static str,
    /// Its ARN after `arn:PARTITION:`, with `@` for `REGION:ACCOUNT` and `{}` for its name; and the attribute that is this
    /// ARN, or none where only the name in it can be a reference.
    pub(super) arn: Option<(&'static str, Option<&'static str>)>,
    /// The property that holds its name.
    pub(super) name: Option<&'static str>,
}

const fn kind(cfn: &'static str, reference: &'static str, tags: Tags, file: &'static str) -> Kind {
    Kind { cfn, reference, tags, file, arn: None, name: None }
}

impl Kind {
    const fn arn(mut self, name: &'static str, form: &'static str, attribute: &'static str) -> Self {
        self.name = Some(name);
        self.arn = Some((form, Some(attribute)));
        self
    }

    const fn called(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    const fn named(mut self, name: &'static str, form: &'static str) -> Self {
        self.name = Some(name);
        self.arn = Some((form, None));
        self
    }
}

/// Every type that our templates have.
pub(super) const KINDS: &[Kind] = &[
    kind("AWS::ApiGateway::ApiKey", "api_key_id", Tags::List, "api"),
    kind("AWS::ApiGateway::Deployment", "deployment_id", Tags::None, "api"),
    kind("AWS::ApiGateway::Method", "id", Tags::None, "api"),
    kind("AWS::ApiGateway::Resource", "resource_id", Tags::None, "api"),
    kind("AWS::ApiGateway::RestApi", "rest_api_id", Tags::List, "api"),
    kind("AWS::ApiGateway::Stage", "stage_name", Tags::List, "api"),
    kind("AWS::ApiGateway::UsagePlan", "usage_plan_id", Tags::List, "api"),
    kind("AWS::ApiGateway::UsagePlanKey", "id", Tags::None, "api"),
    kind("AWS::Athena::NamedQuery", "named_query_id", Tags::None, "catalog").called("Name"),
    kind("AWS::Athena::WorkGroup", "name", Tags::List, "catalog").named("Name", "athena:@:workgroup/{}"),
    kind("AWS::CloudWatch::Alarm", "alarm_name", Tags::List, "monitoring").arn(
        "AlarmName",
        "cloudwatch:@:alarm:{}",
        "arn",
    ),
    kind("AWS::CloudWatch::Dashboard", "dashboard_name", Tags::List, "monitoring"),
    kind("AWS::DynamoDB::Table", "table_name", Tags::List, "storage").arn("TableName", "dynamodb:@:table/{}", "arn"),
    kind("AWS::EC2::EIP", "public_ip", Tags::List, "network"),
    kind("AWS::EC2::InternetGateway", "internet_gateway_id", Tags::List, "network"),
    kind("AWS::EC2::NatGateway", "nat_gateway_id", Tags::List, "network"),
    kind("AWS::EC2::Route", "id", Tags::None, "network"),
    kind("AWS::EC2::RouteTable", "route_table_id", Tags::List, "network"),
    kind("AWS::EC2::SecurityGroup", "group_id", Tags::List, "network"),
    kind("AWS::EC2::SecurityGroupEgress", "id", Tags::None, "network"),
    kind("AWS::EC2::SecurityGroupIngress", "id", Tags::None, "network"),
    kind("AWS::EC2::Subnet", "subnet_id", Tags::List, "network"),
    kind("AWS::EC2::SubnetRouteTableAssociation", "id", Tags::None, "network"),
    kind("AWS::EC2::VPC", "vpc_id", Tags::List, "network"),
    kind("AWS::EC2::VPCEndpoint", "vpc_endpoint_id", Tags::List, "network"),
    kind("AWS::EC2::VPCGatewayAttachment", "id", Tags::None, "network"),
    kind("AWS::Events::Rule", "name", Tags::List, "events").arn("Name", "events:@:rule/{}", "arn"),
    kind("AWS::Glue::Connection", "connection_input.name", Tags::Json, "jobs")
        .named("ConnectionInput.Name", "glue:@:connection/{}"),
    kind("AWS::Glue::Crawler", "name", Tags::Json, "jobs").named("Name", "glue:@:crawler/{}"),
    kind("AWS::Glue::Database", "database_input.name", Tags::None, "catalog")
        .named("DatabaseInput.Name", "glue:@:database/{}"),
    kind("AWS::Glue::Job", "name", Tags::Json, "jobs").named("Name", "glue:@:job/{}"),
    kind("AWS::Glue::Table", "table_input.name", Tags::None, "catalog"),
    kind("AWS::Glue::Trigger", "name", Tags::Json, "jobs"),
    kind("AWS::IAM::Role", "role_name", Tags::List, "iam"),
    kind("AWS::KMS::Alias", "alias_name", Tags::None, "storage"),
    kind("AWS::KMS::Key", "key_id", Tags::List, "storage"),
    kind("AWS::Kinesis::Stream", "name", Tags::List, "streaming").arn("Name", "kinesis:@:stream/{}", "arn"),
    kind("AWS::KinesisFirehose::DeliveryStream", "delivery_stream_name", Tags::List, "streaming").arn(
        "DeliveryStreamName",
        "firehose:@:deliverystream/{}",
        "arn",
    ),
    kind("AWS::Lambda::EventSourceMapping", "event_source_mapping_id", Tags::List, "functions"),
    kind("AWS::Lambda::Function", "function_name", Tags::List, "functions").arn(
        "FunctionName",
        "lambda:@:function:{}",
        "arn",
    ),
    kind("AWS::Lambda::Permission", "id", Tags::None, "functions"),
    // The attribute ends with `:*`.
    kind("AWS::Logs::LogGroup", "log_group_name", Tags::List, "monitoring").arn(
        "LogGroupName",
        "logs:@:log-group:{}:*",
        "arn",
    ),
    kind("AWS::Logs::LogStream", "log_stream_name", Tags::None, "monitoring"),
    kind("AWS::RDS::DBInstance", "identifier", Tags::None, "database"),
    kind("AWS::RDS::DBParameterGroup", "db_parameter_group_name", Tags::List, "database"),
    kind("AWS::RDS::DBSubnetGroup", "db_subnet_group_name", Tags::List, "database"),
    kind("AWS::S3::Bucket", "bucket_name", Tags::List, "storage").arn("BucketName", "s3:::{}", "arn"),
    kind("AWS::S3::BucketPolicy", "id", Tags::None, "storage"),
    kind("AWS::SNS::Subscription", "arn", Tags::None, "messaging"),
    kind("AWS::SNS::Topic", "topic_arn", Tags::List, "messaging").arn("TopicName", "sns:@:{}", "topic_arn"),
    kind("AWS::SNS::TopicPolicy", "id", Tags::None, "messaging"),
    kind("AWS::SQS::Queue", "queue_url", Tags::List, "messaging").arn("QueueName", "sqs:@:{}", "arn"),
    kind("AWS::SQS::QueuePolicy", "id", Tags::None, "messaging"),
    kind("AWS::SSM::Parameter", "name", Tags::Map, "monitoring").arn("Name", "ssm:@:parameter{}", "arn"),
    // Its ARN ends with six characters of chance, which policies leave open.
    kind("AWS::SecretsManager::Secret", "secret_id", Tags::List, "secrets").arn(
        "Name",
        "secretsmanager:@:secret:{}-??????",
        "secret_id",
    ),
    kind("AWS::SecretsManager::SecretTargetAttachment", "id", Tags::None, "database"),
];

/// Where a type's properties are any JSON, which the provider takes as a text.
const DOCUMENTS: &[(&str, &[&str])] = &[
    ("AWS::DynamoDB::Table", &["KeySchema"]),
    ("AWS::Events::Rule", &["EventPattern"]),
    ("AWS::Glue::Job", &["DefaultArguments"]),
    ("AWS::Glue::Table", &["TableInput.Parameters", "TableInput.StorageDescriptor.SerdeInfo.Parameters"]),
    ("AWS::Glue::Connection", &["ConnectionInput.ConnectionProperties"]),
    ("AWS::IAM::Role", &["AssumeRolePolicyDocument", "Policies.PolicyDocument"]),
    ("AWS::KMS::Key", &["KeyPolicy"]),
    ("AWS::RDS::DBParameterGroup", &["Parameters"]),
    ("AWS::S3::BucketPolicy", &["PolicyDocument"]),
    ("AWS::EC2::VPCEndpoint", &["PolicyDocument"]),
    ("AWS::SNS::Subscription", &["FilterPolicy", "RedrivePolicy"]),
    ("AWS::SNS::TopicPolicy", &["PolicyDocument"]),
    ("AWS::SQS::Queue", &["RedrivePolicy", "RedriveAllowPolicy"]),
    ("AWS::SQS::QueuePolicy", &["PolicyDocument"]),
];

/// Where a type's properties have keys that are nobody's but the user's.
const MAPS: &[(&str, &str)] = &[("AWS::Lambda::Function", "Environment.Variables")];

/// What a property's keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Named by CloudFormation's schema.
    Named,
    /// A map with the user's keys.
    Map,
    /// Any JSON.
    Document,
}

/// The kind of a type.
pub(super) fn find(cfn: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.cfn == cfn)
}

/// What the provider `aws` calls the properties of a database server.
const DATABASE: [(&str, &str); 20] = [
    ("DBInstanceIdentifier", "identifier"),
    ("DBName", "db_name"),
    ("Engine", "engine"),
    ("EngineVersion", "engine_version"),
    ("DBInstanceClass", "instance_class"),
    ("AllocatedStorage", "allocated_storage"),
    ("StorageType", "storage_type"),
    ("StorageEncrypted", "storage_encrypted"),
    ("DBSubnetGroupName", "db_subnet_group_name"),
    ("VPCSecurityGroups", "vpc_security_group_ids"),
    ("DBParameterGroupName", "parameter_group_name"),
    ("CACertificateIdentifier", "ca_cert_identifier"),
    ("PubliclyAccessible", "publicly_accessible"),
    ("MultiAZ", "multi_az"),
    ("BackupRetentionPeriod", "backup_retention_period"),
    ("CopyTagsToSnapshot", "copy_tags_to_snapshot"),
    ("AutoMinorVersionUpgrade", "auto_minor_version_upgrade"),
    ("DeletionProtection", "deletion_protection"),
    ("EnableCloudwatchLogsExports", "enabled_cloudwatch_logs_exports"),
    ("MasterUsername", "username"),
];

/// The argument of a property of a database server.
pub(super) fn database_argument(property: &str) -> Option<&'static str> {
    DATABASE.iter().find(|(cfn, _)| *cfn == property).map(|(_, name)| *name)
}

/// The argument of a property.
pub(super) fn argument(cfn: &str, property: &str) -> String {
    match database_argument(property).filter(|_| cfn == "AWS::RDS::DBInstance") {
        Some(name) => name.to_owned(),
        None => attribute(property),
    }
}

/// What is at a path of a type's properties.
pub(super) fn shape(cfn: &str, path: &str) -> Shape {
    let document = DOCUMENTS.iter().any(|(t, paths)| *t == cfn && paths.contains(&path));
    match () {
        () if document => Shape::Document,
        () if MAPS.contains(&(cfn, path)) => Shape::Map,
        () => Shape::Named,
    }
}

/// Whether a path of a type's properties is in any JSON, or in a map.
pub(super) fn within(cfn: &str, path: &str) -> bool {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    ends.into_iter().any(|end| shape(cfn, &path[..end]) != Shape::Named)
}

/// Terraform's type.
pub(super) fn resource_type(cfn: &str) -> String {
    match cfn {
        // Its password must not be in a state: `awscc` has no argument that is only written.
        "AWS::RDS::DBInstance" => "aws_db_instance".into(),
        "AWS::SNS::TopicPolicy" => "aws_sns_topic_policy".into(),
        "AWS::SQS::QueuePolicy" => "awscc_sqs_queue_inline_policy".into(),
        _ => {
            let mut words = cfn.split("::").skip(1);
            let service = words.next().unwrap_or_default().to_ascii_lowercase();
            format!("awscc_{service}_{}", attribute(words.next().unwrap_or_default()))
        }
    }
}

/// The attribute of a property, as the provider names it: a new word begins where small letters or digits end, and before
/// the last of several capital letters.
pub(super) fn attribute(property: &str) -> String {
    let mut name = property.to_owned();
    for word in ["CloudFormation", "CloudFront", "CloudWatch", "FSx"] {
        let lower = format!("{}{}", &word[..1], word[1..].to_ascii_lowercase());
        name = name.replace(word, &lower);
    }
    let letters = name.as_bytes();
    let mut out = String::new();
    for (n, c) in letters.iter().enumerate() {
        let next = letters.get(n + 1);
        let is = |test: fn(&u8) -> bool| next.is_some_and(test);
        let before_last_capital = c.is_ascii_uppercase()
            && is(u8::is_ascii_lowercase)
            && n.checked_sub(1).is_some_and(|n| letters[n].is_ascii_uppercase());
        if before_last_capital {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase().into() } else { '_' });
        let ends = match c {
            b'a'..=b'z' => is(u8::is_ascii_uppercase) || is(u8::is_ascii_digit),
            b'0'..=b'9' => is(u8::is_ascii_alphabetic),
            _ => false,
        };
        if ends {
            out.push('_');
        }
    }
    out
}

/// What a resource is called in the module: its logical id in small letters, without the end that says its type.
pub(super) fn local_name(logical_id: &str, cfn: &str) -> String {
    let full = attribute(logical_id);
    let kind = attribute(cfn.rsplit("::").next().unwrap_or_default());
    let mut end = kind.as_str();
    loop {
        if let Some(name) = full.strip_suffix(end).and_then(|f| f.strip_suffix('_')).filter(|n| !n.is_empty()) {
            return name.to_owned();
        }
        match end.split_once('_') {
            Some((_, rest)) => end = rest,
            None => return full,
        }
    }
}
