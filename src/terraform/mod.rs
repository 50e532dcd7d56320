//! The adapter on Terraform and OpenTofu, of the stacks port alone: a directory with a root module is a stack.
//!
//! `command` runs the program, `message` reads its stream, `plan` and `state` what it shows as JSON, `diagnostic`
//! its warnings and errors, `mask` keeps out of them what is sensitive; `operation` applies a saved plan, which goes on
//! when we end, and `folder` is what this machine remembers of it.

mod apply;
mod command;
mod diagnostic;
mod folder;
pub mod inventory;
mod kinds;
mod mask;
mod message;
mod operation;
mod plan;
mod show;
pub mod state;

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cloud::{
    Error, Pages, Permit, Result,
    stacks::{
        ChangeSet, Destroyed, Directory, Drift, Engine, Engines, Operation, Progress, Stack, StackEvent, StackRequest,
        Stacks, Waiting,
    },
};
use command::{Program, Said};
use diagnostic::{Lock, failure};
use folder::{Folder, PlanPlace};
use mask::Scrubber;
use message::Stream;
use operation::Operations;
use plan::Plan;

/// How to open Terraform.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder for what only this machine remembers.
    pub state_dir: PathBuf,
    /// Lock nothing, and let nothing be written but what `init` needs.
    pub read_only: bool,
    /// Variables of the program's environment: where and who we are. Those without a value are taken away.
    pub env: Vec<(String, Option<String>)>,
}

/// The directories that Terraform deploys. Cheap to clone.
#[derive(Clone)]
pub struct Terraform {
    options: Options,
    known: Arc<Mutex<HashMap<Directory, Arc<Root>>>>,
}

impl Terraform {
    /// Opens it: asks for nothing yet.
    pub fn open(options: Options) -> Self {
        let state_dir = std::path::absolute(&options.state_dir).unwrap_or(options.state_dir);
        Self { options: Options { state_dir, ..options }, known: Arc::default() }
    }

    /// The engine in a directory, for more than the port has.
    pub fn root(&self, directory: &Directory) -> Arc<Root> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(directory.clone()).or_insert_with(|| Arc::new(Root::new(&self.options, directory.clone()))).clone()
    }
}

impl fmt::Debug for Terraform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terraform").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engines for Terraform {
    fn engine(&self, directory: &Directory) -> Result<Arc<dyn Stacks>> {
        Ok(self.root(directory))
    }
}

/// A directory with a root module, as a stack.
pub struct Root {
    directory: Directory,
    program: Program,
    folder: Folder,
    read_only: bool,
    operations: Operations,
    /// Whether `init` was run in this process.
    initialised: AtomicBool,
    /// The plan of a destroy that was shown.
    to_destroy: Mutex<Option<ChangeSet>>,
    /// The lock that is waited for.
    waiting: Mutex<Option<Waiting>>,
}

/// While it is held, something is waited for.
struct Waits<'a>(&'a Mutex<Option<Waiting>>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Apply,
    Destroy,
    RefreshOnly,
}

/// A plan that was made.
struct Made {
    plan: Plan,
    place: PlanPlace,
    /// Warnings, and what else the streams had to say.
    notes: Vec<String>,
}

impl Root {
    fn new(options: &Options, directory: Directory) -> Self {
        let folder = Folder::of(&options.state_dir, &directory);
        if !options.read_only {
            folder.sweep();
        }
        let program = Program::new(&directory, options.env.clone());
        Self {
            directory,
            program,
            folder,
            read_only: options.read_only,
            operations: Operations::default(),
            initialised: AtomicBool::new(false),
            to_destroy: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    fn name(&self) -> &str {
        &self.directory.stack
    }

    /// Runs `init`. To read, it changes no lock file that is there, and asks for no workspace, which some backends make where it is not
    /// there.
    async fn init(&self) -> Result<Vec<String>> {
        let mut args: Vec<OsString> = vec!["init".into(), "-input=false".into(), "-no-color".into()];
        if self.program.inits_in_json().await? {
            args.push("-json".into());
        }
        // Where there is no lock file of providers, nothing can be planned before `init` has written one.
        if self.read_only && self.program.dir.join(".terraform.lock.hcl").is_file() {
            args.push("-lockfile=readonly".into());
        }
        for file in &self.directory.backend_config {
            args.push(joined("-backend-config=", file));
        }
        let said = self.program.run(&args, !self.read_only).await?;
        let diagnostics = said.diagnostics();
        if !said.well() {
            let scrubber = Scrubber::of_environment();
            return Err(failure(self.name(), "`init`", &diagnostics, &said.last_lines(), &scrubber));
        }
        self.initialised.store(true, Ordering::Relaxed);
        if self.read_only {
            self.workspace_is_there().await?;
        }
        Ok(diagnostics.iter().map(diagnostic::Diagnostic::text).collect())
    }

    /// To read may not make a workspace.
    async fn workspace_is_there(&self) -> Result<()> {
        let Some(wanted) = &self.directory.workspace else { return Ok(()) };
        let said = self.program.run(&["workspace".into(), "list".into()], false).await?;
        let text = String::from_utf8_lossy(&said.stdout);
        let names: Vec<&str> =
            text.lines().map(|l| l.trim_start_matches('*').trim()).filter(|l| !l.is_empty()).collect();
        if !said.well() || names.contains(&wanted.as_str()) || wanted == "default" {
            return Ok(());
        }
        Err(Error::not_found("workspace", wanted))
    }

    /// Makes sure that what was initialised is: always before something is changed, else where it never was.
    async fn ready(&self, always: bool) -> Result<()> {
        self.program.version().await?;
        let done = self.initialised.load(Ordering::Relaxed);
        let there = self.program.initialised();
        if (always && !done) || !there {
            self.init().await?;
        } else if self.read_only && !done {
            self.workspace_is_there().await?;
            self.initialised.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Runs a command; where it wants `init` first, that, and then the command again.
    async fn run(&self, args: &[OsString]) -> Result<Said> {
        let said = self.program.run(args, true).await?;
        if !said.well() && diagnostic::wants_init(&said.diagnostics(), &said.last_lines()) {
            self.init().await?;
            return self.program.run(args, true).await;
        }
        Ok(said)
    }

    /// Runs a command that locks the state, with how long it waits for that among its arguments. A program that waits for a
    /// lock does not say who holds it: it is asked first, and then told to wait.
    async fn run_locking(&self, mut args: Vec<OsString>, at: usize) -> Result<Said> {
        let timeout = self.directory.lock_timeout_seconds;
        args.insert(at, "-lock-timeout=0s".into());
        let said = self.run(&args).await?;
        let held = said.diagnostics().iter().find_map(Lock::told_by);
        let Some(held) = held.filter(|_| timeout > 0 && !said.well()) else { return Ok(said) };
        let why = format!("waiting for the state of {}, {}", self.name(), held.text(Timestamp::now()));
        let until = Timestamp::now() + SignedDuration::from_secs(timeout.into());
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Waiting { why, until });
        let _waits = Waits(&self.waiting);
        if let Some(arg) = args.get_mut(at) {
            *arg = format!("-lock-timeout={timeout}s").into();
        }
        self.run(&args).await
    }

    /// What a saved plan would do.
    async fn shown(&self, path: &std::path::Path) -> Result<Plan> {
        let said = self.run(&["show".into(), "-json".into(), path.into()]).await?;
        if !said.well() {
            let (told, scrubber) = (said.diagnostics(), Scrubber::of_environment());
            return Err(failure(self.name(), "the look at its plan", &told, &said.last_lines(), &scrubber));
        }
        Plan::read(&said.stdout)
    }

    /// Makes a plan, in a private file. `lock` takes the state's lock meanwhile, `refresh` asks the providers how things are.
    async fn make_plan(&self, mode: Mode, lock: bool, refresh: bool) -> Result<Made> {
        let mut notes = self.validated().await?;
        let place = self.folder.plan()?;
        let mut args: Vec<OsString> = vec!["plan".into(), "-json".into(), "-input=false".into()];
        args.push(joined("-out=", &place.path()));
        match mode {
            Mode::Apply => {}
            Mode::Destroy => args.push("-destroy".into()),
            Mode::RefreshOnly => args.push("-refresh-only".into()),
        }
        let before_lock = args.len();
        if !lock {
            args.push("-lock=false".into());
        }
        if !refresh {
            args.push("-refresh=false".into());
        }
        for file in &self.directory.var_files {
            args.push(joined("-var-file=", file));
        }
        let said = if lock { self.run_locking(args, before_lock).await? } else { self.run(&args).await? };
        let mut stream = Stream::new(self.name(), 0, Scrubber::of_environment());
        for line in said.stdout.split(|b| *b == b'\n') {
            stream.line(line);
        }
        if !said.well() {
            let what = match mode {
                Mode::Apply => "the plan",
                Mode::Destroy => "the plan of the destroy",
                Mode::RefreshOnly => "the look for drift",
            };
            let last = said.last_lines();
            return Err(failure(self.name(), what, &stream.diagnostics, &last, &Scrubber::of_environment()));
        }
        let plan = self.shown(&place.path()).await?;
        let scrubber = plan.scrubber();
        let warnings = stream.diagnostics.iter().map(|d| format!("warning: {}", d.text()));
        for note in warnings.chain(stream.notes.iter().cloned()) {
            let note = scrubber.scrub(&note);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Ok(Made { plan, place, notes })
    }

    /// Checks the configuration, and gives its warnings.
    async fn validated(&self) -> Result<Vec<String>> {
        let said = self.run(&["validate".into(), "-json".into()]).await?;
        let told = said.diagnostics();
        let valid = serde_json::from_slice::<Value>(&said.stdout).is_ok_and(|v| v["valid"] == true);
        if !said.well() || !valid {
            let last = said.last_lines();
            return Err(failure(self.name(), "the validation", &told, &last, &Scrubber::of_environment()));
        }
        Ok(told.iter().map(|d| format!("warning: {}", d.text())).collect())
    }

    /// A plan as a change set; one that is to be applied keeps what Terraform has saved, and its file goes.
    fn change_set(&self, made: Made, keep: bool) -> Result<ChangeSet> {
        let mut set = made.plan.change_set(self.name());
        set.notes.extend(made.notes);
        set.saved = if keep { Some(made.place.saved()?) } else { None };
        Ok(set)
    }
}

fn joined(flag: &str, path: &std::path::Path) -> OsString {
    let mut arg = OsString::from(flag);
    arg.push(path);
    arg
}

#[async_trait]
impl Stacks for Root {
    fn engine(&self) -> Engine {
        Engine::Terraform
    }

    fn list(&self) -> Pages<'_, Stack> {
        Pages::once(async move { Ok(self.remembered().await.into_iter().collect()) })
    }

    async fn get(&self, stack: &str) -> Result<Option<Stack>> {
        self.is_ours(stack)?;
        self.look().await
    }

    async fn plan(&self, _: &Permit, request: &StackRequest) -> Result<ChangeSet> {
        self.is_ours(&request.graph.stack)?;
        if let Some(waiting) = self.waiting().await {
            return Ok(waiting);
        }
        self.ready(true).await?;
        let set = self.change_set(self.make_plan(Mode::Apply, true, true).await?, true)?;
        if set.changes.is_empty() {
            self.went_well();
        }
        Ok(set)
    }

    async fn estimate(&self, request: &StackRequest) -> Result<ChangeSet> {
        self.is_ours(&request.graph.stack)?;
        if let Some(waiting) = self.waiting().await {
            return Ok(waiting);
        }
        if self.read_only {
            self.ready(false).await?;
            let mut set = self.change_set(self.make_plan(Mode::Apply, false, true).await?, true)?;
            set.notes.push("read-only: planned without a lock".into());
            return Ok(set);
        }
        // Nobody has asked for it in so many words: providers are not loaded for it, and nothing is asked of AWS.
        if !self.program.initialised() {
            return Err(Error::Conflict(format!(
                "{} was not initialised yet: a plan that is asked for (p) does that",
                self.program.dir.display()
            )));
        }
        self.program.version().await?;
        let set = self.change_set(self.make_plan(Mode::Apply, false, false).await?, false)?;
        Ok(ChangeSet { estimated: true, ..set })
    }

    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack> {
        self.is_ours(&request.graph.stack)?;
        self.apply_saved(permit, request.confirmed.as_ref(), progress).await
    }

    async fn plan_destroy(&self, _: &Permit, stack: &str) -> Result<Option<ChangeSet>> {
        self.is_ours(stack)?;
        self.nothing_under_way().await?;
        self.ready(true).await?;
        let set = self.change_set(self.make_plan(Mode::Destroy, true, true).await?, true)?;
        *self.to_destroy.lock().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(Some(set))
    }

    async fn destroy(&self, permit: &Permit, stack: &str, retain: &[String], progress: Progress) -> Result<Destroyed> {
        self.is_ours(stack)?;
        if let Some(first) = retain.first() {
            return Err(Error::Unsupported {
                cloud: "Terraform",
                what: format!("to leave {first} behind: say so in a `removed` block with `destroy = false`"),
            });
        }
        self.destroy_planned(permit, progress).await
    }

    async fn interrupt(&self, _: &Permit, stack: &str) -> Result<()> {
        self.is_ours(stack)?;
        let under_way = self.under_way();
        let record = under_way.ok_or_else(|| Error::Conflict(format!("nothing is under way in {stack}")))?;
        operation::interrupt(&self.folder, &record)
    }

    fn waits_for(&self) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn unlock(&self, _: &Permit, stack: &str, lock: &str) -> Result<()> {
        self.is_ours(stack)?;
        self.nothing_under_way().await?;
        if lock.is_empty() || lock.starts_with('-') {
            return Err(Error::invalid(format!(
                "{lock:?} is no id of a lock: the error that tells of the lock has it"
            )));
        }
        self.ready(false).await?;
        let said = self.run(&["force-unlock".into(), "-force".into(), lock.into()]).await?;
        if said.well() {
            return Ok(());
        }
        Err(failure(stack, "the unlock", &said.diagnostics(), &said.last_lines(), &Scrubber::of_environment()))
    }

    async fn rollback(&self, _: &Permit, stack: &str, _: &[String], _: Progress) -> Result<Stack> {
        let what =
            format!("a rollback of {stack}: Terraform leaves what was done; the next deploy carries on from there");
        Err(Error::Unsupported { cloud: "Terraform", what })
    }

    async fn protect(&self, _: &Permit, stack: &str, _: bool) -> Result<()> {
        let what = format!("protection of {stack}: write `lifecycle {{ prevent_destroy = true }}` where it matters");
        Err(Error::Unsupported { cloud: "Terraform", what })
    }

    async fn detect_drift(&self, _: &Permit, stack: &str) -> Result<Drift> {
        self.is_ours(stack)?;
        self.nothing_under_way().await?;
        self.ready(true).await?;
        self.looked_for_drift(true).await
    }

    async fn drift(&self, stack: &str) -> Result<Drift> {
        self.is_ours(stack)?;
        self.ready(false).await?;
        self.looked_for_drift(false).await
    }

    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>> {
        self.is_ours(stack)?;
        Ok(self.told(limit).await)
    }

    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>> {
        self.is_ours(stack)?;
        self.settle().await;
        Ok(self.folder.records().into_iter().take(limit).map(|record| record.operation).collect())
    }
}
