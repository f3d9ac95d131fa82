//! Brokers whose own certificate is the file in `cacrt`, and others as people make them with OpenSSL.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::authority::{recorded, recorded_server, server, Authority, Leaf, Valid};
use super::link::{config, error, Link, TlsBroker};

/// A broker that shows `shown` to a device that has `held` in `cacrt`.
async fn why_not(dir: &Path, shown: &Leaf, held: &Leaf) -> Option<String> {
    let broker = TlsBroker::start(server(shown, None)).await;
    let (cacrt, _) = held.write(dir, "held");
    let link = Link::start(config(broker.port(), cacrt));
    let facts = link.facts(|facts| facts.connected || facts.last_error.is_some());
    let facts = facts.await;
    link.stop().await;
    facts.last_error.filter(|_| !facts.connected)
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_in_cacrt_is_believed() {
    let dir = TempDir::new().unwrap();
    for ca in [true, false] {
        let own = Leaf::self_signed("localhost", Valid::Now, ca);
        assert_eq!(why_not(dir.path(), &own, &own).await, None, "CA:{ca}");
    }
}

#[tokio::test]
async fn its_name_and_its_days_are_still_checked() {
    let dir = TempDir::new().unwrap();
    for ca in [true, false] {
        for (name, valid, told) in [
            (
                "other.example",
                Valid::Now,
                "is not for localhost but for other.example",
            ),
            ("localhost", Valid::Until(3), "expired 3 days ago"),
            (
                "localhost",
                Valid::In(4),
                "becomes valid in 4 days; is the clock of this device right?",
            ),
        ] {
            let own = Leaf::self_signed(name, valid, ca);
            let why = why_not(dir.path(), &own, &own).await.unwrap();
            assert_eq!(why, format!("the server's certificate {told}"), "CA:{ca}");
        }
    }
}

#[tokio::test]
async fn one_of_the_same_name_with_another_key_is_refused() {
    let dir = TempDir::new().unwrap();
    for ca in [true, false] {
        let [shown, held] = [(); 2].map(|()| Leaf::self_signed("localhost", Valid::Now, ca));
        assert_eq!(
            why_not(dir.path(), &shown, &held).await.unwrap(),
            "the server's certificate is self-signed, and 'cacrt' holds another one"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_a_ca_in_the_place_of_a_servers_is_named() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let leaf = authority.sign_ca("localhost");
    let broker = TlsBroker::start(server(&leaf, None)).await;
    assert_eq!(
        error(config(broker.port(), authority.write(dir.path()))).await,
        "the server's certificate is that of a CA (CA:TRUE); make one with CA:FALSE"
    );
    // In the file itself it is believed.
    assert_eq!(why_not(dir.path(), &leaf, &leaf).await, None);
}

#[tokio::test]
async fn a_ca_of_the_same_name_with_another_key_is_told_from_a_stranger() {
    let dir = TempDir::new().unwrap();
    let [held, signs] = [(); 2].map(|()| Authority::new("ours"));
    let broker = TlsBroker::start(signs.server(Valid::Now)).await;
    assert_eq!(
        error(config(broker.port(), held.write(dir.path()))).await,
        "the server's certificate is signed with another key than that of the CA of this name in 'cacrt'"
    );
}

#[tokio::test]
async fn an_address_that_is_written_as_the_name_of_a_host_is_told_with_what_to_make() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let leaf = authority.sign_name("127.0.0.1");
    let broker = TlsBroker::start(server(&leaf, None)).await;
    let mut config = config(broker.port(), authority.write(dir.path()));
    config.broker.host = "127.0.0.1".into();
    assert_eq!(
        error(config).await,
        "the server's certificate has 127.0.0.1 as the name of a host; make one with \
         subjectAltName=IP:127.0.0.1"
    );
}

#[tokio::test]
async fn a_server_without_the_key_of_the_certificate_it_shows_is_refused() {
    let dir = TempDir::new().unwrap();
    let broker = TlsBroker::start(recorded_server("own", "v1")).await;
    let cacrt = dir.path().join("own.crt");
    fs::copy(recorded("own.crt"), &cacrt).unwrap();
    assert_eq!(
        error(config(broker.port(), cacrt)).await,
        "the server's certificate does not fit its signature, or that of the handshake"
    );
}

#[tokio::test]
async fn what_openssl_made_is_believed_or_named_with_what_to_do() {
    for (shown, cacrt, told) in [
        ("own", "own.crt", None),
        (
            "v1",
            "ca.crt",
            Some("is X.509 version 1; make a version 3 one with subjectAltName"),
        ),
        (
            "cn",
            "ca.crt",
            Some(
                "has no subjectAltName; a name in CN alone does not count: make one with \
                 subjectAltName=DNS:localhost",
            ),
        ),
    ] {
        let broker = TlsBroker::start(recorded_server(shown, shown)).await;
        let config = config(broker.port(), recorded(cacrt));
        match told {
            None => {
                let link = Link::start(config);
                assert_eq!(link.connected(true).await.last_error, None);
                link.stop().await;
            }
            Some(told) => assert_eq!(
                error(config).await,
                format!("the server's certificate {told}")
            ),
        }
    }
}

#[tokio::test]
async fn a_cacrt_that_was_saved_with_a_byte_order_mark_works() {
    let dir = TempDir::new().unwrap();
    let broker = TlsBroker::start(recorded_server("own", "own")).await;
    let cacrt = dir.path().join("own.crt");
    let text = fs::read_to_string(recorded("own.crt")).unwrap();
    let text = format!("\u{feff}our broker\n{text}").replace('\n', "\r\n");
    fs::write(&cacrt, text).unwrap();
    let link = Link::start(config(broker.port(), cacrt));
    assert_eq!(link.connected(true).await.last_error, None);
    link.stop().await;
}
