//! Files that options name: certificates and keys.

use std::fs;

use super::*;

/// A certificate of a CA, and its key.
pub(super) const CA: &str = include_str!("../../../tests/data/pem/ca.pem");
pub(super) const KEY: &str = include_str!("../../../tests/data/pem/key.pem");

#[test]
fn files_that_can_be_used_reach_their_options_and_are_to_be_watched() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("ca.pem"), CA).unwrap();
    fs::write(path("key.pem"), KEY).unwrap();
    let file = dir.path().join("config.json");
    let text = serde_json::json!({
        "cacrt": path("ca.pem"), "tls_cert": path("ca.pem"), "tls_key": path("key.pem"), "tls": 1,
    });
    write_private(&file, text.to_string());
    let mut inputs = inputs(&Settings::default(), &file);
    inputs.root = "/".into();
    let loaded = inputs.load(None);
    assert_eq!(loaded.errors, []);
    assert_eq!(
        loaded.config.broker.cacrt.as_deref(),
        Some(Path::new(&path("ca.pem")))
    );
    assert_eq!(loaded.config.closed, Closed::default());
    assert_eq!(
        loaded.named,
        [path("ca.pem"), path("key.pem")].map(|path| SecretPath(path.into()))
    );

    // Gone, and back again.
    fs::remove_file(path("ca.pem")).unwrap();
    let gone = inputs.load(Some(&loaded));
    let link = gone.config.closed.link().unwrap();
    let said = format!("option 'cacrt': {}: No such file", path("ca.pem"));
    assert!(link.contains(&said), "{link}");
    assert_eq!(gone.errors.len(), 2);
    assert!(gone.named.contains(&SecretPath(path("ca.pem").into())));
    fs::write(path("ca.pem"), CA).unwrap();
    assert_eq!(inputs.load(Some(&gone)).config, loaded.config);
}

#[test]
fn a_certificate_without_its_key_and_a_key_without_its_certificate_close_the_link() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.pem");
    fs::write(&file, format!("{CA}{KEY}")).unwrap();
    let config = dir.path().join("config.json");
    for (there, missing) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        write_private(&config, serde_json::json!({ there: file }).to_string());
        let mut inputs = inputs(&Settings::default(), &config);
        inputs.root = "/".into();
        let loaded = inputs.load(None);
        assert_eq!(loaded.errors.len(), 1);
        let reason = format!("is set without '{missing}'; until this is mended there is no link");
        assert!(
            loaded.errors[0].reason.starts_with(&reason),
            "{:?}",
            loaded.errors
        );
        assert!(loaded.config.closed.link().is_some());
        assert!(!shown(&loaded).contains("file.pem") || there == "tls_cert");
    }
}
