//! The little of a certificate (X.509, DER) that words about it need: its version, dates, names and
//! key. Nothing is believed because of what is read here.

use rustls::pki_types::UnixTime;

#[cfg(test)]
mod tests;

/// Object identifiers, as DER has them.
mod oid {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(super) const ED448: &[u8] = &[0x2b, 0x65, 0x71];
    pub(super) const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    pub(super) const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
    pub(super) const P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
    pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(super) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
}

/// Tags of DER.
mod tag {
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const BIT_STRING: u8 = 3;
    pub(super) const OCTET_STRING: u8 = 4;
    pub(super) const OID: u8 = 6;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const VERSION: u8 = 0xa0;
    pub(super) const EXTENSIONS: u8 = 0xa3;
}

/// A certificate that was read.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// 1 to 3.
    pub(super) version: u8,
    /// DER, as `subject` and `public_key` are.
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    /// SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
    pub(super) key: Key,
    pub(super) has_alt_names: bool,
    /// basicConstraints CA:TRUE.
    pub(super) is_ca: bool,
}

/// The kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// With so many bits.
    Rsa(usize),
    P256,
    P384,
    P521,
    Ed25519,
    Ed448,
    Dsa,
    OtherCurve,
    Unknown,
}

impl<'a> Certificate<'a> {
    /// `None` if this is no certificate.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).want(tag::SEQUENCE)?);
        let mut body = Reader(outer.want(tag::SEQUENCE)?);
        let version = match body.if_next(tag::VERSION) {
            Some(version) => match Reader(version).want(tag::INTEGER)? {
                [number @ 0..=2] => number + 1,
                _ => return None,
            },
            None => 1,
        };
        body.want(tag::INTEGER)?;
        body.want(tag::SEQUENCE)?;
        let issuer = body.whole(tag::SEQUENCE)?;
        let mut validity = Reader(body.want(tag::SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = body.whole(tag::SEQUENCE)?;
        let public_key = body.whole(tag::SEQUENCE)?;
        let mut certificate = Certificate {
            version,
            issuer,
            subject,
            not_before,
            not_after,
            public_key,
            key: Key::read(public_key)?,
            has_alt_names: false,
            is_ca: false,
        };
        while let Some((tag, content, _)) = body.next() {
            if tag == tag::EXTENSIONS {
                certificate.read_extensions(Reader(content).want(tag::SEQUENCE)?);
            }
        }
        Some(certificate)
    }

    fn read_extensions(&mut self, extensions: &[u8]) {
        let mut extensions = Reader(extensions);
        while let Some(extension) = extensions.want(tag::SEQUENCE) {
            let mut extension = Reader(extension);
            let id = extension.want(tag::OID);
            // Whether it is critical.
            extension.if_next(tag::BOOLEAN);
            let value = extension.want(tag::OCTET_STRING).unwrap_or_default();
            match id {
                Some(oid::SUBJECT_ALT_NAME) => self.has_alt_names = true,
                Some(oid::BASIC_CONSTRAINTS) => {
                    let constraints = Reader(value).want(tag::SEQUENCE);
                    let ca = constraints.and_then(|inner| Reader(inner).want(tag::BOOLEAN));
                    self.is_ca = ca.is_some_and(|ca| ca != [0]);
                }
                _ => {}
            }
        }
    }
}

impl Key {
    /// Reads a SubjectPublicKeyInfo.
    fn read(public_key: &[u8]) -> Option<Self> {
        let mut info = Reader(Reader(public_key).want(tag::SEQUENCE)?);
        let mut algorithm = Reader(info.want(tag::SEQUENCE)?);
        Some(match algorithm.want(tag::OID)? {
            oid::RSA => {
                // The first byte counts bits that are not used.
                let bits = info.want(tag::BIT_STRING)?.get(1..)?;
                let modulus = Reader(Reader(bits).want(tag::SEQUENCE)?).want(tag::INTEGER)?;
                let first = modulus.iter().position(|byte| *byte != 0)?;
                let zeros = modulus[first].leading_zeros() as usize;
                Key::Rsa((modulus.len() - first) * 8 - zeros)
            }
            oid::EC => match algorithm.want(tag::OID) {
                Some(oid::P256) => Key::P256,
                Some(oid::P384) => Key::P384,
                Some(oid::P521) => Key::P521,
                _ => Key::OtherCurve,
            },
            oid::ED25519 => Key::Ed25519,
            oid::ED448 => Key::Ed448,
            oid::DSA => Key::Dsa,
            _ => Key::Unknown,
        })
    }
}

/// The length of the first element of `der`; `None` if it is cut off.
pub(super) fn first_length(der: &[u8]) -> Option<usize> {
    let (_, _, whole) = Reader(der).next()?;
    Some(whole.len())
}

/// The rest of what is read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Tag, content and all of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let [tag, first, rest @ ..] = self.0 else {
            return None;
        };
        let (length, head) = match *first {
            short @ 0..=0x7f => (usize::from(short), 2),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let digits = rest.get(..count)?.iter();
                let length = digits.fold(0u32, |length, digit| length << 8 | u32::from(*digit));
                (usize::try_from(length).ok()?, 2 + count)
            }
            _ => return None,
        };
        let end = head.checked_add(length)?;
        let (whole, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some((*tag, &whole[head..], whole))
    }

    fn want(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content, _) = self.next()?;
        (tag == wanted).then_some(content)
    }

    fn whole(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, _, whole) = self.next()?;
        (tag == wanted).then_some(whole)
    }

    fn if_next(&mut self, wanted: u8) -> Option<&'a [u8]> {
        (self.0.first() == Some(&wanted)).then(|| self.want(wanted))?
    }

    fn time(&mut self) -> Option<UnixTime> {
        let (tag, text, _) = self.next()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = match (tag, text.len()) {
            // RFC 5280: 50 to 99 are of the last century.
            (tag::UTC_TIME, 12) => {
                let year: u64 = text[..2].parse().ok()?;
                (year + if year < 50 { 2000 } else { 1900 }, &text[2..])
            }
            (tag::GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
            _ => return None,
        };
        let two = |at: usize| rest[at..at + 2].parse::<u64>().ok();
        let (month, day) = (two(0)?, two(2)?);
        let (hour, minute, second) = (two(4)?, two(6)?, two(8)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_since_1970(year, month, day);
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// Days of the Gregorian calendar; 0 for what is before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Years begin in March, so that the leap day is their last.
    let (year, month) = match month {
        1 | 2 => (year.saturating_sub(1), month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    // 1970-01-01, counted from the first of March in the year 0.
    days.saturating_sub(719_468)
}
