//! Connections of jobs: what AWS Glue finds only when a job starts.

use serde_json::Value;

use super::{Fault, Part, Template, targets};

const INGRESS: &str = "AWS::EC2::SecurityGroupIngress";
const CONNECTION: &str = "/ConnectionInput";
/// What AWS Glue calls credentials in plain text.
const CREDENTIALS: [&str; 3] = ["ENCRYPTED_PASSWORD", "PASSWORD", "USERNAME"];

pub(super) fn check(template: &Template<'_>, omitted: &[String], faults: &mut Vec<Fault>) {
    let rules = omitted.iter().all(|kind| kind != INGRESS);
    for part in template.all("AWS::Glue::Connection") {
        let property = |name: &str| part.at(&format!("{CONNECTION}/ConnectionProperties/{name}"));
        if let Some(name) = CREDENTIALS.into_iter().find(|name| property(name).is_some()) {
            let mend = "put user and password into a secret, and name that with SECRET_ID";
            faults.push(part.fault(format!("{name} stands in plain text"), mend));
        }
        let kind = part.text(&format!("{CONNECTION}/ConnectionType")).unwrap_or_default();
        for name in ["JDBC_CONNECTION_URL", "SECRET_ID"].into_iter().filter(|n| kind == "JDBC" && property(n).is_none())
        {
            faults.push(part.fault(format!("a connection over JDBC without {name}"), format!("add {name}")));
        }
        let Some(place) = part.at(&format!("{CONNECTION}/PhysicalConnectionRequirements")) else {
            let mend = "add PhysicalConnectionRequirements with a subnet and its security groups";
            faults.push(part.fault("it leads into no network", mend));
            continue;
        };
        let id = |name: &str| place.get(name).and_then(one);
        if id("SubnetId").is_none() || id("AvailabilityZone") != id("SubnetId") {
            let mend = "AvailabilityZone is the attribute of that name of the subnet in SubnetId";
            faults.push(part.fault("its availability zone is not that of its subnet", mend));
        }
        let groups = place.get("SecurityGroupIdList").map(targets).unwrap_or_default();
        if rules && !groups.iter().any(|group| open_to_itself(template, group.id)) {
            let mend = "AWS Glue wants a group that lets all TCP ports in from itself: add an \
                        AWS::EC2::SecurityGroupIngress to one of them";
            faults.push(part.fault("none of its security groups is open to itself", mend));
        }
    }
    for job in template.all("AWS::Glue::Job") {
        let names = job.at("/Connections").map(targets).unwrap_or_default();
        let mut subnets: Vec<&str> = names.iter().filter_map(|n| subnet(template.get(n.id)?)).collect();
        subnets.dedup();
        if subnets.len() > 1 {
            faults
                .push(job.fault("its connections lead into several subnets", "a job has one subnet: use one network"));
        }
    }
}

fn subnet<'a>(connection: &Part<'a>) -> Option<&'a str> {
    connection.at(&format!("{CONNECTION}/PhysicalConnectionRequirements/SubnetId")).and_then(one)
}

/// The one resource that a value refers to.
fn one(value: &Value) -> Option<&str> {
    match targets(value).as_slice() {
        [target] => Some(target.id),
        _ => None,
    }
}

fn open_to_itself(template: &Template<'_>, group: &str) -> bool {
    template.all(INGRESS).any(|rule| {
        let is = |name: &str| rule.at(name).and_then(one) == Some(group);
        let port = |name: &str| rule.at(name).and_then(Value::as_u64);
        is("/GroupId")
            && is("/SourceSecurityGroupId")
            && port("/FromPort") == Some(0)
            && port("/ToPort") == Some(65_535)
    })
}
