//! HTTP APIs.

use super::{Fault, Template, targets};

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const PERIODS: [&str; 3] = ["DAY", "MONTH", "WEEK"];

pub(super) fn check(template: &Template<'_>, faults: &mut Vec<Fault>) {
    for method in template.all("AWS::ApiGateway::Method") {
        let name = method.text("/HttpMethod").unwrap_or("none");
        if !METHODS.contains(&name) {
            let mend = format!("HttpMethod is one of {}", METHODS.join(", "));
            faults.push(method.fault(format!("there is no method {name:?}"), mend));
        }
        if method.text("/Integration/Type") == Some("AWS_PROXY")
            && method.text("/Integration/IntegrationHttpMethod") != Some("POST")
        {
            faults.push(method.fault("AWS Lambda is invoked with POST alone", "let IntegrationHttpMethod be POST"));
        }
    }
    for plan in template.all("AWS::ApiGateway::UsagePlan") {
        let period = plan.text("/Quota/Period");
        if plan.at("/Quota").is_some() && !period.is_some_and(|p| PERIODS.contains(&p)) {
            let what = format!("{:?} is no period of a quota", period.unwrap_or("none"));
            faults.push(plan.fault(what, format!("Period is one of {}", PERIODS.join(", "))));
        }
    }
    for deployment in template.all("AWS::ApiGateway::Deployment") {
        let api = deployment.at("/RestApiId").map(targets).unwrap_or_default();
        let waits = deployment.waits_for();
        for method in template.all("AWS::ApiGateway::Method") {
            let of = method.at("/RestApiId").map(targets).unwrap_or_default();
            if of == api && !waits.contains(&method.id) {
                faults.push(deployment.fault(
                    format!("it may come before the method {}, and then lacks it", method.id),
                    format!("add DependsOn {}", method.id),
                ));
            }
        }
    }
}
