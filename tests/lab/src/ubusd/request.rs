//! Messages of a client, as the daemon reads them.

use bytes::Bytes;
use ubus::blob::{padded, Attrs, WORD};
use ubus::blobmsg::{Member, Members, Scalar, Type};
use ubus::message::attr;

/// The attributes a handler looks at. Reading never fails: it ends at the first attribute that does
/// not hold together; one of the wrong size counts as absent; of repeated ones the last counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) status: Option<i32>,
    pub(super) path: Option<Bytes>,
    pub(super) object: Option<u32>,
    pub(super) method: Option<Bytes>,
    pub(super) object_type: Option<u32>,
    pub(super) signature: Option<Bytes>,
    pub(super) data: Option<Bytes>,
    /// Its size is not checked; 0, which no object has, stands for one of less than 4 bytes.
    pub(super) target: Option<u32>,
    pub(super) no_reply: bool,
}

impl Request {
    pub(super) fn read(payload: &Bytes) -> Self {
        let mut request = Request::default();
        for attr in Attrs::new(payload).map_while(Result::ok) {
            let nested = || Some(payload.slice_ref(attr.payload));
            match attr.id {
                attr::STATUS => set(&mut request.status, word(attr.payload).map(|n| n as i32)),
                attr::OBJPATH => set(&mut request.path, text(payload, attr.payload)),
                attr::OBJID => set(&mut request.object, word(attr.payload)),
                attr::METHOD => set(&mut request.method, text(payload, attr.payload)),
                attr::OBJTYPE => set(&mut request.object_type, word(attr.payload)),
                attr::SIGNATURE => request.signature = nested(),
                attr::DATA => request.data = nested(),
                attr::TARGET => {
                    let target = attr.payload.first_chunk::<4>();
                    request.target = Some(target.map_or(0, |n| u32::from_be_bytes(*n)));
                }
                attr::NO_REPLY => request.no_reply = attr.payload.first().is_some_and(|b| *b != 0),
                _ => {}
            }
        }
        request
    }
}

/// An unusable attribute leaves what an earlier one set.
fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

fn word(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

/// A string ends at its first NUL; without one at its end it is none.
fn text(whole: &Bytes, payload: &[u8]) -> Option<Bytes> {
    (payload.last() == Some(&0)).then(|| whole.slice_ref(until_nul(payload)))
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// The first member called `name` of type `kind` in front of anything malformed, as the daemon finds
/// the arguments of its own objects. Members without the extended bit have no name.
pub(super) fn argument<'a>(mut data: &'a [u8], name: &[u8], kind: Type) -> Option<Member<'a>> {
    let mut attrs = Attrs::new(data);
    while let Some(Ok(attr)) = attrs.next() {
        let (whole, rest) = data.split_at(padded(WORD + attr.payload.len()));
        data = rest;
        if !attr.extended {
            continue;
        }
        let member = Members::new(whole).next()?.ok()?;
        member.scalar().ok()?;
        if member.kind == kind && member.name == name {
            return Some(member);
        }
    }
    None
}

/// The string argument called `name`, up to its first NUL.
pub(super) fn string_argument<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    argument(data, name, Type::String).map(|member| until_nul(member.value))
}

/// The int32 argument called `name`, as an id.
pub(super) fn id_argument(data: &[u8], name: &[u8]) -> Option<u32> {
    match argument(data, name, Type::Int32)?.scalar() {
        Ok(Scalar::Int32(id)) => Some(id as u32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ubus::blob::Writer;

    use super::*;

    fn read(writer: Writer) -> Request {
        Request::read(&writer.into_bytes().into())
    }

    #[test]
    fn of_repeated_attributes_the_last_usable_one_counts() {
        let request = read(
            Writer::new()
                .text(attr::OBJPATH, b"a")
                .text(attr::OBJPATH, b"b")
                .nested(attr::OBJPATH, b"no end"),
        );
        assert_eq!(request.path.as_deref(), Some(&b"b"[..]));
    }

    #[test]
    fn a_short_target_names_no_object() {
        let request = read(Writer::new().nested(attr::TARGET, &[1, 2]));
        assert_eq!(request.target, Some(0));
    }

    #[test]
    fn arguments_behind_a_malformed_member_are_missing() {
        let mut writer = Writer::new();
        writer.string(b"id", b"x\0y");
        writer.member(Type::Int32, b"n", &[1]);
        writer.member(Type::Int32, b"object", &[0, 0, 0, 9]);
        let data = writer.into_bytes();
        assert_eq!(string_argument(&data, b"id"), Some(&b"x"[..]));
        assert_eq!(id_argument(&data, b"object"), None);
    }

    #[test]
    fn members_without_the_extended_bit_are_passed_over() {
        let mut writer = Writer::new();
        writer.attr(5, false, b"\0\x06object\0\0\0\0\0\0\0\x08");
        writer.member(Type::Int32, b"object", &[0, 0, 0, 9]);
        assert_eq!(id_argument(&writer.into_bytes(), b"object"), Some(9));
    }
}
