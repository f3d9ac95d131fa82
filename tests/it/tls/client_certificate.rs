//! Our own certificate, shown to the broker.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use socketman::config::{Config, SecretPath};
use tempfile::TempDir;

use super::authority::{server, Authority, Valid};
use super::link::{config, error, Link, TlsBroker};

/// A broker that lets in who has a certificate of `clients`.
struct Site {
    dir: TempDir,
    clients: Authority,
    broker: TlsBroker,
    cacrt: PathBuf,
}

impl Site {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let leaf = servers.sign(&["localhost"], Valid::Now);
        let broker = TlsBroker::start(server(&leaf, Some(&clients))).await;
        let cacrt = servers.write(dir.path());
        Site {
            dir,
            clients,
            broker,
            cacrt,
        }
    }

    fn config(&self, files: Option<(PathBuf, PathBuf)>) -> Config {
        let mut config = config(self.broker.port(), self.cacrt.clone());
        if let Some((certificate, key)) = files {
            config.broker.tls_cert = Some(certificate);
            config.broker.tls_key = Some(SecretPath(key));
        }
        config
    }

    fn signed(&self, valid: Valid) -> (PathBuf, PathBuf) {
        self.clients
            .sign(&["device"], valid)
            .write(self.dir.path(), "device")
    }
}

#[tokio::test]
async fn our_certificate_opens_a_broker_that_wants_one() {
    let site = Site::new().await;
    let link = Link::start(site.config(Some(site.signed(Valid::Now))));
    link.connected(true).await;
    link.stop().await;
}

#[tokio::test]
async fn a_broker_that_wants_a_certificate_says_so_to_who_has_none() {
    let site = Site::new().await;
    assert_eq!(
        error(site.config(None)).await,
        "the server wants a client certificate (options 'tls_cert' and 'tls_key')"
    );
}

#[tokio::test]
async fn a_certificate_the_broker_does_not_take_is_told_until_there_is_a_better_one() {
    let site = Site::new().await;
    let strangers = Authority::new("strangers").sign(&["device"], Valid::Now);
    let files = strangers.write(site.dir.path(), "device");
    let link = Link::start(site.config(Some(files)));
    assert_eq!(
        link.error().await,
        "the server does not know the issuer of our client certificate"
    );
    site.signed(Valid::Until(2));
    let expired = "the server says our client certificate has expired";
    link.facts(|facts| facts.last_error.as_deref() == Some(expired))
        .await;
    site.signed(Valid::Now);
    link.connected(true).await;
    link.stop().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_or_is_none_is_told_without_its_path() {
    let site = Site::new().await;
    let (certificate, _) = site.signed(Valid::Now);
    let key = site.dir.path().join("hidden.key");
    let other = site.clients.sign(&["x"], Valid::Now).key.serialize_pem();
    let shown = certificate.display();
    let fit = format!("option 'tls_key': the key does not belong to the certificate in {shown}");
    let none = "option 'tls_key': the file holds no private key that can be used (PEM without a \
                passphrase is wanted)";
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let passphrase =
        "option 'tls_key': the key has a passphrase; remove it: openssl pkey -in OLD -out NEW";
    for (text, told) in [
        (other.as_str(), fit.as_str()),
        (garbage, none),
        (locked, passphrase),
        ("", none),
    ] {
        fs::write(&key, text).unwrap();
        let config = site.config(Some((certificate.clone(), key.clone())));
        assert_eq!(error(config).await, told);
    }
    fs::remove_file(&key).unwrap();
    let config = site.config(Some((certificate.clone(), key.clone())));
    let text = error(config).await;
    assert!(
        text.starts_with("option 'tls_key': the file it names: No such file"),
        "{text}"
    );
}

#[tokio::test]
async fn a_key_that_others_can_read_is_used_and_warned_of() {
    let site = Site::new().await;
    let files = site.signed(Valid::Now);
    fs::set_permissions(&files.1, Permissions::from_mode(0o644)).unwrap();
    let config = site.config(Some(files));
    let warnings = socketman::tls::warnings(&config);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].option.as_deref(), Some("tls_key"));
    let link = Link::start(config);
    link.connected(true).await;
    link.stop().await;
}
