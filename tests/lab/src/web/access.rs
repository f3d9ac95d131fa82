//! Rights: access groups as files in /usr/share/rpcd/acl.d define them, and the rights that a session
//! gets of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::files;

/// Rights that LuCI itself grants everybody who may log in.
const BASE: &str = include_str!("base-acl.json");

/// Why a file of access groups cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}", path = .path.display())]
pub struct AccessError {
    path: PathBuf,
    reason: String,
}

/// Rights of two kinds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Group {
    read: Grants,
    write: Grants,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Grants {
    /// Methods by object.
    ubus: BTreeMap<String, Vec<String>>,
    /// Packages of /etc/config.
    uci: Vec<String>,
}

/// Access groups by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(BTreeMap<String, Group>);

/// Rights of a session: scope, object and function, as rpcd keeps them.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Rights(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Groups {
    /// The groups of the app in this checkout, and LuCI's own.
    pub(super) fn of_the_app() -> Result<Self, AccessError> {
        let path = files::app().join("root/usr/share/rpcd/acl.d/luci-app-socketman.json");
        let failed = |reason| AccessError {
            path: path.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let mut groups = Self::parse(&text).map_err(failed)?;
        groups.0.extend(Self::parse(BASE).map_err(failed)?.0);
        Ok(groups)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let groups: BTreeMap<String, Group> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let named = |grants: &Grants| {
            let methods = grants.ubus.values().flatten();
            let names = grants.ubus.keys().chain(methods).chain(&grants.uci);
            names.cloned().collect::<Vec<_>>()
        };
        let pattern = groups
            .values()
            .flat_map(|group| [named(&group.read), named(&group.write)].concat())
            .find(|name| name.contains(['*', '?', '[']));
        // rpcd matches patterns here. Ours are lists, so that a new method is granted to nobody.
        match pattern {
            Some(pattern) => Err(format!("'{pattern}' is a pattern; name what is granted")),
            None => Ok(Groups(groups)),
        }
    }

    /// Reading and writing of those groups that `member` says.
    pub(super) fn rights(&self, member: impl Fn(&str) -> bool) -> Rights {
        let mut rights = Rights::default();
        for (name, group) in self.0.iter().filter(|(name, _)| member(name)) {
            for (mode, grants) in [("read", &group.read), ("write", &group.write)] {
                rights.grant("access-group", name, mode);
                for (object, methods) in &grants.ubus {
                    for method in methods {
                        rights.grant("ubus", object, method);
                    }
                }
                for package in &grants.uci {
                    rights.grant("uci", package, mode);
                }
            }
        }
        // What rpcd lets everybody do.
        rights.grant("ubus", "session", "access");
        rights.grant("ubus", "session", "login");
        rights
    }
}

impl Rights {
    fn grant(&mut self, scope: &str, object: &str, function: &str) {
        let objects = self.0.entry(scope.to_owned()).or_default();
        let functions = objects.entry(object.to_owned()).or_default();
        functions.insert(function.to_owned());
    }

    pub(super) fn allow(&self, scope: &str, object: &str, function: &str) -> bool {
        let functions = self.0.get(scope).and_then(|objects| objects.get(object));
        functions.is_some_and(|functions| functions.contains(function))
    }

    pub(super) fn to_json(&self) -> Value {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_methods_and_no_others() {
        let groups = Groups::of_the_app().unwrap();
        let status = groups.rights(|group| group == "luci-app-socketman");
        for method in ["status", "stats", "history", "jobs", "probe", "upload"] {
            assert!(status.allow("ubus", "socketman", method), "{method}");
        }
        for method in ["job", "run_job", "config", "reload", "no_such"] {
            assert!(!status.allow("ubus", "socketman", method), "{method}");
        }
        assert!(!status.allow("uci", "socketman", "read"));
        let jobs = groups.rights(|group| group == "luci-app-socketman-jobs");
        assert!(jobs.allow("ubus", "socketman", "run_job"));
        assert!(!jobs.allow("ubus", "socketman", "status"));
        let settings = groups.rights(|group| group == "luci-app-socketman-settings");
        assert!(settings.allow("uci", "socketman", "write"));
        assert!(!settings.allow("uci", "network", "read"));
    }

    #[test]
    fn a_pattern_is_refused() {
        let text = r#"{"x": {"read": {"ubus": {"socketman": ["*"]}}}}"#;
        let refused = Groups::parse(text).unwrap_err();
        assert_eq!(refused, "'*' is a pattern; name what is granted");
    }
}
