//! Public keys as they are written: Ed25519, 32 bytes in base64.

use base64::prelude::{Engine, BASE64_STANDARD};

use super::value::{self, ValueError, Written};

/// Most keys of one option.
const MAX_KEYS: usize = 16;

/// An Ed25519 public key. Whether it is a point of the curve shows when a signature is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The keys of a list, or of a text with white space between them; an empty list or text is no key. An
/// item of a list that holds none is an error: something should have been there.
pub(super) fn read(written: Written<'_>) -> Result<Vec<PublicKey>, ValueError> {
    let one;
    let texts = match written {
        Written::List(texts) => texts,
        text => {
            one = [value::text(text)?.to_owned()];
            match one[0].is_empty() {
                true => &[][..],
                false => &one,
            }
        }
    };
    let mut keys = Vec::new();
    for text in texts {
        let before = keys.len();
        for word in text.split_ascii_whitespace() {
            if keys.len() == MAX_KEYS {
                return Err(ValueError::TooManyKeys(MAX_KEYS));
            }
            let bytes = BASE64_STANDARD.decode(word).ok();
            let key = bytes.and_then(|bytes| bytes.try_into().ok());
            keys.push(PublicKey(key.ok_or(ValueError::NotKey(keys.len() + 1))?));
        }
        if keys.len() == before {
            return Err(ValueError::NotKey(before + 1));
        }
    }
    Ok(keys)
}
