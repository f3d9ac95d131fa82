//! Files that are not what their option says. What servers show is tried in the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;

use super::*;
use crate::config::SecretPath;

/// A file of tests/data/tls.
pub(super) fn data(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    fs::read(dir.join(name)).unwrap()
}

/// A certificate of tests/data/tls.
pub(super) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&data(&format!("{name}.crt"))).unwrap()
}

fn broker(cacrt: &Path) -> Broker {
    Broker {
        tls: true,
        cacrt: Some(cacrt.to_owned()),
        ..Broker::default()
    }
}

fn error(broker: &Broker) -> String {
    for_broker(broker).unwrap_err().to_string()
}

#[test]
fn a_ca_file_that_is_missing_or_no_file_or_empty_or_of_another_kind_is_told_by_its_path() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing.pem");
    let path = missing.display();
    assert_eq!(
        error(&broker(&missing)),
        format!("option 'cacrt': {path}: No such file or directory (os error 2)")
    );
    let path = dir.path().display();
    assert_eq!(
        error(&broker(dir.path())),
        format!("option 'cacrt': {path}: is not a regular file")
    );
    let file = dir.path().join("ca.pem");
    let broken = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "\0\u{1}", "hello", broken, no_certificate] {
        fs::write(&file, text).unwrap();
        let path = file.display();
        assert_eq!(
            error(&broker(&file)),
            format!("option 'cacrt': {path} holds no certificate that can be used (PEM is wanted)")
        );
    }
    let large = fs::File::create(&file).unwrap();
    large.set_len(FILE_MAX + 1).unwrap();
    assert!(error(&broker(&file)).ends_with("is larger than 2097152 bytes"));
}

#[test]
fn a_certificate_without_its_key_and_a_key_without_its_certificate_are_told() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("x.pem");
    let half = |certificate: bool| Broker {
        tls: true,
        tls_cert: certificate.then(|| file.clone()),
        tls_key: (!certificate).then(|| SecretPath(file.clone())),
        ..Broker::default()
    };
    let told = |broker: &Broker| identity::read(broker).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        told(&half(true)),
        "option 'tls_cert' is set without 'tls_key'"
    );
    assert_eq!(
        told(&half(false)),
        "option 'tls_key' is set without 'tls_cert'"
    );
}

/// A day at which all of tests/data/tls is valid.
const DAY: u64 = 1_800_000_000;

/// Shows the certificate `shown` of tests/data/tls to one who has the file `cacrt` of it, as `name` and
/// at this time, seconds since the epoch; says why it is refused.
fn refused(cacrt: &str, shown: &str, name: &str, at: u64) -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tls")
        .join(cacrt);
    let verifier = roots::from_file("cacrt", &file, &Arc::new(ring::default_provider())).unwrap();
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
    let name = ServerName::try_from(name).unwrap();
    let verified = verifier.verify_server_cert(&certificate(shown), &[], &name, &[], time);
    verified
        .err()
        .map(|error| words::explain(&error, true).unwrap())
}

#[test]
fn a_certificate_that_cacrt_holds_itself_is_believed_for_its_name_and_its_days() {
    let why = |name, at| refused("own.crt", "own", name, at);
    assert_eq!(why("localhost", DAY), None);
    let told = why("other.example", DAY).unwrap();
    assert_eq!(
        told,
        "the server's certificate is not for other.example but for localhost"
    );
    let told = why("localhost", 1_577_836_800 - 5 * 86_400).unwrap();
    assert!(told.contains("becomes valid in 5 days"), "{told}");
    let told = why("localhost", 4_200_000_000).unwrap();
    assert!(
        told.starts_with("the server's certificate expired "),
        "{told}"
    );
    assert_eq!(why("localhost", 1_577_836_800), None);
}

#[test]
fn a_certificate_that_is_not_the_one_in_cacrt_is_refused_whatever_its_names() {
    assert_eq!(
        refused("ca.crt", "own", "localhost", DAY).unwrap(),
        "the server's certificate is self-signed, and 'cacrt' holds another one"
    );
    assert_eq!(
        refused("own.crt", "cn", "localhost", DAY).unwrap(),
        "the server's certificate is from an issuer we do not know"
    );
    // One byte of the signature is another.
    let verifier = {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/own.crt");
        roots::from_file("cacrt", &file, &Arc::new(ring::default_provider())).unwrap()
    };
    let mut forged = certificate("own").to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(DAY));
    let name = ServerName::try_from("localhost").unwrap();
    let forged = CertificateDer::from(forged);
    assert!(verifier
        .verify_server_cert(&forged, &[], &name, &[], time)
        .is_err());
}

#[test]
fn the_certificate_of_a_ca_shown_as_a_servers_is_told_from_a_strangers() {
    // The CA of the others, pinned: believed, but for its missing name.
    let told = refused("ca.crt", "ca", "localhost", DAY).unwrap();
    assert!(told.contains("has no subjectAltName"), "{told}");
}

#[test]
fn what_cannot_be_accepted_is_named_with_what_to_do() {
    for (shown, name, told) in [
        (
            "v1",
            "localhost",
            "is X.509 version 1; make a version 3 one with subjectAltName",
        ),
        (
            "cn",
            "localhost",
            "has no subjectAltName; a name in CN alone does not count: make one with \
             subjectAltName=DNS:localhost",
        ),
        (
            "cn",
            "10.0.0.1",
            "has no subjectAltName; a name in CN alone does not count: make one with \
             subjectAltName=IP:10.0.0.1",
        ),
        (
            "p521",
            "localhost",
            "has a P-521 key; P-521 keys are not supported: use P-256, P-384, RSA or Ed25519",
        ),
        (
            "rsa1024",
            "localhost",
            "has an RSA key of 1024 bits; at least 2048 are needed",
        ),
    ] {
        assert_eq!(
            refused("ca.crt", shown, name, DAY).unwrap(),
            format!("the server's certificate {told}")
        );
    }
}

#[test]
fn a_ca_with_a_key_that_is_not_supported_is_named() {
    let why = |cacrt, shown| refused(cacrt, shown, "localhost", DAY).unwrap();
    assert_eq!(
        why("ca521.crt", "under521"),
        "the server's certificate is signed by a CA in 'cacrt' that has a P-521 key; P-521 keys are \
         not supported: use P-256, P-384, RSA or Ed25519"
    );
    assert_eq!(
        why("ca1024.crt", "under1024"),
        "the server's certificate is signed by a CA in 'cacrt' that has an RSA key of 1024 bits; at \
         least 2048 are needed"
    );
    assert_eq!(
        why("ca521.crt", "under1024"),
        "the server's certificate is from an issuer we do not know"
    );
    // What is pinned needs no CA.
    assert_eq!(refused("under521.crt", "under521", "localhost", DAY), None);
}

#[test]
fn no_root_of_the_system_is_believed_as_a_servers_own_certificate() {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("own")).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::of(roots, &provider);
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(DAY));
    let name = ServerName::try_from("localhost").unwrap();
    let verified = verifier.verify_server_cert(&certificate("own"), &[], &name, &[], time);
    let told = words::explain(&verified.unwrap_err(), true).unwrap();
    assert!(
        told.starts_with("the server's certificate is self-signed; a CA "),
        "{told}"
    );
}

#[test]
fn a_certificate_of_version_1_is_shown_to_the_broker_with_its_key_in_any_form() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    let with = |certificate: &str, key: &str| {
        for_broker(&Broker {
            tls_cert: Some(dir.join(certificate)),
            tls_key: Some(SecretPath(dir.join(key))),
            ..broker(&dir.join("ca.crt"))
        })
    };
    for (certificate, key) in [
        ("v1.crt", "v1.key"),
        ("v1.crt", "v1.sec1.key"),
        ("v1.crt", "v1.params.key"),
        ("v1rsa.crt", "v1rsa.pkcs1.key"),
        ("v1ed.crt", "v1ed.key"),
    ] {
        let config = with(certificate, key).unwrap();
        assert!(config.client_auth_cert_resolver.has_certs(), "{key}");
    }
    let told = |certificate, key| with(certificate, key).unwrap_err().to_string();
    for key in ["v1.locked.key", "v1.locked-sec1.key"] {
        assert_eq!(
            told("v1.crt", key),
            "option 'tls_key': the key has a passphrase; remove it: openssl pkey -in OLD -out NEW"
        );
    }
    let path = dir.join("v1.crt");
    assert_eq!(
        told("v1.crt", "cn.key"),
        format!(
            "option 'tls_key': the key does not belong to the certificate in {}",
            path.display()
        )
    );
    let path = dir.join("p521.crt");
    assert_eq!(
        told("p521.crt", "p521.key"),
        format!(
            "option 'tls_cert': the certificate in {} has a P-521 key; P-521 keys are not supported: \
             use P-256, P-384, RSA or Ed25519",
            path.display()
        )
    );
}

#[test]
fn a_ca_file_in_der_is_told_with_the_command_that_makes_pem_of_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("ca.der");
    fs::write(&file, certificate("ca")).unwrap();
    assert_eq!(
        error(&broker(&file)),
        format!(
            "option 'cacrt': {} is DER, and PEM is wanted: openssl x509 -inform DER -in OLD -out NEW",
            file.display()
        )
    );
}

#[test]
fn what_weakens_tls_is_a_warning_and_what_does_not_is_none() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("key.pem");
    fs::write(&key, "").unwrap();
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let mut config = Config::default().with(|config| {
        config.broker.tls = true;
        config.broker.tls_key = Some(SecretPath(key.clone()));
    });
    mode(0o640);
    let told: Vec<String> = warnings(&config).iter().map(Problem::to_string).collect();
    assert_eq!(
        told,
        ["tls: option 'tls_key': others can read the file: chmod 600 it"]
    );
    mode(0o600);
    assert_eq!(warnings(&config), []);
    config.api.insecure = true;
    assert_eq!(warnings(&config)[0].option.as_deref(), Some("insecure"));
}
