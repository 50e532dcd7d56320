//! Roles, functions' secrets.

use serde_json::Value;

use super::{Fault, Part, Template, targets, written};

/// Where types take the ARN of a role.
const ROLES: [(&str, &str); 6] = [
    ("AWS::Lambda::Function", "/Role"),
    ("AWS::Glue::Job", "/Role"),
    ("AWS::KinesisFirehose::DeliveryStream", "/KinesisStreamSourceConfiguration/RoleARN"),
    ("AWS::KinesisFirehose::DeliveryStream", "/ExtendedS3DestinationConfiguration/RoleARN"),
    ("AWS::ApiGateway::Account", "/CloudWatchRoleArn"),
    ("AWS::Events::Rule", "/RoleArn"),
];

/// The bytes that AWS Lambda takes of a function's environment.
const ENVIRONMENT: usize = 4_096;

/// Words in the names of what is kept secret.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "api_key", "apikey"];

pub(super) fn check(template: &Template<'_>, faults: &mut Vec<Fault>) {
    for part in &template.resources {
        for (_, pointer) in ROLES.iter().filter(|(kind, _)| *kind == part.kind) {
            let Some(role) = part.at(pointer) else { continue };
            let arn = role.get("Fn::GetAtt").is_some() || written(role).is_some_and(|t| t.starts_with("arn:"));
            if !arn {
                let what = format!("{} is not the ARN of a role", &pointer[1..]);
                faults.push(part.fault(what, "write {\"Fn::GetAtt\": [ROLE, \"Arn\"]}: Ref gives a role's name"));
            }
        }
    }
    for part in &template.resources {
        secrets(part, faults);
        if part.kind == "AWS::Lambda::Function" {
            environment(part, faults);
        }
    }
}

/// Lambda refuses an environment that is too large. A reference is counted as it is written, which is about as long.
fn environment(part: &Part<'_>, faults: &mut Vec<Fault>) {
    let variables = part.at("/Environment/Variables").and_then(Value::as_object);
    let length = |(name, value): (&String, &Value)| name.len() + written(value).map_or(0, str::len);
    let bytes: usize = variables.into_iter().flatten().map(length).sum();
    if bytes > ENVIRONMENT {
        let mend = "shorten `env`, or the headers of its sources: what is long belongs into a file of the function's";
        faults.push(part.fault(format!("its environment has {bytes} bytes, and Lambda takes {ENVIRONMENT}"), mend));
    }
}

/// A secret's value in plain text: in a secret, in an environment, in a parameter, in a job's arguments.
fn secrets(part: &Part<'_>, faults: &mut Vec<Fault>) {
    let mend = "make the secret without a value, and set it with `pumphouse secret set`";
    match part.kind {
        "AWS::SecretsManager::Secret" if part.at("/SecretString").is_some() => {
            faults.push(part.fault("the secret's value stands in the template", mend));
        }
        "AWS::ApiGateway::ApiKey" if part.at("/Value").is_some() => {
            faults.push(part.fault("the key's value stands in the template", "leave Value out: AWS makes one"));
        }
        _ => {}
    }
    let places = match part.kind {
        "AWS::Lambda::Function" => part.at("/Environment/Variables"),
        "AWS::Glue::Job" => part.at("/DefaultArguments"),
        _ => None,
    };
    for (name, value) in places.and_then(Value::as_object).into_iter().flatten() {
        // `SECRET_NAME` holds the name of a secret: that is how our functions are told.
        if name.starts_with("SECRET_") && !value.as_str().is_some_and(high_entropy) {
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let named = SECRET_WORDS.iter().any(|w| lower.contains(w));
        let plain = value.as_str().is_some_and(|v| !v.is_empty());
        if (named && plain) || value.as_str().is_some_and(credential) {
            faults.push(part.fault(format!("{name} looks like a secret in plain text"), mend));
        }
    }
    for (pointer, value) in texts(part.properties, String::new()) {
        if credential(value) && places.is_none() {
            faults.push(part.fault(format!("{pointer} looks like a secret in plain text"), mend));
        }
    }
    let reads = targets(part.whole).into_iter().any(|t| t.id.starts_with("resolve:"));
    let resolves = texts(part.properties, String::new()).iter().any(|(_, v)| v.contains("{{resolve:secretsmanager:"));
    if reads || (resolves && part.kind == "AWS::Lambda::Function") {
        let what = "its configuration would hold a secret's value";
        faults.push(part.fault(what, "give the function the secret's name, and let it read the secret"));
    }
}

/// Texts as credentials look: AWS's access keys, private keys, the tokens of well-known services.
fn credential(text: &str) -> bool {
    let key = |prefix: &str| {
        text.match_indices(prefix).any(|(at, _)| {
            let rest = text[at + prefix.len()..].bytes();
            rest.take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count() >= 16
        })
    };
    key("AKIA")
        || key("ASIA")
        || text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----")
        || ["ghp_", "gho_", "xoxb-", "xoxp-", "sk_live_"].iter().any(|p| text.starts_with(p))
}

/// Whether a text is too wild to be a name: long, without a dash or a slash, of letters and digits mixed.
fn high_entropy(text: &str) -> bool {
    let wild = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    text.len() >= 32
        && text.bytes().all(wild)
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_uppercase())
}

/// All texts below a value, with their places.
fn texts(value: &Value, at: String) -> Vec<(String, &str)> {
    match value {
        Value::String(text) => vec![(at, text)],
        Value::Array(items) => items.iter().enumerate().flat_map(|(i, v)| texts(v, format!("{at}/{i}"))).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(k, v)| texts(v, format!("{at}/{k}"))).collect(),
        _ => Vec::new(),
    }
}
