//! Lists whose entries have each to be asked about, where not each may be looked into.

use crate::cloud::{Error, Result};

/// A page of such a list: what is gone since it was listed is left out, and of what may not be looked into there is what
/// `bare` makes of its name. Where nothing at all may be, that is what is told.
pub(super) fn page<T>(asked: Vec<(String, Result<Option<T>>)>, bare: impl Fn(String) -> T) -> Result<Vec<T>> {
    let (mut found, mut denied, mut seen) = (Vec::new(), None, false);
    for (name, answer) in asked {
        match answer {
            Ok(one) => {
                seen |= one.is_some();
                found.extend(one);
            }
            Err(error @ Error::AccessDenied { .. }) => {
                tracing::warn!(%error, "its name is all that is shown of it");
                found.push(bare(name));
                denied.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match denied.filter(|_| !seen) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Error {
        Error::AccessDenied { action: "x:Describe".into(), target: "b".into() }
    }

    #[test]
    fn what_may_not_be_looked_into_has_its_name_and_nothing_at_all_is_an_error() {
        let asked = |a| vec![("a".to_owned(), a), ("b".to_owned(), Err(denied())), ("gone".to_owned(), Ok(None))];
        let bare = |name: String| format!("({name})");
        assert_eq!(page(asked(Ok(Some("a!".to_owned()))), bare), Ok(vec!["a!".to_owned(), "(b)".to_owned()]));
        assert_eq!(page(asked(Ok(None)), bare), Err(denied()));
        let slow = Error::Throttled("slow down".into());
        assert_eq!(page(asked(Err(slow.clone())), bare), Err(slow));
        assert_eq!(page(Vec::new(), bare), Ok(Vec::new()));
    }
}
