//! Queues and the messages in them (Amazon SQS).

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{MessageSystemAttributeName, QueueAttributeName},
};
use futures::{StreamExt, stream};
use serde_json::Value;

use super::{Aws, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    queues::{Queue, QueueMessage, Queues, Redriven, check_body},
};

/// Queues on one page of a list: each is asked for what it holds.
const PAGE: i32 = 100;
/// Queues that are asked at once.
const AT_ONCE: usize = 8;
/// Messages that one request gives.
const MESSAGES: i32 = 10;
/// Looks that bring nothing new, after which there is nothing more.
const EMPTY_LOOKS: u32 = 3;
/// How long a redrive is waited for, and how soon it is looked at again.
const REDRIVE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);
/// What is answered by what does not know how to move messages.
const UNKNOWN: [&str; 4] = ["InvalidAction", "NotImplemented", "UnknownOperation", "UnknownOperationException"];
/// Seconds in which a message is moved by hand.
const HAND: i32 = 60;
/// How our names of the queues end that functions' failed events go to.
const OF_FUNCTION: &str = "-dead-letters";

type Attributes = HashMap<QueueAttributeName, String>;

#[async_trait]
impl Queues for Aws {
    fn list(&self) -> Pages<'_, Queue> {
        let denied: std::sync::Arc<std::sync::Mutex<Option<Error>>> = std::sync::Arc::default();
        let told = denied.clone();
        let pages = Pages::follow(move |token| {
            let denied = denied.clone();
            async move {
                let call = self.client.sqs().await?.list_queues().max_results(PAGE).set_next_token(token);
                let answer = call.send().await.map_err(failed("sqs:ListQueues", "queue", "*"))?;
                let owners = self.owners().await;
                let asked = stream::iter(answer.queue_urls.unwrap_or_default())
                    .map(|url| async move {
                        let attributes = self.attributes(&url, QueueAttributeName::All).await;
                        (url, attributes)
                    })
                    .buffered(AT_ONCE)
                    .collect::<Vec<_>>()
                    .await;
                let mut queues = Vec::new();
                for (url, attributes) in asked {
                    let attributes = match attributes {
                        Ok(attributes) => attributes,
                        // Removed since it was listed.
                        Err(Error::NotFound { .. }) => continue,
                        Err(error) => {
                            denied.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
                            Attributes::new()
                        }
                    };
                    // Not everything that answers like AWS gives a queue one address.
                    let alike = |id: &str| id.contains("://") && name_of(id) == name_of(&url);
                    let by_name = || owners.all().find(|(id, _)| alike(id)).map(|(_, pipeline)| pipeline.to_owned());
                    queues.push(queue(&url, owners.pipeline_of(&url, name_of(&url)).or_else(by_name), &attributes));
                }
                let sources: Vec<(String, String)> =
                    queues.iter().filter_map(|q| Some((q.dead_letter.clone()?, q.name.clone()))).collect();
                for queue in &mut queues {
                    let own = sources.iter().filter(|(dead, _)| *dead == queue.name).map(|(_, source)| source.clone());
                    queue.dead_letters_of.extend(own);
                }
                queues.sort_by(|a, b| a.name.cmp(&b.name));
                Ok((queues, answer.next_token.filter(|t| !t.is_empty())))
            }
        });
        let missing = Pages::once(async move {
            match told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                Some(error) => Err(error),
                None => Ok(Vec::new()),
            }
        });
        pages.chain(missing)
    }

    async fn messages(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>> {
        let url = self.queue_url(queue).await?;
        let attributes = self.attributes(&url, QueueAttributeName::RedrivePolicy).await?;
        if let Some(policy) = attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|p| redrive_policy(p)) {
            let what = format!(
                "looking at the messages of {queue}: each look counts as a receive, and after {} of them a message goes to \
                 {} (look at that one, which has no such limit)",
                policy.1, policy.0
            );
            return Err(Error::Unsupported { cloud: "aws", what });
        }
        let mut found: Vec<QueueMessage> = Vec::new();
        let mut empty = 0;
        while found.len() < limit && empty < EMPTY_LOOKS {
            let answer = self
                .client
                .sqs()
                .await?
                .receive_message()
                .queue_url(&url)
                .max_number_of_messages(MESSAGES)
                // Whoever else reads the queue sees them as before.
                .visibility_timeout(0)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(failed("sqs:ReceiveMessage", "queue", queue))?;
            let fresh = answer.messages.unwrap_or_default().into_iter().map(message);
            let fresh: Vec<_> = fresh.filter(|m| found.iter().all(|f| f.id != m.id)).collect();
            empty = if fresh.is_empty() { empty + 1 } else { 0 };
            found.extend(fresh);
        }
        found.sort_by_key(|m| m.sent);
        found.truncate(limit);
        Ok(found)
    }

    async fn send(&self, permit: &Permit, queue: &str, body: &str) -> Result<String> {
        permit.check("sqs:SendMessage", queue)?;
        check_body(body)?;
        let url = self.queue_url(queue).await?;
        let mut call = self.client.sqs().await?.send_message().queue_url(&url).message_body(body);
        if queue.rsplit_once('.').is_some_and(|(_, end)| end == "fifo") {
            // The same invocation tried again sends under the same id, which SQS knows for five minutes.
            let once = permit.next_token().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            call = call.message_group_id("pumphouse").message_deduplication_id(once.replace('/', "-"));
        }
        let answer = call.send().await.map_err(failed("sqs:SendMessage", "queue", queue))?;
        permit.wrote(1);
        Ok(answer.message_id.unwrap_or_default())
    }

    async fn redrive(&self, permit: &Permit, queue: &str) -> Result<Redriven> {
        permit.check("sqs:StartMessageMoveTask", queue)?;
        let url = self.queue_url(queue).await?;
        let attributes = self.attributes(&url, QueueAttributeName::QueueArn).await?;
        let arn = attributes.get(&QueueAttributeName::QueueArn);
        let arn = arn.ok_or_else(|| Error::Failed(format!("SQS gave no ARN of the queue {queue}")))?;
        let sqs = self.client.sqs().await?;
        let started = sqs.start_message_move_task().source_arn(arn).send().await;
        // Not everything that answers like SQS knows how to move messages.
        if started.as_ref().is_err_and(|e| e.code().is_some_and(|code| UNKNOWN.contains(&code))) {
            let moved = self.move_by_hand(queue, &url).await?;
            return Ok(Redriven { moved: Some(moved), status: "COMPLETED".into() });
        }
        started.map_err(|error| match error.code() {
            // SQS has no code of its own for it.
            _ if error.message().is_some_and(|why| why.contains("already a task running")) => {
                Error::Conflict(format!("the messages of {queue} are being moved already: wait until they are"))
            }
            // The queue is nobody's dead-letter queue: that of a function's failed events is none, to SQS.
            Some("InvalidParameterValue" | "AWS.SimpleQueueService.UnsupportedOperation") => {
                let why = error.message().unwrap_or("SQS gives no reason").to_owned();
                Error::Invalid(format!("{queue} cannot be re-driven, it is no queue's dead-letter queue: {why}"))
            }
            _ => failed("sqs:StartMessageMoveTask", "queue", queue)(error),
        })?;
        let begun = tokio::time::Instant::now();
        loop {
            let tasks = sqs.list_message_move_tasks().source_arn(arn).max_results(1).send().await;
            let tasks = tasks.map_err(failed("sqs:ListMessageMoveTasks", "queue", queue))?;
            let Some(task) = tasks.results.unwrap_or_default().into_iter().next() else {
                return Ok(Redriven { moved: None, status: "RUNNING".into() });
            };
            let moved = u64::try_from(task.approximate_number_of_messages_moved).ok();
            match task.status.as_deref() {
                Some("RUNNING") if begun.elapsed() < REDRIVE => tokio::time::sleep(LOOK).await,
                Some("FAILED") => {
                    let why = task.failure_reason.unwrap_or_else(|| "SQS gives no reason".into());
                    return Err(Error::Failed(format!("the redrive of {queue} failed: {why}")));
                }
                status => return Ok(Redriven { moved, status: status.unwrap_or("RUNNING").to_owned() }),
            }
        }
    }
}

impl Aws {
    /// Sends the messages of a dead-letter queue to the queue that they come from, one by one. A message goes from the one
    /// when it is in the other, so that none is lost where this breaks off.
    async fn move_by_hand(&self, queue: &str, url: &str) -> Result<u64> {
        let sqs = self.client.sqs().await?;
        let (all, errors) = Queues::list(self).gather().await;
        let sources: Vec<String> =
            all.into_iter().filter(|q| q.dead_letter.as_deref() == Some(queue)).map(|q| q.name).collect();
        let Some(first) = sources.first() else {
            let none = || Error::Invalid(format!("{queue} holds nobody's dead letters: name a dead-letter queue"));
            return Err(errors.into_iter().next().unwrap_or_else(none));
        };
        let mut moved = 0;
        loop {
            let received = sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(MESSAGES)
                .visibility_timeout(HAND)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(failed("sqs:ReceiveMessage", "queue", queue))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(moved);
            }
            for message in messages {
                let origin = message.attributes.as_ref().and_then(|a| {
                    let arn = a.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn)?;
                    sources.iter().find(|name| *name == name_of(arn))
                });
                sqs.send_message()
                    .queue_url(self.queue_url(origin.unwrap_or(first)).await?)
                    .message_body(message.body.unwrap_or_default())
                    .set_message_attributes(message.message_attributes)
                    .send()
                    .await
                    .map_err(failed("sqs:SendMessage", "queue", queue))?;
                sqs.delete_message()
                    .queue_url(url)
                    .receipt_handle(message.receipt_handle.unwrap_or_default())
                    .send()
                    .await
                    .map_err(failed("sqs:DeleteMessage", "queue", queue))?;
                moved += 1;
            }
        }
    }

    /// A queue's address by its name.
    async fn queue_url(&self, queue: &str) -> Result<String> {
        if queue.starts_with("https://") || queue.starts_with("http://") {
            return Ok(queue.to_owned());
        }
        let answer = self.client.sqs().await?.get_queue_url().queue_name(queue).send().await;
        let answer = answer.map_err(failed("sqs:GetQueueUrl", "queue", queue))?;
        answer.queue_url.ok_or_else(|| Error::not_found("queue", queue))
    }

    async fn attributes(&self, url: &str, wanted: QueueAttributeName) -> Result<Attributes> {
        let call = self.client.sqs().await?.get_queue_attributes().queue_url(url).attribute_names(wanted);
        let answer = call.send().await.map_err(failed("sqs:GetQueueAttributes", "queue", name_of(url)))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}

/// A queue's name: the end of its address or its ARN.
fn name_of(url: &str) -> &str {
    url.rsplit(['/', ':']).next().unwrap_or(url)
}

/// The dead-letter queue and how many receives lead there.
fn redrive_policy(text: &str) -> Option<(String, u32)> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?;
    // A number, or the same as text.
    let most = policy.get("maxReceiveCount")?;
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
    Some((name_of(arn).to_owned(), u32::try_from(most).unwrap_or(u32::MAX)))
}

fn queue(url: &str, pipeline: Option<String>, attributes: &Attributes) -> Queue {
    let number = |name: QueueAttributeName| attributes.get(&name).and_then(|n| n.parse::<u64>().ok());
    let seconds = |name| number(name).and_then(|n| u32::try_from(n).ok());
    let redrive = attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|p| redrive_policy(p));
    let name = name_of(url).to_owned();
    let of_function = name.strip_suffix(OF_FUNCTION).filter(|_| pipeline.is_some()).map(str::to_owned);
    Queue {
        pipeline,
        visible: number(QueueAttributeName::ApproximateNumberOfMessages),
        in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        sent: None,
        visibility_seconds: seconds(QueueAttributeName::VisibilityTimeout),
        retention_seconds: seconds(QueueAttributeName::MessageRetentionPeriod),
        dead_letter: redrive.as_ref().map(|(name, _)| name.clone()),
        max_receives: redrive.map(|(_, most)| most),
        dead_letters_of: of_function.into_iter().collect(),
        name,
    }
}

fn message(told: aws_sdk_sqs::types::Message) -> QueueMessage {
    let mut system = told.attributes.unwrap_or_default();
    let mut number = |name| system.remove(&name).and_then(|n| n.parse::<i64>().ok());
    let sent = number(MessageSystemAttributeName::SentTimestamp);
    let receives = number(MessageSystemAttributeName::ApproximateReceiveCount);
    let own = told.message_attributes.unwrap_or_default();
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value.string_value?)));
    let system = system.into_iter().map(|(name, value)| {
        let value = if name.as_str() == "DeadLetterQueueSourceArn" { name_of(&value).to_owned() } else { value };
        let name = name.as_str();
        (if name == "DeadLetterQueueSourceArn" { "DeadLetterQueueSource".to_owned() } else { name.to_owned() }, value)
    });
    QueueMessage {
        id: told.message_id.unwrap_or_default(),
        sent: sent.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()),
        receives: receives.and_then(|n| u64::try_from(n).ok()),
        error: None,
        body: told.body.unwrap_or_default(),
        attributes: system.chain(own).collect(),
    }
}
