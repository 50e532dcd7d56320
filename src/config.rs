//! Settings: flag, then environment, then config file, then default; each value knows where it came from.
//!
//! A config file is TOML with the keys of [`KEYS`]. An unknown key is an error: a setting that is silently ignored is
//! worse than one that is refused.

mod sources;

use std::{fmt, path::PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

use sources::{File, Sources, named_well, optional};

/// The keys that a config file may hold.
pub const KEYS: &[&str] = &[
    "local",
    "profile",
    "region",
    "endpoint_url",
    "role_arn",
    "workgroup",
    "glue_dpu_hour_usd",
    "athena_tb_usd",
    "role_session_name",
    "external_id",
    "state_dir",
    "pipelines",
    "bootstrap",
    "omit_types",
    "env",
    "read_only",
    "speed",
    "output",
    "theme",
    "ascii",
    "mouse",
    "refresh",
    "log",
    "log_file",
];

/// Seconds after which the console reads again what it shows of AWS.
const REFRESH: f64 = 10.0;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a person.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// Comma-separated values with a header line.
    Csv,
    /// Markdown as GitHub shows it, for comments: a plan alone.
    Markdown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
        })
    }
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An argument of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A line of a config file.
    File(PathBuf, usize),
    /// A pipeline.toml, in words.
    Pipeline(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Environment(name) => write!(f, "${name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Pipeline(place) => f.write_str(place),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--local`
    pub local: bool,
    /// `--profile`
    pub profile: Option<String>,
    /// `--region`
    pub region: Option<String>,
    /// `--endpoint-url`
    pub endpoint_url: Option<String>,
    /// `--role-arn`
    pub role_arn: Option<String>,
    /// `--workgroup`
    pub workgroup: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--pipelines`
    pub pipelines: Option<PathBuf>,
    /// `--env`
    pub env: Option<String>,
    /// `--read-only`
    pub read_only: bool,
    /// `--speed`
    pub speed: Option<f64>,
    /// `--output`
    pub output: Option<Format>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// All settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether to use the embedded cloud rather than AWS.
    pub local: Setting<bool>,
    /// The AWS profile; none: as the AWS CLI would choose.
    pub profile: Setting<Option<String>>,
    /// The AWS region; none: as the AWS CLI would choose.
    pub region: Setting<Option<String>>,
    /// The endpoint of all AWS services; none: AWS's own.
    pub endpoint_url: Setting<Option<String>>,
    /// The role to assume.
    pub role_arn: Setting<Option<String>>,
    /// The workgroup of queries; none: the pipeline's own, else `primary`.
    pub workgroup: Setting<Option<String>>,
    /// What a data processing unit of AWS Glue costs an hour, for estimates.
    pub glue_dpu_hour_usd: Setting<f64>,
    /// What Amazon Athena asks for a terabyte that is read, for estimates.
    pub athena_tb_usd: Setting<f64>,
    /// The name of that role's session.
    pub role_session_name: Setting<Option<String>>,
    /// What the role's owner wants to hear of those who assume it.
    pub external_id: Setting<Option<String>>,
    /// The folder that holds the embedded cloud's state; on AWS, the audit file and the runs of pipelines.
    pub state_dir: Setting<PathBuf>,
    /// The folder with the pipelines; none: `./pipelines`, else the ones built in.
    pub pipelines: Setting<Option<PathBuf>>,
    /// The executable that serves the handlers in Rust to AWS Lambda.
    pub bootstrap: Setting<Option<PathBuf>>,
    /// CloudFormation types to leave out of templates, for an endpoint that does not know them.
    pub omit_types: Setting<Vec<String>>,
    /// The environment.
    pub env: Setting<String>,
    /// Whether every change is refused.
    pub read_only: Setting<bool>,
    /// How fast the embedded cloud's clock is to run; none: as it does.
    pub speed: Setting<Option<f64>>,
    /// How data is printed.
    pub output: Setting<Format>,
    /// The console's theme; none: its own choice.
    pub theme: Setting<Option<String>>,
    /// Whether the console draws with ASCII alone; none: as the terminal and the locale say.
    pub ascii: Setting<Option<bool>>,
    /// Whether the console takes the mouse's wheel.
    pub mouse: Setting<bool>,
    /// Seconds after which the console reads again what it shows of AWS.
    pub refresh: Setting<f64>,
    /// Which of our own events are logged (`debug`, `pumphouse=trace`); none: nothing is.
    pub log: Setting<Option<String>>,
    /// The file that they are logged to.
    pub log_file: Setting<PathBuf>,
    /// The config file, whether it exists or not.
    pub config: Setting<PathBuf>,
    /// Whether the config file exists.
    pub config_found: bool,
}

/// A setting that is wrong: where, what, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// A variable of the environment, by its name. Empty counts as unset.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

impl Settings {
    /// Puts the settings together.
    ///
    /// # Errors
    /// [`Error`] where a source holds what cannot be understood, with its place.
    pub fn load(flags: &Flags, env: Environment<'_>) -> Result<Self, Error> {
        let base = etcetera::choose_base_strategy();
        let home = |pick: fn(&Xdg) -> PathBuf, what: &str| match &base {
            Ok(base) => Ok(pick(base).join("pumphouse")),
            Err(_) => Err(Error(format!("no home folder to keep the {what} in: set HOME, or name one"))),
        };

        let config = if let Some(path) = &flags.config {
            Setting { value: path.clone(), origin: Origin::Flag("--config") }
        } else if let Some(path) = env("PUMPHOUSE_CONFIG") {
            Setting { value: path.into(), origin: Origin::Environment("PUMPHOUSE_CONFIG") }
        } else {
            let folder = home(Xdg::config_dir, "settings").unwrap_or_default();
            Setting { value: folder.join("config.toml"), origin: Origin::Default }
        };
        let (file, config_found) = match std::fs::read_to_string(&config.value) {
            Ok(text) => (File::parse(&config.value, &text)?, true),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && config.origin == Origin::Default => {
                (File::default(), false)
            }
            Err(e) => return Err(Error(format!("{} ({}): {e}", config.value.display(), config.origin))),
        };
        let from = Sources { env, file: &file };

        let local = from.flag("local", "PUMPHOUSE_LOCAL", flags.local, "--local")?;
        let state_dir = match from.text("state_dir", "PUMPHOUSE_STATE_DIR", flags.state_dir.as_deref())? {
            Some(found) => found,
            None => Setting {
                value: home(Xdg::data_dir, "state")
                    .map_err(|e| Error(format!("{e} with --state-dir")))?
                    .join(if local.value { "local" } else { "aws" }),
                origin: Origin::Default,
            },
        };
        let pipelines = match from.text("pipelines", "PUMPHOUSE_PIPELINES", flags.pipelines.as_deref())? {
            Some(found) => Setting { value: Some(found.value), origin: found.origin },
            None => Setting { value: None, origin: Origin::Default },
        };
        let bootstrap = match from.text("bootstrap", "PUMPHOUSE_BOOTSTRAP", None)? {
            Some(found) => Setting { value: Some(found.value), origin: found.origin },
            None => Setting { value: None, origin: Origin::Default },
        };
        let omit_types = match from.string("omit_types", "PUMPHOUSE_OMIT_TYPES")? {
            Some(found) => {
                let types = found.value.split(',').map(str::trim).filter(|t| !t.is_empty());
                Setting { value: types.map(str::to_owned).collect(), origin: found.origin }
            }
            None => Setting { value: Vec::new(), origin: Origin::Default },
        };
        let environment = match &flags.env {
            Some(name) => Some(Setting { value: name.clone(), origin: Origin::Flag("--env") }),
            None => from.string("env", "PUMPHOUSE_ENV")?,
        };
        if let Some(Setting { value, origin }) = &environment
            && !named_well(value)
        {
            return Err(Error(format!(
                "{origin}: {value:?} is no name for an environment: 2 to 10 lower-case letters and digits, the first a \
                 letter"
            )));
        }
        let speed = match flags.speed {
            Some(n) => Setting { value: Some(n), origin: Origin::Flag("--speed") },
            None => from.number("speed", "PUMPHOUSE_SPEED")?,
        };
        if let Some(n) = speed.value
            && !(n.is_finite() && (0.1..=100_000.0).contains(&n))
        {
            return Err(Error(format!("{}: speed {n} is out of range: 0.1 to 100000", speed.origin)));
        }
        let refresh = from.number("refresh", "PUMPHOUSE_REFRESH")?;
        let refresh = Setting { value: refresh.value.unwrap_or(REFRESH), origin: refresh.origin };
        if !(refresh.value.is_finite() && (1.0..=3_600.0).contains(&refresh.value)) {
            return Err(Error(format!("{}: refresh {} is out of range: 1 to 3600", refresh.origin, refresh.value)));
        }
        let output = match flags.output {
            Some(format) => Setting { value: format, origin: Origin::Flag("--output") },
            None => from.format("output", "PUMPHOUSE_OUTPUT")?,
        };
        let ascii = from.flag("ascii", "PUMPHOUSE_ASCII", false, "")?;
        let ascii = Setting { value: (ascii.origin != Origin::Default).then_some(ascii.value), origin: ascii.origin };
        let log_file = match from.text("log_file", "PUMPHOUSE_LOG_FILE", None)? {
            Some(found) => found,
            None => Setting {
                value: home(|x| x.state_dir().unwrap_or_else(|| x.cache_dir()), "log file")
                    .unwrap_or_else(|_| std::env::temp_dir())
                    .join("pumphouse.log"),
                origin: Origin::Default,
            },
        };
        Ok(Self {
            local,
            profile: from.option("profile", "AWS_PROFILE", flags.profile.as_ref(), "--profile")?,
            region: from.option("region", "AWS_REGION", flags.region.as_ref(), "--region")?,
            endpoint_url: from.option(
                "endpoint_url",
                "AWS_ENDPOINT_URL",
                flags.endpoint_url.as_ref(),
                "--endpoint-url",
            )?,
            role_arn: from.option("role_arn", "PUMPHOUSE_ROLE_ARN", flags.role_arn.as_ref(), "--role-arn")?,
            workgroup: from.option("workgroup", "PUMPHOUSE_WORKGROUP", flags.workgroup.as_ref(), "--workgroup")?,
            glue_dpu_hour_usd: from.price("glue_dpu_hour_usd", "PUMPHOUSE_GLUE_DPU_HOUR_USD", 0.44)?,
            athena_tb_usd: from.price("athena_tb_usd", "PUMPHOUSE_ATHENA_TB_USD", 5.0)?,
            role_session_name: from.option("role_session_name", "AWS_ROLE_SESSION_NAME", None, "")?,
            external_id: from.option("external_id", "PUMPHOUSE_EXTERNAL_ID", None, "")?,
            state_dir,
            pipelines,
            bootstrap,
            omit_types,
            env: environment.unwrap_or(Setting { value: "dev".into(), origin: Origin::Default }),
            read_only: from.flag("read_only", "PUMPHOUSE_READ_ONLY", flags.read_only, "--read-only")?,
            speed,
            output,
            theme: optional(from.string("theme", "PUMPHOUSE_THEME")?),
            ascii,
            mouse: from.flag("mouse", "PUMPHOUSE_MOUSE", false, "")?,
            refresh,
            log: optional(from.string("log", "PUMPHOUSE_LOG")?),
            log_file,
            config,
            config_found,
        })
    }

    /// Each setting as words: its key, its value and where it came from.
    pub fn describe(&self) -> Vec<(&'static str, String, Origin)> {
        fn row<T>(key: &'static str, s: &Setting<T>, show: impl Fn(&T) -> String) -> (&'static str, String, Origin) {
            (key, show(&s.value), s.origin.clone())
        }
        let path = |p: &PathBuf| p.display().to_string();
        let chosen = |s: &Option<String>| s.clone().unwrap_or_else(|| "as the AWS CLI chooses".into());
        vec![
            row("local", &self.local, bool::to_string),
            row("profile", &self.profile, chosen),
            row("region", &self.region, chosen),
            row("endpoint_url", &self.endpoint_url, |e| e.clone().unwrap_or_else(|| "AWS's own".into())),
            row("role_arn", &self.role_arn, |r| r.clone().unwrap_or_else(|| "none".into())),
            row("workgroup", &self.workgroup, |w| {
                w.clone().unwrap_or_else(|| "the pipeline's own, else primary".into())
            }),
            row("glue_dpu_hour_usd", &self.glue_dpu_hour_usd, f64::to_string),
            row("athena_tb_usd", &self.athena_tb_usd, f64::to_string),
            row("role_session_name", &self.role_session_name, |n| n.clone().unwrap_or_else(|| "pumphouse".into())),
            row("external_id", &self.external_id, |id| id.clone().unwrap_or_else(|| "none".into())),
            row("state_dir", &self.state_dir, path),
            row("pipelines", &self.pipelines, |p| p.as_ref().map_or("./pipelines, else built in".into(), path)),
            row("bootstrap", &self.bootstrap, |b| b.as_ref().map_or("beside the running executable".into(), path)),
            row("omit_types", &self.omit_types, |t| if t.is_empty() { "none".into() } else { t.join(", ") }),
            row("env", &self.env, String::clone),
            row("read_only", &self.read_only, bool::to_string),
            row("speed", &self.speed, |s| s.map_or("unchanged".into(), |n| n.to_string())),
            row("output", &self.output, Format::to_string),
            row("theme", &self.theme, |t| t.clone().unwrap_or_else(|| "the console's own".into())),
            row("ascii", &self.ascii, |a| a.map_or("as the terminal says".into(), |a| a.to_string())),
            row("mouse", &self.mouse, bool::to_string),
            row("refresh", &self.refresh, |s| format!("{s} s")),
            row("log", &self.log, |l| l.clone().unwrap_or_else(|| "off".into())),
            row("log_file", &self.log_file, path),
            row("config", &self.config, |p| {
                format!("{}{}", p.display(), if self.config_found { "" } else { " (not there)" })
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn with_file(text: &str) -> (tempfile::TempDir, Flags) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        (dir, Flags { config: Some(path), ..Flags::default() })
    }

    #[test]
    fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
        let (dir, mut flags) = with_file("# ours\nenv = 'file'\nspeed = 60\n");
        let file = dir.path().join("config.toml");
        let settings = Settings::load(&flags, &nothing).unwrap();
        assert_eq!(settings.env, Setting { value: "file".into(), origin: Origin::File(file, 2) });
        assert_eq!(settings.speed.value, Some(60.0));
        assert_eq!(settings.output, Setting { value: Format::Table, origin: Origin::Default });

        let environment = |name: &str| (name == "PUMPHOUSE_ENV").then(|| "process".to_owned());
        let settings = Settings::load(&flags, &environment).unwrap();
        assert_eq!(settings.env, Setting { value: "process".into(), origin: Origin::Environment("PUMPHOUSE_ENV") });

        flags.env = Some("flag".into());
        let settings = Settings::load(&flags, &environment).unwrap();
        assert_eq!(settings.env, Setting { value: "flag".into(), origin: Origin::Flag("--env") });
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let (_dir, flags) = with_file("env = 'dev'\nread-only = true\n");
        let error = Settings::load(&flags, &nothing).unwrap_err().to_string();
        assert!(
            error.ends_with("config.toml:2: unknown setting \"read-only\"; did you mean \"read_only\"?"),
            "{error}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_with_its_line() {
        for (text, wanted) in [
            ("\nspeed = 'fast'", ":2: speed must be a number"),
            ("env = 'NOPE!'", ":1: \"NOPE!\" is no name for an environment"),
            ("env = 3", ":1: env must be text in quotes"),
            ("read_only = 'yes'", ":1: read_only must be true or false"),
            ("output = 'xml'", ":1: \"xml\" is not one of table, json, csv, markdown"),
            ("speed = 0", ":1: speed 0 is out of range: 0.1 to 100000"),
            ("env = ", ":1: "),
            ("athena_tb_usd = -1", ":1: athena_tb_usd -1 is no price"),
            ("glue_dpu_hour_usd = 'x'", ":1: glue_dpu_hour_usd must be a number"),
            ("env = ['dev']", ":1: env cannot be an array"),
        ] {
            let (_dir, flags) = with_file(text);
            let error = Settings::load(&flags, &nothing).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn paths_in_a_file_are_relative_to_it() {
        let (dir, flags) = with_file("state_dir = 'state'\npipelines = '/p'");
        let settings = Settings::load(&flags, &nothing).unwrap();
        assert_eq!(settings.state_dir.value, dir.path().join("state"));
        assert_eq!(settings.pipelines.value, Some(PathBuf::from("/p")));
    }

    #[test]
    fn a_config_file_that_was_asked_for_must_be_there() {
        let flags = Flags { config: Some("/nonexistent/config.toml".into()), ..Flags::default() };
        assert!(Settings::load(&flags, &nothing).unwrap_err().to_string().starts_with("/nonexistent/config.toml"));
    }
}
