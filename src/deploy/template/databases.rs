//! PostgreSQL databases with their secrets, and dashboards.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    json::{att, reference, sub, without_nulls},
    network::{self, POSTGRES},
};
use crate::cloud::{
    postgres::SECRET_TAG,
    resources::{ChartSource, Dashboard, Postgres, Properties, Resource},
};

/// The user that owns the database.
pub(in crate::deploy) const USER: &str = "pumphouse";
/// Signs the certificates of RDS, and is in the bundle that the functions know.
const AUTHORITY: &str = "rds-ca-rsa2048-g1";
/// Days that a server's log is kept.
const LOG_DAYS: u32 = 30;

/// The logical id of a database's secret.
pub(super) fn secret_id(postgres: &str) -> String {
    format!("{postgres}Secret")
}

impl<'a> Body<'a> {
    pub(super) fn postgres(&mut self, resource: &'a Resource, postgres: &'a Postgres) -> Result<()> {
        let id = resource.logical_id.as_str();
        let name = resource.physical_name.as_str();
        let network = self.id(resource, "network", &postgres.network)?;
        let protected = self.graph.protected;
        // The password is made there, and is in no template.
        let secret = secret_id(id);
        let properties = json!({
            "Name": name,
            "Description": format!("How to reach the PostgreSQL database {name}"),
            "GenerateSecretString": {
                "SecretStringTemplate": json!({"username": USER}).to_string(),
                "GenerateStringKey": "password",
                "PasswordLength": 40,
                "ExcludePunctuation": true,
            },
            "Tags": [{"Key": SECRET_TAG, "Value": name}],
        });
        self.add(&secret, Entry::new("AWS::SecretsManager::Secret", properties).of(resource).stateful(protected));
        let subnets = format!("{id}Subnets");
        let properties = json!({
            "DBSubnetGroupDescription": format!("The private subnets of {}", postgres.network),
            "SubnetIds": network::private(network).map(|s| reference(&s)).collect::<Vec<_>>(),
        });
        self.add(&subnets, Entry::new("AWS::RDS::DBSubnetGroup", properties));
        let group = format!("{id}Group");
        let properties = json!({
            "GroupDescription": format!("Who may reach {name}"),
            "VpcId": reference(network),
            "SecurityGroupIngress": [{
                "Description": "PostgreSQL from what runs in the network",
                "IpProtocol": "tcp",
                "FromPort": POSTGRES,
                "ToPort": POSTGRES,
                "SourceSecurityGroupId": att(&network::inside(network), "GroupId"),
            }],
            "SecurityGroupEgress": [{
                "Description": "Nothing: it answers",
                "IpProtocol": "tcp",
                "FromPort": POSTGRES,
                "ToPort": POSTGRES,
                "CidrIp": "127.0.0.1/32",
            }],
        });
        self.add(&group, Entry::new("AWS::EC2::SecurityGroup", properties));
        let parameters = format!("{id}Parameters");
        let properties = json!({
            "Description": format!("PostgreSQL {} that speaks TLS alone", postgres.version),
            "Family": format!("postgres{}", postgres.version),
            "Parameters": {"rds.force_ssl": "1"},
        });
        self.add(&parameters, Entry::new("AWS::RDS::DBParameterGroup", properties));
        let log = format!("{id}LogGroup");
        let properties =
            json!({"LogGroupName": format!("/aws/rds/instance/{name}/postgresql"), "RetentionInDays": LOG_DAYS});
        self.add(&log, Entry::new("AWS::Logs::LogGroup", properties).stateful(protected));
        let resolved = |key: &str| sub(&format!("{{{{resolve:secretsmanager:${{{secret}}}:SecretString:{key}}}}}"));
        let properties = json!({
            "DBInstanceIdentifier": name,
            "DBName": postgres.database,
            "Engine": "postgres",
            "EngineVersion": postgres.version,
            "DBInstanceClass": postgres.instance,
            "AllocatedStorage": postgres.storage_gib.to_string(),
            "StorageType": "gp3",
            "StorageEncrypted": true,
            "MasterUsername": resolved("username"),
            "MasterUserPassword": resolved("password"),
            "DBSubnetGroupName": reference(&subnets),
            "VPCSecurityGroups": [att(&group, "GroupId")],
            "DBParameterGroupName": reference(&parameters),
            "CACertificateIdentifier": AUTHORITY,
            "PubliclyAccessible": false,
            "MultiAZ": postgres.multi_az,
            "BackupRetentionPeriod": postgres.backup_days,
            "CopyTagsToSnapshot": true,
            "AutoMinorVersionUpgrade": true,
            "DeletionProtection": protected,
            "EnableCloudwatchLogsExports": ["postgresql"],
        });
        let entry = Entry::new("AWS::RDS::DBInstance", properties).of(resource).after([log]);
        self.add(id, if protected { entry.snapshot() } else { entry.stateful(false) });
        // It writes the address into the secret: who may read that knows all that there is to know.
        let properties = json!({
            "SecretId": reference(&secret),
            "TargetId": reference(id),
            "TargetType": "AWS::RDS::DBInstance",
        });
        self.add(&format!("{secret}Attachment"), Entry::new("AWS::SecretsManager::SecretTargetAttachment", properties));
        Ok(())
    }

    /// CloudWatch draws metrics; for what it cannot query there is a word where to look.
    pub(super) fn dashboard(&mut self, resource: &'a Resource, dashboard: &'a Dashboard) {
        let mut widgets = Vec::new();
        for (n, chart) in dashboard.charts.iter().enumerate() {
            let (x, y) = (n % 2 * 12, n / 2 * 6);
            // What looks like a reference is none.
            let title = chart.title.replace("${", "${!");
            let widget = match &chart.source {
                ChartSource::Metrics(metrics) => json!({
                    "type": "metric", "x": x, "y": y, "width": 12, "height": 6,
                    "properties": {
                        "title": title,
                        "region": "${AWS::Region}",
                        "stat": "Maximum",
                        "period": 86_400,
                        "view": "timeSeries",
                        "metrics": metrics.iter().map(|m| {
                            let (namespace, name) = m.rsplit_once('/').unwrap_or((m, ""));
                            json!([namespace, name])
                        }).collect::<Vec<_>>(),
                    },
                }),
                ChartSource::Query { postgres, .. } => json!({
                    "type": "text", "x": x, "y": y, "width": 12, "height": 6,
                    "properties": {"markdown": format!(
                        "### {}\n\nA query on the PostgreSQL database {postgres}, which CloudWatch cannot ask: `pumphouse \
                         dashboards show {}/{}`, or the console.",
                        title, self.graph.pipeline, resource.name.trim_start_matches("dashboard.")
                    )},
                }),
            };
            widgets.push(widget);
        }
        let body = json!({"start": "-P14D", "widgets": widgets}).to_string();
        let properties = json!({"DashboardName": resource.physical_name, "DashboardBody": sub(&body)});
        self.add(
            &resource.logical_id,
            Entry::new("AWS::CloudWatch::Dashboard", without_nulls(properties)).of(resource),
        );
    }
}

/// The JDBC address of a database.
pub(super) fn jdbc(database: &Resource) -> Value {
    let id = &database.logical_id;
    let name = match &database.properties {
        Properties::Postgres(postgres) => postgres.database.as_str(),
        _ => "",
    };
    sub(&format!("jdbc:postgresql://${{{id}.Endpoint.Address}}:${{{id}.Endpoint.Port}}/{name}"))
}

/// The connection string of a database, without its password.
pub(super) fn connection(id: &str, postgres: &Postgres) -> Value {
    sub(&format!(
        "postgresql://{USER}@${{{id}.Endpoint.Address}}:${{{id}.Endpoint.Port}}/{}?sslmode=verify-full",
        postgres.database
    ))
}
