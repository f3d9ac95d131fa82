//! How the client library is set up for one connection.

use std::sync::Arc;

use rumqttc::{
    AckMode, AsyncClient, EventLoop, LastWill, MqttOptions, NetworkOptions, QoS, TlsConfiguration,
    Transport,
};

use super::status;
use super::topic::Topics;
use super::undecided::UNDECIDED;
use crate::clock;
use crate::config::Config;

/// Largest packet read. Jobs over 1 MiB are refused by the jobs part, and for that
/// they have to be read: a packet we would not read comes again with every connection, for ever.
const INCOMING_MAX: usize = 16 * 1024 * 1024;

/// Largest packet sent; results are smaller by far.
const OUTGOING_MAX: usize = 256 * 1024;

/// Time to reach the broker and get its CONNACK, then to get its SUBACK, and to write what is to be
/// sent, s.
pub(super) const CONNECT_WITHIN: u64 = 10;

/// Requests to the client library under way. Replies and acknowledgements are bounded below this.
const REQUESTS: usize = 128;

/// What the broker and we prove to each other, if it is to be TLS.
pub(super) type Tls = Option<Arc<rustls::ClientConfig>>;

/// A client that has not connected yet, and the loop that drives it.
pub(super) fn client(config: &Config, topics: &Topics, tls: Tls) -> (AsyncClient, EventLoop) {
    let mut options = options(config, topics);
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(REQUESTS).build();
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_WITHIN);
    eventloop.set_network_options(network);
    (client, eventloop)
}

fn options(config: &Config, topics: &Topics) -> MqttOptions {
    // Without brackets, which the name in a certificate does not have; the library puts `:` and the
    // port behind it, of which the system takes the last part for the port.
    let host = config.mqtt_host.trim_matches(['[', ']']);
    let mut options = MqttOptions::new(topics.client_id.as_str(), (host, config.port));
    let keepalive = u16::try_from(config.keepalive.as_secs()).unwrap_or(u16::MAX);
    options
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual)
        .set_keep_alive(keepalive)
        .set_max_packet_size(INCOMING_MAX, OUTGOING_MAX)
        .set_read_batch_size(UNDECIDED)
        .set_max_request_batch(UNDECIDED)
        .set_last_will(LastWill::new(
            topics.status.as_str(),
            status::connect(&topics.client_id, clock::epoch_seconds(), false),
            status_qos(config),
            false,
        ));
    if !config.username.is_empty() {
        options.set_credentials(
            config.username.as_str(),
            config.password.reveal().as_bytes().to_vec(),
        );
    }
    options
}

/// The QoS of what goes to the status topic, the last will included.
pub(super) fn status_qos(config: &Config) -> QoS {
    match config.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new("fleet", "k1", "aa:bb:cc:00:11:22").unwrap()
    }

    fn config() -> Config {
        Config {
            mqtt_host: "broker.example.net".into(),
            ..Config::default()
        }
    }

    #[test]
    fn small_packets_are_sent_at_once() {
        let (_client, eventloop) = client(&config(), &topics(), None);
        // The library says what was set in no other way.
        let network = format!("{:?}", eventloop.network_options());
        assert!(network.contains("tcp_nodelay: true"), "{network}");
        assert!(network.contains("conn_timeout: 10"), "{network}");
    }

    #[test]
    fn the_will_goes_with_the_qos_of_the_status() {
        for (number, qos) in [
            (0, QoS::AtMostOnce),
            (1, QoS::AtLeastOnce),
            (2, QoS::ExactlyOnce),
        ] {
            let mut config = config();
            config.qos = number;
            let will = options(&config, &topics()).last_will().unwrap();
            assert_eq!(will.qos, qos);
            assert_eq!(will.topic, "status/fleet/k1/aa:bb:cc:00:11:22");
            assert!(!will.retain);
        }
    }
}
