//! JSON that an agent wrote, read by key. A reader for all records: derived, each has one of 1 to 6 KB.

use serde_json::{Map, Value};

/// The members of an object. Those nobody asks for are ignored: agents of other versions write them.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// `None` if `bytes` are no object.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        Fields::of(serde_json::from_slice(bytes).ok()?)
    }

    /// `None` if `value` is no object.
    pub(crate) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Fields(members)),
            _ => None,
        }
    }

    /// Every member.
    pub(crate) fn all(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter()
    }

    /// A member that may be missing or null; `None` if it is there and `read` cannot read it.
    pub(crate) fn maybe<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Some(None),
            Some(value) => read(value).map(Some),
        }
    }

    /// A member that has to be there; `None` if it is not, or if `read` cannot read it.
    pub(crate) fn required<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        self.maybe(key, read)?
    }
}

pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

pub(crate) fn flag(value: Value) -> Option<bool> {
    value.as_bool()
}

pub(crate) fn number<N: TryFrom<u64>>(value: Value) -> Option<N> {
    N::try_from(value.as_u64()?).ok()
}

/// Every element has to be one that `read` reads.
pub(crate) fn list<T>(value: Value, read: impl FnMut(Value) -> Option<T>) -> Option<Vec<T>> {
    match value {
        Value::Array(elements) => elements.into_iter().map(read).collect(),
        _ => None,
    }
}

pub(crate) fn texts(value: Value) -> Option<Vec<String>> {
    list(value, text)
}

/// The one of `all` that has this `name`.
pub(crate) fn one_of<T: Copy>(value: Value, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
    let wanted = value.as_str()?;
    all.iter().copied().find(|one| name(*one) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_is_missing_or_is_wrong() {
        let mut fields = Fields::parse(br#"{"a":"x","b":7,"c":null,"d":["y"],"e":300}"#).unwrap();
        assert_eq!(fields.maybe("none", text), Some(None));
        assert_eq!(fields.maybe("c", text), Some(None));
        assert_eq!(fields.required("none", text), None);
        assert_eq!(fields.required("a", text).as_deref(), Some("x"));
        assert_eq!(fields.required("b", number::<u8>), Some(7));
        assert_eq!(fields.maybe("e", number::<u8>), None);
        assert_eq!(fields.required("d", texts), Some(vec!["y".to_owned()]));
        assert!(Fields::parse(b"[]").is_none() && Fields::parse(b"{").is_none());
    }
}
