//! Terraform's types of values, as a variable tells them.

use serde_json::{Map, Value};

use super::hcl::Expr;

/// The type that all of these values have; what is null may be left out.
pub(super) fn of(values: &[&Value]) -> Expr {
    let values: Vec<&Value> = values.iter().copied().filter(|v| !v.is_null()).collect();
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(|v| v.as_object()).collect();
    match () {
        () if values.is_empty() => Expr::raw("any"),
        () if values.iter().all(|v| v.is_boolean()) => Expr::raw("bool"),
        () if values.iter().all(|v| v.is_number()) => Expr::raw("number"),
        () if values.iter().all(|v| v.is_string()) => Expr::raw("string"),
        () if values.iter().all(|v| v.is_array()) => {
            let items: Vec<&Value> = values.iter().filter_map(|v| v.as_array()).flatten().collect();
            Expr::Call("list", vec![of(&items)])
        }
        () if objects.len() == values.len() => object(&objects),
        () => Expr::raw("any"),
    }
}

/// The type of maps whose keys are nobody's but their user's.
pub(super) fn of_map(values: &[&Value]) -> Expr {
    let inside: Vec<&Value> = values.iter().filter_map(|v| v.as_object()).flat_map(Map::values).collect();
    let maps = values.iter().all(|v| v.is_null() || v.is_object());
    if maps { Expr::Call("map", vec![of(&inside)]) } else { of(values) }
}

/// An object's: what only some have need not be there.
fn object(all: &[&Map<String, Value>]) -> Expr {
    let mut keys: Vec<&String> = Vec::new();
    for key in all.iter().flat_map(|o| o.keys()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let field = |key: &String| {
        let found: Vec<&Value> = all.iter().filter_map(|o| o.get(key)).collect();
        let kind = of(&found);
        let everywhere = found.len() == all.len() && !found.iter().any(|v| v.is_null());
        (key.clone(), if everywhere { kind } else { Expr::Call("optional", vec![kind]) })
    };
    Expr::Call("object", vec![Expr::Lines(keys.into_iter().map(field).collect())])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::hcl::inline, of, of_map};

    #[test]
    fn a_type_is_that_of_all_values() {
        for (values, expected) in [
            (json!([1, 2.5, null]), "number"),
            (json!(["a", "b"]), "string"),
            (json!([true]), "bool"),
            (json!([["a"], []]), "list(string)"),
            (json!([1, "a"]), "any"),
            (json!([null]), "any"),
            (json!([[], []]), "list(any)"),
        ] {
            let all: Vec<&Value> = values.as_array().unwrap().iter().collect();
            assert_eq!(inline(&of(&all)), expected, "{values}");
        }
        let (one, other) = (json!([{"id": "a", "days": 1}]), json!([{"id": "b"}, {"id": "c", "to": [{"x": 1}]}]));
        insta::assert_snapshot!(inline(&of(&[&one, &other])), @r"
        list(object({
          id   = string
          days = optional(number)
          to = optional(list(object({
            x = number
          })))
        }))
        ");
        assert_eq!(inline(&of_map(&[&json!({"A": "1"}), &json!({"B": "2"})])), "map(string)");
    }
}
