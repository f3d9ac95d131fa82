//! Sessions of people at the page, as rpcd keeps them.

use std::time::{Duration, Instant};

use serde_json::{json, Map, Value};
use ubus::Status;

use super::access::{Groups, Rights};

/// The session of whoever has not logged in.
pub(super) const NOBODY: &str = "00000000000000000000000000000000";

/// An unused session ends after this.
const LASTS: Duration = Duration::from_secs(3600);

/// Sessions at once; the one that was not used for longest goes first.
const OPEN_MAX: usize = 64;

/// Users who can log in, and their groups of the app: everybody with the password of the lab.
pub const USERS: [(&str, &[&str]); 4] = [
    (
        "root",
        &[
            "luci-app-socketman",
            "luci-app-socketman-jobs",
            "luci-app-socketman-settings",
        ],
    ),
    ("status", &["luci-app-socketman"]),
    ("jobs", &["luci-app-socketman", "luci-app-socketman-jobs"]),
    (
        "settings",
        &["luci-app-socketman", "luci-app-socketman-settings"],
    ),
];

/// A session.
#[derive(Debug)]
struct Session {
    id: String,
    rights: Rights,
    used: Instant,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sessions {
    groups: Groups,
    password: String,
    /// Rights of whoever has not logged in.
    nobody: Rights,
    open: Vec<Session>,
}

impl Sessions {
    pub(super) fn new(groups: Groups, password: String) -> Self {
        Sessions {
            nobody: Groups::default().rights(|_| false),
            groups,
            password,
            open: Vec::new(),
        }
    }

    /// True if a session is allowed this. A session that is used lasts longer.
    pub(super) fn allow(&mut self, id: &str, scope: &str, object: &str, function: &str) -> bool {
        if id == NOBODY {
            return self.nobody.allow(scope, object, function);
        }
        self.open.retain(|session| session.used.elapsed() < LASTS);
        let Some(session) = self.open.iter_mut().find(|session| session.id == id) else {
            return false;
        };
        session.used = Instant::now();
        session.rights.allow(scope, object, function)
    }

    /// Object `session`: `login` and `access`. `id` is a fresh one, for a session that is to be.
    pub(super) fn answer(
        &mut self,
        caller: &str,
        method: &str,
        args: &Map<String, Value>,
        id: impl FnOnce() -> Option<String>,
    ) -> Result<Value, Status> {
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        match method {
            "access" => {
                let scope = text("scope").unwrap_or("ubus");
                let (Some(object), Some(function)) = (text("object"), text("function")) else {
                    return Err(Status::INVALID_ARGUMENT);
                };
                let access = self.allow(caller, scope, object, function);
                Ok(json!({ "access": access }))
            }
            "login" => {
                let (Some(user), Some(password)) = (text("username"), text("password")) else {
                    return Err(Status::INVALID_ARGUMENT);
                };
                let known = USERS.iter().find(|(name, _)| *name == user);
                let Some((user, groups)) = known.filter(|_| password == self.password) else {
                    return Err(Status::PERMISSION_DENIED);
                };
                let id = id().ok_or(Status::SYSTEM_ERROR)?;
                Ok(self.open(user, groups, id))
            }
            _ => Err(Status::METHOD_NOT_FOUND),
        }
    }

    fn open(&mut self, user: &str, groups: &[&str], id: String) -> Value {
        let rights = self
            .groups
            .rights(|group| group == "luci-base" || groups.contains(&group));
        let opened = json!({
            "ubus_rpc_session": id,
            "timeout": LASTS.as_secs(),
            "expires": LASTS.as_secs(),
            "acls": rights.to_json(),
            "data": { "username": user },
        });
        if self.open.len() == OPEN_MAX {
            let idlest = (0..OPEN_MAX).min_by_key(|at| self.open[*at].used);
            self.open.remove(idlest.expect("there are sessions"));
        }
        self.open.push(Session {
            id,
            rights,
            used: Instant::now(),
        });
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(Groups::of_the_app().unwrap(), "right".into())
    }

    fn login(
        sessions: &mut Sessions,
        user: &str,
        password: &str,
        id: &str,
    ) -> Result<Value, Status> {
        let args = json!({ "username": user, "password": password });
        let args = args.as_object().unwrap();
        sessions.answer(NOBODY, "login", args, || Some(id.into()))
    }

    #[test]
    fn nobody_logs_in_without_the_password() {
        let mut sessions = sessions();
        for (user, password) in [("root", "wrong"), ("root", ""), ("admin", "right")] {
            let refused = login(&mut sessions, user, password, "1");
            assert_eq!(refused, Err(Status::PERMISSION_DENIED), "{user}");
        }
        assert!(!sessions.allow("1", "ubus", "socketman", "status"));
        assert!(!sessions.allow(NOBODY, "ubus", "socketman", "status"));
    }

    #[test]
    fn a_session_may_what_its_groups_may() {
        let mut sessions = sessions();
        let told = login(&mut sessions, "status", "right", "1").unwrap();
        assert_eq!(
            told["acls"]["access-group"]["luci-app-socketman"],
            json!(["read", "write"])
        );
        assert!(sessions.allow("1", "ubus", "socketman", "status"));
        assert!(!sessions.allow("1", "ubus", "socketman", "run_job"));
        let asked = json!({ "scope": "ubus", "object": "socketman", "function": "run_job" });
        let asked = asked.as_object().unwrap();
        let answer = sessions.answer("1", "access", asked, || None).unwrap();
        assert_eq!(answer, json!({ "access": false }));
    }

    #[test]
    fn of_too_many_sessions_the_idlest_ends() {
        let mut sessions = sessions();
        for n in 0..=OPEN_MAX {
            login(&mut sessions, "root", "right", &n.to_string()).unwrap();
        }
        assert!(!sessions.allow("0", "ubus", "socketman", "status"));
        assert!(sessions.allow("1", "ubus", "socketman", "status"));
    }
}
