//! Buckets, tables, queues, and what delivers to them.

use super::{DATABASE_ID, DEAD_LETTER_DAYS, Maker, part_id};
use crate::{
    cloud::resources::{self as r, NotificationTarget, Properties, Resource},
    deploy::{names, roles::role_name},
    spec::{self, Target},
};

impl Maker<'_> {
    /// A queue, and before it the one for its dead letters, which keeps them as long as it can.
    pub(super) fn queue(&mut self, queue: &spec::Queue) {
        let physical = self.physical(&queue.name);
        let (dead, id) = (names::dead_letter(&physical), names::logical_id(&queue.name, "QueueDeadLetters"));
        let properties = |retention_days: u32, redrive| {
            Properties::Queue(r::Queue {
                visibility_seconds: queue.visibility_seconds,
                retention_seconds: retention_days * 86_400,
                redrive,
            })
        };
        self.resources.push(Resource {
            logical_id: id.clone(),
            name: format!("queue.{}/dead_letters", queue.name),
            physical_name: dead.clone(),
            depends_on: vec![],
            properties: properties(DEAD_LETTER_DAYS, None),
        });
        let redrive = Some(r::Redrive { dead_letter: dead, max_receives: queue.max_receives });
        self.add(&queue.name, physical, vec![id], properties(queue.retention_days, redrive));
    }

    /// What gives the messages of queues to functions.
    pub(super) fn event_sources(&mut self) {
        let environment = self.env;
        for function in &environment.functions {
            let Some(queue) = &function.from else { continue };
            let physical = self.physical(&function.name);
            let properties = Properties::EventSourceMapping(r::EventSourceMapping {
                queue: self.physical(queue),
                function: physical.clone(),
                batch_size: function.batch_size,
            });
            let depends_on = vec![names::logical_id(&function.name, "Function"), names::logical_id(queue, "Queue")];
            self.add_part(("function", &function.name), "event_source", physical, depends_on, properties);
        }
    }

    pub(super) fn buckets(&mut self) {
        let environment = self.env;
        // Each after those that it names.
        let mut waiting: Vec<&spec::Bucket> = environment.buckets.iter().collect();
        let mut sorted: Vec<&spec::Bucket> = Vec::new();
        while !waiting.is_empty() {
            let there = |name: &Option<String>| name.as_ref().is_none_or(|n| sorted.iter().any(|b| b.name == *n));
            let next = waiting.iter().position(|b| there(&b.access_log) && there(&b.replicate_to)).unwrap_or(0);
            let next = waiting.remove(next);
            sorted.push(next);
        }
        for bucket in sorted {
            let mut depends_on = Vec::new();
            depends_on.extend(bucket.encryption.as_ref().map(|key| names::logical_id(key, "Key")));
            for other in [&bucket.access_log, &bucket.replicate_to].into_iter().flatten() {
                depends_on.push(names::logical_id(other, "Bucket"));
            }
            let owner = ("bucket", bucket.name.as_str());
            depends_on.extend(bucket.replicate_to.as_ref().map(|_| part_id(owner, "Role")));
            let mut rules = Vec::new();
            for rule in &bucket.on_created {
                let (id, target) = match &rule.target {
                    Target::Function(name) => {
                        (names::logical_id(name, "Function"), NotificationTarget::Function(self.physical(name)))
                    }
                    Target::Topic(name) => {
                        (names::logical_id(name, "Topic"), NotificationTarget::Topic(self.physical(name)))
                    }
                    Target::Queue(name) => {
                        (names::logical_id(name, "Queue"), NotificationTarget::Queue(self.physical(name)))
                    }
                };
                if !depends_on.contains(&id) {
                    depends_on.push(id);
                }
                rules.push(r::Notification { prefix: rule.prefix.clone(), suffix: rule.suffix.clone(), target });
            }
            let properties = Properties::Bucket(r::Bucket {
                versioning: bucket.versioning,
                expire_days: bucket.expire_days,
                on_created: rules,
                expire_versions_days: bucket.expire_versions_days,
                transition: bucket.transition.clone(),
                encryption: bucket.encryption.as_ref().map(|key| self.physical(key)),
                cors: bucket.cors.clone(),
                access_log: bucket.access_log.as_ref().map(|logs| self.bucket_name(logs)),
                replication: bucket.replicate_to.as_ref().map(|copy| r::Replication {
                    to: self.bucket_name(copy),
                    role: role_name(owner, &self.bucket_name(&bucket.name)),
                }),
            });
            self.add(&bucket.name, self.bucket_name(&bucket.name), depends_on, properties);
        }
    }

    pub(super) fn tables(&mut self) {
        let Some(database) = self.database() else { return };
        let description = self.pipeline.description.clone();
        self.resources.push(Resource {
            logical_id: DATABASE_ID.into(),
            name: "catalog".into(),
            physical_name: database.clone(),
            depends_on: vec![],
            properties: Properties::Database(r::Database { description }),
        });
        let environment = self.env;
        for job in &environment.jobs {
            let Some(table) = &job.table else { continue };
            let properties = Properties::Table(r::Table {
                database: database.clone(),
                table: table.clone(),
                bucket: self.bucket_name(&job.to),
                prefix: job.prefix.clone(),
                format: "parquet".into(),
                columns: job.columns.clone(),
                partition_keys: job.partition_by.clone(),
            });
            let depends_on = vec![DATABASE_ID.into(), names::logical_id(&job.to, "Bucket")];
            self.add(table, format!("{database}.{table}"), depends_on, properties);
        }
        for table in &environment.tables {
            let properties = Properties::Table(r::Table {
                database: database.clone(),
                table: table.name.clone(),
                bucket: self.bucket_name(&table.from),
                prefix: table.prefix.clone(),
                format: table.format.clone(),
                columns: table.columns.clone(),
                partition_keys: vec![],
            });
            let depends_on = vec![DATABASE_ID.into(), names::logical_id(&table.from, "Bucket")];
            self.add(&table.name, format!("{database}.{}", table.name), depends_on, properties);
        }
    }

    pub(super) fn deliveries(&mut self) {
        let environment = self.env;
        for delivery in &environment.deliveries {
            let owner = ("delivery", delivery.name.as_str());
            let physical = self.physical(&delivery.name);
            let properties = Properties::Delivery(r::Delivery {
                from: self.physical(&delivery.from),
                to: self.bucket_name(&delivery.to),
                prefix: delivery.prefix.clone(),
                buffer_seconds: delivery.buffer_seconds,
                buffer_mib: delivery.buffer_mib,
                file_extension: delivery.file_extension.clone(),
                role: role_name(owner, &physical),
            });
            let depends_on = vec![
                part_id(owner, "Role"),
                names::logical_id(&delivery.from, "Stream"),
                names::logical_id(&delivery.to, "Bucket"),
            ];
            self.add(&delivery.name, physical, depends_on, properties);
        }
    }
}
