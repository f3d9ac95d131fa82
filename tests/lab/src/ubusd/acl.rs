//! Access lists, in the shape of the files in /usr/share/acl.d.
//!
//! ```json
//! { "user": "nobody",
//!   "access": { "system": { "methods": ["board", "info"], "acl": { "level": 1 } } },
//!   "publish": ["pub.*"], "subscribe": ["net"], "listen": ["ok.*"], "send": ["ok.*"] }
//! ```
//!
//! `group` in place of `user` names a group. A `*` at the end matches any continuation. uid 0 is
//! never asked.

use std::io;

use ubus::blobmsg::Value;

use super::credentials::{gid_of, uid_of};
use super::Credentials;

/// Why an access list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AclError {
    #[error("access list is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("access list: cannot look up its user or group: {0}")]
    Names(#[from] io::Error),
    #[error("access list names neither a user nor a group")]
    Nobody,
}

/// A client's intention with a path, a pattern or an event name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// Call this method, or see it.
    Access(&'a [u8]),
    Publish,
    Subscribe,
    Listen,
    Send,
}

#[derive(Debug, Clone)]
enum Grant {
    Access {
        methods: Vec<Vec<u8>>,
        /// Handed to services that ask for it; means nothing to the daemon.
        private: Option<Value>,
    },
    Publish,
    Subscribe,
    Listen,
    Send,
}

#[derive(Debug, Clone)]
enum Who {
    User { name: String, uid: u32 },
    Group { name: String, gid: u32 },
}

#[derive(Debug, Clone)]
struct Entry {
    key: Vec<u8>,
    partial: bool,
    who: Who,
    grant: Grant,
}

/// Rights of clients other than root. The empty list allows them nothing.
#[derive(Debug, Clone, Default)]
pub struct Acl {
    /// Sorted by key; equal keys in the order they came.
    entries: Vec<Entry>,
}

impl Acl {
    /// Reads one file's content and adds what it grants. A user or group that does not exist counts
    /// as number 0, as with ubusd.
    pub fn add(&mut self, json: &str) -> Result<(), AclError> {
        let file: Value = serde_json::from_str(json)?;
        let who = if let Some(name) = file.get("user").and_then(Value::as_str) {
            Who::User {
                name: name.to_owned(),
                uid: uid_of(name)?.unwrap_or(0),
            }
        } else if let Some(name) = file.get("group").and_then(Value::as_str) {
            Who::Group {
                name: name.to_owned(),
                gid: gid_of(name)?.unwrap_or(0),
            }
        } else {
            return Err(AclError::Nobody);
        };
        if let Some(Value::Table(objects)) = file.get("access") {
            for (path, rules) in objects {
                self.add_access(path, rules, &who);
            }
        }
        for (member, grant) in [
            ("subscribe", Grant::Subscribe),
            ("publish", Grant::Publish),
            ("listen", Grant::Listen),
            ("send", Grant::Send),
        ] {
            for pattern in strings(file.get(member)) {
                self.insert(&pattern, &who, grant.clone());
            }
        }
        Ok(())
    }

    fn add_access(&mut self, path: &[u8], rules: &Value, who: &Who) {
        let grant = Grant::Access {
            methods: strings(rules.get("methods")),
            private: rules
                .get("acl")
                .filter(|value| matches!(value, Value::Table(_)))
                .cloned(),
        };
        self.insert(path, who, grant);
    }

    fn insert(&mut self, pattern: &[u8], who: &Who, grant: Grant) {
        let (key, partial) = match pattern {
            [] => return,
            [key @ .., b'*'] => (key, true),
            key => (key, false),
        };
        let at = self
            .entries
            .partition_point(|entry| entry.key.as_slice() <= key);
        self.entries.insert(
            at,
            Entry {
                key: key.to_vec(),
                partial,
                who: who.clone(),
                grant,
            },
        );
    }

    pub(super) fn allows(&self, client: &Credentials, name: &[u8], action: Action<'_>) -> bool {
        client.uid == 0
            || self.entries.iter().any(|entry| {
                entry.matches(name) && entry.who.is(client) && entry.grant.covers(action)
            })
    }

    /// The lists that services get for `path`: one table per entry that carries an "acl".
    pub(super) fn private(&self, path: &[u8]) -> Vec<Value> {
        self.entries
            .iter()
            .filter(|entry| entry.matches(path))
            .filter_map(|entry| {
                let Grant::Access {
                    private: Some(private),
                    ..
                } = &entry.grant
                else {
                    return None;
                };
                let (kind, name) = match &entry.who {
                    Who::User { name, .. } => ("user", name),
                    Who::Group { name, .. } => ("group", name),
                };
                Some(Value::Table(vec![
                    (b"obj".to_vec(), Value::String(path.to_vec())),
                    (kind.into(), Value::string(name)),
                    (b"acl".to_vec(), private.clone()),
                ]))
            })
            .collect()
    }
}

impl Entry {
    fn matches(&self, name: &[u8]) -> bool {
        self.key == name || self.partial && name.starts_with(&self.key)
    }
}

impl Who {
    fn is(&self, client: &Credentials) -> bool {
        match self {
            Who::User { uid, .. } => client.uid == *uid,
            Who::Group { gid, .. } => client.gid == *gid || client.extra_gids.contains(gid),
        }
    }
}

impl Grant {
    fn covers(&self, action: Action<'_>) -> bool {
        match (self, action) {
            (Grant::Access { methods, .. }, Action::Access(method)) => {
                methods.iter().any(|m| m == method || m == b"*")
            }
            (Grant::Publish, Action::Publish)
            | (Grant::Subscribe, Action::Subscribe)
            | (Grant::Listen, Action::Listen)
            | (Grant::Send, Action::Send) => true,
            _ => false,
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<Vec<u8>> {
    let Some(Value::Array(items)) = list else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| match item {
            Value::String(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uid: u32, gid: u32, extra_gids: Vec<u32>) -> Credentials {
        Credentials {
            uid,
            gid,
            user: "u".to_owned(),
            group: "g".to_owned(),
            extra_gids,
        }
    }

    fn acl() -> Acl {
        let mut acl = Acl::default();
        acl.add(
            r#"{"group":"root","access":{"sys*":{"methods":["board"]},"net":{"methods":["*"]}},
                "publish":["pub.*"],"listen":["exact"]}"#,
        )
        .unwrap();
        acl
    }

    #[test]
    fn root_may_do_everything_and_others_nothing_by_default() {
        let nothing = Acl::default();
        assert!(nothing.allows(&Credentials::root(), b"x", Action::Send));
        assert!(!nothing.allows(&client(5, 5, vec![]), b"x", Action::Send));
    }

    #[test]
    fn a_grant_covers_its_pattern_and_its_action_only() {
        let (acl, member) = (acl(), client(5, 0, vec![]));
        for (name, action, allowed) in [
            (&b"system"[..], Action::Access(b"board"), true),
            (b"system", Action::Access(b"reboot"), false),
            (b"net", Action::Access(b"anything"), true),
            (b"network", Action::Access(b"anything"), false),
            (b"pub.", Action::Publish, true),
            (b"pub.a", Action::Publish, true),
            (b"pub.a", Action::Subscribe, false),
            (b"pub", Action::Publish, false),
            (b"exact", Action::Listen, true),
            (b"exactly", Action::Listen, false),
        ] {
            assert_eq!(acl.allows(&member, name, action), allowed, "{action:?}");
        }
    }

    #[test]
    fn a_group_is_also_a_supplementary_one() {
        let acl = acl();
        assert!(acl.allows(&client(5, 5, vec![7, 0]), b"net", Action::Access(b"m")));
        assert!(!acl.allows(&client(5, 5, vec![7]), b"net", Action::Access(b"m")));
    }

    #[test]
    fn a_list_for_nobody_is_refused() {
        assert!(matches!(
            Acl::default().add(r#"{"publish":["*"]}"#),
            Err(AclError::Nobody)
        ));
    }
}
