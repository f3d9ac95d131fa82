//! What the log says while the broker is away.

use log::Level::{Debug, Warn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::clock::Pace;
use crate::config::Secret;
use crate::logging::heard;

const MAC: &str = "aa:bb:cc:00:11:22";

/// Longer than all attempts take on a busy machine.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the broker does with a connection.
#[derive(Clone, Copy)]
enum Broker {
    /// CONNACK with this code.
    Refuses(u8),
    /// Everything is well until the agent says that it is there; then a packet that has no sense.
    AcceptsForAMoment,
}

async fn hear(socket: &mut TcpStream) {
    let count = socket.read(&mut [0; 1024]).await.unwrap();
    assert!(count > 0, "the agent closed the connection");
}

async fn serve(mut socket: TcpStream, broker: Broker) {
    hear(&mut socket).await;
    match broker {
        Broker::Refuses(code) => socket.write_all(&[0x20, 2, 0, code]).await.unwrap(),
        Broker::AcceptsForAMoment => {
            let puback_of_nothing = &[0x40, 2, 0, 9];
            socket.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            hear(&mut socket).await;
            socket.write_all(&[0x90, 3, 0, 1, 1]).await.unwrap();
            hear(&mut socket).await;
            socket.write_all(puback_of_nothing).await.unwrap();
        }
    }
    // Closed by the agent, or what we sent last could get lost.
    let _ = socket.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn the_log_warns_of_each_reason_once_until_the_broker_is_back() {
    use Broker::{AcceptsForAMoment, Refuses};
    heard::listen();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Arc::new(Config {
        topic: "fleet".into(),
        key: Secret::new("secret"),
        mqtt_host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        no_ping: true,
        pace: Pace::faster(1000),
        ..Config::default()
    });
    let (_config_sender, config_receiver) = watch::channel(Arc::clone(&config));
    let (_jobs, handle, outlets) = jobs::new(config_receiver, watch::channel(MAC.into()).1);
    let (facts_sender, facts) = watch::channel(Facts::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let beginning = format!("broker {}: ", address(&config));
    let link = run(
        config,
        MAC.into(),
        handle,
        outlets.broker,
        facts_sender,
        shutdown,
    );
    let link = tokio::spawn(link);
    let attempts = async {
        for broker in [
            Refuses(3),
            Refuses(3),
            Refuses(3),
            Refuses(5),
            Refuses(5),
            AcceptsForAMoment,
            AcceptsForAMoment,
            Refuses(5),
        ] {
            let (socket, _) = listener.accept().await.unwrap();
            serve(socket, broker).await;
        }
        // The next attempt comes after the last failure was told.
        listener.accept().await.unwrap();
    };
    timeout(DEADLINE, attempts).await.expect("attempts in time");
    let mut levels = heard::levels(&beginning);
    levels.retain(|level| matches!(level, Warn | Debug));
    assert_eq!(levels, [Warn, Debug, Debug, Warn, Debug, Warn, Warn, Warn]);
    let seen = facts.borrow().clone();
    assert!(!seen.connected && seen.last_error.is_some());
    assert_eq!(seen.reconnects, 1);
    stop.send(()).unwrap();
    timeout(DEADLINE, link).await.unwrap().unwrap();
}
