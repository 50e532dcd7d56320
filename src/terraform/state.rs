//! What `show -json` and `output -json` tell of a state.

use serde_json::Value;

use super::{kinds, mask};
use crate::cloud::{Error, Result, stacks::StackOutput};

/// A resource of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its address.
    pub address: String,
    /// Terraform's type.
    pub resource_type: String,
    /// Its kind in words.
    pub kind: String,
    /// Its physical name.
    pub physical_name: String,
    /// Its ARN, where it has one.
    pub arn: Option<String>,
    /// Whether it was left half-made.
    pub tainted: bool,
}

/// Whether a format is one of ours: a newer minor version only adds to it.
pub fn known_format(version: &str, what: &str) -> Result<()> {
    // One that says nothing has nothing to tell.
    if version.is_empty() || version.split('.').next().is_some_and(|major| major == "0" || major == "1") {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "Terraform shows {what} in format {version:?}, which this pumphouse does not know: update pumphouse"
    )))
}

/// The `values` of a state; null where there is none.
pub fn read(text: &[u8]) -> Result<Value> {
    let mut shown: Value = serde_json::from_slice(text)
        .map_err(|e| Error::failed(format!("what Terraform shows of its state cannot be read: {e}")))?;
    known_format(shown["format_version"].as_str().unwrap_or_default(), "states")?;
    Ok(shown["values"].take())
}

/// The managed resources of `values`, in all modules.
pub fn resources(values: &Value) -> Vec<Resource> {
    let mut found = Vec::new();
    if let Some(root) = values.get("root_module") {
        module(root, &mut found);
    }
    found
}

fn module(module: &Value, found: &mut Vec<Resource>) {
    let list = |key: &str| module.get(key).and_then(Value::as_array).into_iter().flatten();
    for resource in list("resources").filter(|r| r["mode"] != "data") {
        let text = |key: &str| resource[key].as_str().unwrap_or_default();
        let (values, sensitive) = (&resource["values"], &resource["sensitive_values"]);
        let hidden = matches!(sensitive.get("arn"), Some(Value::Bool(true)));
        found.push(Resource {
            address: text("address").to_owned(),
            kind: kinds::kind(text("type")),
            physical_name: kinds::physical_name(text("type"), values, sensitive),
            arn: values["arn"].as_str().filter(|_| !hidden).map(str::to_owned),
            tainted: resource["tainted"] == true,
            resource_type: text("type").to_owned(),
        });
    }
    list("child_modules").for_each(|child| self::module(child, found));
}

/// Outputs, of `values` or of what `output -json` tells.
pub fn outputs(outputs: &Value) -> Vec<StackOutput> {
    let Some(outputs) = outputs.as_object() else { return Vec::new() };
    let shown = outputs.iter().map(|(name, output)| StackOutput {
        name: name.clone(),
        value: match (&output["value"], &output["sensitive"]) {
            (_, Value::Bool(true)) => mask::SENSITIVE.to_owned(),
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        },
        description: String::new(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_of_all_modules_are_found_and_data_sources_are_not() {
        let values = read(
            json!({"format_version": "1.0", "terraform_version": "1.11.4", "values": {
                "outputs": {"url": {"sensitive": false, "type": "string", "value": "https://x"}, "key": {"sensitive": true, "type": "string", "value": "s3cret"}, "n": {"sensitive": false, "value": [1]}},
                "root_module": {
                    "resources": [{"address": "data.aws_region.now", "mode": "data", "type": "aws_region", "values": {}}],
                    "child_modules": [{"address": "module.lake", "child_modules": [{"address": "module.lake.module.in", "resources": [
                        {"address": "module.lake.module.in.aws_s3_bucket.b[0]", "mode": "managed", "type": "aws_s3_bucket", "index": 0, "values": {"bucket": "b-0", "arn": "arn:aws:s3:::b-0"}, "tainted": true, "sensitive_values": {}}
                    ]}]}]
                }
            }})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        let found = resources(&values);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].physical_name.as_str(), found[0].tainted), ("b-0", true));
        let outputs: Vec<_> = outputs(&values["outputs"]).into_iter().map(|o| (o.name, o.value)).collect();
        let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(outputs, [text("url", "https://x"), text("key", "(sensitive)"), text("n", "[1]")]);
    }

    #[test]
    fn an_empty_state_has_nothing() {
        let values = read(br#"{"format_version":"1.0"}"#).unwrap();
        assert!(resources(&values).is_empty() && values.is_null());
        assert!(read(br#"{"format_version":"3.0"}"#).is_err());
    }
}
