//! The SDK's clients, made at their first use: region, credentials, endpoint, retries.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use super::{
    Options, credentials,
    guard::Guard,
    profiles::{Profiles, environment},
    retry::NobodyThere,
};
use crate::cloud::{Identity, Result};

/// The SDK's clients. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    guard: Guard,
    config: OnceCell<SdkConfig>,
    caller: Mutex<(Option<String>, Option<String>)>,
    source: credentials::Source,
    login: OnceLock<String>,
    clients: Clients,
}

macro_rules! clients {
    ($($name:ident: $sdk:ident $(, $adjust:expr)?;)*) => {
        /// One client a service, made at its first use.
        #[derive(Debug, Default)]
        struct Clients {
            $($name: OnceCell<$sdk::Client>,)*
        }

        impl Client {
            $(
                #[doc = concat!("The client of `", stringify!($sdk), "`.")]
                pub(crate) async fn $name(&self) -> Result<&$sdk::Client> {
                    self.0.clients.$name.get_or_try_init(|| async {
                        let config = self.config().await?;
                        let builder = $sdk::config::Builder::from(config).interceptor(self.0.guard.clone()).retry_classifier(NobodyThere);
                        $(let adjust: fn($sdk::config::Builder, &SdkConfig) -> $sdk::config::Builder = $adjust;
                        let builder = adjust(builder, config);)?
                        Ok($sdk::Client::from_conf(builder.build()))
                    }).await
                }
            )*
        }
    };
}

clients! {
    apigateway: aws_sdk_apigateway;
    athena: aws_sdk_athena;
    cloudformation: aws_sdk_cloudformation;
    cloudwatch: aws_sdk_cloudwatch;
    codepipeline: aws_sdk_codepipeline;
    dynamodb: aws_sdk_dynamodb;
    firehose: aws_sdk_firehose;
    glue: aws_sdk_glue;
    kinesis: aws_sdk_kinesis;
    lambda: aws_sdk_lambda;
    logs: aws_sdk_cloudwatchlogs;
    s3: aws_sdk_s3, |builder, config| if elsewhere(config, "S3") {
        // An endpoint that is not AWS's own has no name for each bucket, and may not know the newer checksums.
        builder
            .force_path_style(true)
            .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired)
    } else {
        builder
    };
    secretsmanager: aws_sdk_secretsmanager;
    sns: aws_sdk_sns;
    sqs: aws_sdk_sqs;
    ssm: aws_sdk_ssm;
    sts: aws_sdk_sts;
}

impl Client {
    /// Clients that are made when they are needed.
    pub(crate) fn new(options: Options) -> Self {
        let guard = Guard::new(options.read_only);
        Self(Arc::new(Inner {
            options,
            guard,
            config: OnceCell::new(),
            caller: Mutex::default(),
            source: credentials::Source::default(),
            login: OnceLock::new(),
            clients: Clients::default(),
        }))
    }

    /// How it was opened.
    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// What sees every request.
    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// Who we are, as far as is known.
    pub(crate) fn identity(&self) -> Identity {
        let options = &self.0.options;
        let (account, principal) = self.0.caller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let config = self.0.config.get();
        Identity {
            cloud: "aws".into(),
            account,
            principal,
            region: config.and_then(|c| c.region()).map(ToString::to_string).or_else(|| options.region.clone()),
            profile: options.profile.clone().or_else(|| environment("AWS_PROFILE")),
            endpoint: config
                .and_then(|c| c.endpoint_url().map(str::to_owned))
                .or_else(|| options.endpoint_url.clone())
                .or_else(|| environment("AWS_ENDPOINT_URL")),
            credentials: self.0.source.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            login: Some(self.0.login.get_or_init(|| self.login()).clone()),
        }
    }

    /// What a person runs to log in again.
    fn login(&self) -> String {
        let profile = self.0.options.profile.clone().or_else(|| environment("AWS_PROFILE"));
        Profiles::read().login(profile.as_deref().unwrap_or("default"))
    }

    /// Remembers what STS has said.
    pub(crate) fn identified(&self, account: Option<String>, arn: Option<String>) {
        *self.0.caller.lock().unwrap_or_else(PoisonError::into_inner) = (account, arn);
    }

    /// What all clients have in common.
    pub(crate) async fn config(&self) -> Result<&SdkConfig> {
        self.0.config.get_or_try_init(|| credentials::load(&self.0.options, &self.0.source)).await
    }
}

/// Whether a service is not asked at AWS's own endpoint.
fn elsewhere(config: &SdkConfig, service: &str) -> bool {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    config.endpoint_url().is_some()
        || key.ok().and_then(|key| config.service_config()?.load_config(key)).is_some_and(|url| !url.is_empty())
}
