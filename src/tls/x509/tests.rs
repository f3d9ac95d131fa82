//! Certificates that OpenSSL made, and bytes that are none.

use proptest::prelude::*;

use super::super::tests::certificate;
use super::*;

fn seconds(time: UnixTime) -> u64 {
    time.as_secs()
}

#[test]
fn version_names_and_key_are_read_from_what_openssl_made() {
    for (name, version, key, has_alt_names, is_ca) in [
        ("ca", 3, Key::P256, false, true),
        ("own", 3, Key::P256, true, true),
        ("v1", 1, Key::P256, false, false),
        ("cn", 3, Key::P256, false, false),
        ("p521", 3, Key::P521, true, false),
        ("rsa1024", 3, Key::Rsa(1024), true, false),
    ] {
        let der = certificate(name);
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.version, version, "{name}");
        assert_eq!(read.key, key, "{name}");
        assert_eq!(read.has_alt_names, has_alt_names, "{name}");
        assert_eq!(read.is_ca, is_ca, "{name}");
        assert_eq!(read.issuer == read.subject, is_ca, "{name}");
        // 2020-01-01 as UTCTime, a day of 2100 as GeneralizedTime.
        assert_eq!(seconds(read.not_before), 1_577_836_800, "{name}");
        let years = (seconds(read.not_after) - 1_577_836_800) / (365 * 86_400);
        assert_eq!(years, 80, "{name}");
    }
}

#[test]
fn days_are_counted_as_the_calendar_does() {
    for (date, days) in [
        ((1970, 1, 1), 0),
        ((1970, 3, 1), 59),
        ((2000, 2, 29), 11_016),
        ((2000, 3, 1), 11_017),
        ((2026, 11, 29), 20_786),
        ((2100, 3, 1), 47_541),
        ((1969, 12, 31), 0),
        ((0, 1, 1), 0),
    ] {
        let (year, month, day) = date;
        assert_eq!(days_since_1970(year, month, day), days, "{date:?}");
    }
}

#[test]
fn what_follows_an_element_is_not_part_of_it() {
    let mut der = certificate("ca").to_vec();
    let length = der.len();
    assert_eq!(first_length(&der), Some(length));
    der.extend([0x30, 0]);
    assert_eq!(first_length(&der), Some(length));
    assert_eq!(first_length(&der[..length - 1]), None);
    assert_eq!(first_length(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
}

proptest! {
    #[test]
    fn no_bytes_whatever_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Certificate::read(&bytes);
    }

    #[test]
    fn no_change_of_a_certificate_makes_it_panic(at in 0usize..400, byte: u8, end in 0usize..400) {
        for name in ["own", "rsa1024"] {
            let mut der = certificate(name).to_vec();
            let at = at.min(der.len() - 1);
            der[at] = byte;
            let _ = Certificate::read(&der);
            der.truncate(end);
            let _ = Certificate::read(&der);
        }
    }
}
