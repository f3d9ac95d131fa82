//! A real broker: Debian's mosquitto with certificates, and without.

use std::path::Path;

use socketman::config::SecretPath;
use socketman_lab::mosquitto;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::process::Child;
use tokio::time::timeout;

use super::authority::{recorded, Authority, Valid};
use super::link::{config, error, Link, DEADLINE};

/// mosquitto with these settings for its one listener.
async fn serve(dir: &Path, listener: &str) -> (Child, u16) {
    // Kept until it listens, so that nobody else gets the port.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = reserved.local_addr().unwrap().port();
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n{listener}\n\
         log_dest stderr\nlog_type all\n"
    );
    let conf = dir.join("conf");
    std::fs::write(&conf, settings).unwrap();
    let broker = mosquitto::start(&conf);
    let broker = timeout(DEADLINE, broker).await.expect("in time").unwrap();
    (broker, port)
}

#[tokio::test]
async fn mosquitto_and_the_agent_believe_each_other_by_their_certificates() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let cacrt = authority.write(dir.path());
    let leaf = authority.sign(&["localhost"], Valid::Now);
    let (certificate, key) = leaf.write(dir.path(), "broker");
    let listener = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        cacrt.display(),
        certificate.display(),
        key.display()
    );
    let (_broker, port) = serve(dir.path(), &listener).await;
    let (certificate, key) = authority
        .sign(&["device"], Valid::Now)
        .write(dir.path(), "device");
    let mut known = config(port, cacrt.clone());
    known.broker.tls_cert = Some(certificate);
    known.broker.tls_key = Some(SecretPath(key));
    let link = Link::start(known);
    assert_eq!(link.connected(true).await.last_error, None);
    link.stop().await;

    assert_eq!(
        error(config(port, cacrt.clone())).await,
        "the server wants a client certificate (options 'tls_cert' and 'tls_key')"
    );
    let stranger = Authority::new("theirs").write(dir.path());
    assert_eq!(
        error(config(port, stranger)).await,
        "the server's certificate is from an issuer we do not know"
    );
    let mut plain = config(port, cacrt);
    plain.broker.tls = false;
    let text = error(plain).await;
    assert!(text.ends_with("does it want TLS (option 'tls')?"), "{text}");
}

#[tokio::test]
async fn mosquitto_without_tls_is_told_from_one_with_a_bad_certificate() {
    let dir = TempDir::new().unwrap();
    let (_broker, port) = serve(dir.path(), "").await;
    let cacrt = Authority::new("ours").write(dir.path());
    assert_eq!(
        error(config(port, cacrt)).await,
        "the server ends the connection in the TLS handshake; does it speak TLS?"
    );
}

/// The settings of a listener that shows a certificate of tests/data/tls.
fn shows(name: &str) -> String {
    let [certificate, key] = ["crt", "key"].map(|end| recorded(&format!("{name}.{end}")));
    format!(
        "certfile {}\nkeyfile {}",
        certificate.display(),
        key.display()
    )
}

#[tokio::test]
async fn mosquitto_with_its_own_self_signed_certificate_is_believed() {
    let dir = TempDir::new().unwrap();
    let (_broker, port) = serve(dir.path(), &shows("own")).await;
    let link = Link::start(config(port, recorded("own.crt")));
    assert_eq!(link.connected(true).await.last_error, None);
    link.stop().await;
}

#[tokio::test]
async fn mosquitto_with_a_p_521_key_is_told_from_one_that_wants_a_certificate() {
    let dir = TempDir::new().unwrap();
    let (_broker, port) = serve(dir.path(), &shows("p521")).await;
    assert_eq!(
        error(config(port, recorded("ca.crt"))).await,
        "the server's certificate has a P-521 key; P-521 keys are not supported: use P-256, P-384, \
         RSA or Ed25519"
    );
}

#[tokio::test]
async fn mosquitto_takes_our_certificate_of_version_1_with_its_key_in_any_form() {
    let dir = TempDir::new().unwrap();
    let cafile = recorded("ca.crt");
    let own = shows("own");
    let listener = format!(
        "{own}\ncafile {}\nrequire_certificate true",
        cafile.display()
    );
    let (_broker, port) = serve(dir.path(), &listener).await;
    for (certificate, key) in [
        ("v1.crt", "v1.key"),
        ("v1.crt", "v1.params.key"),
        ("v1rsa.crt", "v1rsa.pkcs1.key"),
        ("v1ed.crt", "v1ed.key"),
    ] {
        let mut config = config(port, recorded("own.crt"));
        config.broker.tls_cert = Some(recorded(certificate));
        config.broker.tls_key = Some(SecretPath(recorded(key)));
        let link = Link::start(config);
        assert_eq!(link.connected(true).await.last_error, None, "{key}");
        link.stop().await;
    }
}
