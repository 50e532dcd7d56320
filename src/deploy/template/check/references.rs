//! Whatever is referred to must be there.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Fault, Template, targets};

pub(super) fn check(template: &Template<'_>, faults: &mut Vec<Fault>) {
    let parameters = template.document.get("Parameters").and_then(Value::as_object);
    let mut known: BTreeSet<&str> = parameters.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    for part in &template.resources {
        if !known.insert(part.id) {
            faults.push(part.fault("a parameter has this logical id, too", "give one of them another name"));
        }
        if !part.id.chars().all(|c| c.is_ascii_alphanumeric()) || !(1..=255).contains(&part.id.len()) {
            faults.push(part.fault("this is no logical id", "it has 1 to 255 letters and digits"));
        }
    }
    for part in &template.resources {
        for target in targets(part.whole).iter().filter(|t| !t.id.starts_with("AWS::") && !known.contains(t.id)) {
            let mend = "add that resource; where it was left out for an endpoint that does not know its type, leave this \
                        one out, too";
            faults.push(part.fault(format!("it refers to {}, which is not in the template", target.id), mend));
        }
        for id in part.waits_for() {
            if template.get(id).is_none() {
                let what = format!("it waits for {id}, which is not in the template");
                faults.push(part.fault(what, "wait for a resource that there is"));
            }
        }
    }
    let outputs = template.document.get("Outputs").and_then(Value::as_object);
    for (name, output) in outputs.into_iter().flat_map(Map::iter) {
        for target in targets(output).iter().filter(|t| !t.id.starts_with("AWS::") && !known.contains(t.id)) {
            faults.push(Fault {
                resource: format!("Outputs/{name}"),
                what: format!("it refers to {}, which is not in the template", target.id),
                mend: "remove the output, or add that resource".into(),
            });
        }
    }
}
