//! Runs that wait, fail, or are cut off: what goes on without us, and what the next run makes of it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{World, pipeline, texts};
use crate::{
    executable::fixed,
    fake::{Answer, Asked},
    term::Term,
};

const CLEAN: &str = "[job.clean]\nsql = \"clean.sql\"\nfrom = \"bucket.landing\"\ninput = { base = \"varchar\" }\n\
                     to = \"bucket.staging\"\n";
const PRICES: &str = "[function.tick]\nhandler = \"crypto_stream::fetch_prices\"\nschedule = \"rate(1 minute)\"\n\
                      grants = [\"stream.prices:write\"]\n[stream.prices]\n[delivery.landing]\nfrom = \"stream.prices\"\n\
                      to = \"bucket.landing\"\n";

/// What the job is at; each run has the number of its start in its id.
#[derive(Debug, Default)]
struct Glue {
    started: u32,
    state: &'static str,
    /// Answers that are given first.
    first: Vec<Answer>,
}

fn glue(job: &Mutex<Glue>, asked: &Asked) -> Option<Answer> {
    if asked.service != "glue" {
        return None;
    }
    let mut job = job.lock().unwrap();
    let id = asked.json()["RunId"].as_str().map(str::to_owned);
    Some(match asked.operation.as_str() {
        "StartJobRun" => {
            job.started += 1;
            Answer::json(&json!({ "JobRunId": format!("jr_{}", job.started) }))
        }
        "GetJobRun" => match job.first.pop() {
            Some(answer) => answer,
            None => Answer::json(&json!({"JobRun": {"Id": id, "JobName": "small-dev-clean", "JobRunState": job.state,
                "ErrorMessage": if job.state == "FAILED" { "column \"deaths\" is missing" } else { "" }}})),
        },
        _ => Answer::json(&json!({})),
    })
}

/// A deployed pipeline with a job.
fn with_a_job() -> (World, Arc<Mutex<Glue>>) {
    let job = Arc::new(Mutex::new(Glue { state: "RUNNING", ..Glue::default() }));
    let answering = job.clone();
    let world = World::with(move |asked| glue(&answering, asked));
    world.write(&format!("{}{CLEAN}", pipeline("versioning = true")));
    fs::write(world.pumphouse.path("pipelines/small/clean.sql"), "select base from input\n").unwrap();
    world.done("deploy small --yes");
    (world, job)
}

fn begin(world: &World) -> Child {
    let mut command = world.pumphouse.command();
    command.args(["run", "small"]).env("PUMPHOUSE_BOOTSTRAP", world.pumphouse.path("bootstrap"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the endpoint was asked for this.
fn until_asked(world: &World, operation: &str) {
    for _ in 0..1_200 {
        if world.asked(operation) > 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{operation} was never asked for: {:?}", world.fake.lines());
}

fn interrupt(child: Child) -> Output {
    signal(&child, "-INT");
    child.wait_with_output().unwrap()
}

fn report(output: &Output) -> Value {
    let (out, err) = texts(output);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{err}"))
}

fn status_of(report: &Value, kind: &str, name: &str) -> Value {
    let stages = report["stages"].as_array().unwrap();
    stages.iter().find(|s| s["kind"] == kind && s["name"] == name).unwrap()["status"].clone()
}

#[test]
fn a_job_that_fails_fails_the_run_and_the_next_one_starts_it_again() {
    let (world, job) = with_a_job();
    job.lock().unwrap().state = "FAILED";
    let failed = world.run("run small --output json");
    let (_, err) = texts(&failed);
    assert_eq!(failed.status.code(), Some(1), "{err}");
    assert!(err.contains("FAILED job clean: records not counted: column \"deaths\" is missing"), "{err}");
    assert!(err.contains("the run of small failed in the job clean"), "{err}");
    let told = report(&failed);
    assert_eq!((&told["ok"], status_of(&told, "job", "clean")), (&json!(false), json!("FAILED")));
    assert_eq!(status_of(&told, "bucket", "staging"), "PENDING");

    {
        // The first run of the job stays failed.
        let mut job = job.lock().unwrap();
        job.first = vec![Answer::json(&json!({"JobRun": {"Id": "jr_1", "JobRunState": "FAILED"}}))];
        job.state = "SUCCEEDED";
    }
    let again = world.run("run small --output json");
    let (_, err) = texts(&again);
    assert!(err.contains("resuming the interrupted run") && err.contains("at clean"), "{err}");
    assert_eq!(report(&again)["ok"], true, "{err}");
    assert_eq!(job.lock().unwrap().started, 2);
}

#[test]
fn a_run_that_was_interrupted_while_its_job_ran_waits_for_the_same_run_of_the_job() {
    let (world, job) = with_a_job();
    let child = begin(&world);
    until_asked(&world, "GetJobRun");
    let cut = interrupt(child);
    let (_, err) = texts(&cut);
    assert_eq!(cut.status.code(), Some(1), "{err}");
    assert!(err.contains("interrupted: the next `run` carries it on"), "{err}");
    let last = on_record(&world);
    assert_eq!(last["what"], "run");
    assert!(last["outcome"].as_str().unwrap().starts_with("interrupted: "), "{last}");

    job.lock().unwrap().state = "SUCCEEDED";
    let (_, err) = world.done("run small");
    assert!(err.contains("resuming the interrupted run") && err.contains("SUCCEEDED job clean"), "{err}");
    assert_eq!(job.lock().unwrap().started, 1, "the job's run went on meanwhile");
    let last = world.fake.asked().into_iter().rfind(|a| a.operation == "GetJobRun").unwrap();
    assert_eq!(last.json()["RunId"], "jr_1");
    // What is done is done: another run is a new one.
    world.done("run small");
    assert_eq!(job.lock().unwrap().started, 2);
}

#[test]
fn a_run_that_was_killed_starts_its_job_again_where_that_has_failed_meanwhile() {
    let (world, job) = with_a_job();
    let mut child = begin(&world);
    until_asked(&world, "GetJobRun");
    child.kill().unwrap();
    child.wait().unwrap();
    {
        // The one that was started has failed; what comes next succeeds.
        let mut job = job.lock().unwrap();
        job.first = vec![Answer::json(&json!({"JobRun": {"Id": "jr_1", "JobRunState": "TIMEOUT"}}))];
        job.state = "SUCCEEDED";
    }
    let (_, err) = world.done("run small");
    assert!(err.contains("SUCCEEDED job clean"), "{err}");
    assert_eq!(job.lock().unwrap().started, 2);
}

#[test]
fn a_job_that_is_out_of_sight_for_a_while_is_waited_for() {
    let (world, job) = with_a_job();
    {
        let mut job = job.lock().unwrap();
        job.first = vec![Answer::json_error(400, "ThrottlingException", "Rate exceeded"); 2];
        job.state = "SUCCEEDED";
    }
    let mut command = world.pumphouse.command();
    // Each answer counts.
    let output = command.args(["run", "small"]).env("AWS_MAX_ATTEMPTS", "1").output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!((job.lock().unwrap().started, world.asked("GetJobRun")), (1, 3));
}

#[test]
fn a_run_that_was_cut_off_at_a_delivery_does_not_invoke_what_was_before_it_again() {
    // When the function has written a record, as long as it is there.
    let arrived = Arc::new(Mutex::new(None));
    let there = arrived.clone();
    let world = World::with(move |asked| {
        let json = |value: Value| Some(Answer::json(&value));
        match (asked.service.as_str(), asked.operation.as_str()) {
            ("lambda", _) => {
                *there.lock().unwrap() = Some(jiff::Timestamp::now().as_microsecond() as f64 / 1e6);
                json(json!({"records": 1}))
            }
            (_, "DescribeDeliveryStream") => {
                let bucket = json!({"RoleARN": "r", "BucketARN": "arn:aws:s3:::small-dev-landing",
                    "CompressionFormat": "UNCOMPRESSED", "BufferingHints": {"IntervalInSeconds": 900, "SizeInMBs": 1},
                    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"}});
                let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/small-dev-prices";
                json(json!({"DeliveryStreamDescription": {"DeliveryStreamName": "small-dev-landing",
                    "DeliveryStreamARN": "a", "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "KinesisStreamAsSource",
                    "VersionId": "1", "HasMoreDestinations": false,
                    "Source": {"KinesisStreamSourceDescription": {"KinesisStreamARN": stream}},
                    "Destinations": [{"DestinationId": "d", "ExtendedS3DestinationDescription": bucket}]}}))
            }
            (_, "ListShards") => json(json!({"Shards": [{"ShardId": "shardId-0",
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                "SequenceNumberRange": {"StartingSequenceNumber": "0"}}]})),
            (_, "GetShardIterator") => json(json!({"ShardIterator": "i"})),
            (_, "GetRecords") => {
                let record = |at: f64| json!({"SequenceNumber": "1", "PartitionKey": "k", "Data": "", "ApproximateArrivalTimestamp": at});
                let records: Vec<_> = there.lock().unwrap().map(record).into_iter().collect();
                json(json!({"Records": records, "MillisBehindLatest": 0}))
            }
            _ => None,
        }
    });
    world.write(&format!("{}{PRICES}", pipeline("versioning = true")));
    fs::write(world.pumphouse.path("bootstrap"), fixed()).unwrap();
    let mut deploy = world.pumphouse.command();
    deploy.args(["deploy", "small", "--yes"]).env("PUMPHOUSE_BOOTSTRAP", world.pumphouse.path("bootstrap"));
    assert!(deploy.output().unwrap().status.success());

    let child = begin(&world);
    until_asked(&world, "GetRecords");
    assert_eq!(interrupt(child).status.code(), Some(1));
    *arrived.lock().unwrap() = None;
    let (_, err) = texts(&begin(&world).wait_with_output().unwrap());
    assert!(err.contains("at landing (--restart starts anew)") && err.contains("SUCCEEDED delivery landing"), "{err}");
    assert!(!err.contains("function tick"), "{err}");
    assert_eq!(world.fake.asked().iter().filter(|a| a.service == "lambda").count(), 1, "invoked once");
}

/// The last line of the audit file.
fn on_record(world: &World) -> Value {
    let audit = fs::read_to_string(world.pumphouse.path("state/audit.jsonl")).unwrap();
    serde_json::from_str(audit.lines().last().unwrap()).unwrap()
}

/// A world whose change sets are not ready until they may be.
fn slow_to_plan() -> (World, Arc<AtomicBool>) {
    let ready = Arc::new(AtomicBool::new(false));
    let may = ready.clone();
    let world = World::with(move |asked| {
        let waits = asked.operation == "DescribeChangeSet" && !may.load(Ordering::Relaxed);
        waits.then(|| {
            Answer::xml(
                "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_IN_PROGRESS</Status>\
                 </DescribeChangeSetResult></DescribeChangeSetResponse>",
            )
        })
    });
    (world, ready)
}

fn deploy(world: &World) -> Child {
    let mut command = world.pumphouse.command();
    command.args(["deploy", "small", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_deploy_that_is_interrupted_while_it_plans_removes_its_change_set_first() {
    let (world, ready) = slow_to_plan();
    let child = deploy(&world);
    until_asked(&world, "DescribeChangeSet");
    signal(&child, "-INT");
    ready.store(true, Ordering::Relaxed);
    let done = child.wait_with_output().unwrap();
    let (_, err) = texts(&done);
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(err.contains("change set is removed") && err.contains("interrupted: nothing was changed"), "{err}");
    assert_eq!((world.asked("ExecuteChangeSet"), world.asked("DeleteChangeSet")), (0, 1));
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE", "no empty stack is left");
    assert_eq!(on_record(&world)["outcome"], "ok", "the plan itself came to its end");
}

#[test]
fn a_deploy_that_is_interrupted_twice_while_it_plans_ends_at_once() {
    let (world, _) = slow_to_plan();
    let child = deploy(&world);
    until_asked(&world, "DescribeChangeSet");
    signal(&child, "-INT");
    // Two signals that come together count as one.
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        if !Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success() {
            break;
        }
        if world.pumphouse.path("state/audit.jsonl").exists() && on_record(&world)["outcome"] != "started" {
            break;
        }
    }
    let done = child.wait_with_output().unwrap();
    let (_, err) = texts(&done);
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(err.contains("a later plan removes it"), "{err}");
    assert!(on_record(&world)["outcome"].as_str().unwrap().starts_with("interrupted"), "{}", on_record(&world));
}

/// Whether whoever started the tests ignores SIGHUP, as nohup does: their children do, too.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).map(str::trim);
    ignored.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_terminal_that_goes_away_interrupts_a_deploy_unless_nohup_has_said_otherwise() {
    if hangups_are_ignored() {
        eprintln!("skipped in part: these tests run under nohup");
    } else {
        let world = World::new();
        world.aws.state().speed = 0;
        let child = deploy(&world);
        until_asked(&world, "ExecuteChangeSet");
        signal(&child, "-HUP");
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(on_record(&world)["outcome"].as_str().unwrap().starts_with("interrupted"), "{}", on_record(&world));
    }

    let world = World::new();
    world.aws.state().speed = 0;
    let command = world.pumphouse.command();
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nohup.env(name, value),
            None => nohup.env_remove(name),
        };
    }
    nohup.args(["deploy", "small", "--yes"]).current_dir(world.pumphouse.dir.path());
    let child = nohup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_asked(&world, "ExecuteChangeSet");
    signal(&child, "-HUP");
    world.aws.state().speed = 2;
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn a_question_is_ended_by_ctrl_c_after_a_plan_too() {
    let world = World::new();
    let home = world.pumphouse.dir.path().to_str().unwrap();
    let pipelines = format!("{home}/pipelines");
    let url = world.fake.url();
    let args = ["--endpoint-url", &url, "--state-dir", home, "--pipelines", &pipelines, "deploy", "small"];
    let env = [
        ("HOME", home),
        ("XDG_CONFIG_HOME", home),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let mut term = Term::spawn(Path::new(env!("CARGO_BIN_EXE_pumphouse")), &args, 140, 40, &env);
    term.wait_for("Go on? [y/N]");
    term.send("\x03");
    assert!(!term.wait_exit().success());
    assert_eq!(world.asked("ExecuteChangeSet"), 0);
    let audit = fs::read_to_string(format!("{home}/audit.jsonl")).unwrap();
    assert!(!audit.contains("\"deploy\""), "{audit}");
}
