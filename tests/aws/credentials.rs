//! Credentials, region and endpoint are found where the AWS CLI finds them; each is seen by the key that signs a request.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::Pumphouse,
};

const TOPICS: &str = "<ListTopicsResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><ListTopicsResult><Topics/>\
                      </ListTopicsResult></ListTopicsResponse>";

fn credentials(operation: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>AKIAASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:x</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/reader/x</Arn></AssumedRoleUser></{operation}Result>\
         </{operation}Response>"
    )
}

const KEYS: &str = r#"{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s", "SessionToken": "t", "Token": "t",
                       "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-11-20T00:00:00Z",
                       "Expiration": "2099-01-01T00:00:00Z"}"#;

/// Topics for whoever asks, credentials for whoever asks for those.
fn anyone(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "AssumeRole" | "AssumeRoleWithWebIdentity" => return Answer::xml(credentials(&asked.operation)),
        "ListTopics" => return Answer::xml(TOPICS),
        "ListSubscriptions" => return Answer::xml(TOPICS.replace("Topics", "Subscriptions")),
        _ => {}
    }
    match asked.path.as_str() {
        "/latest/api/token" => {
            Answer::text(200, "text/plain", "token").header("x-aws-ec2-metadata-token-ttl-seconds", "60")
        }
        "/latest/meta-data/placement/region" => Answer::text(200, "text/plain", "eu-north-1"),
        "/latest/meta-data/iam/security-credentials/" | "/latest/meta-data/iam/security-credentials-extended/" => {
            Answer::text(200, "text/plain", "bastion")
        }
        path if path.starts_with("/latest/meta-data/iam/") || path == "/task" => {
            Answer::text(200, "application/json", KEYS.replace("PROCESS", "ROLE"))
        }
        "/federation/credentials" => {
            let keys = serde_json::json!({"accessKeyId": "AKIASSO", "secretAccessKey": "s", "sessionToken": "t",
                                          "expiration": 4_070_908_800_000_i64});
            Answer::json(&serde_json::json!({ "roleCredentials": keys }))
        }
        other => Answer::text(404, "text/plain", format!("nothing at {other}")),
    }
}

/// The binary with the endpoint in its environment, and a region.
fn bare(pumphouse: &Pumphouse, fake: &Fake) -> Command {
    let mut command = pumphouse.bare();
    command.env("AWS_ENDPOINT_URL", fake.url()).env("AWS_REGION", "eu-west-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn write(pumphouse: &Pumphouse, path: &str, text: &str) {
    let path = pumphouse.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Lists the topics; returns what signed the request: `KEY/REGION`.
fn signed(fake: &Fake, command: &mut Command) -> String {
    let output = command.args(["topics", "list"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = fake.asked();
    let request = asked.iter().find(|a| a.operation == "ListTopics").unwrap();
    let credential = request.headers["authorization"].to_str().unwrap().split("Credential=").nth(1).unwrap();
    let parts: Vec<_> = credential.split('/').collect();
    format!("{}/{}", parts[0], parts[2])
}

/// What is told where the topics cannot be listed.
fn told(command: &mut Command) -> String {
    let output = command.args(["topics", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn setup() -> (Fake, Pumphouse) {
    let fake = Fake::start(anyone);
    let pumphouse = Pumphouse::on(&fake);
    (fake, pumphouse)
}

#[test]
fn from_the_environment() {
    let (fake, pumphouse) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
    assert_eq!(signed(&fake, &mut command), "AKIAENV/eu-west-1");
}

#[test]
fn from_a_profile_which_goes_before_the_environment_where_it_is_named() {
    let (fake, pumphouse) = setup();
    write(&pumphouse, ".aws/credentials", "[dev]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n");
    write(&pumphouse, ".aws/config", "[profile dev]\nregion = eu-central-1\n");
    let mut command = bare(&pumphouse, &fake);
    command.env_remove("AWS_REGION").env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
    assert_eq!(signed(&fake, command.args(["--profile", "dev"])), "AKIAFILE/eu-central-1");
    let (fake, _) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_PROFILE", "dev").env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
    assert_eq!(signed(&fake, &mut command), "AKIAENV/eu-west-1");
}

#[test]
fn from_files_that_the_environment_names() {
    let (fake, pumphouse) = setup();
    write(&pumphouse, "mine", "[profile dev]\naws_access_key_id = AKIAMINE\naws_secret_access_key = s\n");
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_CONFIG_FILE", pumphouse.path("mine")).env("AWS_PROFILE", "dev");
    assert_eq!(signed(&fake, &mut command), "AKIAMINE/eu-west-1");
}

#[test]
fn from_a_process() {
    let (fake, pumphouse) = setup();
    let script = pumphouse.path("keys.sh");
    fs::write(&script, format!("#!/bin/sh\ncat <<'END'\n{KEYS}\nEND\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    write(&pumphouse, ".aws/config", &format!("[profile dev]\ncredential_process = {}\n", script.display()));
    assert_eq!(signed(&fake, bare(&pumphouse, &fake).args(["--profile", "dev"])), "AKIAPROCESS/eu-west-1");
}

#[test]
fn from_a_role_of_a_profile() {
    let (fake, pumphouse) = setup();
    let config = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n[profile ops]\n\
                  role_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\nexternal_id = x-1\n\
                  role_session_name = ada\n";
    write(&pumphouse, ".aws/config", config);
    assert_eq!(signed(&fake, bare(&pumphouse, &fake).args(["--profile", "ops"])), "AKIAASSUMED/eu-west-1");
    let asked = fake.asked();
    let (role, given) = (&asked[0], |name: &str| asked[0].params.get(name).map(String::as_str));
    assert!(role.headers["authorization"].to_str().unwrap().contains("AKIABASE"));
    assert_eq!(given("RoleArn"), Some("arn:aws:iam::123456789012:role/ops"));
    assert_eq!((given("ExternalId"), given("RoleSessionName"), given("Policy")), (Some("x-1"), Some("ada"), None));
}

#[test]
fn from_a_role_with_a_session_policy_in_read_only_mode_and_without_one_else() {
    for (read_only, url) in [(true, true), (false, false)] {
        let (fake, pumphouse) = setup();
        let mut command = if url { pumphouse.command() } else { bare(&pumphouse, &fake) };
        command.env("AWS_ACCESS_KEY_ID", "AKIABASE").env("AWS_SECRET_ACCESS_KEY", "s");
        command.env("PUMPHOUSE_EXTERNAL_ID", "x-2").args(["--role-arn", "arn:aws:iam::123456789012:role/reader"]);
        if read_only {
            command.arg("--read-only");
        }
        assert_eq!(signed(&fake, &mut command), "AKIAASSUMED/eu-west-1");
        let asked = fake.asked();
        let given = |name: &str| asked[0].params.get(name).cloned();
        assert_eq!(
            (given("ExternalId").as_deref(), given("RoleSessionName").as_deref()),
            (Some("x-2"), Some("pumphouse"))
        );
        assert_eq!(given("Policy").is_some(), read_only);
        if let Some(policy) = given("Policy") {
            assert!(policy.len() <= 2048);
            let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
            let actions = policy["Statement"][0]["Action"].as_array().unwrap();
            assert!(actions.contains(&"glue:Get*".into()) && !actions.contains(&"s3:PutObject".into()), "{actions:?}");
        }
    }
}

#[test]
fn from_a_web_identity() {
    let (fake, pumphouse) = setup();
    write(&pumphouse, "token", "a.b.c");
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", pumphouse.path("token"));
    command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci").env("AWS_ROLE_SESSION_NAME", "ci");
    assert_eq!(signed(&fake, &mut command), "AKIAASSUMED/eu-west-1");
    assert_eq!(fake.asked()[0].params["WebIdentityToken"], "a.b.c");
}

#[test]
fn from_the_role_of_a_container() {
    let (fake, pumphouse) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/task", fake.url()));
    assert_eq!(signed(&fake, &mut command), "AKIAROLE/eu-west-1");
}

#[test]
fn from_the_role_of_an_instance_with_its_region() {
    let (fake, pumphouse) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env_remove("AWS_REGION").env_remove("AWS_EC2_METADATA_DISABLED");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url());
    assert_eq!(signed(&fake, &mut command), "AKIAROLE/eu-north-1");
}

fn sso(pumphouse: &Pumphouse, expires: &str) {
    let config = "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.example.com/start\n\
                  sso_registration_scopes = sso:account:access\n[profile dev]\nsso_session = corp\n\
                  sso_account_id = 123456789012\nsso_role_name = reader\n";
    write(pumphouse, ".aws/config", config);
    let token = serde_json::json!({"startUrl": "https://corp.example.com/start", "region": "eu-west-1",
                                   "accessToken": "bearer", "expiresAt": expires});
    // The file's name is the SHA-1 of the session's.
    let cache = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    write(pumphouse, cache, &token.to_string());
}

#[test]
fn from_a_login_of_sso() {
    let (fake, pumphouse) = setup();
    sso(&pumphouse, "2099-01-01T00:00:00Z");
    assert_eq!(signed(&fake, bare(&pumphouse, &fake).args(["--profile", "dev"])), "AKIASSO/eu-west-1");
    assert_eq!(fake.asked()[0].headers["x-amz-sso_bearer_token"], "bearer");
}

#[test]
fn a_login_of_sso_that_has_expired_says_what_to_run() {
    let (fake, pumphouse) = setup();
    sso(&pumphouse, "2020-01-01T00:00:00Z");
    let told = told(bare(&pumphouse, &fake).args(["--profile", "dev"]));
    assert!(told.contains("`aws sso login --profile dev`"), "{told}");
}

#[test]
fn none_at_all_says_what_to_run() {
    let (fake, pumphouse) = setup();
    let text = told(&mut bare(&pumphouse, &fake));
    assert!(text.contains("no AWS credentials: run `aws configure`"), "{text}");
    assert!(fake.lines().is_empty());
}

#[test]
fn a_profile_that_does_not_exist_is_told_with_those_that_do() {
    let (fake, pumphouse) = setup();
    write(&pumphouse, ".aws/config", "[profile dev]\n[profile prod]\n");
    for command in
        [bare(&pumphouse, &fake).args(["--profile", "dve"]), bare(&pumphouse, &fake).env("AWS_PROFILE", "dve")]
    {
        let text = told(command);
        assert!(text.contains("no AWS profile \"dve\"") && text.contains("there are dev, prod"), "{text}");
    }
}

#[test]
fn no_region_is_told_with_the_ways_to_name_one() {
    let (fake, pumphouse) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env_remove("AWS_REGION").env("AWS_ACCESS_KEY_ID", "A").env("AWS_SECRET_ACCESS_KEY", "s");
    let text = told(&mut command);
    assert!(text.contains("no region: name one with --region"), "{text}");
}

#[test]
fn a_profile_that_asks_for_a_code_is_told_with_a_way_around() {
    let fake = Fake::start(|_| Answer::xml_error(403, "AccessDenied", "not authorized to perform: sts:AssumeRole"));
    let pumphouse = Pumphouse::on(&fake);
    let config = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n[profile ops]\n\
                  role_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n\
                  mfa_serial = arn:aws:iam::123456789012:mfa/ada\n";
    write(&pumphouse, ".aws/config", config);
    let text = told(bare(&pumphouse, &fake).args(["--profile", "ops"]));
    assert!(text.contains("mfa_serial") && text.contains("export-credentials --profile ops"), "{text}");
}

#[test]
fn a_session_of_aws_login_is_told_with_a_way_around() {
    let fake = Fake::start(|_| Answer::xml_error(500, "Unexpected", "nobody is asked"));
    let pumphouse = Pumphouse::on(&fake);
    let config = "[profile ada]\nlogin_session = arn:aws:iam::123456789012:user/ada\n[profile ops]\n\
                  role_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = ada\n";
    write(&pumphouse, ".aws/config", config);
    for profile in ["ada", "ops"] {
        let text = told(bare(&pumphouse, &fake).args(["--profile", profile]));
        assert!(text.contains("profile ada has a session of `aws login` (login_session)"), "{text}");
        assert!(text.contains(&format!("export-credentials --profile {profile} --format env")), "{text}");
        assert!(text.contains("`aws login --profile ada` first"), "{text}");
    }
    assert_eq!(fake.lines(), Vec::<String>::new());
}

#[test]
fn a_role_that_may_not_be_assumed_is_told_with_the_action() {
    let said = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: sts:AssumeRole on resource: x";
    let fake = Fake::start(move |_| Answer::xml_error(403, "AccessDenied", said));
    let pumphouse = Pumphouse::on(&fake);
    let text = told(pumphouse.command().args(["--role-arn", "arn:aws:iam::123456789012:role/reader"]));
    assert!(text.contains("the role cannot be assumed") && text.contains("sts:AssumeRole"), "{text}");
}

#[test]
fn one_service_may_have_an_endpoint_of_its_own_and_so_may_a_profile() {
    let (fake, pumphouse) = setup();
    let keys = "aws_access_key_id = AKIAFILE\naws_secret_access_key = s";
    write(&pumphouse, ".aws/config", &format!("[profile dev]\n{keys}\nendpoint_url = {}\n", fake.url()));
    let mut command = bare(&pumphouse, &fake);
    command.env_remove("AWS_ENDPOINT_URL").args(["--profile", "dev"]);
    assert_eq!(signed(&fake, &mut command), "AKIAFILE/eu-west-1");
    let (fake, _) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("AWS_ENDPOINT_URL_SNS", fake.url());
    command.args(["--profile", "dev"]);
    assert_eq!(signed(&fake, &mut command), "AKIAFILE/eu-west-1");
}

#[test]
fn a_proxy_that_the_environment_names_is_used() {
    let (fake, pumphouse) = setup();
    let mut command = bare(&pumphouse, &fake);
    command.env("AWS_ENDPOINT_URL", "http://sns.example.invalid").env("HTTP_PROXY", fake.url());
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
    assert_eq!(signed(&fake, &mut command), "AKIAENV/eu-west-1");
}

#[test]
fn certificates_that_cannot_be_read_are_told() {
    let (fake, pumphouse) = setup();
    let text = told(bare(&pumphouse, &fake).env("AWS_CA_BUNDLE", "/nonexistent/ca.pem"));
    assert!(text.contains("/nonexistent/ca.pem (AWS_CA_BUNDLE)"), "{text}");
}
