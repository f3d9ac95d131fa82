//! Faults of the router, on command.

use std::time::Duration;

use ubus::blobmsg::Value;
use ubus::matches;

use super::objects::RPCD;

/// A fault. Objects are named as on the bus; a `*` at the end means all that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// These objects do not exist.
    Absent(String),
    /// These objects answer so much later.
    Late(String, Duration),
    /// These objects never answer.
    Silent(String),
    /// The answers of these objects have other types than they should.
    WrongTypes(String),
}

/// All that is wrong at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Nothing is wrong any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn absent(&self, path: &str) -> bool {
        let mut faults = self.0.iter();
        faults.any(|f| matches!(f, Fault::Absent(which) if matches(which, path)))
    }

    pub fn silent(&self, path: &str) -> bool {
        let mut faults = self.0.iter();
        faults.any(|f| matches!(f, Fault::Silent(which) if matches(which, path)))
    }

    pub fn wrong_types(&self, path: &str) -> bool {
        let mut faults = self.0.iter();
        faults.any(|f| matches!(f, Fault::WrongTypes(which) if matches(which, path)))
    }

    /// The longest delay ordered for this object.
    pub fn delay(&self, path: &str) -> Option<Duration> {
        let faults = self.0.iter();
        faults
            .filter_map(|f| match f {
                Fault::Late(which, by) if matches(which, path) => Some(*by),
                _ => None,
            })
            .max()
    }
}

/// A box on which nothing was installed that brings rpcd.
pub(super) fn without_rpcd() -> Vec<Fault> {
    RPCD.map(|path| Fault::Absent(path.to_owned())).into()
}

/// A box without Wi-Fi, or one whose hostapd is down.
pub(super) fn without_hostapd() -> Vec<Fault> {
    ["hostapd", "hostapd.*"]
        .map(|path| Fault::Absent(path.to_owned()))
        .into()
}

/// The same names, but text for numbers, numbers for text, tables for arrays.
pub fn distort(value: Value) -> Value {
    match value {
        Value::Unspec => Value::string("nothing"),
        Value::Array(items) => Value::Table(
            items
                .into_iter()
                .enumerate()
                .map(|(n, item)| (n.to_string().into_bytes(), distort(item)))
                .collect(),
        ),
        Value::Table(members) => Value::Table(
            members
                .into_iter()
                .map(|(name, value)| (name, distort(value)))
                .collect(),
        ),
        Value::String(text) => Value::Int32(text.len() as i32),
        Value::Int8(n) => Value::Array(vec![Value::Int8(n)]),
        Value::Int64(n) => Value::string(&n.to_string()),
        Value::Int32(n) => Value::string(&n.to_string()),
        Value::Int16(n) => Value::Double(n.into()),
        Value::Double(n) => Value::string(&n.to_string()),
    }
}
