//! Credentials and region as the AWS CLI finds them, without its wait for a metadata service that is not there.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    ecs::EcsCredentialsProvider,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    identity::IdentityCache,
    imds::{self, credentials::ImdsCredentialsProvider, region::ImdsRegionProvider},
    meta::region::ProvideRegion,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
    retry::RetryConfig,
    sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};

use super::{
    Options,
    error::{NoCredentials, no_credentials},
    http, policy,
    profiles::{Profiles, environment},
};
use crate::cloud::{Error, Result};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 6;
/// The longest pause between two of them.
const BACKOFF: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the first byte of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The metadata service is one hop away, or not there.
const IMDS_TIMEOUT: Duration = Duration::from_secs(1);
/// A process that gives credentials may ask a server for them.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the credentials in use are from.
pub(super) type Source = Arc<Mutex<Option<String>>>;

/// Puts together what all clients have in common. `source` hears where the credentials are from, once they are asked for.
pub(super) async fn load(options: &Options, source: &Source) -> Result<SdkConfig> {
    let profiles = Profiles::read();
    let named = options.profile.clone().or_else(|| environment("AWS_PROFILE"));
    let profile = named.clone().unwrap_or_else(|| "default".to_owned());
    if options.credentials.is_none() && named.is_some() && !profiles.has(&profile) {
        let names = profiles.names();
        let there =
            if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
        return Err(Error::Credentials(format!("no AWS profile {profile:?} in ~/.aws/config; {there}")));
    }
    let http = http::client(profiles.ca_bundle(&profile))?;
    let provider = ProviderConfig::default().with_http_client(http.clone());
    let metadata = metadata_service(&environment, Path::new("/sys"));
    let region = region(options, &provider, metadata).await;
    let Some(region) = region else {
        return Err(Error::Credentials(
            "no region: name one with --region, AWS_REGION, or `aws configure set region eu-west-1`".into(),
        ));
    };
    let provider = provider.with_region(Some(region.clone()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .retry_config(RetryConfig::standard().with_max_attempts(attempts()).with_max_backoff(BACKOFF))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build())
        .identity_cache(IdentityCache::lazy().load_timeout(LOAD_TIMEOUT).build());
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = if let Some(given) = &options.credentials {
        loader.credentials_provider(given.clone()).load().await
    } else {
        let chain = chain(options, &provider, &profile, &profiles, metadata, source.clone());
        loader.credentials_provider(chain).load().await
    };
    let Some(role) = &options.role_arn else { return Ok(config) };
    // With a session policy, AWS itself denies what reads nothing.
    let mut assumed = AssumeRoleProvider::builder(role)
        .session_name(options.role_session_name.as_deref().unwrap_or("pumphouse"))
        .configure(&config);
    if let Some(id) = &options.external_id {
        assumed = assumed.external_id(id);
    }
    if options.read_only {
        assumed = assumed.policy(policy::session());
    }
    let assumed = Chain {
        links: vec![(format!("role {role}"), Box::new(assumed.build().await))],
        login: profiles.login(&profile),
        unusable: None,
        source: source.clone(),
    };
    Ok(config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(assumed))
        .identity_cache(IdentityCache::lazy().load_timeout(LOAD_TIMEOUT).build())
        .build())
}

/// As the AWS CLI is told, else ours.
fn attempts() -> u32 {
    environment("AWS_MAX_ATTEMPTS").and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(ATTEMPTS)
}

/// The region: ours, the environment's, the profile's, the machine's.
async fn region(options: &Options, provider: &ProviderConfig, metadata: bool) -> Option<Region> {
    if let Some(region) = &options.region {
        return Some(Region::new(region.clone()));
    }
    if let Some(region) = EnvironmentVariableRegionProvider::new().region().await {
        return Some(region);
    }
    let mut profile = ProfileFileRegionProvider::builder().configure(provider);
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    if let Some(region) = ProvideRegion::region(&profile.build()).await {
        return Some(region);
    }
    if !metadata {
        return None;
    }
    ImdsRegionProvider::builder().configure(provider).imds_client(imds(provider)).build().region().await
}

fn imds(provider: &ProviderConfig) -> imds::Client {
    imds::Client::builder()
        .configure(provider)
        .connect_timeout(IMDS_TIMEOUT)
        .read_timeout(IMDS_TIMEOUT)
        .max_attempts(2)
        .build()
}

/// Where the AWS CLI looks for credentials, in its order.
fn chain(
    options: &Options,
    provider: &ProviderConfig,
    profile: &str,
    profiles: &Profiles,
    metadata: bool,
    source: Source,
) -> Chain {
    let mut links: Vec<(String, Box<dyn ProvideCredentials>)> = Vec::new();
    // Whoever names a profile does not mean what happens to be in the environment.
    if options.profile.is_none() {
        links.push(("environment".into(), Box::new(EnvironmentVariableCredentialsProvider::new())));
    }
    let file = ProfileFileCredentialsProvider::builder().configure(provider).profile_name(profile).build();
    links.push((format!("profile {profile}"), Box::new(file)));
    let web = WebIdentityTokenCredentialsProvider::builder().configure(provider).build();
    links.push(("web identity".into(), Box::new(web)));
    let ecs = EcsCredentialsProvider::builder().configure(provider).build();
    links.push(("container role".into(), Box::new(ecs)));
    if metadata {
        let ec2 = ImdsCredentialsProvider::builder().configure(provider).imds_client(imds(provider)).build();
        links.push(("instance role".into(), Box::new(ec2)));
    }
    Chain { links, login: profiles.login(profile), unusable: unusable(profiles, profile), source }
}

/// Why a profile cannot be used as it is, and what to do: it asks for a code, or has a session of `aws login`.
fn unusable(profiles: &Profiles, profile: &str) -> Option<String> {
    let export = format!(
        "run `eval \"$(aws configure export-credentials --profile {profile} --format env)\"` and start it without --profile"
    );
    if profiles.mfa(profile) {
        return Some(format!(
            "profile {profile} asks for a code (mfa_serial), which pumphouse cannot ask for: {export}"
        ));
    }
    let session = profiles.session(profile)?;
    Some(format!(
        "profile {session} has a session of `aws login` (login_session), which this build cannot read: {export} (where it \
         has expired, `{}` first)",
        profiles.login(profile)
    ))
}

/// Whether there may be a metadata service: this is an EC2 instance, or somebody says where it is.
fn metadata_service(env: &dyn Fn(&str) -> Option<String>, sys: &Path) -> bool {
    if env("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return false;
    }
    if env("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some() {
        return true;
    }
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().to_lowercase();
    let dmi = ["sys_vendor", "board_vendor", "bios_vendor", "bios_version"];
    dmi.iter().any(|name| read(sys.join("class/dmi/id").join(name)).contains("amazon"))
        || read(sys.join("hypervisor/uuid")).starts_with("ec2")
}

/// One place after the other, until one has credentials.
#[derive(Debug)]
struct Chain {
    links: Vec<(String, Box<dyn ProvideCredentials>)>,
    /// What a person runs to log in again.
    login: String,
    /// Why the profile cannot be used as it is, and what to do.
    unusable: Option<String>,
    source: Source,
}

impl Chain {
    async fn credentials(&self) -> provider::Result {
        for (name, link) in &self.links {
            match link.provide_credentials().await {
                Ok(credentials) => {
                    *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.clone());
                    return Ok(credentials);
                }
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                Err(error) => return Err(CredentialsError::provider_error(self.in_words(name, &error))),
            }
        }
        let told = format!("no AWS credentials: run `{}`, or name another profile with --profile", self.login);
        Err(CredentialsError::provider_error(NoCredentials::Missing(told)))
    }

    fn in_words(&self, name: &str, error: &CredentialsError) -> NoCredentials {
        // Another link of the chain has other troubles.
        match &self.unusable {
            Some(told) if name.starts_with("profile ") => NoCredentials::Missing(told.clone()),
            _ => no_credentials(name, &self.login, error),
        }
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_metadata_service_is_asked_on_ec2_alone() {
        let sys = tempfile::tempdir().unwrap();
        let dmi = sys.path().join("class/dmi/id");
        std::fs::create_dir_all(&dmi).unwrap();
        assert!(!metadata_service(&nothing, sys.path()));
        std::fs::write(dmi.join("sys_vendor"), "LENOVO\n").unwrap();
        assert!(!metadata_service(&nothing, sys.path()));
        std::fs::write(dmi.join("sys_vendor"), "Amazon EC2\n").unwrap();
        assert!(metadata_service(&nothing, sys.path()));
        let disabled = |name: &str| (name == "AWS_EC2_METADATA_DISABLED").then(|| "true".to_owned());
        assert!(!metadata_service(&disabled, sys.path()));
        let named = |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| "http://[::1]".to_owned());
        assert!(metadata_service(&named, Path::new("/nonexistent")));
    }

    #[test]
    fn a_named_profile_goes_before_the_environment() {
        let names = |profile: Option<&str>, metadata| {
            let options = Options { profile: profile.map(str::to_owned), ..Options::default() };
            let profiles = Profiles::default();
            let provider = ProviderConfig::empty().with_http_client(http::client(None).unwrap());
            let chain = chain(&options, &provider, "x", &profiles, metadata, Source::default());
            chain.links.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let all = ["environment", "profile x", "web identity", "container role", "instance role"];
        assert_eq!(names(None, true), all);
        assert_eq!(names(None, false), all[..4]);
        assert_eq!(names(Some("x"), false), all[1..4]);
    }
}
