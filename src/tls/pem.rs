//! PEM files as they come from other systems: with byte order marks, CRLF, text around the blocks, and
//! the labels that OpenSSL has besides the usual ones.

use std::borrow::Cow;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::x509;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Labels of a certificate: of old, and of one with OpenSSL's own remarks behind it.
const LABELS: [&str; 2] = ["X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// The certificates in a file; those that are broken are left out.
pub(super) fn certificates(file: &[u8]) -> Vec<CertificateDer<'static>> {
    let text = plain(file);
    CertificateDer::pem_slice_iter(&text)
        .flatten()
        .map(|der| match x509::first_length(&der) {
            Some(length) if length < der.len() => CertificateDer::from(der[..length].to_vec()),
            _ => der,
        })
        .collect()
}

/// The first private key in a file that is not encrypted.
pub(super) fn private_key(file: &[u8]) -> Option<PrivateKeyDer<'static>> {
    // Its own error could quote the file.
    PrivateKeyDer::from_pem_slice(&plain(file)).ok()
}

/// True if there is a private key that needs a passphrase.
pub(super) fn has_locked_key(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// True if this is DER in place of PEM.
pub(super) fn is_binary(file: &[u8]) -> bool {
    file.first() == Some(&0x30) && x509::first_length(file).is_some()
}

/// The text without what the reader of the blocks stumbles over. Every line can begin with a byte order
/// mark, for files are put together with `cat`.
fn plain(file: &[u8]) -> Cow<'_, [u8]> {
    let marked = file.windows(BOM.len()).any(|three| three == BOM);
    let text = String::from_utf8_lossy(file);
    if !marked && !LABELS.iter().any(|label| text.contains(label)) {
        return Cow::Borrowed(file);
    }
    let mut plain = Vec::with_capacity(file.len());
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_prefix(BOM).unwrap_or(line);
        let is_label = |label: &&str| {
            let (begin, end) = (
                format!("-----BEGIN {label}-----"),
                format!("-----END {label}-----"),
            );
            line.trim_ascii_end() == begin.as_bytes() || line.trim_ascii_end() == end.as_bytes()
        };
        match LABELS.iter().find(|label| is_label(label)) {
            Some(_) if line.starts_with(b"-----BEGIN") => {
                plain.extend(b"-----BEGIN CERTIFICATE-----\n");
            }
            Some(_) => plain.extend(b"-----END CERTIFICATE-----\n"),
            None => plain.extend(line),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{certificate, data};
    use super::*;

    #[test]
    fn a_certificate_is_found_however_the_file_was_saved() {
        let [ca, v1] = ["ca.crt", "v1.crt"].map(|name| String::from_utf8(data(name)).unwrap());
        let both = vec![certificate("ca"), certificate("v1")];
        let bom = "\u{feff}";
        for text in [
            format!("{ca}{v1}"),
            format!("{bom}{ca}{v1}"),
            format!("{bom}{ca}{bom}{v1}"),
            format!("{ca}{v1}").replace('\n', "\r\n"),
            format!("{bom}{ca}{v1}").replace('\n', "\r\n"),
            format!("subject=CN = ca\n\n{ca}\nBag Attributes\n    friendlyName: x\n{v1}trailing"),
            format!("{bom}# our CA\n{ca}{v1}"),
            format!("{ca}{v1}").replace("CERTIFICATE-", "X509 CERTIFICATE-"),
            format!("{}{ca}{v1}", String::from_utf8(data("v1.key")).unwrap()),
        ] {
            assert_eq!(certificates(text.as_bytes()), both, "{text}");
        }
        assert_eq!(certificates(&data("ca.trusted.crt")), [certificate("ca")]);
    }

    #[test]
    fn a_private_key_is_found_in_each_of_its_forms() {
        let crlf = |name| {
            let text = String::from_utf8(data(name)).unwrap();
            format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes()
        };
        assert!(matches!(
            private_key(&data("v1.key")),
            Some(PrivateKeyDer::Pkcs8(_))
        ));
        assert!(matches!(
            private_key(&crlf("v1.key")),
            Some(PrivateKeyDer::Pkcs8(_))
        ));
        for name in ["v1.sec1.key", "v1.params.key"] {
            assert!(
                matches!(private_key(&data(name)), Some(PrivateKeyDer::Sec1(_))),
                "{name}"
            );
            assert!(
                matches!(private_key(&crlf(name)), Some(PrivateKeyDer::Sec1(_))),
                "{name}"
            );
            assert!(!has_locked_key(&data(name)));
        }
        for name in ["v1.locked.key", "v1.locked-sec1.key"] {
            assert!(private_key(&data(name)).is_none(), "{name}");
            assert!(has_locked_key(&data(name)), "{name}");
        }
    }

    #[test]
    fn der_is_told_from_other_files() {
        assert!(is_binary(&certificate("ca")));
        assert!(!is_binary(&data("ca.crt")));
        assert!(!is_binary(b"0 is how this text begins"));
        assert!(!is_binary(b""));
    }
}
