//! HTTP APIs before functions (Amazon API Gateway's REST APIs).

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_apigateway::types::{Method, Resource, RestApi, UsagePlan};
use jiff::{Timestamp, ToSpan, civil::Weekday, tz::TimeZone};

use super::{Aws, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    apis::{Api, Apis},
    secrets::SecretValue,
};

/// Entries in one answer: AWS gives no more.
const LIMIT: i32 = 500;

#[async_trait]
impl Apis for Aws {
    fn list(&self) -> Pages<'_, Api> {
        Pages::follow(move |position| async move {
            let asked = self.client.apigateway().await?.get_rest_apis().limit(LIMIT);
            let answer = asked.set_position(position).send().await.map_err(failed("apigateway:GET", "API", "*"))?;
            let found = answer.items.unwrap_or_default();
            let plans = match if found.is_empty() { Ok(Vec::new()) } else { self.usage_plans().await } {
                Err(error @ Error::AccessDenied { .. }) => {
                    tracing::warn!(%error, "what the APIs' keys may ask for is not shown");
                    Vec::new()
                }
                plans => plans?,
            };
            let mut used = HashMap::new();
            let mut page = Vec::new();
            for api in found {
                page.extend(self.routes(&api, &plans, &mut used).await?);
            }
            page.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
            Ok((page, answer.position.filter(|p| !p.is_empty())))
        })
    }

    async fn key(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        permit.check("apigateway:GET", name)?;
        let id = self.api_id(name).await?;
        let plans = self.usage_plans().await?;
        let missing = || Error::Invalid(format!("the API {name} has no key: no usage plan of its stages has one"));
        let plan = plans.into_iter().find(|plan| stages_of(plan).any(|(api, _)| api == id)).ok_or_else(missing)?;
        let plan_id = plan.id.unwrap_or_default();
        let client = self.client.apigateway().await?;
        let keys = client.get_usage_plan_keys().usage_plan_id(plan_id).limit(LIMIT);
        let keys = keys.send().await.map_err(failed("apigateway:GET", "API", name))?;
        let key = keys.items.unwrap_or_default().into_iter().find_map(|key| key.id).ok_or_else(missing)?;
        let asked = client.get_api_key().api_key(key).include_value(true);
        let answer = asked.send().await.map_err(failed("apigateway:GET", "API", name))?;
        answer.value.map(SecretValue::new).ok_or_else(missing)
    }
}

impl Aws {
    async fn api_id(&self, name: &str) -> Result<String> {
        let mut position = None;
        loop {
            let asked = self.client.apigateway().await?.get_rest_apis().limit(LIMIT).set_position(position);
            let answer = asked.send().await.map_err(failed("apigateway:GET", "API", name))?;
            let mut all = answer.items.unwrap_or_default().into_iter();
            if let Some(id) = all.find(|api| api.name.as_deref() == Some(name)).and_then(|api| api.id) {
                return Ok(id);
            }
            position = answer.position.filter(|p| !p.is_empty());
            if position.is_none() {
                return Err(Error::not_found("API", name));
            }
        }
    }

    async fn usage_plans(&self) -> Result<Vec<UsagePlan>> {
        let mut plans = Vec::new();
        let mut position = None;
        loop {
            let asked = self.client.apigateway().await?.get_usage_plans().limit(LIMIT).set_position(position);
            let answer = asked.send().await.map_err(failed("apigateway:GET", "usage plan", "*"))?;
            plans.extend(answer.items.unwrap_or_default());
            position = answer.position.filter(|p| !p.is_empty());
            if position.is_none() {
                return Ok(plans);
            }
        }
    }

    /// An entry for each stage and each resource that has a method.
    async fn routes(
        &self,
        api: &RestApi,
        plans: &[UsagePlan],
        used: &mut HashMap<String, Option<u64>>,
    ) -> Result<Vec<Api>> {
        let (Some(id), Some(name)) = (&api.id, &api.name) else { return Ok(Vec::new()) };
        let client = self.client.apigateway().await?;
        let asked = client.get_stages().rest_api_id(id).send().await;
        let stages = match asked.map_err(failed("apigateway:GET", "API", name)) {
            // Gone since the list was made.
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            other => other?.item.unwrap_or_default(),
        };
        let resources = self.resources(id, name).await?;
        // A stack knows it by its id.
        let owners = self.owners().await;
        let pipeline = owners.pipeline(id).or_else(|| owners.pipeline(name));
        let methods = resources.iter().filter_map(|r| Some((r.path.as_deref()?, method(r)?))).collect::<Vec<_>>();
        let stages: Vec<Option<&str>> = match stages.as_slice() {
            // Not deployed: it has no address.
            [] => vec![None],
            some => some.iter().map(|stage| stage.stage_name.as_deref()).collect(),
        };
        let mut routes = Vec::new();
        for stage in stages {
            let plan = plans.iter().find(|plan| stages_of(plan).any(|of| Some(of) == stage.map(|s| (id.as_str(), s))));
            for (path, method) in &methods {
                let throttle = plan.and_then(|p| p.throttle.as_ref());
                let quota = plan.and_then(|p| p.quota.as_ref());
                let quota = quota
                    .and_then(|q| Some((u64::try_from(q.limit).ok()?, q.period.as_ref()?.as_str().to_lowercase())));
                let used = match (plan.and_then(|p| p.id.as_deref()), &quota) {
                    (Some(plan), Some((_, period))) => self.used(plan, period, used).await,
                    _ => None,
                };
                routes.push(Api {
                    name: name.clone(),
                    pipeline: pipeline.clone(),
                    path: (*path).to_owned(),
                    function: function(method).unwrap_or_default(),
                    url: stage.map(|stage| self.url(id, stage, path)),
                    api_key: method.api_key_required.unwrap_or(false),
                    throttle: throttle.map(|t| (t.rate_limit, u32::try_from(t.burst_limit).unwrap_or(0))),
                    quota,
                    used,
                });
            }
        }
        Ok(routes)
    }

    async fn resources(&self, api: &str, name: &str) -> Result<Vec<Resource>> {
        let mut resources = Vec::new();
        let mut position = None;
        loop {
            let asked = self.client.apigateway().await?.get_resources().rest_api_id(api).limit(LIMIT);
            // With their methods, which otherwise are names alone.
            let asked = asked.embed("methods").set_position(position);
            let answer = asked.send().await.map_err(failed("apigateway:GET", "API", name))?;
            resources.extend(answer.items.unwrap_or_default());
            position = answer.position.filter(|p| !p.is_empty());
            if position.is_none() {
                return Ok(resources);
            }
        }
    }

    /// Requests that a plan's keys have made in the present period; none where that cannot be read.
    async fn used(&self, plan: &str, period: &str, known: &mut HashMap<String, Option<u64>>) -> Option<u64> {
        if let Some(used) = known.get(plan) {
            return *used;
        }
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let first = match period {
            "month" => today.first_of_month(),
            "week" => today.saturating_sub(i64::from(today.weekday().since(Weekday::Sunday)).days()),
            _ => today,
        };
        let mut used = Some(0);
        let mut position = None;
        loop {
            let asked = self.client.apigateway().await.ok()?.get_usage().usage_plan_id(plan).limit(LIMIT);
            let asked = asked.start_date(first.to_string()).end_date(today.to_string()).set_position(position);
            let Ok(answer) = asked.send().await else {
                used = None;
                break;
            };
            // Per key, a pair for each day: used, and left.
            let days = answer.items.unwrap_or_default().into_values().flatten();
            let sum: i64 = days.filter_map(|day| day.first().copied()).sum();
            used = used.map(|n| n + sum.unsigned_abs());
            position = answer.position.filter(|p| !p.is_empty());
            if position.is_none() {
                break;
            }
        }
        known.insert(plan.to_owned(), used);
        used
    }

    /// Where an API answers. What is not AWS's own answers at its own address, as LocalStack began it.
    fn url(&self, id: &str, stage: &str, path: &str) -> String {
        let identity = self.client.identity();
        if let Some(endpoint) = identity.endpoint {
            return format!("{}/restapis/{id}/{stage}/_user_request_{path}", endpoint.trim_end_matches('/'));
        }
        let region = identity.region.unwrap_or_default();
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{id}.execute-api.{region}.{suffix}/{stage}{path}")
    }
}

fn stages_of(plan: &UsagePlan) -> impl Iterator<Item = (&str, &str)> {
    let stages = plan.api_stages.as_deref().unwrap_or_default();
    stages.iter().filter_map(|s| Some((s.api_id.as_deref()?, s.stage.as_deref()?)))
}

/// The method that a function answers, else the first one; none where there is none but what browsers ask first.
fn method(resource: &Resource) -> Option<&Method> {
    let methods = resource.resource_methods.as_ref()?;
    let mut names: Vec<&String> = methods.keys().filter(|name| *name != "OPTIONS").collect();
    names.sort_unstable();
    let of_function = names.iter().find_map(|name| methods.get(*name).filter(|m| function(m).is_some()));
    of_function.or_else(|| names.first().and_then(|name| methods.get(*name)))
}

/// The function in `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/arn:aws:lambda:...:function:NAME/invocations`.
fn function(method: &Method) -> Option<String> {
    let uri = method.method_integration.as_ref()?.uri.as_deref()?;
    let (_, name) = uri.split_once(":function:")?;
    name.split(['/', ':']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::types::Integration;

    use super::*;

    #[test]
    fn the_function_is_in_the_integration_s_address() {
        let uri = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/\
                   arn:aws:lambda:eu-west-1:123456789012:function:crypto-stream-dev-query_prices/invocations";
        let method = |uri: &str| Method::builder().method_integration(Integration::builder().uri(uri).build()).build();
        assert_eq!(function(&method(uri)).as_deref(), Some("crypto-stream-dev-query_prices"));
        assert_eq!(function(&method("https://example.com/")), None);
        let get = method(uri);
        let resource = Resource::builder()
            .resource_methods("OPTIONS", method("https://example.com/"))
            .resource_methods("GET", get.clone())
            .build();
        assert_eq!(super::method(&resource), Some(&get));
    }
}
