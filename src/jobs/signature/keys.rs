//! The keys that may sign jobs, as option `job_pubkey` has them.

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::signature::{UnparsedPublicKey, ED25519};

use crate::config::PublicKey;
use crate::jobs::Settings;

/// Bytes of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// Public keys of small order, without their sign bit. Under one of them anybody can make signatures, so
/// none of them counts as a key. From RFC 7748, section 6.1, and libsodium.
const SMALL_ORDER: [[u8; 32]; 7] = [
    // Order 4, and order 1.
    small(0x00, 0x00, 0x00),
    small(0x01, 0x00, 0x00),
    // Order 8.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    // Order 2; then 0 and 1 again, spelt p and p + 1.
    small(0xec, 0xff, 0x7f),
    small(0xed, 0xff, 0x7f),
    small(0xee, 0xff, 0x7f),
];

const fn small(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut key = [middle; 32];
    key[0] = first;
    key[31] = last;
    key
}

/// The keys in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys<'a> {
    /// Jobs need no signature.
    Unset,
    /// Jobs need a signature by one of these.
    Set(&'a [PublicKey]),
    /// The settings say that signatures are needed, or might, and cannot be used: none is good enough.
    /// Holds the reason for people to read.
    Unusable(String),
}

impl<'a> Keys<'a> {
    /// The keys of `settings`.
    pub fn of(settings: &'a Settings) -> Self {
        match &settings.closed {
            Some(reason) => Keys::Unusable(reason.clone()),
            None if settings.jobs.pubkey.is_empty() => Keys::Unset,
            None => Keys::Set(&settings.jobs.pubkey),
        }
    }
}

/// A signature that could be one.
#[derive(Debug, Clone, Copy)]
pub struct Signature([u8; SIGNATURE]);

impl Signature {
    /// Reads the one spelling that base64 has for 64 bytes: standard alphabet, padding, no spare bits.
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; SIGNATURE + 2];
        let length = BASE64_STANDARD.decode_slice(text, &mut bytes).ok()?;
        let signature = bytes.get(..length)?.try_into().ok()?;
        Some(Signature(signature))
    }

    /// True if it was made over `text` with one of `keys`.
    pub fn is_by_one_of(&self, keys: &[PublicKey], text: &[u8]) -> bool {
        keys.iter().any(|key| self.is_by(key, text))
    }

    fn is_by(&self, PublicKey(key): &PublicKey, text: &[u8]) -> bool {
        !is_of_small_order(key)
            && UnparsedPublicKey::new(&ED25519, key)
                .verify(text, &self.0)
                .is_ok()
    }
}

fn is_of_small_order(key: &[u8; 32]) -> bool {
    let mut unsigned = *key;
    unsigned[31] &= 0x7f;
    SMALL_ORDER.contains(&unsigned)
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = PublicKey(pair.public_key().as_ref().try_into().unwrap());
        (pair, public)
    }

    fn signature(pair: &Ed25519KeyPair, text: &[u8]) -> String {
        BASE64_STANDARD.encode(pair.sign(text))
    }

    #[test]
    fn a_signature_by_any_of_the_keys_is_good_and_by_another_is_not() {
        let ((one, first), (other, second)) = (pair(1), pair(2));
        let by_other = Signature::read(&signature(&other, b"text")).unwrap();
        assert!(by_other.is_by_one_of(&[first, second], b"text"));
        assert!(!by_other.is_by_one_of(&[first], b"text"));
        assert!(!by_other.is_by_one_of(&[], b"text"));
        assert!(!by_other.is_by_one_of(&[first, second], b"Text"));
        let by_one = Signature::read(&signature(&one, b"text")).unwrap();
        assert!(by_one.is_by_one_of(&[first], b"text"));
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let (one, _) = pair(1);
        let good = signature(&one, b"text");
        assert!(Signature::read(&good).is_some());
        let bytes = BASE64_STANDARD.decode(&good).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let url_safe = BASE64_STANDARD
            .encode([0xfb; SIGNATURE])
            .replace('+', "-")
            .replace('/', "_");
        let mut spare = good.clone().into_bytes();
        // The last digit before the padding has four bits that belong to no byte.
        let last = spare[85];
        spare[85] = if last == b'A' { b'B' } else { last + 1 };
        for bad in [
            "",
            "=",
            good.trim_end_matches('='),
            good.strip_suffix('=').unwrap(),
            &format!("{good}="),
            &format!("{good}\n"),
            &format!(" {good}"),
            &format!("{}\n{}", &good[..44], &good[44..]),
            &hex,
            &url_safe,
            &String::from_utf8(spare).unwrap(),
            &BASE64_STANDARD.encode(&bytes[..63]),
            &BASE64_STANDARD.encode([&bytes[..], &[0]].concat()),
            &BASE64_STANDARD.encode([&bytes[..], &bytes[..]].concat()),
        ] {
            assert!(Signature::read(bad).is_none(), "{bad:?}");
        }
    }

    /// The group's order, little endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    #[test]
    fn the_same_signature_with_its_scalar_plus_the_order_is_refused() {
        let (one, public) = pair(1);
        let mut bytes: [u8; SIGNATURE] = one.sign(b"text").as_ref().try_into().unwrap();
        assert!(Signature(bytes).is_by_one_of(&[public], b"text"));
        let mut carry = 0;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!Signature(bytes).is_by_one_of(&[public], b"text"));
    }

    #[test]
    fn no_signature_is_good_under_a_key_that_anybody_can_sign_for() {
        // R = 1 and s = 0: good for every text under the key 1, and for one in 2, 4 or 8 under the others.
        let mut forged = [0; SIGNATURE];
        forged[0] = 1;
        let identity = small(1, 0, 0);
        let plain = UnparsedPublicKey::new(&ED25519, identity);
        assert!(plain.verify(b"anything", &forged).is_ok(), "ring takes it");
        for key in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut key = key;
                key[31] |= sign;
                for text in 0..100u8 {
                    let signature = Signature(forged);
                    assert!(!signature.is_by_one_of(&[PublicKey(key)], &[text]));
                }
            }
        }
    }
}
