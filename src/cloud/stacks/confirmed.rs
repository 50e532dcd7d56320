//! Whether what is to be done now is what was confirmed.

use serde_json::Value;

use super::{Action, Change, ChangeSet, Evaluation};

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
    new.chain(gone).collect()
}
