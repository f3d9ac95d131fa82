//! Sets up the client library for one connection.

use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};

use rumqttc::{AckMode, AsyncClient, EventLoop, LastWill, MqttOptions, NetworkOptions, QoS};

use super::link::{Link, PACKET_MAX};
use super::status;
use super::topic::Topics;
use crate::config::Broker;
use crate::process::clock;

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
pub(super) fn client(broker: &Broker, topics: &Topics, link: Link) -> (AsyncClient, EventLoop) {
    let mut options = options(broker, topics);
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

fn options(broker: &Broker, topics: &Topics) -> MqttOptions {
    // The address is that of the stream.
    let mut options = MqttOptions::new(topics.client_id.as_str(), ("broker", broker.port));
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
            presence_qos(broker),
            broker.status_retain,
        ));
    if !broker.username.is_empty() {
        options.set_credentials(
            broker.username.as_str(),
            broker.password.reveal().as_bytes().to_vec(),
        );
    }
    options
}

/// The QoS of CONNECT and of the last will.
pub(super) fn presence_qos(broker: &Broker) -> QoS {
    match broker.status_retain {
        true => QoS::AtLeastOnce,
        false => status_qos(broker),
    }
}

/// The QoS of what goes to the status topic.
pub(super) fn status_qos(broker: &Broker) -> QoS {
    match broker.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn topics() -> Topics {
        Topics::new("fleet", "k1", &"aa:bb:cc:00:11:22".parse().unwrap()).unwrap()
    }

    fn broker() -> Broker {
        Broker {
            host: "broker.example.net".into(),
            ..Config::default().broker
        }
    }

    #[test]
    fn the_will_goes_with_the_qos_of_the_status() {
        for (number, qos) in [
            (0, QoS::AtMostOnce),
            (1, QoS::AtLeastOnce),
            (2, QoS::ExactlyOnce),
        ] {
            let mut broker = broker();
            broker.qos = number;
            let will = options(&broker, &topics()).last_will().unwrap();
            assert_eq!(will.qos, qos);
            assert_eq!(will.topic, "status/fleet/k1/aa:bb:cc:00:11:22");
            assert!(!will.retain);
            broker.status_retain = true;
            let will = options(&broker, &topics()).last_will().unwrap();
            assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
        }
    }
}
