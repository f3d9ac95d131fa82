//! The parts of replies that a person is shown, read member by member: what another agent does not say, or says
//! otherwise, is as if it were not there.
//!
//! No serde: its code for these types is five times as large.

use ubus::blobmsg::{Members, Scalar};

/// Reads the part of a value that can be shown.
pub(super) trait Shown: Sized {
    /// `None` if the value is of another type.
    fn of(value: Scalar<'_>) -> Option<Self>;
}

/// Reads the part of a reply that can be shown.
pub(super) fn of_reply<T: Shown + Default>(reply: &[u8]) -> T {
    T::of(Scalar::Table(reply)).unwrap_or_default()
}

/// The integer without a sign, as the bus has it, and with one.
fn integer(value: Scalar<'_>) -> Option<(u64, i64)> {
    Some(match value {
        Scalar::Int64(n) => (n as u64, n),
        Scalar::Int32(n) => (u64::from(n as u32), n.into()),
        Scalar::Int16(n) => (u64::from(n as u16), n.into()),
        Scalar::Int8(n) => (n.into(), i64::from(n as i8)),
        _ => return None,
    })
}

impl Shown for u64 {
    fn of(value: Scalar<'_>) -> Option<Self> {
        integer(value).map(|(unsigned, _)| unsigned)
    }
}

impl Shown for u32 {
    fn of(value: Scalar<'_>) -> Option<Self> {
        integer(value)?.0.try_into().ok()
    }
}

impl Shown for i32 {
    fn of(value: Scalar<'_>) -> Option<Self> {
        integer(value)?.1.try_into().ok()
    }
}

impl Shown for f64 {
    fn of(value: Scalar<'_>) -> Option<Self> {
        match value {
            Scalar::Double(number) => Some(number),
            _ => integer(value).map(|(_, signed)| signed as f64),
        }
    }
}

impl Shown for bool {
    fn of(value: Scalar<'_>) -> Option<Self> {
        match value {
            Scalar::Int8(n) => Some(n != 0),
            _ => None,
        }
    }
}

impl Shown for String {
    fn of(value: Scalar<'_>) -> Option<Self> {
        match value {
            Scalar::String(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }
}

impl<T: Shown> Shown for Option<T> {
    fn of(value: Scalar<'_>) -> Option<Self> {
        Some(T::of(value))
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn of(value: Scalar<'_>) -> Option<Self> {
        let Scalar::Array(inner) = value else {
            return None;
        };
        let mut list = Vec::new();
        each(inner, &mut |_, value| list.extend(T::of(value)));
        Some(list)
    }
}

/// Goes through the members of a table or the elements of an array, so far as they are well formed.
fn each(inner: &[u8], take: &mut dyn FnMut(&[u8], Scalar<'_>)) {
    for member in Members::new(inner) {
        let Ok(member) = member else { return };
        if let Ok(value) = member.scalar() {
            take(member.name, value);
        }
    }
}

/// Goes through the members of a table that have one of `names`, and tells which.
pub(super) fn each_named(
    value: Scalar<'_>,
    names: &[&str],
    take: &mut dyn FnMut(usize, Scalar<'_>),
) -> Option<()> {
    let Scalar::Table(inner) = value else {
        return None;
    };
    each(inner, &mut |name, value| {
        let at = names.iter().position(|one| one.as_bytes() == name);
        if let Some(at) = at {
            take(at, value);
        }
    });
    Some(())
}

/// Makes structs that can be shown, of fields that can; one that has another name on the bus says which.
macro_rules! shown {
    ($($(#[$about:meta])* $seen:vis struct $name:ident {
        $($field:ident $(as $other:literal)?: $type:ty,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug, Default)]
        $seen struct $name {
            $($field: $type,)*
        }

        impl $crate::cli::view::Shown for $name {
            fn of(value: ubus::blobmsg::Scalar<'_>) -> Option<Self> {
                #[allow(non_camel_case_types)]
                enum At { $($field,)* }
                const NAMES: &[&str] = &[$($crate::cli::view::name!($field $($other)?),)*];
                let mut shown = Self::default();
                $crate::cli::view::each_named(value, NAMES, &mut |at, value| {
                    $(if at == At::$field as usize {
                        if let Some(read) = <$type as $crate::cli::view::Shown>::of(value) {
                            shown.$field = read;
                        }
                    })*
                })?;
                Some(shown)
            }
        }
    )*};
}
pub(super) use shown;

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $other:literal) => {
        $other
    };
}
pub(super) use name;

#[cfg(test)]
pub(super) fn of_json<T: Shown + Default>(json: serde_json::Value) -> T {
    let value: ubus::blobmsg::Value = serde_json::from_value(json).unwrap();
    of_reply(&value.to_members())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    shown! {
        struct Sample {
            up: bool,
            kind as "type": String,
            count: u64,
            signal: Option<i32>,
            names: Vec<String>,
            inner: Option<Inner>,
        }

        struct Inner {
            load: f64,
        }
    }

    #[test]
    fn what_is_of_another_type_is_as_if_it_were_not_there() {
        let all: Sample = of_json(
            json!({"up": true, "type": "x", "count": 7, "signal": -48, "other": {},
            "names": ["a", 1, "b"], "inner": {"load": 0.5}}),
        );
        assert_eq!(
            (all.up, &*all.kind, all.count, all.signal),
            (true, "x", 7, Some(-48))
        );
        assert_eq!(all.names, ["a", "b"]);
        assert_eq!(all.inner.unwrap().load, 0.5);
        let none: Sample = of_json(json!({"up": "1", "type": null, "count": [], "signal": "x",
            "names": {"a": 1}, "inner": 7}));
        assert_eq!(
            (none.up, &*none.kind, none.count, none.signal),
            (false, "", 0, None)
        );
        assert!(none.names.is_empty() && none.inner.is_none());
    }
}
