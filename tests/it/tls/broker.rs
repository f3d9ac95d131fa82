//! Certificates of the broker.

use std::fs;

use tempfile::TempDir;
use tokio::net::TcpListener;

use super::authority::{server, Authority, Valid};
use super::link::{config, error, Link, TlsBroker};

#[tokio::test]
async fn a_broker_with_the_right_certificate_is_believed() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::Now)).await;
    for host in ["localhost", "127.0.0.1"] {
        let mut config = config(broker.port(), authority.write(dir.path()));
        config.broker.host = host.into();
        let link = Link::start(config);
        assert_eq!(link.connected(true).await.last_error, None);
        link.stop().await;
    }
}

#[tokio::test]
async fn a_broker_with_an_ipv6_address_is_believed_with_and_without_brackets() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        eprintln!("no IPv6 here");
        return;
    }
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let leaf = authority.sign(&["::1"], Valid::Now);
    let broker = TlsBroker::at("[::1]:0", server(&leaf, None)).await;
    for host in ["::1", "[::1]"] {
        let mut config = config(broker.port(), authority.write(dir.path()));
        config.broker.host = host.into();
        let link = Link::start(config);
        link.connected(true).await;
        link.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_both_names_are_told() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let cacrt = authority.write(dir.path());
    let names = [
        "a.example.net",
        "b.example.net",
        "10.0.0.1",
        "c.example.net",
    ];
    for (names, told) in [
        (&names[..1], "a.example.net"),
        (
            &names[..],
            "a.example.net, b.example.net, 10.0.0.1 and 1 more",
        ),
    ] {
        let leaf = authority.sign(names, Valid::Now);
        let broker = TlsBroker::start(server(&leaf, None)).await;
        assert_eq!(
            error(config(broker.port(), cacrt.clone())).await,
            format!("the server's certificate is not for localhost but for {told}")
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_age() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::Until(3))).await;
    assert_eq!(
        error(config(broker.port(), authority.write(dir.path()))).await,
        "the server's certificate expired 3 days ago"
    );
}

#[tokio::test]
async fn a_certificate_of_the_future_makes_one_look_at_the_clock() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::In(400))).await;
    assert_eq!(
        error(config(broker.port(), authority.write(dir.path()))).await,
        "the server's certificate becomes valid in 400 days; is the clock of this device right?"
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_refused_until_cacrt_is_repaired() {
    let dir = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let broker = TlsBroker::start(theirs.server(Valid::Now)).await;
    let cacrt = ours.write(dir.path());
    let link = Link::start(config(broker.port(), cacrt.clone()));
    assert_eq!(
        link.error().await,
        "the server's certificate is from an issuer we do not know"
    );
    fs::copy(theirs.write(dir.path()), &cacrt).unwrap();
    link.connected(true).await;
    link.stop().await;
}

#[tokio::test]
async fn a_missing_cacrt_is_told_and_one_that_comes_later_is_used() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::Now)).await;
    let cacrt = dir.path().join("ours.pem");
    let link = Link::start(config(broker.port(), cacrt.clone()));
    let told = format!("option 'cacrt': {}: No such file", cacrt.display());
    let text = link.error().await;
    assert!(text.starts_with(&told), "{text}");
    authority.write(dir.path());
    link.connected(true).await;
    link.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_renewed_while_we_are_connected_is_met_at_the_next_connection() {
    let dir = TempDir::new().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let broker = TlsBroker::start(old.server(Valid::Now)).await;
    let cacrt = old.write(dir.path());
    let link = Link::start(config(broker.port(), cacrt.clone()));
    link.connected(true).await;
    fs::copy(new.write(dir.path()), &cacrt).unwrap();
    broker.front.set(new.server(Valid::Now));
    broker.broker.stop().await.unwrap();
    link.connected(false).await;
    broker.broker.start(broker.plain).await.unwrap();
    assert_eq!(link.connected(true).await.reconnects, 1);
    link.stop().await;
}

#[tokio::test]
async fn a_broker_without_tls_is_told_from_one_with_a_bad_certificate() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::Now)).await;
    let config = config(broker.plain.port(), authority.write(dir.path()));
    let text = error(config).await;
    assert_eq!(
        text,
        "the server ends the connection in the TLS handshake; does it speak TLS?"
    );
}

#[tokio::test]
async fn a_broker_that_wants_tls_is_told_to_who_set_none() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(authority.server(Valid::Now)).await;
    let mut config = config(broker.port(), "/nonexistent".into());
    config.broker.tls = false;
    let text = error(config).await;
    assert!(text.contains("option 'tls'"), "{text}");
}
