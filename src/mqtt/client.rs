//! Sets up the client library for one connection.

use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};

use rumqttc::{AckMode, AsyncClient, EventLoop, LastWill, MqttOptions, NetworkOptions, QoS};

use super::link::{Link, PACKET_MAX};
use super::status;
use super::topic::Topics;
use crate::clock;
use crate::config::Config;

/// Largest packet sent; results are smaller by far.
const OUTGOING_MAX: usize = 256 * 1024;

/// The library's own deadline for connection and writes, s. The ones that count are those of the stream
/// under it; this one must not come before them.
const LIBRARY_WITHIN: u64 = 3600;

/// Packets that the library reads or writes in one go.
const BATCH: usize = 4;

/// Requests to the client library under way. Replies and acknowledgements are bounded below this.
const REQUESTS: usize = 128;

/// The TLS settings, if the link is to use TLS.
pub(super) type Tls = Option<Arc<rustls::ClientConfig>>;

/// A client that has not connected yet and will use `link`, and the loop that drives it.
pub(super) fn client(config: &Config, topics: &Topics, link: Link) -> (AsyncClient, EventLoop) {
    let mut options = options(config, topics);
    let link = Mutex::new(Some(link));
    options.set_socket_connector(move |_, _| {
        let link = link.lock().ok().and_then(|mut link| link.take());
        // A second connection is made with a client of its own.
        ready(link.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(REQUESTS).build();
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(LIBRARY_WITHIN);
    eventloop.set_network_options(network);
    (client, eventloop)
}

fn options(config: &Config, topics: &Topics) -> MqttOptions {
    // The address is that of the stream.
    let mut options = MqttOptions::new(topics.client_id.as_str(), ("broker", config.broker.port));
    options
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual)
        // The stream pings, and puts the true value into CONNECT.
        .set_keep_alive(0)
        .set_max_packet_size(PACKET_MAX, OUTGOING_MAX)
        .set_read_batch_size(BATCH)
        .set_max_request_batch(BATCH)
        .set_last_will(LastWill::new(
            topics.status.as_str(),
            status::connect(&topics.client_id, clock::epoch_seconds(), false),
            presence_qos(config),
            config.broker.status_retain,
        ));
    if !config.broker.username.is_empty() {
        options.set_credentials(
            config.broker.username.as_str(),
            config.broker.password.reveal().as_bytes().to_vec(),
        );
    }
    options
}

/// The QoS of CONNECT and of the last will.
pub(super) fn presence_qos(config: &Config) -> QoS {
    match config.broker.status_retain {
        true => QoS::AtLeastOnce,
        false => status_qos(config),
    }
}

/// The QoS of what goes to the status topic.
pub(super) fn status_qos(config: &Config) -> QoS {
    match config.broker.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new("fleet", "k1", &"aa:bb:cc:00:11:22".parse().unwrap()).unwrap()
    }

    fn config() -> Config {
        Config::default().with(|config| config.broker.host = "broker.example.net".into())
    }

    #[test]
    fn the_will_goes_with_the_qos_of_the_status() {
        for (number, qos) in [
            (0, QoS::AtMostOnce),
            (1, QoS::AtLeastOnce),
            (2, QoS::ExactlyOnce),
        ] {
            let mut config = config();
            config.broker.qos = number;
            let will = options(&config, &topics()).last_will().unwrap();
            assert_eq!(will.qos, qos);
            assert_eq!(will.topic, "status/fleet/k1/aa:bb:cc:00:11:22");
            assert!(!will.retain);
            config.broker.status_retain = true;
            let will = options(&config, &topics()).last_will().unwrap();
            assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
        }
    }
}
