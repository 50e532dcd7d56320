//! Whether what is to be done now is what was confirmed.

use serde_json::Value;

use super::{Action, Change, ChangeSet, Evaluation};

/// Differences that are told one by one: who applies a plan twice has all of them.
const TOLD: usize = 5;

/// What a plan has that another has not: for a person who has confirmed that other one.
pub fn unconfirmed(confirmed: &ChangeSet, now: &ChangeSet) -> Vec<String> {
    // An estimate has confirmed what becomes of each resource, and could not tell more.
    let key = |c: &Change| {
        let values = || {
            let certain = c.properties.iter().filter(|p| p.evaluation == Evaluation::Static);
            // What somebody has changed in between was not what was confirmed either: both ends of a change count.
            let said = |value: &Option<Value>| value.clone().unwrap_or_default().to_string();
            certain.map(|p| (p.path.clone(), said(&p.before), said(&p.after))).collect::<Vec<_>>()
        };
        let exact = !confirmed.estimated;
        let action = if exact || c.action != Action::Replace { c.action } else { Action::Change };
        (
            c.logical_id.clone(),
            action,
            exact.then_some((c.replacement, c.loses_data)),
            if exact { values() } else { Vec::new() },
        )
    };
    let before: Vec<_> = confirmed.changes.iter().map(key).collect();
    let after: Vec<_> = now.changes.iter().map(key).collect();
    let word = |c: &Change| format!("{:?} {} {}", c.action, c.kind, c.name).to_lowercase();
    let new =
        now.changes.iter().filter(|c| !before.contains(&key(c))).map(|c| format!("{} was not confirmed", word(c)));
    let gone = confirmed.changes.iter().filter(|c| !confirmed.estimated && !after.contains(&key(c)));
    let gone = gone.map(|c| format!("{} is no longer to be done as confirmed", word(c)));
    let mut all: Vec<_> = new.chain(gone).collect();
    if let Some(more) = all.len().checked_sub(TOLD).filter(|more| *more > 0) {
        all.truncate(TOLD);
        all.push(format!("and {more} more"));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_many_differences_the_first_are_told_and_the_rest_counted() {
        let plan = |n: usize| -> ChangeSet {
            let change = |n: usize| {
                json!({"action": "add", "logical_id": format!("B{n}"), "name": format!("bucket.b{n}"), "kind": "bucket",
                    "physical_name": "", "loses_data": false, "properties": []})
            };
            let changes: Vec<_> = (0..n).map(change).collect();
            serde_json::from_value(json!({"stack": "x-dev", "resumes": false, "changes": changes})).unwrap()
        };
        assert_eq!(unconfirmed(&plan(2), &plan(0)).len(), 2);
        let told = unconfirmed(&plan(29), &plan(0));
        assert_eq!(told.len(), 6, "{told:?}");
        assert!(told[0].contains("bucket.b0") && told[5] == "and 24 more", "{told:?}");
        assert!(unconfirmed(&plan(29), &plan(29)).is_empty());
    }
}
