//! The SDK's clients, made at their first use: region, credentials, endpoint, retries.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, default_provider::credentials::DefaultCredentialsChain, imds,
    retry::RetryConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_smithy_http_client::tls;
use tokio::sync::OnceCell;

use super::{Options, guard::Guard};
use crate::cloud::{Error, Identity, Result};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 6;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the first byte of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The metadata service is one hop away, or not there.
const IMDS_TIMEOUT: Duration = Duration::from_millis(300);

/// The SDK's clients. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    guard: Guard,
    config: OnceCell<SdkConfig>,
    caller: Mutex<(Option<String>, Option<String>)>,
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
                        let builder = $sdk::config::Builder::from(config).interceptor(self.0.guard.clone());
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
    dynamodb: aws_sdk_dynamodb;
    firehose: aws_sdk_firehose;
    glue: aws_sdk_glue;
    kinesis: aws_sdk_kinesis;
    lambda: aws_sdk_lambda;
    logs: aws_sdk_cloudwatchlogs;
    s3: aws_sdk_s3, |builder, config| match config.endpoint_url() {
        None => builder,
        // An endpoint that is not AWS's own has no name for each bucket, and may not know the newer checksums.
        Some(_) => builder
            .force_path_style(true)
            .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired),
    };
    secretsmanager: aws_sdk_secretsmanager;
    sns: aws_sdk_sns;
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
            profile: options.profile.clone(),
            endpoint: config.and_then(|c| c.endpoint_url().map(str::to_owned)).or_else(|| options.endpoint_url.clone()),
        }
    }

    /// Remembers what STS has said.
    pub(crate) fn identified(&self, account: Option<String>, arn: Option<String>) {
        *self.0.caller.lock().unwrap_or_else(PoisonError::into_inner) = (account, arn);
    }

    /// What all clients have in common.
    pub(crate) async fn config(&self) -> Result<&SdkConfig> {
        self.0.config.get_or_try_init(|| load(&self.0.options)).await
    }
}

/// Credentials and region as the AWS CLI finds them, without its wait for a metadata service that is not there.
async fn load(options: &Options) -> Result<SdkConfig> {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build());
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let mut config = match &options.credentials {
        Some(given) => loader.credentials_provider(given.clone()).load().await,
        None => loader.credentials_provider(chain(options).await).load().await,
    };
    if config.region().is_none() {
        return Err(Error::Credentials(
            "no region: name one with --region, AWS_REGION, or `aws configure set region eu-west-1`".into(),
        ));
    }
    if let Some(role) = &options.role_arn {
        let assumed = AssumeRoleProvider::builder(role).session_name("pumphouse").configure(&config).build().await;
        config = config
            .into_builder()
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(assumed))
            .build();
    }
    Ok(config)
}

/// Where the AWS CLI looks for credentials, in its order.
async fn chain(options: &Options) -> DefaultCredentialsChain {
    let imds = imds::Client::builder().connect_timeout(IMDS_TIMEOUT).read_timeout(IMDS_TIMEOUT).max_attempts(1).build();
    let chain = DefaultCredentialsChain::builder().imds_client(imds);
    match &options.profile {
        Some(profile) => chain.profile_name(profile).build().await,
        None => chain.build().await,
    }
}
