//! The app's menu as LuCI's dispatcher serves it: each node says whether what it depends on is there.
//!
//! A node depends on sections and options below /etc/config; a package that is missing or broken has none. LuCI
//! keeps its judgement in /tmp until a menu file changes; here each page has a new one.

use serde_json::{Map, Value};

use super::uci::Uci;

/// Adds `satisfied` to every node of the menu in `text`, by the packages of `uci`.
pub(super) fn judged(text: &str, uci: &Uci) -> serde_json::Result<Value> {
    let mut nodes: Map<String, Value> = serde_json::from_str(text)?;
    for node in nodes.values_mut() {
        let satisfied = match node.pointer("/depends/uci") {
            Some(Value::Array(any)) => any.iter().any(|all| has_packages(all, uci)),
            Some(all) => has_packages(all, uci),
            None => true,
        };
        node["satisfied"] = satisfied.into();
    }
    Ok(Value::Object(nodes))
}

/// `{package: true}` asks for any section, `{package: {section: …}}` for certain ones.
fn has_packages(wanted: &Value, uci: &Uci) -> bool {
    let wanted = wanted.as_object().into_iter().flatten();
    wanted.into_iter().all(|(package, wanted)| {
        let sections = uci.read(package).unwrap_or_default();
        match wanted {
            Value::Bool(true) => !sections.is_empty(),
            Value::Object(wanted) => wanted
                .iter()
                .all(|(name, options)| has_section(&sections, name, options)),
            _ => true,
        }
    })
}

/// `@type` is any section of that type, everything else the section of that name.
fn has_section(sections: &Map<String, Value>, name: &str, options: &Value) -> bool {
    match name.strip_prefix('@') {
        Some(kind) => sections
            .values()
            .any(|section| section[".type"] == kind && has_options(section, options)),
        None => sections
            .get(name)
            .is_some_and(|section| has_options(section, options)),
    }
}

/// A text asks for the type of the section, an object for options: `true` for any value, else for this one, which may
/// be an item of a list.
fn has_options(section: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::String(kind) => section[".type"] == *kind,
        Value::Object(wanted) => {
            wanted
                .iter()
                .all(|(name, wanted)| match (section.get(name), wanted) {
                    (Some(Value::Array(items)), wanted) => items.contains(wanted),
                    (value, Value::Bool(true)) => value.is_some(),
                    (value, wanted) => value == Some(wanted),
                })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    const PACKAGE: &str =
        "config agent 'main'\n\toption mode 'fast'\n\tlist key 'a'\n\tlist key 'b'\n";

    /// True if a node with this dependency is satisfied by whole, broken, empty and missing packages.
    fn is_satisfied(depends: Value) -> bool {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("whole", PACKAGE),
            ("broken", "config agent 'main\n"),
            ("empty", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let menu = json!({ "admin/x": { "title": "X", "depends": depends } }).to_string();
        let judged = judged(&menu, &Uci::new(dir.path().to_owned())).unwrap();
        assert_eq!(judged["admin/x"]["title"], "X");
        judged["admin/x"]["satisfied"].as_bool().unwrap()
    }

    #[test]
    fn a_node_without_dependencies_is_always_there() {
        assert!(is_satisfied(Value::Null));
        assert!(is_satisfied(json!({ "acl": ["x"] })));
        assert!(is_satisfied(json!({ "uci": {} })));
    }

    #[test]
    fn a_package_counts_by_its_sections() {
        assert!(is_satisfied(json!({ "uci": { "whole": true } })));
        for package in ["broken", "empty", "missing"] {
            assert!(!is_satisfied(json!({ "uci": { package: true } })));
            let both = json!({ "uci": { "whole": true, package: true } });
            assert!(!is_satisfied(both), "{package}");
            let either = json!({ "uci": [{ package: true }, { "whole": true }] });
            assert!(is_satisfied(either), "{package}");
        }
    }

    #[test]
    fn sections_and_options_count_by_name_type_and_value() {
        for (wanted, expected) in [
            (json!({ "main": true }), true),
            (json!({ "other": true }), false),
            (json!({ "main": "agent" }), true),
            (json!({ "main": "other" }), false),
            (json!({ "@agent": true }), true),
            (json!({ "@other": true }), false),
            (json!({ "main": { "mode": "fast" } }), true),
            (json!({ "main": { "mode": "slow" } }), false),
            (json!({ "main": { "mode": true } }), true),
            (json!({ "main": { "none": true } }), false),
            (json!({ "@agent": { "key": "b" } }), true),
            (json!({ "@agent": { "key": "c" } }), false),
        ] {
            let depends = json!({ "uci": { "whole": wanted } });
            assert_eq!(is_satisfied(depends.clone()), expected, "{depends}");
        }
    }
}
