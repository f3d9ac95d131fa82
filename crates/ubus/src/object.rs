//! Objects: what one offers, and what a look-up tells of it.

use bytes::Bytes;

use super::blob::Writer;
use super::blobmsg::{Members, Scalar, Type};
use super::message::Attributes;

/// A method and the arguments it says it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its name on the bus.
    pub name: String,
    /// Name and type of each argument. Informative: a caller may send others.
    pub args: Vec<(String, Type)>,
}

impl Method {
    /// A method with the names and types of its arguments.
    pub fn new(name: &str, args: &[(&str, Type)]) -> Self {
        Method {
            name: name.to_owned(),
            args: args
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), *kind))
                .collect(),
        }
    }
}

/// An object as LOOKUP shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Changes whenever the object is registered again.
    pub id: u32,
    /// Its path.
    pub path: String,
    /// As far as the caller may see them.
    pub methods: Vec<Method>,
}

impl ObjectInfo {
    /// Reads one answer of a LOOKUP; `None` if it lacks path or id.
    pub(super) fn from_reply(reply: &Attributes) -> Option<Self> {
        Some(ObjectInfo {
            id: reply.objid?,
            path: String::from_utf8_lossy(reply.objpath.as_ref()?).into_owned(),
            methods: reply
                .signature
                .as_ref()
                .map_or_else(Vec::new, read_signature),
        })
    }

    /// A method of it, by name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// The methods in a SIGNATURE: a table for each, its members the type numbers of the arguments.
/// Entries of another shape are left out: the object's owner may write anything here.
fn read_signature(signature: &Bytes) -> Vec<Method> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let argument_type = |scalar| match scalar {
        Scalar::Int32(id) => u8::try_from(id).ok().and_then(Type::from_id),
        _ => None,
    };
    Members::new(signature)
        .map_while(Result::ok)
        .filter(|member| member.kind == Type::Table)
        .map(|member| Method {
            name: text(member.name),
            args: Members::new(member.value)
                .map_while(Result::ok)
                .filter_map(|arg| Some((text(arg.name), argument_type(arg.scalar().ok()?)?)))
                .collect(),
        })
        .collect()
}

/// The SIGNATURE that declares `methods`.
pub(super) fn write_signature(methods: &[Method]) -> Vec<u8> {
    let mut writer = Writer::new();
    for method in methods {
        let table = writer.open_member(Type::Table, method.name.as_bytes());
        for (name, kind) in &method.args {
            writer.member(
                Type::Int32,
                name.as_bytes(),
                &i32::from(*kind as u8).to_be_bytes(),
            );
        }
        writer.close(table);
    }
    writer.into_bytes()
}

/// True if `pattern` means `name`: the same text, or a prefix if `pattern` ends in `*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_name() {
        let methods = vec![Method::new("board", &[]), Method::new("info", &[])];
        let object = ObjectInfo {
            id: 1,
            path: "system".to_owned(),
            methods,
        };
        assert_eq!(object.method("info"), Some(&object.methods[1]));
        assert_eq!(object.method("reboot"), None);
    }

    #[test]
    fn a_signature_reads_back() {
        let methods = vec![
            Method::new("board", &[]),
            Method::new(
                "watchdog",
                &[("frequency", Type::Int32), ("stop", Type::Int8)],
            ),
        ];
        assert_eq!(read_signature(&write_signature(&methods).into()), methods);
    }

    #[test]
    fn patterns_end_in_a_star_or_mean_themselves() {
        assert!(matches("hostapd.*", "hostapd.wlan0"));
        assert!(!matches("hostapd.*", "hostapd-auth"));
        assert!(matches("*", ""));
        assert!(matches("system", "system") && !matches("system", "systems"));
    }
}
