//! Topics, who subscribes to them, and publishing.

use std::collections::HashMap;

use aws_sdk_sns::types::{MessageAttributeValue, Subscription as SnsSubscription};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Pages, Permit, Result,
        alerts::{Publish, Subscription, Topic},
        identity::Identities,
    },
};

/// Subscriptions that are read at most: in an account with more, these are for telephones, not for topics that one watches.
const SUBSCRIPTIONS: usize = 10_000;

type ByTopic = HashMap<String, Vec<Subscription>>;

impl Aws {
    /// Topics with their subscriptions; where these cannot be read, the topics come nevertheless, and why.
    pub(super) fn list_topics(&self) -> Pages<'_, Topic> {
        let told: std::sync::Arc<OnceCell<Result<ByTopic>>> = std::sync::Arc::default();
        let again = told.clone();
        let topics = Pages::follow(move |token| {
            let told = told.clone();
            async move {
                let call = self.client.sns().await?.list_topics().set_next_token(token);
                let answer = call.send().await.map_err(failed("sns:ListTopics", "topic", "*"))?;
                let told = told.get_or_init(|| self.subscriptions()).await;
                let owners = self.owners().await;
                let mut topics: Vec<_> = answer
                    .topics
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|topic| topic.topic_arn)
                    .map(|arn| Topic {
                        name: name_of(&arn).to_owned(),
                        pipeline: owners.pipeline_of(&arn, name_of(&arn)),
                        messages: None,
                        subscriptions: told.as_ref().ok().and_then(|all| all.get(&arn).cloned()).unwrap_or_default(),
                    })
                    .collect();
                topics.sort_by(|a, b| a.name.cmp(&b.name));
                Ok((topics, answer.next_token))
            }
        });
        let missing = Pages::once(async move {
            match again.get() {
                Some(Err(error)) => Err(error.clone()),
                _ => Ok(Vec::new()),
            }
        });
        topics.chain(missing)
    }

    async fn subscriptions(&self) -> Result<ByTopic> {
        let mut found = ByTopic::new();
        let mut count = 0;
        let mut pages = self.client.sns().await?.list_subscriptions().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("sns:ListSubscriptions", "topic", "*"))?;
            for subscription in page.subscriptions.unwrap_or_default() {
                count += 1;
                let Some(topic) = subscription.topic_arn.clone() else { continue };
                found.entry(topic).or_default().push(told(subscription));
            }
            if count >= SUBSCRIPTIONS {
                tracing::info!(count, "further subscriptions are not read");
                break;
            }
        }
        Ok(found)
    }

    /// Publishes a message.
    pub(super) async fn publish_to(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()> {
        message.check()?;
        let arn = self.topic_arn(topic).await?;
        let mut call = self.client.sns().await?.publish();
        call = call.topic_arn(&arn).message(&message.message).set_subject(message.subject.clone());
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            call = call.message_attributes(name, value.map_err(Error::invalid)?);
        }
        if arn.rsplit_once('.').is_some_and(|(_, end)| end == "fifo") {
            // The same invocation tried again publishes under the same id, which SNS knows for five minutes.
            let once = permit.next_token().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            let once = hex::encode(Sha256::digest(once));
            call = call.message_group_id("pumphouse").message_deduplication_id(once);
        }
        call.send().await.map_err(failed("sns:Publish", "topic", topic))?;
        Ok(())
    }

    /// A topic's ARN by its name: of this account and region.
    async fn topic_arn(&self, topic: &str) -> Result<String> {
        if topic.starts_with("arn:") {
            return Ok(topic.to_owned());
        }
        let who = self.ask().await?;
        let (Some(account), Some(region)) = (who.account, who.region) else {
            return Err(Error::invalid(format!("{topic}: its account and region are not known: give its ARN")));
        };
        // aws, aws-cn, aws-us-gov: the caller's own.
        let partition = who.principal.as_deref().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        Ok(format!("arn:{partition}:sns:{region}:{account}:{topic}"))
    }
}

/// A topic's name: the end of its ARN.
pub(super) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn told(subscription: SnsSubscription) -> Subscription {
    let status = match subscription.subscription_arn.as_deref() {
        Some("PendingConfirmation") => "pending confirmation",
        Some("Deleted") => "deleted",
        _ => "confirmed",
    };
    let endpoint = subscription.endpoint.unwrap_or_default();
    // Queues and functions are known by their names, addresses as a whole.
    let endpoint = if endpoint.starts_with("arn:") { name_of(&endpoint).to_owned() } else { endpoint };
    Subscription { protocol: subscription.protocol.unwrap_or_default(), endpoint, status: status.into() }
}
