//! Networks: private subnets in two availability zones, the ways out of them, and what runs inside.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    json::{att, reference, sub},
};
use crate::cloud::resources::{Network, Resource};

/// The availability zones of a network: RDS wants two.
const ZONES: [&str; 2] = ["A", "B"];
/// The port of HTTPS, and that of PostgreSQL.
pub(super) const HTTPS: u16 = 443;
pub(super) const POSTGRES: u16 = 5432;

/// The logical id of the security group of what runs in a network.
pub(super) fn inside(network: &str) -> String {
    format!("{network}Group")
}

/// The logical ids of a network's private subnets.
pub(super) fn private(network: &str) -> impl Iterator<Item = String> {
    ZONES.iter().map(move |zone| format!("{network}Private{zone}"))
}

/// One of 16 equal parts of a network's range.
fn part(cidr: &str, n: usize) -> String {
    let mut octets = cidr.split(['.', '/']);
    let (first, second) = (octets.next().unwrap_or("10"), octets.next().unwrap_or("0"));
    format!("{first}.{second}.{}.0/20", n * 16)
}

fn zone(n: usize) -> Value {
    json!({"Fn::Select": [n, {"Fn::GetAZs": ""}]})
}

impl<'a> Body<'a> {
    pub(super) fn network(&mut self, resource: &'a Resource, network: &'a Network) {
        let id = resource.logical_id.as_str();
        let named = |what: &str| json!([{"Key": "Name", "Value": format!("{}{what}", resource.physical_name)}]);
        let vpc = json!({
            "CidrBlock": network.cidr,
            "EnableDnsHostnames": true,
            "EnableDnsSupport": true,
            "Tags": named(""),
        });
        self.add(id, Entry::new("AWS::EC2::VPC", vpc).of(resource));
        let routes = format!("{id}PrivateRoutes");
        let table = json!({"VpcId": reference(id), "Tags": named("-private")});
        self.add(&routes, Entry::new("AWS::EC2::RouteTable", table));
        for (n, subnet) in private(id).enumerate() {
            self.subnet(id, &subnet, part(&network.cidr, n), n, named(&format!("-private-{n}")), &routes);
        }
        let group = json!({
            "GroupDescription": format!("What runs in {}", resource.physical_name),
            "VpcId": reference(id),
            "SecurityGroupEgress": [
                egress("0.0.0.0/0", HTTPS, "HTTPS to services of AWS and to sources"),
                egress(&network.cidr, POSTGRES, "PostgreSQL inside of the network"),
            ],
            "Tags": named(""),
        });
        self.add(&inside(id), Entry::new("AWS::EC2::SecurityGroup", group));
        // It costs nothing, and what goes to S3 need not go over the NAT gateway.
        self.gateway(id, &format!("{id}S3"), "s3", &routes);
        if network.jobs {
            self.jobs_in(resource);
        }
        if network.internet {
            self.internet(id, network, &named, &routes);
        } else {
            self.endpoints(id, resource, network, &routes);
        }
    }

    /// An endpoint in the routes: S3 and DynamoDB have one, for nothing.
    fn gateway(&mut self, network: &str, id: &str, service: &str, routes: &str) {
        let endpoint = json!({
            "VpcId": reference(network),
            "VpcEndpointType": "Gateway",
            "ServiceName": sub(&format!("com.amazonaws.${{AWS::Region}}.{service}")),
            "RouteTableIds": [reference(routes)],
        });
        self.add(id, Entry::new("AWS::EC2::VPCEndpoint", endpoint));
    }

    fn subnet(&mut self, network: &str, id: &str, cidr: String, n: usize, tags: Value, routes: &str) {
        let subnet = json!({
            "VpcId": reference(network),
            "CidrBlock": cidr,
            "AvailabilityZone": zone(n),
            "MapPublicIpOnLaunch": false,
            "Tags": tags,
        });
        self.add(id, Entry::new("AWS::EC2::Subnet", subnet));
        let association = json!({"SubnetId": reference(id), "RouteTableId": reference(routes)});
        self.add(&format!("{id}Association"), Entry::new("AWS::EC2::SubnetRouteTableAssociation", association));
    }

    /// One NAT gateway, in a public subnet of its own.
    fn internet(&mut self, id: &str, network: &Network, named: &dyn Fn(&str) -> Value, routes: &str) {
        let (gateway, attachment) = (format!("{id}Internet"), format!("{id}InternetAttachment"));
        self.add(&gateway, Entry::new("AWS::EC2::InternetGateway", json!({"Tags": named("")})));
        let attached = json!({"VpcId": reference(id), "InternetGatewayId": reference(&gateway)});
        self.add(&attachment, Entry::new("AWS::EC2::VPCGatewayAttachment", attached));
        let (public, public_routes) = (format!("{id}Public"), format!("{id}PublicRoutes"));
        let table = json!({"VpcId": reference(id), "Tags": named("-public")});
        self.add(&public_routes, Entry::new("AWS::EC2::RouteTable", table));
        self.subnet(id, &public, part(&network.cidr, 15), 0, named("-public"), &public_routes);
        let out = json!({
            "RouteTableId": reference(&public_routes),
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": reference(&gateway),
        });
        self.add(&format!("{id}PublicRoute"), Entry::new("AWS::EC2::Route", out).after([attachment.clone()]));
        let (address, nat) = (format!("{id}NatAddress"), format!("{id}Nat"));
        let eip = json!({"Domain": "vpc", "Tags": named("-nat")});
        self.add(&address, Entry::new("AWS::EC2::EIP", eip).after([attachment]));
        let gateway = json!({
            "AllocationId": att(&address, "AllocationId"),
            "SubnetId": reference(&public),
            "Tags": named("-nat"),
        });
        self.add(&nat, Entry::new("AWS::EC2::NatGateway", gateway).after([format!("{id}PublicRoute")]));
        let out = json!({
            "RouteTableId": reference(routes),
            "DestinationCidrBlock": "0.0.0.0/0",
            "NatGatewayId": reference(&nat),
        });
        self.add(&format!("{id}PrivateRoute"), Entry::new("AWS::EC2::Route", out));
    }

    /// An endpoint for each service that what is inside calls.
    fn endpoints(&mut self, id: &str, resource: &Resource, network: &Network, routes: &str) {
        let group = format!("{id}EndpointsGroup");
        if network.services.iter().any(|s| s == "dynamodb") {
            self.gateway(id, &format!("{id}DynamodbEndpoint"), "dynamodb", routes);
        }
        let services: Vec<&String> = network.services.iter().filter(|s| *s != "s3" && *s != "dynamodb").collect();
        if services.is_empty() {
            return;
        }
        let properties = json!({
            "GroupDescription": format!("Services of AWS for what runs in {}", resource.physical_name),
            "VpcId": reference(id),
            "SecurityGroupIngress": [{
                "Description": "HTTPS from what runs in the network",
                "IpProtocol": "tcp",
                "FromPort": HTTPS,
                "ToPort": HTTPS,
                "SourceSecurityGroupId": att(&inside(id), "GroupId"),
            }],
            "SecurityGroupEgress": [egress("127.0.0.1/32", HTTPS, "Nothing goes out from an endpoint")],
        });
        self.add(&group, Entry::new("AWS::EC2::SecurityGroup", properties));
        for service in services {
            let endpoint = json!({
                "VpcId": reference(id),
                "VpcEndpointType": "Interface",
                "ServiceName": sub(&format!("com.amazonaws.${{AWS::Region}}.{service}")),
                "PrivateDnsEnabled": true,
                "SubnetIds": private(id).map(|s| reference(&s)).collect::<Vec<_>>(),
                "SecurityGroupIds": [att(&group, "GroupId")],
            });
            let suffix = crate::deploy::names::logical_id(&service.replace('-', "_"), "");
            self.add(&format!("{id}{suffix}Endpoint"), Entry::new("AWS::EC2::VPCEndpoint", endpoint));
        }
    }

    /// Where a function's network interfaces are, and what must be there before it can reach anything.
    pub(super) fn vpc(&self, asker: &Resource, network: &str) -> Result<(Value, Vec<String>)> {
        let id = self.id(asker, "network", network)?;
        let config = json!({
            "SecurityGroupIds": [att(&inside(id), "GroupId")],
            "SubnetIds": private(id).map(|s| reference(&s)).collect::<Vec<_>>(),
        });
        let way = format!("{id}PrivateRoute");
        Ok((config, self.resources.contains_key(&way).then_some(way).into_iter().collect()))
    }
}

pub(super) fn egress(to: &str, port: u16, why: &str) -> Value {
    json!({"Description": why, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": to})
}
