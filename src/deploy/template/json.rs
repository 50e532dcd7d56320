//! Pieces of templates.

use serde_json::{Value, json};

/// `{"Ref": id}`.
pub(super) fn reference(id: &str) -> Value {
    json!({"Ref": id})
}

/// `{"Fn::GetAtt": [id, attribute]}`.
pub(super) fn att(id: &str, attribute: &str) -> Value {
    json!({"Fn::GetAtt": [id, attribute]})
}

/// `{"Fn::Sub": text}`.
pub(super) fn sub(text: &str) -> Value {
    json!({"Fn::Sub": text})
}

/// The ARN of something in this account and region: `arn("kinesis", "stream/${PricesStream}")`.
pub(super) fn arn(service: &str, resource: &str) -> Value {
    sub(&format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"))
}

/// A bucket's name on AWS, where all accounts share the names, for `Fn::Sub`.
pub(super) fn bucket_name(physical_name: &str) -> String {
    format!("{physical_name}-${{AWS::AccountId}}-${{AWS::Region}}")
}

/// The ARN of a bucket, or of what is in it with `rest`: `/prices/*`.
pub(super) fn bucket_arn(name: &str, rest: &str) -> Value {
    sub(&format!("arn:${{AWS::Partition}}:s3:::{name}{rest}"))
}

/// One that a Lambda function may be invoked by.
pub(super) fn function_arn(id: &str) -> Value {
    arn("lambda", &format!("function:${{{id}}}"))
}

/// The template's text.
pub(super) fn text(document: &Value) -> String {
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

/// The same, indented by no more than a reader needs: CloudFormation takes 51,200 bytes in a request, and the bootstrap
/// stack's template has no bucket yet to come from.
pub(super) fn narrow(document: &Value) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut out = serde_json::Serializer::with_formatter(&mut text, format);
    // To write JSON values to memory cannot fail; if it did, the wide form is as good.
    match serde::Serialize::serialize(document, &mut out).ok().and_then(|()| String::from_utf8(text).ok()) {
        Some(text) => text + "\n",
        None => self::text(document),
    }
}

/// Leaves out what is null, at this level.
pub(super) fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, v| !v.is_null());
    }
    value
}
