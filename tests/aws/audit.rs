//! The audit file says who changed what with which calls.

use crate::{
    fake::{Answer, Asked, Fake},
    harness::Pumphouse,
    read_only::something,
};

const ARN: &str = "arn:aws:sns:eu-west-1:123456789012:prices";

fn script(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "ListTopics" => {
            let topics = format!("<Topics><member><TopicArn>{ARN}</TopicArn></member></Topics>");
            Answer::xml(format!(
                "<ListTopicsResponse><ListTopicsResult>{topics}</ListTopicsResult></ListTopicsResponse>"
            ))
        }
        "Publish" if asked.params.get("Message").is_some_and(|m| m == "no") => {
            Answer::xml_error(400, "InvalidParameter", "no such message")
        }
        "Publish" => {
            Answer::xml("<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>")
        }
        _ => something(asked),
    }
}

#[test]
fn a_change_on_aws_is_on_record_with_the_caller_and_the_calls() {
    let fake = Fake::start(script);
    let pumphouse = Pumphouse::on(&fake);
    let done = pumphouse.run(&["topics", "publish", "prices", "hello"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(pumphouse.run(&["topics", "publish", "prices", "no"]).status.code(), Some(1));
    let text = std::fs::read_to_string(pumphouse.path("state").join("audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{text}");
    for line in &lines {
        assert_eq!(line["caller"], "arn:aws:iam::123456789012:user/ada");
        assert_eq!((&line["account"], &line["region"]), (&"123456789012".into(), &"eu-west-1".into()));
        assert_eq!((&line["what"], &line["target"]), (&"topics publish".into(), &"prices".into()));
    }
    let calls = serde_json::json!([{"operation": "sns:Publish", "request_id": "r-1"}]);
    assert_eq!((&lines[0]["outcome"], &lines[0]["calls"]), (&"started".into(), &serde_json::Value::Null));
    assert_eq!((&lines[1]["outcome"], &lines[1]["calls"]), (&"ok".into(), &calls));
    assert!(lines[3]["outcome"].as_str().unwrap().starts_with("failed: ") && lines[3]["calls"] == calls, "{text}");
}
