//! The command line: parse, ask the backend, print. One file a command group.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 refused.

mod adopt;
mod alerts;
mod any_stacks;
mod apis;
mod buckets;
mod catalog;
mod check;
mod completions;
mod connect;
mod console;
mod crawlers;
mod dashboards;
mod demo;
mod doctor;
mod doctor_aws;
mod driver;
mod export;
mod failure;
mod functions;
mod info;
mod input;
mod jobs;
mod local;
mod logging;
mod logs;
mod markdown;
mod names;
mod new;
mod operations;
mod out;
mod plan;
mod postgres;
mod queries;
mod queues;
mod region;
mod releases;
mod run;
mod secrets;
mod session;
mod signals;
mod stacks;
mod tables;
mod time;
mod topics;
mod traces;
mod watch;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::config::{self, Flags, Format, Settings};
use failure::{Failure, Result};
use out::Out;
use session::Session;

/// How long tasks may take to end once the command is done.
const GRACE: Duration = Duration::from_millis(500);

/// A terminal operations console for AWS data pipelines, and the backend that deploys and runs them.
///
/// Without a command, the console opens.
#[derive(Debug, Parser)]
#[command(name = "pumphouse", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER: &str = "\
A resource goes by its physical name, or as PIPELINE/NAME: crypto-stream/landing.
Exit codes: 0 done, 1 failed or interrupted, 2 usage, 3 refused (read-only, or not confirmed).";

/// What all commands take, before the command's name or after it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Use the embedded cloud rather than AWS
    #[arg(long, global = true, conflicts_with_all = ["profile", "region", "endpoint_url", "role_arn", "workgroup"])]
    local: bool,
    /// The AWS profile [default: as the AWS CLI chooses]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The AWS region [default: what pipeline.toml says, else as the AWS CLI chooses]
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
    /// The endpoint of all AWS services, for what answers like AWS
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    endpoint_url: Option<String>,
    /// Assume this role with the credentials that are found
    #[arg(long, global = true, value_name = "ARN")]
    role_arn: Option<String>,
    /// The Athena workgroup that executes queries [default: the pipeline's own, else primary]
    #[arg(long, global = true, value_name = "NAME")]
    workgroup: Option<String>,
    /// The folder that holds the embedded cloud's state
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// The folder with the pipelines [default: ./pipelines, else the ones built in]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pipelines: Option<PathBuf>,
    /// The environment: dev or prod [default: dev]
    #[arg(long, global = true, value_name = "NAME")]
    env: Option<String>,
    /// Refuse every change
    #[arg(long, global = true)]
    read_only: bool,
    /// Let the embedded cloud's clock run so many times faster
    #[arg(long, global = true, value_name = "N", value_parser = input::number, allow_negative_numbers = true)]
    speed: Option<f64>,
    /// How to print data [default: table]
    #[arg(long, global = true, value_name = "FORMAT")]
    output: Option<Format>,
    /// Confirm what asks for a yes
    #[arg(long, global = true)]
    yes: bool,
    /// Confirm what asks for a name: this name
    #[arg(long, global = true, value_name = "NAME")]
    confirm: Option<String>,
    /// The config file
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make the folder of a new pipeline
    New(new::New),
    /// Write the pipeline.toml for a directory that Terraform deploys
    Adopt(adopt::Adopt),
    /// Check pipelines, and point at each mistake
    Check(check::Check),
    /// List the pipelines and how they are
    Pipelines,
    /// Show what a deploy would change
    Plan(plan::Plan),
    /// Deploy a pipeline, or carry an interrupted deploy on
    Deploy(stacks::Deploy),
    /// Show a pipeline's stack and its resources
    Status(stacks::Pipeline),
    /// Show the outputs of a pipeline's stack
    Outputs(stacks::Pipeline),
    /// Destroy a pipeline's stack with everything in it
    Destroy(stacks::Destroy),
    /// Show what was changed behind a stack's back
    Drift(stacks::Pipeline),
    /// Show the deploys and destroys of a pipeline's stack
    History(stacks::Pipeline),
    /// Show the events of a pipeline's stack
    Events(operations::Events),
    /// Take a failed change back that could not be taken back
    Rollback(operations::Rollback),
    /// Protect a stack against deletion, or take that back
    Protect(operations::Protect),
    /// Take the lock of a Terraform state away, by its id
    Unlock(operations::Unlock),
    /// Make or update the bootstrap stack: the artifact bucket and CloudFormation's role
    Bootstrap(operations::Bootstrap),
    /// Every stack of the account and region, whoever made it
    #[command(subcommand)]
    Stacks(any_stacks::Command),
    /// Run a pipeline once through every stage
    Run(run::Run),
    /// Invoke a function
    Invoke(functions::Invocation),
    /// Jobs, their runs and bookmarks
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Crawlers and their crawls
    #[command(subcommand)]
    Crawlers(crawlers::Command),
    /// Log groups and events
    #[command(subcommand)]
    Logs(logs::Command),
    /// Buckets and objects
    #[command(subcommand)]
    Buckets(buckets::Command),
    /// Databases, tables and partitions
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Key-value tables and their items
    #[command(subcommand)]
    Tables(tables::Command),
    /// Execute SQL
    Query(queries::Execute),
    /// Executions of SQL and saved queries
    #[command(subcommand)]
    Queries(queries::Command),
    /// PostgreSQL databases, and queries on them
    #[command(subcommand)]
    Postgres(postgres::Command),
    /// Dashboards, and what their charts show
    #[command(subcommand)]
    Dashboards(dashboards::Command),
    /// Thresholds and alarms
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Topics and their messages
    #[command(subcommand)]
    Topics(topics::Command),
    /// Message queues and dead letters
    #[command(subcommand)]
    Queues(queues::Command),
    /// Releases: how a change of a pipeline's folder is delivered
    #[command(subcommand)]
    Releases(releases::Command),
    /// Secrets
    #[command(subcommand, visible_alias = "secrets")]
    Secret(secrets::Command),
    /// HTTP APIs and their keys
    #[command(subcommand)]
    Apis(apis::Command),
    /// What others may apply without pumphouse
    #[command(subcommand)]
    Export(export::Command),
    /// A fresh embedded cloud with all pipelines deployed and running, and the console
    Demo(demo::Demo),
    /// Developing on the embedded cloud
    #[command(subcommand)]
    Local(local::Command),
    /// Show versions, paths, and where each setting came from
    Info,
    /// Look for what keeps pumphouse from working well here
    Doctor,
    /// Print a completion script
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Deploy(p) => Some(("deploy", &p.pipeline)),
            Self::Destroy(p) => Some(("destroy", &p.pipeline)),
            Self::Rollback(r) => Some(("rollback", &r.pipeline)),
            Self::Protect(p) => Some(("protect", &p.pipeline)),
            Self::Unlock(u) => Some(("unlock", &u.pipeline)),
            Self::Bootstrap(b) if !b.show => Some(("bootstrap", "pumphouse-bootstrap")),
            Self::Run(run) => Some(("run", &run.pipeline)),
            Self::Invoke(invoke) => Some(("invoke", &invoke.function)),
            Self::Jobs(c) => c.change(),
            Self::Crawlers(c) => c.change(),
            Self::Buckets(c) => c.change(),
            Self::Queries(c) => c.change(),
            Self::Queues(c) => c.change(),
            Self::Alerts(c) => c.change(),
            Self::Topics(c) => c.change(),
            Self::Releases(c) => c.change(),
            Self::Secret(c) => c.change(),
            Self::Apis(c) => c.change(),
            Self::Demo(_) => Some(("demo", "the demo's pipelines")),
            Self::Local(c) => c.change(),
            Self::New(_)
            | Self::Adopt(_)
            | Self::Check(_)
            | Self::Pipelines
            | Self::Plan(_)
            | Self::Status(_)
            | Self::Outputs(_)
            | Self::Drift(_)
            | Self::History(_)
            | Self::Events(_)
            | Self::Stacks(_)
            | Self::Bootstrap(_)
            | Self::Logs(_)
            | Self::Catalog(_)
            | Self::Tables(_)
            | Self::Query(_)
            | Self::Postgres(_)
            | Self::Dashboards(_)
            | Self::Export(_)
            | Self::Info
            | Self::Doctor
            | Self::Completions { .. }
            | Self::Man => None,
        }
    }
}

/// Parses the arguments, does what they say, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout, whose reader may have gone: no error.
            let _ = e.print();
            let code = u8::try_from(e.exit_code()).unwrap_or(2);
            return ExitCode::from(if code == 2 { plan::wrong_use() } else { code });
        }
    };
    match begin(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(why) = failure.message() {
                out::complain(why);
            }
            ExitCode::from(failure.code())
        }
    }
}

fn begin(cli: Cli) -> Result {
    let Global { yes, confirm, .. } = cli.global;
    let flags = Flags {
        local: cli.global.local,
        profile: cli.global.profile,
        region: cli.global.region,
        endpoint_url: cli.global.endpoint_url,
        role_arn: cli.global.role_arn,
        workgroup: cli.global.workgroup,
        state_dir: cli.global.state_dir,
        pipelines: cli.global.pipelines,
        env: cli.global.env,
        read_only: cli.global.read_only,
        speed: cli.global.speed,
        output: cli.global.output,
        config: cli.global.config,
    };
    let mut settings = Settings::load(&flags, &config::environment)?;
    if matches!(cli.command, Some(Command::Demo(_) | Command::Local(_))) {
        settings.local.value = true;
    }
    if settings.read_only.value && flags.speed.is_some() {
        return Err(Failure::Refused("read-only: --speed changes the embedded cloud's clock".into()));
    }
    if settings.output.value == Format::Markdown && !matches!(cli.command, Some(Command::Plan(_))) {
        let from = &settings.output.origin;
        return Err(Failure::Usage(format!("{from}: only `plan` prints Markdown; the rest has table, json and csv")));
    }
    region::choose(&mut settings, &std::env::args().skip(1).collect::<Vec<_>>());
    logging::start(&settings)?;
    let out = Out::new(settings.output.value);
    let s = Session { settings, out, yes, confirm };
    match cli.command {
        None => console::run(&s),
        Some(command) => {
            if let Some((what, target)) = command.change() {
                // Before the state is opened: a refused command changes not a byte of it.
                s.gate().check(what, target)?;
            }
            dispatch(command, &s)
        }
    }
}

/// A runtime for asynchronous work.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("no threads for asynchronous work: {e}")))
}

fn dispatch(command: Command, s: &Session) -> Result {
    match command {
        Command::New(new) => return new.run(s),
        Command::Adopt(adopt) => return adopt.run(s),
        Command::Check(check) => return check.run(s),
        Command::Export(c) => return c.run(s),
        Command::Info => return info::run(s),
        Command::Doctor => return doctor::run(s),
        Command::Completions { shell } => return completions::run(s, shell),
        Command::Man => return completions::man(s),
        Command::Demo(demo) => return demo.run(s),
        Command::Local(c) => return c.run(s),
        _ => {}
    }
    let runtime = runtime()?;
    let result = runtime.block_on(with_cloud(command, s));
    runtime.shutdown_timeout(GRACE);
    result
}

async fn with_cloud(command: Command, s: &Session) -> Result {
    let connection = if command.change().is_some() { s.connect()? } else { s.connect_to_read()? };
    let backend = &connection.backend;
    match command {
        Command::Pipelines => stacks::pipelines(s, backend).await,
        Command::Plan(p) => p.run(s, backend).await,
        Command::Deploy(p) => stacks::deploy(s, backend, &p).await,
        Command::Status(p) => stacks::status(s, backend, &p.pipeline).await,
        Command::Outputs(p) => stacks::outputs(s, backend, &p.pipeline).await,
        Command::Destroy(p) => stacks::destroy(s, backend, &p).await,
        Command::Drift(p) => operations::drift(s, backend, &p.pipeline).await,
        Command::History(p) => operations::history(s, backend, &p.pipeline).await,
        Command::Events(e) => e.run(s, backend).await,
        Command::Stacks(c) => c.run(s, backend).await,
        Command::Rollback(r) => r.run(s, backend).await,
        Command::Protect(p) => p.run(s, backend).await,
        Command::Unlock(u) => u.run(s, backend).await,
        Command::Bootstrap(b) => b.run(s, backend).await,
        Command::Run(run) => run.run(s, backend).await,
        Command::Invoke(invoke) => invoke.run(s, backend).await,
        Command::Jobs(c) => c.run(s, backend).await,
        Command::Crawlers(c) => c.run(s, backend).await,
        Command::Logs(c) => c.run(s, backend).await,
        Command::Buckets(c) => c.run(s, backend).await,
        Command::Catalog(c) => c.run(s, backend).await,
        Command::Tables(c) => c.run(s, backend).await,
        Command::Query(query) => query.run(s, backend).await,
        Command::Queries(c) => c.run(s, backend).await,
        Command::Queues(c) => c.run(s, backend).await,
        Command::Postgres(c) => c.run(s, backend).await,
        Command::Dashboards(c) => c.run(s, backend).await,
        Command::Alerts(c) => c.run(s, backend).await,
        Command::Topics(c) => c.run(s, backend).await,
        Command::Releases(c) => c.run(s, &connection).await,
        Command::Secret(c) => c.run(s, backend).await,
        Command::Apis(c) => c.run(s, backend).await,
        Command::New(_)
        | Command::Adopt(_)
        | Command::Check(_)
        | Command::Demo(_)
        | Command::Local(_)
        | Command::Export(_)
        | Command::Info
        | Command::Doctor
        | Command::Completions { .. }
        | Command::Man => Err(Failure::failed("this command needs no cloud")),
    }
}
