//! Connections of jobs, and what lets a job's parts talk to one another in a network.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    databases::{jdbc, secret_id},
    json::{att, reference},
    network,
};
use crate::cloud::resources::{Connection, ConnectionTo, Job, Resource};

/// The logical id of the security group of the jobs in a network.
fn jobs_group(network: &str) -> String {
    format!("{network}JobsGroup")
}

impl<'a> Body<'a> {
    pub(super) fn connection(&mut self, resource: &'a Resource, connection: &'a Connection) -> Result<()> {
        let id = resource.logical_id.as_str();
        let network = self.id(resource, "network", &connection.network)?;
        // A job has one subnet: all connections into a network have the same.
        let subnet = network::private(network).next().unwrap_or_default();
        let (kind, properties) = match &connection.to {
            None => ("NETWORK", json!({})),
            Some(to) => {
                let (url, secret) = match to {
                    ConnectionTo::Postgres(name) => {
                        let database = self.find(resource, "PostgreSQL database", name)?;
                        (jdbc(database), secret_id(&database.logical_id))
                    }
                    ConnectionTo::Url { url, port, secret } => {
                        self.way_to(network, *port);
                        (json!(url), self.id(resource, "secret", secret)?.to_owned())
                    }
                };
                // Who may read the secret knows the password; the connection does not.
                let properties = json!({
                    "JDBC_CONNECTION_URL": url,
                    "JDBC_ENFORCE_SSL": "true",
                    "SECRET_ID": reference(&secret),
                });
                ("JDBC", properties)
            }
        };
        let connection = json!({
            "CatalogId": reference("AWS::AccountId"),
            "ConnectionInput": {
                "Name": resource.physical_name,
                "Description": format!("{} of {}", resource.name, self.graph.stack),
                "ConnectionType": kind,
                "ConnectionProperties": properties,
                "PhysicalConnectionRequirements": {
                    "AvailabilityZone": att(&subnet, "AvailabilityZone"),
                    "SubnetId": reference(&subnet),
                    "SecurityGroupIdList": [
                        att(&network::inside(network), "GroupId"),
                        att(&jobs_group(network), "GroupId"),
                    ],
                },
            },
        });
        self.add(id, Entry::new("AWS::Glue::Connection", connection).of(resource));
        Ok(())
    }

    /// The group in which the parts of a job reach one another, as AWS Glue asks for: all ports, from itself alone. What is
    /// outside of it, they reach by the network's own group.
    pub(super) fn jobs_in(&mut self, resource: &Resource) {
        let id = resource.logical_id.as_str();
        let group = jobs_group(id);
        let properties = json!({
            "GroupDescription": format!("The parts of each job in {}", resource.physical_name),
            "VpcId": reference(id),
            "SecurityGroupEgress": [network::egress("127.0.0.1/32", network::HTTPS, "Nothing beside what is allowed below")],
        });
        self.add(&group, Entry::new("AWS::EC2::SecurityGroup", properties));
        let own = |other: &str| {
            let mut rule = json!({
                "Description": "All that the parts of a job say to one another",
                "GroupId": att(&group, "GroupId"),
                "IpProtocol": "tcp",
                "FromPort": 0,
                "ToPort": 65_535,
            });
            rule[other] = att(&group, "GroupId");
            rule
        };
        let (inward, outward) = (own("SourceSecurityGroupId"), own("DestinationSecurityGroupId"));
        self.add(&format!("{group}Ingress"), Entry::new("AWS::EC2::SecurityGroupIngress", inward));
        self.add(&format!("{group}Egress"), Entry::new("AWS::EC2::SecurityGroupEgress", outward));
    }

    /// The way to databases that are none of ours, wherever they are. Two connections may need the same one, and a group has
    /// a rule once.
    fn way_to(&mut self, network: &str, port: u16) {
        let group = jobs_group(network);
        let id = format!("{group}To{port}");
        if self.resources.contains_key(&id) {
            return;
        }
        let mut rule = network::egress("0.0.0.0/0", port, "Databases elsewhere");
        rule["GroupId"] = att(&group, "GroupId");
        self.add(&id, Entry::new("AWS::EC2::SecurityGroupEgress", rule));
    }

    /// A job's connections; null where it has none.
    pub(super) fn connections_of(&self, resource: &Resource, job: &Job) -> Result<Value> {
        if job.connections.is_empty() {
            return Ok(Value::Null);
        }
        let ids = job.connections.iter().map(|name| self.id(resource, "connection", name).map(reference));
        Ok(json!({"Connections": ids.collect::<Result<Vec<Value>>>()?}))
    }

    /// What must be there before a job in a network can reach anything: the way out, or the endpoints.
    pub(super) fn ways_of(&self, resource: &Resource, job: &Job) -> Result<Vec<String>> {
        let Some(name) = job.connections.first() else { return Ok(Vec::new()) };
        let crate::cloud::resources::Properties::Connection(connection) =
            &self.find(resource, "connection", name)?.properties
        else {
            return Ok(Vec::new());
        };
        let group = jobs_group(self.id(resource, "network", &connection.network)?);
        let mut ways = self.vpc(resource, &connection.network)?.1;
        ways.extend([format!("{group}Ingress"), format!("{group}Egress")]);
        Ok(ways)
    }
}
