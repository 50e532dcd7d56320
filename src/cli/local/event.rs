//! `local event`: example events, in the shapes in which AWS gives them to functions.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{
        connect::known_handler,
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    cloud::{
        events::{
            ApiRequest, CrawlerChange, JobChange, Notification, ObjectCreated, QueueRecord, StreamRecord, api_request,
            crawler_state_change, eventbridge, job_state_change, messages, notification, object_created, scheduled,
            stream_records,
        },
        resources::{End, Graph, NotificationTarget, Properties, ScheduleTarget, Told},
    },
    deploy, spec,
};

/// Which event.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The event that a function of a pipeline gets, by what its pipeline.toml says starts it
    For(For),
    /// Amazon S3: an object was created
    S3(S3),
    /// Amazon SQS: a batch of messages
    Sqs(Sqs),
    /// Amazon SNS: a message of a topic
    Sns(Sns),
    /// Amazon EventBridge: a schedule is due, or any other event
    Eventbridge(EventBridge),
    /// Amazon Kinesis: a batch of records
    Kinesis(Kinesis),
    /// Amazon API Gateway: a request to a REST API
    Api(Api),
}

/// Which function.
#[derive(Debug, Args)]
pub struct For {
    /// PIPELINE/NAME
    function: String,
}

/// Which object.
#[derive(Debug, Args)]
pub struct S3 {
    /// The bucket
    #[arg(long, value_name = "NAME", default_value = "example-bucket")]
    bucket: String,
    /// The object's key
    #[arg(long, value_name = "KEY", default_value = "input/example.json")]
    key: String,
    /// Its size in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    size: u64,
}

/// Which messages.
#[derive(Debug, Args)]
pub struct Sqs {
    /// The queue
    #[arg(long, value_name = "NAME", default_value = "example-queue")]
    queue: String,
    /// A message's body; several make a batch [default: an empty object]
    #[arg(long, value_name = "TEXT")]
    body: Vec<String>,
}

/// Which message.
#[derive(Debug, Args)]
pub struct Sns {
    /// The topic
    #[arg(long, value_name = "NAME", default_value = "example-topic")]
    topic: String,
    /// The message's subject
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Its text
    #[arg(long, value_name = "TEXT", default_value = "an example")]
    message: String,
}

/// Which event.
#[derive(Debug, Args)]
pub struct EventBridge {
    /// Its source
    #[arg(long, value_name = "NAME", default_value = "aws.events")]
    source: String,
    /// Its type
    #[arg(long, value_name = "TEXT", default_value = "Scheduled Event")]
    detail_type: String,
    /// Its detail, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    detail: String,
}

/// Which records.
#[derive(Debug, Args)]
pub struct Kinesis {
    /// The stream
    #[arg(long, value_name = "NAME", default_value = "example-stream")]
    stream: String,
    /// A record's data; several make a batch [default: an empty object]
    #[arg(long, value_name = "TEXT")]
    data: Vec<String>,
    /// Their partition key
    #[arg(long, value_name = "KEY", default_value = "1")]
    partition_key: String,
}

/// Which request.
#[derive(Debug, Args)]
pub struct Api {
    /// Its method
    #[arg(long, value_name = "WORD", default_value = "GET")]
    method: String,
    /// Its path
    #[arg(long, value_name = "PATH", default_value = "/example")]
    path: String,
    /// A parameter of the query
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,
    /// A header
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// Its body
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Command {
    /// Prints it. No cloud is asked.
    pub fn run(self, s: &Session) -> Result {
        let (id, time_ms) = (id(), now_ms());
        let event = match self {
            Self::For(c) => return c.run(s),
            Self::S3(c) => created(&c.bucket, &c.key, c.size),
            Self::Sqs(c) => {
                let bodies = if c.body.is_empty() { vec!["{}".to_owned()] } else { c.body };
                batch(&c.queue, &bodies)
            }
            Self::Sns(c) => {
                let (topic, subject) = (c.topic.as_str(), c.subject.as_deref());
                notification(Notification { topic, id: &id, subject, message: &c.message, time_ms })
            }
            Self::Eventbridge(c) => {
                let detail = serde_json::from_str(&c.detail)
                    .map_err(|e| Failure::usage(format!("--detail {:?}: not JSON: {e}", c.detail)))?;
                eventbridge(&c.source, &c.detail_type, &id, time_ms, detail)
            }
            Self::Kinesis(c) => {
                let data = if c.data.is_empty() { vec!["{}".to_owned()] } else { c.data };
                let (stream, partition_key) = (c.stream.as_str(), c.partition_key.as_str());
                stream_records((1..).zip(&data).map(|(sequence, data)| StreamRecord {
                    stream,
                    partition_key,
                    data: data.as_bytes(),
                    sequence,
                    time_ms,
                }))
            }
            Self::Api(c) => request(&c.method, &c.path, "dev", (&c.query, &c.header), &c.body),
        };
        s.out.json(&event)
    }
}

fn created(bucket: &str, key: &str, size: u64) -> Value {
    let etag = "d41d8cd98f00b204e9800998ecf8427e";
    object_created(ObjectCreated { bucket, key, size, etag, version: None, sequence: 1, time_ms: now_ms() })
}

fn batch(queue: &str, bodies: &[String]) -> Value {
    let now = now_ms();
    let ids: Vec<String> = bodies.iter().map(|_| id()).collect();
    messages(ids.iter().zip(bodies).map(|(id, body)| QueueRecord {
        queue,
        id,
        body,
        receives: 1,
        sent_ms: now,
        first_received_ms: now,
    }))
}

type Pairs<'a> = (&'a [(String, String)], &'a [(String, String)]);

/// What API Gateway always hands on, unless it is named.
const HEADERS: [(&str, &str); 6] = [
    ("Accept", "*/*"),
    ("Host", "example.execute-api.us-east-1.amazonaws.com"),
    ("User-Agent", "example"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
];

fn request(method: &str, path: &str, stage: &str, (query, given): Pairs<'_>, body: &str) -> Value {
    let usual = HEADERS.iter().filter(|(name, _)| !given.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    let mut headers: Vec<_> = usual.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.extend_from_slice(given);
    let (id, time_ms) = (id(), now_ms());
    api_request(ApiRequest { method, path, stage, id: &id, query, headers: &headers, body: body.as_bytes(), time_ms })
}

impl For {
    fn run(self, s: &Session) -> Result {
        let Some((pipeline, name)) = self.function.split_once('/') else {
            return Err(Failure::usage(format!("{:?} is no PIPELINE/NAME", self.function)));
        };
        let pipeline = spec::find(s.settings.pipelines.value.as_deref(), pipeline, &known_handler)
            .map_err(|e| Failure::failed(e.to_string()))?;
        let graph = deploy::graph(&pipeline, &s.settings.env.value).map_err(|e| Failure::failed(e.to_string()))?;
        let functions = || graph.resources.iter().filter(|r| matches!(r.properties, Properties::Function(_)));
        let bare = |name: &'_ str| name.strip_prefix("function.").unwrap_or(name).to_owned();
        let Some(function) = functions().find(|r| bare(&r.name) == name || r.physical_name == name) else {
            let known: Vec<_> = functions().map(|r| bare(&r.name)).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) };
            return Err(Failure::failed(format!("{} has no function {name:?}; {known}", pipeline.name)));
        };
        let mut events = starts(&graph, &function.physical_name);
        if events.is_empty() {
            note(&format!("nothing in pipeline.toml starts {name}: whoever invokes it chooses the event"));
            return s.out.json(&json!({}));
        }
        let (why, event) = events.remove(0);
        note(&format!("{name} is started by {why}"));
        for (other, _) in &events {
            note(&format!("and by {other}, whose event is not printed"));
        }
        s.out.json(&event)
    }
}

/// What starts a function, in words, each with its event.
fn starts(graph: &Graph, function: &str) -> Vec<(String, Value)> {
    let target = NotificationTarget::Function(function.to_owned());
    let mut all = Vec::new();
    for resource in &graph.resources {
        let name = &resource.physical_name;
        match &resource.properties {
            Properties::Bucket(bucket) => {
                for rule in bucket.on_created.iter().filter(|r| r.target == target) {
                    let event = created(name, &example_key(&rule.prefix, &rule.suffix), 1024);
                    all.push((format!("objects of the bucket {name}"), event));
                }
            }
            Properties::EventSourceMapping(mapping) if mapping.function == function => {
                all.push((format!("messages of the queue {}", mapping.queue), from_queue(graph, &mapping.queue)));
            }
            Properties::Schedule(schedule) if schedule.target == ScheduleTarget::Function(function.to_owned()) => {
                all.push((format!("its schedule {}", schedule.expression), scheduled(name, &id(), now_ms())));
            }
            Properties::Api(api) if api.function == function => {
                let method = if api.method == "ANY" { "GET" } else { &api.method };
                all.push((format!("requests to {}", api.path), request(method, &api.path, "dev", (&[], &[]), "")));
            }
            Properties::Crawler(crawler) => {
                for end in ends(&crawler.on_ended, &target) {
                    let (error, now) = ((end == End::Failed).then_some("an example of a failure"), now_ms());
                    let change = CrawlerChange {
                        crawler: name,
                        crawl: &id(),
                        started_ms: now - 60_000,
                        ended_ms: now,
                        changes: (1, 0, 0),
                        error,
                    };
                    all.push((format!("the end of crawls by {name}"), crawler_state_change(change)));
                }
            }
            Properties::Job(job) => {
                for end in ends(&job.on_ended, &target) {
                    let failed = end == End::Failed;
                    let state = if failed { "FAILED" } else { "SUCCEEDED" };
                    let error = failed.then_some("an example of a failure");
                    let change = JobChange { job: name, run: "jr_example", state, error, time_ms: now_ms() };
                    all.push((format!("the end of runs of {name}"), job_state_change(change)));
                }
            }
            _ => {}
        }
    }
    all
}

fn ends<'a>(told: &'a [Told], target: &'a NotificationTarget) -> impl Iterator<Item = End> + 'a {
    told.iter().filter(move |t| t.target == *target).map(|t| t.end)
}

/// A batch as the queue has it: what a bucket puts there, where one does.
fn from_queue(graph: &Graph, queue: &str) -> Value {
    let body = graph.resources.iter().find_map(|r| {
        let Properties::Bucket(bucket) = &r.properties else { return None };
        let target = NotificationTarget::Queue(queue.to_owned());
        let rule = bucket.on_created.iter().find(|rule| rule.target == target)?;
        Some(created(&r.physical_name, &example_key(&rule.prefix, &rule.suffix), 1024).to_string())
    });
    batch(queue, &[body.unwrap_or_else(|| "{}".to_owned())])
}

fn example_key(prefix: &str, suffix: &str) -> String {
    format!("{prefix}example{suffix}")
}
