//! Files that are not what their option says. What servers show is tried in the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::SecretPath;

fn broker(cacrt: &Path) -> Config {
    Config {
        tls: true,
        cacrt: Some(cacrt.to_owned()),
        ..Config::default()
    }
}

fn error(config: &Config) -> String {
    for_broker(config).unwrap_err().to_string()
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
    let half = |certificate: bool| Config {
        tls: true,
        tls_cert: certificate.then(|| file.clone()),
        tls_key: (!certificate).then(|| SecretPath(file.clone())),
        ..Config::default()
    };
    let told = |config: &Config| identity::read(config).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        told(&half(true)),
        "option 'tls_cert' is set without 'tls_key'"
    );
    assert_eq!(
        told(&half(false)),
        "option 'tls_key' is set without 'tls_cert'"
    );
}

#[test]
fn what_weakens_tls_is_a_warning_and_what_does_not_is_none() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("key.pem");
    fs::write(&key, "").unwrap();
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let mut config = Config {
        tls: true,
        tls_key: Some(SecretPath(key.clone())),
        ..Config::default()
    };
    mode(0o640);
    let told: Vec<String> = warnings(&config).iter().map(Problem::to_string).collect();
    assert_eq!(
        told,
        ["tls: option 'tls_key': others can read the file: chmod 600 it"]
    );
    mode(0o600);
    assert_eq!(warnings(&config), []);
    config.insecure = true;
    assert_eq!(warnings(&config)[0].option.as_deref(), Some("insecure"));
}
