//! A large account on an endpoint on loopback: 10,000 log groups, 1,000 jobs, a bucket of 1,000,000 objects.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    durations,
    fake::{Answer, Asked, Fake},
    mib,
    probe::Probe,
    quit, row, state,
};

const GROUPS: usize = 10_000;
const JOBS: usize = 1_000;
const OBJECTS: usize = 1_000_000;

/// Opens the account in the console, and walks through its three long lists.
pub fn measure() {
    let fake = Fake::start(answer);
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    fs::write(
        home.path().join(".aws/credentials"),
        "[default]\naws_access_key_id = test\naws_secret_access_key = test\n",
    )
    .unwrap();
    start(&fake, home.path());
    let mut probe = console(&fake, home.path());
    probe.until_text("123456789012");
    probe.settle(Duration::from_millis(500));
    let empty = probe.resident();
    list(&mut probe, "4", "10,000 log groups", "/aws/lambda/team-0000", "9876", "/aws/lambda/team-9876");
    let groups = probe.resident();
    list(&mut probe, "3", "1,000 jobs", "job-0000", "987", "job-0987");
    let jobs = probe.resident();
    probe.send("2");
    probe.until_text("big");
    probe.send("\r");
    // A long name is shown by its end.
    list(&mut probe, "", "1,000,000 objects", "000000000.parquet", "987654", "000987654.parquet");
    let objects = probe.resident();
    for (what, before, after) in
        [("10,000 log groups", empty, groups), ("1,000 jobs", groups, jobs), ("1,000,000 objects", jobs, objects)]
    {
        let notes = format!("resident {:.1} MiB", mib(after));
        row(&format!("memory for {what}"), &format!("{:.1} MiB", mib(after.saturating_sub(before))), &notes);
    }
    quit(probe);
}

/// From the start of the process to the first frame, which waits for no answer.
fn start(fake: &Fake, home: &Path) {
    let (mut frames, mut known) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let mut probe = console(fake, home);
        frames.push(probe.until_text("pumphouse") - probe.begun);
        known.push(probe.until_text("123456789012") - probe.begun);
        quit(probe);
    }
    durations("AWS: start to first frame", frames);
    durations("AWS: start to the account in the header", known);
}

fn console(fake: &Fake, home: &Path) -> Probe {
    let url = fake.url();
    Probe::start(&state::program(), &["--read-only", "--region", "eu-west-1", "--endpoint-url", &url], home)
}

/// Opens a list with `key`, waits until all of it has come, scrolls and filters it.
fn list(probe: &mut Probe, key: &str, what: &str, first: &str, needle: &str, found: &str) {
    let opened = Instant::now();
    probe.send(key);
    let shown = probe.until_text(first) - opened;
    row(&format!("{what}: opened to the first rows"), &format!("{:.1} ms", shown.as_secs_f64() * 1e3), "");
    // What has come when `G` is pressed is not all yet.
    while !probe.text().contains(last(what)) {
        probe.send("G");
        probe.settle(Duration::from_millis(100));
        assert!(opened.elapsed() < Duration::from_mins(2), "{what} never came whole:\n{}", probe.text());
    }
    let all = opened.elapsed();
    row(&format!("{what}: opened to all of them"), &format!("{:.2} s", all.as_secs_f64()), "one page at a time");
    let keys = |probe: &mut Probe, key: &str, n: usize| (0..n).map(|_| probe.key(key)).collect::<Vec<_>>();
    probe.send("g");
    probe.settle(Duration::from_millis(300));
    durations(&format!("{what}: key to frame, `j`"), keys(probe, "j", 60));
    durations(&format!("{what}: key to frame, `PgDn`"), keys(probe, "\x1b[6~", 60));
    // What is looked for is not on the screen yet.
    probe.send("g");
    probe.settle(Duration::from_millis(300));
    let typed = Instant::now();
    probe.send(&format!("/{needle}\r"));
    let filtered = probe.until(found, |text| text.contains(found) && !text.contains(first)) - typed;
    row(&format!("{what}: filter"), &format!("{:.1} ms", filtered.as_secs_f64() * 1e3), needle);
    probe.send("\x1b");
    probe.settle(Duration::from_millis(300));
}

fn last(what: &str) -> &'static str {
    match what {
        "10,000 log groups" => "/aws/lambda/team-9999",
        "1,000 jobs" => "job-0999",
        _ => "000999999.parquet",
    }
}

fn answer(asked: &Asked) -> Answer {
    match (asked.service.as_str(), asked.operation.as_str()) {
        ("sts", _) => Answer::xml(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>",
        ),
        ("logs", "DescribeLogGroups") => groups(asked),
        ("glue", "GetJobs") => jobs(asked),
        ("s3", _) => bucket(asked),
        ("cloudformation", _) => Answer::xml(
            "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
             <Stacks/></DescribeStacksResult></DescribeStacksResponse>",
        ),
        (_, "") => Answer::xml_error(400, "ValidationError", "not part of this measurement"),
        _ => Answer::json(&json!({})),
    }
}

fn at(token: Option<&str>) -> usize {
    token.and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn groups(asked: &Asked) -> Answer {
    let from = at(asked.json()["nextToken"].as_str());
    let page: Vec<_> = (from..GROUPS.min(from + 50))
        .map(|n| {
            let name = format!("/aws/lambda/team-{n:04}");
            let arn = format!("arn:aws:logs:eu-west-1:123456789012:log-group:{name}:*");
            json!({"logGroupName": name, "arn": arn, "creationTime": 1_700_000_000_000_u64, "storedBytes": n * 1_000})
        })
        .collect();
    let mut body = json!({"logGroups": page});
    if from + 50 < GROUPS {
        body["nextToken"] = (from + 50).to_string().into();
    }
    Answer::json(&body)
}

fn jobs(asked: &Asked) -> Answer {
    let body = asked.json();
    let size = body["MaxResults"].as_u64().map_or(100, |n| n as usize);
    let from = at(body["NextToken"].as_str());
    let page: Vec<_> = (from..JOBS.min(from + size))
        .map(|n| json!({"Name": format!("job-{n:04}"), "GlueVersion": "5.1", "Command": {"Name": "glueetl"}}))
        .collect();
    let mut body = json!({"Jobs": page});
    if from + size < JOBS {
        body["NextToken"] = (from + size).to_string().into();
    }
    Answer::json(&body)
}

fn bucket(asked: &Asked) -> Answer {
    const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    if asked.path == "/" {
        return Answer::xml(format!(
            "<ListAllMyBucketsResult {NAMESPACE}><Owner><ID>1</ID></Owner><Buckets><Bucket><Name>big</Name>\
             <CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"
        ));
    }
    if !asked.params.contains_key("list-type") {
        return Answer::s3_error(404, "NoSuchConfiguration", "not part of this measurement");
    }
    let after = asked.params.get("start-after").and_then(|key| key.strip_prefix("part-")?.strip_suffix(".parquet"));
    let from = match asked.params.get("continuation-token") {
        Some(token) => at(Some(token)),
        None => after.map_or(0, |n| at(Some(n.trim_start_matches('0'))) + 1),
    };
    let to = OBJECTS.min(from + 1_000);
    let mut body = format!(
        "<ListBucketResult {NAMESPACE}><Name>big</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><KeyCount>{}</KeyCount>\
         <IsTruncated>{}</IsTruncated>",
        to - from,
        to < OBJECTS
    );
    if to < OBJECTS {
        let _ = write!(body, "<NextContinuationToken>{to}</NextContinuationToken>");
    }
    for n in from..to {
        let _ = write!(
            body,
            "<Contents><Key>part-{n:09}.parquet</Key><LastModified>2026-11-20T04:00:00.000Z</LastModified>\
             <ETag>&quot;{n:032x}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            n * 37 % 100_000_000
        );
    }
    body.push_str("</ListBucketResult>");
    Answer::xml(body)
}
