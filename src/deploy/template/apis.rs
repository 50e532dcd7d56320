//! HTTP APIs, each with a stage, access logs, and where it asks for one a key with a usage plan.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Body, Entry, Result,
    json::{arn, att, reference, sub, without_nulls},
};
use crate::cloud::resources::{Api, Resource};

/// Days that access logs are kept.
const ACCESS_LOG_DAYS: u32 = 30;
/// Requests a second and at once, where the API itself says nothing.
const RATE: (f64, u32) = (100.0, 200);

impl<'a> Body<'a> {
    pub(super) fn api(&mut self, resource: &'a Resource, api: &'a Api) -> Result<()> {
        let id = resource.logical_id.as_str();
        let function = self.id(resource, "function", &api.function)?;
        let rest = json!({
            "Name": resource.physical_name,
            "Description": format!("{} {} of the pipeline {} in {}", api.method, api.path, self.graph.pipeline, self.graph.env),
            "EndpointConfiguration": {"Types": ["REGIONAL"]},
            "ApiKeySourceType": "HEADER",
        });
        let mut parts: Vec<(String, Value)> = Vec::new();
        let mut parent = att(id, "RootResourceId");
        for part in api.path.split('/').filter(|p| !p.is_empty()) {
            let number = if parts.is_empty() { String::new() } else { (parts.len() + 1).to_string() };
            let part_id = format!("{id}Resource{number}");
            parts.push((part_id.clone(), json!({"RestApiId": reference(id), "ParentId": parent, "PathPart": part})));
            parent = reference(&part_id);
        }
        let method = json!({
            "RestApiId": reference(id),
            "ResourceId": parent,
            "HttpMethod": api.method,
            "AuthorizationType": "NONE",
            "ApiKeyRequired": api.api_key,
            "Integration": {
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": sub(&format!(
                    "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/\
                     arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{{function}}}/invocations"
                )),
            },
        });
        // A deployment is a picture of the API: another API has to be another deployment.
        let hash = Sha256::digest(json!([rest, parts, method]).to_string());
        let deployment = format!("{id}Deployment{}", &hex::encode(hash)[..10]);
        let method_id = format!("{id}Method");
        self.add(id, Entry::new("AWS::ApiGateway::RestApi", rest).of(resource));
        for (part, properties) in parts {
            self.add(&part, Entry::new("AWS::ApiGateway::Resource", properties));
        }
        self.add(&method_id, Entry::new("AWS::ApiGateway::Method", method));
        let properties = json!({"RestApiId": reference(id)});
        self.add(&deployment, Entry::new("AWS::ApiGateway::Deployment", properties).after([method_id]));
        self.stage(resource, api, &deployment);
        if api.api_key {
            self.usage(resource, api);
        }
        // A parameter in the path stands for anything.
        let path: Vec<&str> = api.path.split('/').map(|p| if p.starts_with('{') { "*" } else { p }).collect();
        let method = if api.method == "ANY" { "*" } else { &api.method };
        let permission = json!({
            "FunctionName": reference(function),
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": arn("execute-api", &format!("${{{id}}}/{}/{method}{}", self.graph.env, path.join("/"))),
        });
        self.add(&format!("{function}From{id}"), Entry::new("AWS::Lambda::Permission", permission));
        Ok(())
    }

    fn stage(&mut self, resource: &Resource, api: &Api, deployment: &str) {
        let id = &resource.logical_id;
        let group = format!("{id}LogGroup");
        let properties = json!({
            "LogGroupName": format!("/aws/apigateway/{}", resource.physical_name),
            "RetentionInDays": ACCESS_LOG_DAYS,
        });
        self.add(&group, Entry::new("AWS::Logs::LogGroup", properties).stateful(self.graph.protected));
        let field = |name: &str| format!("$context.{name}");
        let format = json!({
            "time": field("requestTime"),
            "id": field("requestId"),
            "ip": field("identity.sourceIp"),
            "method": field("httpMethod"),
            "path": field("path"),
            "status": field("status"),
            "bytes": field("responseLength"),
            "milliseconds": field("responseLatency"),
            "error": field("error.message"),
            "function": field("integration.error"),
        });
        let (rate, burst) = api.throttle.map_or(RATE, |t| (t.rate, t.burst));
        let properties = json!({
            "RestApiId": reference(id),
            "DeploymentId": reference(deployment),
            "StageName": self.graph.env,
            "AccessLogSetting": {
                "DestinationArn": arn("logs", &format!("log-group:${{{group}}}")),
                "Format": format.to_string(),
            },
            "MethodSettings": [{
                "HttpMethod": "*",
                "ResourcePath": "/*",
                "MetricsEnabled": true,
                "ThrottlingRateLimit": rate,
                "ThrottlingBurstLimit": burst,
            }],
        });
        self.add(&format!("{id}Stage"), Entry::new("AWS::ApiGateway::Stage", properties));
    }

    /// The key that a request needs, and how much it may ask for. AWS makes the key's value.
    fn usage(&mut self, resource: &Resource, api: &Api) {
        let id = &resource.logical_id;
        let key = json!({"Name": resource.physical_name, "Enabled": true});
        self.add(&format!("{id}Key"), Entry::new("AWS::ApiGateway::ApiKey", key));
        let throttle = api.throttle.map_or(Value::Null, |t| json!({"RateLimit": t.rate, "BurstLimit": t.burst}));
        let quota = api
            .quota
            .as_ref()
            .map_or(Value::Null, |q| json!({"Limit": q.limit, "Period": q.period.to_ascii_uppercase()}));
        let plan = json!({
            "UsagePlanName": resource.physical_name,
            "ApiStages": [{"ApiId": reference(id), "Stage": reference(&format!("{id}Stage"))}],
            "Throttle": throttle,
            "Quota": quota,
        });
        self.add(&format!("{id}UsagePlan"), Entry::new("AWS::ApiGateway::UsagePlan", without_nulls(plan)));
        let joined = json!({
            "KeyId": reference(&format!("{id}Key")),
            "KeyType": "API_KEY",
            "UsagePlanId": reference(&format!("{id}UsagePlan")),
        });
        self.add(&format!("{id}UsagePlanKey"), Entry::new("AWS::ApiGateway::UsagePlanKey", joined));
    }
}
