//! Object `uci` as rpcd offers it to LuCI's forms: packages below `etc/config` of the router, and what each
//! session changed in them and has not applied yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{json, Map, Value};
use ubus::Status;
use uci::{Package, ReadError};

/// Sections by name.
type Sections = Map<String, Value>;

/// The result of a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Data(Value),
    /// These packages have other values now.
    Committed(Vec<String>),
    Done,
}

impl Answer {
    pub(crate) fn into_reply(self) -> Option<Value> {
        match self {
            Answer::Data(data) => Some(data),
            Answer::Committed(_) | Answer::Done => None,
        }
    }
}

/// The packages.
#[derive(Debug)]
pub(crate) struct Uci {
    directory: PathBuf,
    /// By session and package: the sections as they are to be. Never held while something is waited for.
    pending: Mutex<BTreeMap<(String, String), Sections>>,
}

impl Uci {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Uci {
            directory,
            pending: Mutex::default(),
        }
    }

    /// Answers a call of `session`, which may do with a package what `may` says (`read`, `write`).
    pub(crate) fn answer(
        &self,
        session: &str,
        method: &str,
        args: &Map<String, Value>,
        may: impl Fn(&str, &str) -> bool,
    ) -> Result<Answer, Status> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if method == "apply" {
            return self.apply(session, args, &mut pending, may);
        }
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        let package = text("config").ok_or(Status::INVALID_ARGUMENT)?;
        let mode = match method {
            "get" | "changes" => "read",
            _ => "write",
        };
        if !may(package, mode) {
            return Err(Status::PERMISSION_DENIED);
        }
        let key = (session.to_owned(), package.to_owned());
        let mut sections = match pending.get(&key) {
            Some(sections) => sections.clone(),
            None => self.read(package)?,
        };
        match method {
            "get" => {
                return match text("section") {
                    None => Ok(Answer::Data(json!({ "values": sections }))),
                    Some(name) => {
                        let found = sections.get(name).ok_or(Status::NOT_FOUND)?;
                        Ok(Answer::Data(json!({ "values": found })))
                    }
                };
            }
            "add" => {
                let kind = text("type").ok_or(Status::INVALID_ARGUMENT)?;
                let name = text("name").ok_or(Status::NOT_SUPPORTED)?;
                if !is_name(name) || !is_name(kind) {
                    return Err(Status::INVALID_ARGUMENT);
                }
                let made = json!({ ".anonymous": false, ".type": kind, ".name": name });
                sections.entry(name).or_insert(made);
            }
            "set" => {
                let values = args.get("values").and_then(Value::as_object);
                let values = values.ok_or(Status::INVALID_ARGUMENT)?;
                let section = section(&mut sections, text("section"))?;
                for (name, value) in values {
                    if !is_name(name) || !is_value(value) {
                        return Err(Status::INVALID_ARGUMENT);
                    }
                    section.insert(name.clone(), value.clone());
                }
            }
            "delete" => {
                let options = args.get("options").and_then(Value::as_array);
                let options = options.ok_or(Status::INVALID_ARGUMENT)?;
                let section = section(&mut sections, text("section"))?;
                for name in options
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|n| is_name(n))
                {
                    section.remove(name);
                }
            }
            "revert" => {
                pending.remove(&key);
                return Ok(Answer::Done);
            }
            _ => return Err(Status::METHOD_NOT_FOUND),
        }
        pending.insert(key, sections);
        Ok(Answer::Done)
    }

    /// The packages that the session changed and has not applied.
    pub(crate) fn staged(&self, session: &str) -> Vec<String> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let staged = pending.keys().filter(|(of, _)| of == session);
        staged.map(|(_, package)| package.clone()).collect()
    }

    /// Commits what the session changed. The way back that LuCI asks for first (`rollback`) is not here.
    fn apply(
        &self,
        session: &str,
        args: &Map<String, Value>,
        pending: &mut BTreeMap<(String, String), Sections>,
        may: impl Fn(&str, &str) -> bool,
    ) -> Result<Answer, Status> {
        if args.get("rollback").and_then(Value::as_bool) == Some(true) {
            return Err(Status::NOT_SUPPORTED);
        }
        let changed = pending.keys().filter(|(of, _)| of == session);
        let changed: Vec<_> = changed.cloned().collect();
        if changed.iter().any(|(_, package)| !may(package, "write")) {
            return Err(Status::PERMISSION_DENIED);
        }
        let mut packages = Vec::new();
        for key in changed {
            let sections = pending.remove(&key).unwrap_or_default();
            self.write(&key.1, &sections)
                .map_err(|_| Status::SYSTEM_ERROR)?;
            packages.push(key.1);
        }
        Ok(Answer::Committed(packages))
    }

    /// The sections as they are committed.
    pub(super) fn read(&self, package: &str) -> Result<Sections, Status> {
        if !is_name(package) {
            return Err(Status::INVALID_ARGUMENT);
        }
        let read = Package::read_file(&self.directory.join(package));
        let package = read.map_err(|error| match error {
            ReadError::File(error) if error.kind() == io::ErrorKind::NotFound => Status::NOT_FOUND,
            _ => Status::PARSE_ERROR,
        })?;
        let text = |bytes: &[u8]| json!(String::from_utf8_lossy(bytes));
        let sections = package
            .sections()
            .iter()
            .enumerate()
            .map(|(index, section)| {
                let mut values = Map::new();
                values.insert(".anonymous".into(), json!(section.anonymous));
                values.insert(".type".into(), json!(section.kind));
                values.insert(".name".into(), json!(section.id));
                values.insert(".index".into(), json!(index));
                for entry in section.options() {
                    let value = match &entry.value {
                        uci::Value::Text(bytes) => text(bytes),
                        uci::Value::List(items) => items.iter().map(|item| text(item)).collect(),
                    };
                    values.insert(entry.name.to_string(), value);
                }
                (section.id.to_string(), Value::Object(values))
            });
        Ok(sections.collect())
    }

    /// A new file in the place of the old one, as a commit does it.
    fn write(&self, package: &str, sections: &Sections) -> io::Result<()> {
        let path = self.directory.join(package);
        let aside = self.directory.join(format!(".{package}.new"));
        fs::write(&aside, render(sections))?;
        fs::rename(aside, path)
    }
}

/// A section by name.
fn section<'s>(
    sections: &'s mut Sections,
    name: Option<&str>,
) -> Result<&'s mut Map<String, Value>, Status> {
    let name = name.ok_or(Status::INVALID_ARGUMENT)?;
    let section = sections.get_mut(name).and_then(Value::as_object_mut);
    section.ok_or(Status::NOT_FOUND)
}

/// Letters, digits and `_`: names of packages, sections and options.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A text or a list of texts, none of them with a NUL.
fn is_value(value: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.contains('\0'));
    match value {
        Value::Array(items) => items.iter().all(is_text),
        value => is_text(value),
    }
}

/// The text of a package.
fn render(sections: &Sections) -> String {
    let mut order: Vec<&Value> = sections.values().collect();
    // New ones, which have none, last.
    order.sort_by_key(|section| section[".index"].as_u64().unwrap_or(u64::MAX));
    let quoted = |value: &Value| value.as_str().unwrap_or_default().replace('\'', "'\\''");
    let mut text = String::new();
    for section in order {
        let of = |name: &str| section[name].as_str().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "\nconfig {}", of(".type"));
        if section[".anonymous"] != json!(true) {
            let _ = write!(text, " '{}'", of(".name"));
        }
        text.push('\n');
        let options = section.as_object().into_iter().flatten();
        for (name, value) in options.filter(|(name, _)| !name.starts_with('.')) {
            match value {
                Value::Array(items) => {
                    for item in items {
                        let _ = writeln!(text, "\tlist {name} '{}'", quoted(item));
                    }
                }
                value => {
                    let _ = writeln!(text, "\toption {name} '{}'", quoted(value));
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str =
        "config socketman 'main'\n\toption enabled '1'\n\tlist job_pubkey 'a'\n\tlist job_pubkey 'b'\n\n\
         config other\n\toption x 'it'\\''s'\n";

    struct Desk {
        uci: Uci,
        dir: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("socketman"), PACKAGE).unwrap();
            let uci = Uci::new(dir.path().to_owned());
            Desk { uci, dir }
        }

        fn call(&self, session: &str, method: &str, args: Value) -> Result<Answer, Status> {
            let args = args.as_object().unwrap();
            self.uci.answer(session, method, args, |package, mode| {
                package == "socketman" && (mode == "read" || session != "reader")
            })
        }

        fn values(&self, session: &str) -> Value {
            let got = self.call(session, "get", json!({ "config": "socketman" }));
            got.unwrap().into_reply().unwrap()["values"].clone()
        }
    }

    #[test]
    fn a_change_is_the_sessions_own_until_it_is_applied() {
        let desk = Desk::new();
        let change = json!({
            "config": "socketman", "section": "main",
            "values": { "topic": "o'clock\n", "job_pubkey": ["c"] },
        });
        assert_eq!(desk.call("a", "set", change), Ok(Answer::Done));
        let gone = json!({ "config": "socketman", "section": "main", "options": ["enabled"] });
        assert_eq!(desk.call("a", "delete", gone), Ok(Answer::Done));
        assert_eq!(desk.values("a")["main"]["topic"], "o'clock\n");
        assert_eq!(desk.values("b")["main"]["enabled"], "1");

        let applied = desk.call("a", "apply", json!({}));
        assert_eq!(applied, Ok(Answer::Committed(vec!["socketman".into()])));
        let now = desk.values("b");
        assert_eq!(now["main"]["topic"], "o'clock\n");
        assert_eq!(now["main"]["job_pubkey"], json!(["c"]));
        assert_eq!(now["main"].get("enabled"), None);
        let other = now
            .as_object()
            .unwrap()
            .values()
            .find(|s| s[".type"] == "other");
        assert_eq!(other.unwrap()["x"], "it's");
        assert_eq!(
            desk.call("a", "apply", json!({})),
            Ok(Answer::Committed(vec![]))
        );
    }

    #[test]
    fn what_a_session_may_not_do_is_not_done() {
        let desk = Desk::new();
        let denied = Err(Status::PERMISSION_DENIED);
        let change =
            json!({ "config": "socketman", "section": "main", "values": { "topic": "x" } });
        assert_eq!(desk.call("reader", "set", change), denied);
        assert_eq!(
            desk.call("a", "get", json!({ "config": "network" })),
            denied
        );
        let text = fs::read_to_string(desk.dir.path().join("socketman")).unwrap();
        assert_eq!(text, PACKAGE);
    }

    #[test]
    fn names_that_would_break_the_file_are_refused() {
        let desk = Desk::new();
        for (name, value) in [
            ("a b", json!("x")),
            ("a\n", json!("x")),
            ("a", json!(["x", 1])),
            ("a", json!("\0")),
        ] {
            let mut values = Map::new();
            values.insert(name.into(), value);
            let change = json!({ "config": "socketman", "section": "main", "values": values });
            assert_eq!(
                desk.call("a", "set", change),
                Err(Status::INVALID_ARGUMENT),
                "{name:?}"
            );
        }
    }
}
