//! Values as OpenWrt's programs put them on the bus, written down tersely.

use std::collections::BTreeMap;

use ubus::blobmsg::Value;

/// A value in a table; the Rust type decides the type on the wire (u32 and i32 both become
/// int32, as every ubus program does it).
pub(super) trait Member {
    fn value(self) -> Value;
}

impl Member for Value {
    fn value(self) -> Value {
        self
    }
}

impl Member for bool {
    fn value(self) -> Value {
        Value::bool(self)
    }
}

impl Member for i16 {
    fn value(self) -> Value {
        Value::Int16(self)
    }
}

impl Member for u16 {
    fn value(self) -> Value {
        Value::Int16(self as i16)
    }
}

impl Member for i32 {
    fn value(self) -> Value {
        Value::Int32(self)
    }
}

impl Member for u32 {
    fn value(self) -> Value {
        Value::Int32(self as i32)
    }
}

impl Member for u64 {
    fn value(self) -> Value {
        Value::Int64(self as i64)
    }
}

impl Member for &str {
    fn value(self) -> Value {
        Value::string(self)
    }
}

impl Member for String {
    fn value(self) -> Value {
        Value::String(self.into_bytes())
    }
}

/// Text that need not be UTF-8, as SSIDs are.
impl Member for &[u8] {
    fn value(self) -> Value {
        Value::String(self.to_vec())
    }
}

impl<T: Member> Member for Vec<T> {
    fn value(self) -> Value {
        Value::Array(self.into_iter().map(Member::value).collect())
    }
}

impl<T: Member> Member for BTreeMap<String, T> {
    fn value(self) -> Value {
        Value::Table(
            self.into_iter()
                .map(|(name, value)| (name.into_bytes(), value.value()))
                .collect(),
        )
    }
}

/// `table! { "freq": 2437u32, "clients": clients }` as a [`Value`].
macro_rules! table {
    ($($name:literal : $value:expr),* $(,)?) => {
        ubus::blobmsg::Value::Table(vec![
            $(($name.as_bytes().to_vec(), $crate::router::members::Member::value($value))),*
        ])
    };
}
pub(crate) use table;

/// Adds a member at the end of a table; of anything else nothing becomes of it.
pub(super) fn push(table: &mut Value, name: &str, value: impl Member) {
    if let Value::Table(members) = table {
        members.push((name.as_bytes().to_vec(), value.value()));
    }
}

/// Replaces the first member of that name where it stands, or adds it at the end.
pub(super) fn set(table: &mut Value, name: &str, value: impl Member) {
    match get_mut(table, name) {
        Some(member) => *member = value.value(),
        None => push(table, name, value),
    }
}

/// Takes out the first member of that name.
pub(super) fn remove(table: &mut Value, name: &str) -> Option<Value> {
    let Value::Table(members) = table else {
        return None;
    };
    let at = members.iter().position(|(key, _)| key == name.as_bytes())?;
    Some(members.remove(at).1)
}

/// The first member of that name, to change it.
pub(super) fn get_mut<'v>(table: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    match table {
        Value::Table(members) => members
            .iter_mut()
            .find(|(key, _)| key == name.as_bytes())
            .map(|(_, value)| value),
        _ => None,
    }
}

/// The items of an array, to change them; none of anything else.
pub(super) fn items_mut(array: &mut Value) -> &mut [Value] {
    match array {
        Value::Array(items) => items,
        _ => &mut [],
    }
}

/// Parses one of the replies in `tests/data/samples`.
pub(super) fn sample(json: &str) -> Value {
    serde_json::from_str(json).expect("the samples are JSON")
}
