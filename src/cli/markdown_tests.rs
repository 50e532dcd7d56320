use proptest::prelude::*;
use serde_json::json;

use super::*;

fn property(path: &str, before: Value, after: Value) -> PropertyChange {
    PropertyChange {
        path: path.into(),
        before: Some(before).filter(|v| !v.is_null()),
        after: Some(after).filter(|v| !v.is_null()),
        requires_replacement: false,
        evaluation: Evaluation::Static,
        cause: None,
    }
}

fn change(action: Action, name: &str, properties: Vec<PropertyChange>) -> Change {
    Change {
        logical_id: name.into(),
        physical_name: format!("x-dev-{name}"),
        properties,
        loses_data: action == Action::Replace,
        ..Change::new(action, "bucket", format!("bucket.{name}"))
    }
}

#[test]
fn a_plan_is_a_summary_a_table_and_the_properties_of_each_resource() {
    let changes = vec![
        change(Action::Add, "a", vec![property("versioning", Value::Null, json!(true))]),
        change(Action::Change, "b", vec![property("expire_days", json!(90), json!(365))]),
        change(
            Action::Replace,
            "c",
            vec![PropertyChange { requires_replacement: true, ..property("n", json!("x"), json!("y")) }],
        ),
    ];
    let plan =
        super::plan(&ChangeSet { capabilities: vec!["CAPABILITY_IAM".into()], ..ChangeSet::new("x-dev", changes) });
    assert_eq!(
        plan,
        "<!-- pumphouse plan x-dev -->
#### <code>x-dev</code>: 1 to add, 1 to change, 1 to replace, 0 to remove

- **Data is lost, or may be: <code>bucket.c</code>.**
- Needs <code>CAPABILITY&#95;IAM</code>.

| action | resource | kind | what changes |
| --- | --- | --- | --- |
| **replace** | <code>bucket.c</code> | <code>bucket</code> | <code>n</code> **(its data is lost)** |
| change | <code>bucket.b</code> | <code>bucket</code> | <code>expire&#95;days</code> |
| add | <code>bucket.a</code> | <code>bucket</code> | <code>x-dev-a</code> |

<details><summary>replace <code>bucket.c</code></summary>

| property | before | after | |
| --- | --- | --- | --- |
| <code>n</code> | <code>\"x\"</code> | <code>\"y\"</code> | **makes it anew** |

</details>

<details><summary>change <code>bucket.b</code></summary>

| property | before | after | |
| --- | --- | --- | --- |
| <code>expire&#95;days</code> | <code>90</code> | <code>365</code> |  |

</details>

<details><summary>add <code>bucket.a</code></summary>

| property | before | after | |
| --- | --- | --- | --- |
| <code>versioning</code> | none | <code>true</code> |  |

</details>
"
    );
    assert_eq!(
        super::plan(&ChangeSet::new("x-dev", vec![])),
        "<!-- pumphouse plan x-dev -->\n#### <code>x-dev</code>: nothing to change\n\n"
    );
}

#[test]
fn what_looks_like_a_secret_is_masked_wherever_it_stands() {
    let values = vec![
        property("environment.API_TOKEN", json!("hunter1"), json!("hunter2")),
        property("environment.DB", json!("postgresql://ada:hunter3@host/db"), json!("x")),
        property("environment", json!({"deep": [{"password": "hunter4"}]}), json!(["password=hunter5"])),
    ];
    let text = super::plan(&ChangeSet::new("x-dev", vec![change(Action::Change, "a", values)]));
    assert!(!text.contains("hunter"), "{text}");
    assert_eq!(text.matches(&"&#42;".repeat(8)).count(), 5, "{text}");
}

#[test]
fn a_plan_that_is_too_long_is_cut_between_resources_and_says_so() {
    let long =
        |n: usize| change(Action::Change, &n.to_string(), vec![property("p", json!("<".repeat(500)), json!("x"))]);
    let mut changes: Vec<_> = (0..40).map(long).collect();
    changes.push(change(Action::Replace, "precious", vec![]));
    let text = super::plan(&ChangeSet::new("x-dev", changes));
    assert!(text.len() <= LIMIT && text.len() > LIMIT / 2, "{}", text.len());
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    assert!(text.contains("41 of 41 changes are listed, and the properties of "), "{text}");
    assert!(text.contains("GitHub takes 65,536 characters for a comment"));

    let many: Vec<_> = (0..2_000).map(|n| change(Action::Add, &n.to_string(), vec![])).collect();
    let mut changes = many;
    changes.push(change(Action::Replace, "precious", vec![]));
    let text = super::plan(&ChangeSet::new("x-dev", changes));
    assert!(text.len() <= LIMIT, "{}", text.len());
    assert!(text.contains("bucket.precious") && text.contains(" of 2001 changes are listed"), "{text}");
}

/// What is left of a comment once our own words are taken away: text of the plan's, escaped.
fn foreign(line: &str) -> String {
    let mut line = line.to_owned();
    for ours in ["<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>", "**"] {
        line = line.replace(ours, "");
    }
    line
}

proptest! {
    #[test]
    fn nothing_of_a_plan_breaks_out(text in "(\\PC|[|`<>@#*_~\\[\\](){}!\\\\:&$\n\r\t]|www\\.|https://|</code>|@ada|-->)*") {
        let mut change = change(Action::Change, "a", vec![property(&text, json!(text), json!({ text.clone(): [text.clone()] }))]);
        change.name.clone_from(&text);
        change.kind.clone_from(&text);
        change.properties[0].cause = Some(text.clone());
        let mut removed = change.clone();
        (removed.action, removed.physical_name) = (Action::Remove, text.clone());
        let plan = ChangeSet { notes: vec![text.clone()], ..ChangeSet::new(text.clone(), vec![change, removed]) };
        let told = super::plan(&plan);
        let calm = super::plan(&ChangeSet::new("x", vec![]));
        for (n, line) in told.lines().enumerate() {
            // Each row has the cells of its heading, and nothing in it opens or closes anything.
            let bars = line.matches('|').count();
            prop_assert!([0, 5].contains(&bars), "{line}");
            prop_assert!(!line.contains('@') && !line.contains('`') && !line.contains('\\'), "{line}");
            if n > 0 {
                let left = foreign(line);
                prop_assert!(!left.contains(['<', '>', '[', '*', '$', '~']), "{line}");
                prop_assert!(!left.contains("://") && !left.to_lowercase().contains("www."), "{line}");
            }
        }
        let first = told.lines().next().unwrap();
        prop_assert!(first.starts_with("<!-- pumphouse plan ") && first.ends_with(" -->") && first.matches("--").count() >= 2);
        prop_assert_eq!(first.matches("-->").count(), 1);
        prop_assert_eq!(told.lines().count(), calm.lines().count() + 22, "{}", told);
    }
}
