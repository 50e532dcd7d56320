//! Keys that encrypt, and key-value tables.

use serde_json::{Value, json};

use super::{
    Body, Entry,
    json::{reference, sub, without_nulls},
};
use crate::cloud::resources::{Key, KeyAttribute, KeyKind, KeyTable, Resource};

impl<'a> Body<'a> {
    pub(super) fn key(&mut self, resource: &'a Resource, key: &'a Key) {
        let id = &resource.logical_id;
        let description = if key.description.is_empty() { &resource.physical_name } else { &key.description };
        let properties = json!({
            "Description": description,
            "EnableKeyRotation": key.rotation,
            "PendingWindowInDays": key.deletion_days,
            // The account's own policies say who uses it: roles' statements name it.
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "PoliciesOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
                    "Action": "kms:*",
                    "Resource": "*",
                }],
            },
        });
        self.add(id, Entry::new("AWS::KMS::Key", properties).of(resource).stateful(self.graph.protected));
        let alias = json!({"AliasName": format!("alias/{}", resource.physical_name), "TargetKeyId": reference(id)});
        self.add(&format!("{id}Alias"), Entry::new("AWS::KMS::Alias", alias));
    }

    pub(super) fn key_table(&mut self, resource: &'a Resource, table: &'a KeyTable) {
        let mut attributes: Vec<&KeyAttribute> = Vec::new();
        let of_indexes = table.indexes.iter().flat_map(|i| [Some(&i.hash_key), i.range_key.as_ref()]);
        for attribute in [Some(&table.hash_key), table.range_key.as_ref()].into_iter().chain(of_indexes).flatten() {
            if attributes.iter().all(|a| a.name != attribute.name) {
                attributes.push(attribute);
            }
        }
        let definition = |a: &&KeyAttribute| {
            let kind = match a.kind {
                KeyKind::Number => "N",
                KeyKind::Text => "S",
            };
            json!({"AttributeName": a.name, "AttributeType": kind})
        };
        let index = |i: &crate::cloud::resources::KeyIndex| {
            json!({
                "IndexName": i.name,
                "KeySchema": schema(&i.hash_key, i.range_key.as_ref()),
                "Projection": {"ProjectionType": "ALL"},
            })
        };
        let indexes: Vec<Value> = table.indexes.iter().map(index).collect();
        let ttl = table.ttl.as_ref().map(|name| json!({"AttributeName": name, "Enabled": true}));
        let properties = json!({
            "TableName": resource.physical_name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes.iter().map(definition).collect::<Vec<_>>(),
            "KeySchema": schema(&table.hash_key, table.range_key.as_ref()),
            "GlobalSecondaryIndexes": if indexes.is_empty() { Value::Null } else { json!(indexes) },
            "TimeToLiveSpecification": ttl,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": table.point_in_time_recovery},
            "StreamSpecification": table.stream.as_ref().map(|view| json!({"StreamViewType": view})),
            "DeletionProtectionEnabled": self.graph.protected,
        });
        let entry = Entry::new("AWS::DynamoDB::Table", without_nulls(properties)).of(resource);
        self.add(&resource.logical_id, entry.stateful(self.graph.protected));
    }
}

fn schema(hash: &KeyAttribute, range: Option<&KeyAttribute>) -> Value {
    let part = |a: &KeyAttribute, kind: &str| json!({"AttributeName": a.name, "KeyType": kind});
    let mut parts = vec![part(hash, "HASH")];
    parts.extend(range.map(|range| part(range, "RANGE")));
    json!(parts)
}
