//! The AWS CLI's files of profiles, as far as the SDK does not tell: names, and how one logs in again.

use std::{collections::BTreeMap, path::PathBuf};

/// The keys of one profile.
type Keys = BTreeMap<String, String>;

/// All profiles of `~/.aws/config` and `~/.aws/credentials`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Keys>);

/// A variable of the environment; an empty one counts as none.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How deep `source_profile` is followed.
const DEPTH: usize = 5;

impl Profiles {
    /// Reads them; a file that is not there or cannot be read holds none.
    pub fn read() -> Self {
        let read = |variable: &str, name: &str| {
            let path = environment(variable)
                .map(PathBuf::from)
                .or_else(|| Some(etcetera::home_dir().ok()?.join(".aws").join(name)));
            path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        Self::parse(&read("AWS_CONFIG_FILE", "config"), &read("AWS_SHARED_CREDENTIALS_FILE", "credentials"))
    }

    fn parse(config: &str, credentials: &str) -> Self {
        let mut profiles = BTreeMap::<String, Keys>::new();
        for (text, prefixed) in [(config, true), (credentials, false)] {
            let mut name = None;
            for line in text.lines() {
                // What is set in belongs to a key above, such as `s3 =`.
                if line.starts_with(char::is_whitespace) || line.starts_with(['#', ';']) {
                    continue;
                }
                if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                    name = match section.trim().split_once(char::is_whitespace) {
                        Some(("profile", name)) if prefixed => Some(name.trim().trim_matches('"').to_owned()),
                        None if !prefixed || section.trim() == "default" => Some(section.trim().to_owned()),
                        _ => None,
                    };
                    if let Some(name) = &name {
                        profiles.entry(name.clone()).or_default();
                    }
                } else if let (Some(name), Some((key, value))) = (&name, line.split_once('='))
                    && let Some(keys) = profiles.get_mut(name)
                {
                    keys.insert(key.trim().to_lowercase(), value.trim().to_owned());
                }
            }
        }
        Self(profiles)
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn key(&self, profile: &str, key: &str) -> Option<&str> {
        self.0.get(profile)?.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What a person runs to log in again, for a profile.
    pub fn login(&self, profile: &str) -> String {
        let mut at = profile;
        for _ in 0..DEPTH {
            if self.key(at, "sso_session").or_else(|| self.key(at, "sso_start_url")).is_some() {
                return command("aws sso login", at);
            }
            if self.key(at, "login_session").is_some() {
                return command("aws login", at);
            }
            match self.key(at, "source_profile").filter(|source| *source != at) {
                Some(source) => at = source,
                None => break,
            }
        }
        command("aws configure", at)
    }

    /// Whether it asks for a code of multi-factor authentication.
    pub fn mfa(&self, profile: &str) -> bool {
        self.key(profile, "mfa_serial").is_some()
    }

    /// The profile whose `aws login` session it uses, by way of others or itself.
    pub fn session(&self, profile: &str) -> Option<String> {
        let mut at = profile;
        for _ in 0..DEPTH {
            if self.key(at, "login_session").is_some() {
                return Some(at.to_owned());
            }
            at = self.key(at, "source_profile").filter(|source| *source != at)?;
        }
        None
    }

    /// Its bundle of certificates.
    pub fn ca_bundle(&self, profile: &str) -> Option<&str> {
        self.key(profile, "ca_bundle")
    }
}

fn command(words: &str, profile: &str) -> String {
    if profile == "default" { words.to_owned() } else { format!("{words} --profile {profile}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# ours\n[default]\nregion = eu-west-1\n\n[profile dev]\nsso_session = corp\nsso_account_id = 1\n\
                          s3 =\n  addressing_style = path\n[profile admin]\nsource_profile = dev\nrole_arn = x\n\
                          mfa_serial = arn:aws:iam::123456789012:mfa/ada\n[sso-session corp]\nsso_region = eu-west-1\n\
                          [profile loop]\nsource_profile = loop\n[services x]\n";

    #[test]
    fn profiles_are_those_of_both_files() {
        let profiles = Profiles::parse(CONFIG, "[static]\naws_access_key_id = A\n");
        assert_eq!(profiles.names(), ["admin", "default", "dev", "loop", "static"]);
        assert!(profiles.has("static") && !profiles.has("corp"));
        assert!(profiles.mfa("admin") && !profiles.mfa("dev"));
        assert_eq!((profiles.session("admin"), profiles.session("loop")), (None, None));
        let profiles = Profiles::parse("[profile a]\nsource_profile = b\n[profile b]\nlogin_session = x\n", "");
        assert_eq!(profiles.session("a").as_deref(), Some("b"));
    }

    #[test]
    fn each_profile_has_its_own_way_to_log_in() {
        let profiles = Profiles::parse(CONFIG, "[static]\naws_access_key_id = A\n");
        assert_eq!(profiles.login("dev"), "aws sso login --profile dev");
        assert_eq!(profiles.login("admin"), "aws sso login --profile dev");
        assert_eq!(profiles.login("static"), "aws configure --profile static");
        assert_eq!(profiles.login("loop"), "aws configure --profile loop");
        assert_eq!(profiles.login("default"), "aws configure");
    }
}
