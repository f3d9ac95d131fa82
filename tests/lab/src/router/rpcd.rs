//! `uci` of rpcd, as far as sessions change things: what they stage, apply, confirm and roll back.
//!
//! An apply with `rollback` commits, and restores the files if nobody confirms in time. Meanwhile no other
//! such apply is possible, and `confirm` tells whoever asks whether one is pending.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use ubus::blobmsg::Value;
use ubus::Status;

use super::objects::Reply;
use crate::web::uci::{Answer, Uci};

/// Time to confirm, unless the call says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The result of a call.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) reply: Reply,
    /// Packages that have other values now.
    pub(super) changed: Vec<String>,
    /// Roll back after this time.
    pub(super) rollback_after: Option<Duration>,
}

/// An apply that waits to be confirmed.
#[derive(Debug)]
struct Pending {
    session: String,
    /// The files before it, by package; `None` for one that was not there.
    files: Vec<(String, Option<Vec<u8>>)>,
}

/// The part of rpcd that has a memory.
#[derive(Debug)]
pub(super) struct Rpcd {
    directory: PathBuf,
    uci: Uci,
    pending: Option<Pending>,
}

impl Rpcd {
    pub(super) fn new(root: &Path) -> Self {
        let directory = root.join("etc/config");
        Rpcd {
            uci: Uci::new(directory.clone()),
            directory,
            pending: None,
        }
    }

    /// Answers a method that changes something, or reads a package that is a file here.
    pub(super) fn answer(&mut self, method: &str, args: &Value) -> Called {
        let mut called = Called {
            reply: Ok(None),
            changed: Vec::new(),
            rollback_after: None,
        };
        let args = match serde_json::to_value(args) {
            Ok(Json::Object(args)) => args,
            _ => Map::new(),
        };
        let text = |name: &str| args.get(name).and_then(Json::as_str).map(str::to_owned);
        let session = text("ubus_rpc_session");
        called.reply = match (method, session) {
            ("apply", session) => self.apply(session, &args, &mut called),
            ("confirm", session) => self.waiting_for(session).map(|()| {
                self.pending = None;
                None
            }),
            ("rollback", session) => self.waiting_for(session).map(|()| {
                called.changed = self.roll_back();
                None
            }),
            (method, session) => {
                // Without a session it is the system's own, as in /tmp/.uci.
                let session = session.unwrap_or_default();
                let answer = self.uci.answer(&session, method, &args, |_, _| true);
                answer.map(|answer| {
                    let data = answer.into_reply()?;
                    serde_json::from_value(data).ok()
                })
            }
        };
        called
    }

    fn apply(
        &mut self,
        session: Option<String>,
        args: &Map<String, Json>,
        called: &mut Called,
    ) -> Reply {
        let is_on = |name: &str| match args.get(name) {
            Some(Json::Bool(on)) => *on,
            Some(Json::Number(n)) => n.as_i64() != Some(0),
            _ => false,
        };
        let rollback = is_on("rollback");
        if rollback && self.pending.is_some() {
            return Err(Status::PERMISSION_DENIED);
        }
        let session = session.ok_or(Status::INVALID_ARGUMENT)?;
        if self.pending.is_some() {
            // The original drops its snapshot here and says that all is well.
            return Ok(None);
        }
        let staged = self.uci.staged(&session);
        if staged.is_empty() {
            return Err(Status::NO_DATA);
        }
        let files = staged.iter().map(|package| {
            let bytes = fs::read(self.directory.join(package)).ok();
            (package.clone(), bytes)
        });
        let files = files.collect();
        match self
            .uci
            .answer(&session, "apply", &Map::new(), |_, _| true)?
        {
            Answer::Committed(packages) => called.changed = packages,
            Answer::Data(_) | Answer::Done => {}
        }
        if rollback {
            let timeout = args.get("timeout").and_then(Json::as_u64);
            called.rollback_after = Some(timeout.map_or(TIMEOUT, Duration::from_secs));
            self.pending = Some(Pending { session, files });
        }
        Ok(None)
    }

    /// Is an apply of this session pending?
    fn waiting_for(&self, session: Option<String>) -> Result<(), Status> {
        let session = session.ok_or(Status::INVALID_ARGUMENT)?;
        match &self.pending {
            None => Err(Status::NO_DATA),
            Some(pending) if pending.session != session => Err(Status::PERMISSION_DENIED),
            Some(_) => Ok(()),
        }
    }

    /// Restores the files of the pending apply; says which packages.
    pub(super) fn roll_back(&mut self) -> Vec<String> {
        let Some(pending) = self.pending.take() else {
            return Vec::new();
        };
        let mut restored = Vec::new();
        for (package, bytes) in pending.files {
            let path = self.directory.join(&package);
            let done = match bytes {
                Some(bytes) => fs::write(&path, bytes),
                None => match fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    done => done,
                },
            };
            if let Err(error) = done {
                eprintln!("rpcd of the lab: {}: {error}", path.display());
            }
            restored.push(package);
        }
        restored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::members::table;

    const FILE: &str = "config interface 'wan'\n\toption proto 'dhcp'\n";

    fn rpcd() -> (tempfile::TempDir, Rpcd) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/config")).unwrap();
        fs::write(root.path().join("etc/config/network"), FILE).unwrap();
        let rpcd = Rpcd::new(root.path());
        (root, rpcd)
    }

    fn stage(rpcd: &mut Rpcd, session: &str) {
        let change = table! {
            "config": "network", "section": "wan", "ubus_rpc_session": session,
            "values": table! { "metric": "5" },
        };
        assert_eq!(rpcd.answer("set", &change).reply, Ok(None));
    }

    #[test]
    fn an_apply_waits_to_be_confirmed_and_says_so_to_others() {
        let (root, mut rpcd) = rpcd();
        let mine = table! { "ubus_rpc_session": "a" };
        let other = table! { "ubus_rpc_session": "b" };
        let confirm = |rpcd: &mut Rpcd, who: &Value| rpcd.answer("confirm", who).reply;
        assert_eq!(confirm(&mut rpcd, &other), Err(Status::NO_DATA));
        assert_eq!(
            confirm(&mut rpcd, &table! {}),
            Err(Status::INVALID_ARGUMENT)
        );
        let apply = table! { "ubus_rpc_session": "a", "rollback": true, "timeout": 30u32 };
        assert_eq!(rpcd.answer("apply", &apply).reply, Err(Status::NO_DATA));
        stage(&mut rpcd, "a");
        let called = rpcd.answer("apply", &apply);
        assert_eq!(
            (called.reply, called.changed),
            (Ok(None), vec!["network".to_owned()])
        );
        assert_eq!(called.rollback_after, Some(Duration::from_secs(30)));
        assert_eq!(confirm(&mut rpcd, &other), Err(Status::PERMISSION_DENIED));
        let again = rpcd.answer("apply", &apply).reply;
        assert_eq!(again, Err(Status::PERMISSION_DENIED));
        assert_eq!(confirm(&mut rpcd, &mine), Ok(None));
        assert_eq!(confirm(&mut rpcd, &other), Err(Status::NO_DATA));
        let text = fs::read_to_string(root.path().join("etc/config/network")).unwrap();
        assert!(text.contains("metric"), "{text}");
    }

    #[test]
    fn one_that_nobody_confirms_is_rolled_back() {
        let (root, mut rpcd) = rpcd();
        stage(&mut rpcd, "a");
        let apply = table! { "ubus_rpc_session": "a", "rollback": true };
        rpcd.answer("apply", &apply);
        assert_eq!(rpcd.roll_back(), ["network"]);
        assert_eq!(rpcd.roll_back(), Vec::<String>::new());
        let text = fs::read_to_string(root.path().join("etc/config/network")).unwrap();
        assert_eq!(text, FILE);
    }
}
