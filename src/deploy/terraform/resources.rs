//! A resource of the module in Terraform's words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    TerraformError,
    code::{self, EACH, Names, Piece, Token, pieces},
    hcl::{Block, Expr, Item, Part},
    kinds::{self, Shape, Tags},
    merge::Resource,
};

/// What expressions are made from.
pub(super) struct Scope<'a> {
    pub(super) names: Names<'a>,
    /// By logical id, a resource's address, and whether not all environments have it.
    pub(super) addresses: BTreeMap<&'a str, (String, &'a str, bool)>,
}

type Result<T> = std::result::Result<T, TerraformError>;

impl<'a> Scope<'a> {
    /// The addresses of resources: their types and names, each once.
    pub(super) fn new(names: Names<'a>, resources: &'a [Resource]) -> Self {
        let mut addresses: BTreeMap<&'a str, (String, &'a str, bool)> = BTreeMap::new();
        for resource in resources {
            let kind = kinds::resource_type(&resource.cfn);
            let short = format!("{kind}.{}", kinds::local_name(&resource.id, &resource.cfn));
            let taken = addresses.values().any(|(address, ..)| *address == short);
            let address = if taken { format!("{kind}.{}", kinds::attribute(&resource.id)) } else { short };
            addresses.insert(&resource.id, (address, &resource.cfn, resource.only.is_some()));
        }
        Self { names, addresses }
    }

    /// A resource's address.
    pub(super) fn address(&self, id: &str) -> Result<&str> {
        let found = self.addresses.get(id).map(|(address, ..)| address.as_str());
        found.ok_or_else(|| TerraformError::Unknown { what: format!("a reference to {id}") })
    }

    /// An attribute of a resource; of one that not all environments have, where it is there.
    pub(super) fn attribute(&self, id: &str, path: &str) -> Result<String> {
        let address = self.address(id)?;
        let partly = self.addresses.get(id).is_some_and(|(.., partly)| *partly);
        Ok(if partly { format!("one({address}[*].{path})") } else { format!("{address}.{path}") })
    }

    fn token(&self, token: Token<'_>) -> Result<String> {
        let unknown = |what: &str| TerraformError::Unknown { what: what.to_owned() };
        match token {
            Token::Expr(expr) => Ok(expr.to_owned()),
            Token::Pseudo("AccountId") => Ok("local.account_id".into()),
            Token::Pseudo("Region") => Ok("local.region".into()),
            Token::Pseudo("Partition") => Ok("local.partition".into()),
            Token::Pseudo("URLSuffix") => Ok("data.aws_partition.current.dns_suffix".into()),
            Token::Pseudo(other) => Err(unknown(&format!("the parameter AWS::{other}"))),
            Token::Reference("BootstrapKey") => Ok("aws_s3_object.bootstrap.key".into()),
            Token::Reference("BootstrapArchitecture") => Ok("var.bootstrap_architecture".into()),
            Token::Reference(id) => {
                let cfn = self.addresses.get(id).map(|(_, cfn, _)| *cfn).unwrap_or_default();
                let kind = kinds::find(cfn).ok_or_else(|| unknown(&format!("a reference to {id}")))?;
                self.attribute(id, kind.reference)
            }
            Token::Attribute(id, name) => {
                let database = self.addresses.get(id).is_some_and(|(_, cfn, _)| *cfn == "AWS::RDS::DBInstance");
                if let Some(path) = name.strip_prefix("=trim:") {
                    return Ok(format!("trimsuffix({}, \":*\")", self.attribute(id, path)?));
                }
                match (name.strip_prefix('='), name) {
                    (Some(path), _) => self.attribute(id, path),
                    (_, "Endpoint.Address") if database => self.attribute(id, "address"),
                    (_, "Endpoint.Port") if database => self.attribute(id, "port"),
                    _ => {
                        let path: Vec<String> = name.split('.').map(kinds::attribute).collect();
                        self.attribute(id, &path.join("."))
                    }
                }
            }
        }
    }

    /// A text.
    pub(super) fn text(&self, text: &str) -> Result<Expr> {
        let mut parts = Vec::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => self.names.parts(text, &mut parts),
                Piece::Token(token) => parts.push(Part::Expr(self.token(token)?)),
            }
        }
        Ok(Expr::parts(parts))
    }

    /// Any JSON.
    pub(super) fn document(&self, value: &Value) -> Result<Expr> {
        Ok(match value {
            Value::String(text) => match code::json(text) {
                Some(inner) => Expr::Call("jsonencode", vec![self.document(&inner)?]),
                None => self.text(text)?,
            },
            Value::Array(items) => Expr::List(items.iter().map(|v| self.document(v)).collect::<Result<_>>()?),
            Value::Object(fields) => {
                if let Some(all) = each(value) {
                    return chosen(all, &|v| self.document(v));
                }
                let field = |(k, v): (&String, &Value)| Ok((k.clone(), self.document(v)?));
                Expr::Object(fields.iter().map(field).collect::<Result<_>>()?)
            }
            other => plain(other),
        })
    }

    /// A property of a type.
    fn property(&self, cfn: &str, path: &str, value: &Value) -> Result<Expr> {
        let whole = |value: &Value| match value {
            Value::String(_) => self.document(value),
            _ => Ok(Expr::Call("jsonencode", vec![self.document(value)?])),
        };
        match (kinds::shape(cfn, path), value) {
            (Shape::Document, _) => match each(value) {
                Some(all) => chosen(all, &whole),
                None => whole(value),
            },
            (Shape::Map, _) | (_, Value::String(_)) => self.document(value),
            (_, Value::Array(items)) => {
                Ok(Expr::List(items.iter().map(|v| self.property(cfn, path, v)).collect::<Result<_>>()?))
            }
            (_, Value::Object(fields)) => {
                if let Some(all) = each(value) {
                    return chosen(all, &|v| self.property(cfn, path, v));
                }
                let field = |(k, v): (&String, &Value)| {
                    let path = if path.is_empty() { k.clone() } else { format!("{path}.{k}") };
                    Ok((kinds::attribute(k), self.property(cfn, &path, v)?))
                };
                Ok(Expr::Object(fields.iter().map(field).collect::<Result<_>>()?))
            }
            (_, other) => Ok(plain(other)),
        }
    }

    /// The blocks of a resource, the first with a comment that says where it comes from.
    pub(super) fn resource(&self, resource: &Resource) -> Result<Vec<Item>> {
        let cfn = resource.cfn.as_str();
        let kind =
            kinds::find(cfn).ok_or_else(|| TerraformError::Unknown { what: format!("resources of the type {cfn}") })?;
        let (of, name) = self.address(&resource.id)?.split_once('.').unwrap_or_default();
        let mut block = Block::new("resource", [of, name]);
        if let Some(envs) = &resource.only {
            let envs = Expr::List(envs.iter().map(Expr::text).collect());
            let there = Expr::Call("contains", vec![envs, Expr::raw("var.env")]);
            block = block.with("count", Expr::raw(format!("{} ? 1 : 0", inline(&there))));
        }
        let mut before = Vec::new();
        for (name, value) in self.arguments(resource, &mut before)? {
            block = block.with(&name, value);
        }
        block.items.extend(self.tags(kind.tags, &resource.properties)?);
        let mut referred = Vec::new();
        code::referred(&resource.properties, &mut referred);
        let waits = resource.depends_on.iter().filter(|id| !referred.contains(&id.as_str()));
        let waits = waits.map(|id| self.address(id).map(Expr::raw)).collect::<Result<Vec<_>>>()?;
        let made_of = |ids: &[String]| ids.iter().map(|id| self.address(id).map(Expr::raw)).collect::<Result<Vec<_>>>();
        if !waits.is_empty() {
            block = block.with("depends_on", Expr::List(waits));
        }
        match cfn {
            // Deployed anew when what it deploys changes, and put in place before the old one goes.
            "AWS::ApiGateway::Deployment" => {
                let of = made_of(&resource.depends_on)?;
                block = block.inside(
                    Block::new("lifecycle", [])
                        .with("create_before_destroy", Expr::raw("true"))
                        .with("replace_triggered_by", Expr::List(of)),
                );
            }
            // Its value is set while the pipeline runs.
            "AWS::SSM::Parameter" => {
                let value = Expr::List(vec![Expr::raw("value")]);
                block = block.inside(Block::new("lifecycle", []).with("ignore_changes", value));
            }
            _ => {}
        }
        let mut items = before;
        items.extend(resource.origin.iter().map(|o| Item::Comment(o.clone())));
        items.push(Item::Block(block));
        Ok(items)
    }

    /// The arguments of a resource; what must stand before it is put there.
    fn arguments(&self, resource: &Resource, before: &mut Vec<Item>) -> Result<Vec<(String, Expr)>> {
        let (cfn, properties) = (resource.cfn.as_str(), &resource.properties);
        let given = |key: &str| self.property(cfn, key, &properties[key]);
        let first = |key: &str| self.property(cfn, key, &properties[key][0]);
        Ok(match cfn {
            "AWS::SNS::TopicPolicy" => {
                vec![("arn".into(), first("Topics")?), ("policy".into(), given("PolicyDocument")?)]
            }
            "AWS::SQS::QueuePolicy" => {
                vec![("queue".into(), first("Queues")?), ("policy_document".into(), given("PolicyDocument")?)]
            }
            "AWS::RDS::DBInstance" => self.database(resource, before)?,
            _ => {
                let fields = properties.as_object().into_iter().flatten().filter(|(k, _)| *k != "Tags");
                let argument = |(k, v): (&String, &Value)| match (cfn, k.as_str()) {
                    // Where it is made is up to whoever applies it.
                    ("AWS::IAM::Role", "PermissionsBoundary") => {
                        Ok((kinds::attribute(k), Expr::raw("var.permissions_boundary")))
                    }
                    _ => Ok((kinds::attribute(k), self.property(cfn, k, v)?)),
                };
                fields.map(argument).collect::<Result<_>>()?
            }
        })
    }

    fn tags(&self, tags: Tags, properties: &Value) -> Result<Option<Item>> {
        let own = match properties.get("Tags") {
            Some(own) => Some(self.property("", "Tags", own)?),
            None => None,
        };
        let value = match (tags, own) {
            (Tags::None, _) => return Ok(None),
            (Tags::List, None) => Expr::raw("local.tag_list"),
            (Tags::List, Some(own)) => Expr::Call("concat", vec![Expr::raw("local.tag_list"), own]),
            (Tags::Map, _) => Expr::raw("local.tags"),
            (Tags::Json, _) => Expr::Call("jsonencode", vec![Expr::raw("local.tags")]),
        };
        Ok(Some(Item::Attr("tags".into(), value)))
    }

    /// A database server. Its password is read from its secret and only written, so that no state holds it.
    fn database(&self, resource: &Resource, before: &mut Vec<Item>) -> Result<Vec<(String, Expr)>> {
        let mut arguments = Vec::new();
        for (key, value) in resource.properties.as_object().into_iter().flatten() {
            let unknown = || TerraformError::Unknown { what: format!("{key} of a database server") };
            let secret = value.as_str().and_then(|v| v.strip_prefix("{{resolve:secretsmanager:"));
            let name = kinds::database_argument(key).map(str::to_owned);
            let Some(secret) = secret else {
                let number = value.as_str().filter(|_| key == "AllocatedStorage").and_then(|v| v.parse::<u64>().ok());
                let value = match number {
                    Some(number) => Expr::raw(number.to_string()),
                    None => self.property(&resource.cfn, key, value)?,
                };
                arguments.push((name.ok_or_else(unknown)?, value));
                continue;
            };
            let (secret, field) = secret.trim_end_matches("}}").split_once(":SecretString:").ok_or_else(unknown)?;
            let (_, own) = self.address(&resource.id)?.split_once('.').unwrap_or_default();
            let source = format!("ephemeral.aws_secretsmanager_secret_version.{own}");
            if before.is_empty() {
                let read = Block::new("ephemeral", ["aws_secretsmanager_secret_version", own])
                    .with("secret_id", self.text(secret)?);
                before.push(Item::Comment("Read while it is applied, and kept nowhere.".into()));
                before.push(Item::Block(read));
            }
            match key.as_str() {
                "MasterUserPassword" => {
                    let value = format!("jsondecode({source}.secret_string)[\"{field}\"]");
                    arguments.push(("password_wo".into(), Expr::raw(value)));
                    arguments.push(("password_wo_version".into(), Expr::raw("1")));
                }
                // A name is no secret: the secret itself is made with it.
                "MasterUsername" => arguments.push(("username".into(), Expr::text(super::USERNAME))),
                _ => return Err(unknown()),
            }
        }
        if resource.snapshot {
            let name = self.property(&resource.cfn, "", &resource.properties["DBInstanceIdentifier"])?;
            let last = match name {
                Expr::Text(mut parts) => {
                    parts.push(Part::Text("-final".into()));
                    Expr::Text(parts)
                }
                other => Expr::Text(vec![Part::Expr(inline(&other)), Part::Text("-final".into())]),
            };
            arguments.push(("skip_final_snapshot".into(), Expr::raw("!var.protected")));
            arguments.push(("final_snapshot_identifier".into(), last));
        } else {
            arguments.push(("skip_final_snapshot".into(), Expr::raw("true")));
        }
        Ok(arguments)
    }
}

/// Of a value for each environment, that of the module's.
fn chosen(all: &serde_json::Map<String, Value>, one: &dyn Fn(&Value) -> Result<Expr>) -> Result<Expr> {
    let all = all.iter().map(|(env, v)| Ok((env.clone(), one(v)?))).collect::<Result<_>>()?;
    Ok(Expr::Index(Box::new(Expr::Object(all)), "var.env".into()))
}

/// The values of the environments, where there is one for each.
fn each(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object().filter(|o| o.len() == 1)?.get(EACH)?.as_object()
}

/// A number, true, false or null, as Terraform has it: `10.0` is `10`.
pub(super) fn plain(value: &Value) -> Expr {
    match value.as_f64() {
        Some(n) if value.is_f64() => Expr::raw(n.to_string()),
        _ => Expr::raw(value.to_string()),
    }
}

/// An expression inside of another.
fn inline(value: &Expr) -> String {
    super::hcl::inline(value)
}
