//! Public keys as they are written: Ed25519, 32 bytes in base64.

use base64::prelude::{Engine, BASE64_STANDARD};

use super::value::{self, ValueError, Written};

/// Most keys of one option.
const MAX_KEYS: usize = 16;

/// An Ed25519 public key. Whether it is a point of the curve shows when a signature is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The keys of a list, or of a text with white space between them; nothing is no key.
pub(super) fn read(written: Written<'_>) -> Result<Vec<PublicKey>, ValueError> {
    let texts = match written {
        Written::List(texts) => texts.iter().map(String::as_str).collect(),
        one => vec![value::text(one)?],
    };
    let words = texts.into_iter().flat_map(str::split_ascii_whitespace);
    let mut keys = Vec::new();
    for (at, word) in words.enumerate() {
        if at == MAX_KEYS {
            return Err(ValueError::TooManyKeys(MAX_KEYS));
        }
        let bytes = BASE64_STANDARD.decode(word).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        keys.push(PublicKey(key.ok_or(ValueError::NotKey(at + 1))?));
    }
    Ok(keys)
}
