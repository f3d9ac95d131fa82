//! What other parts know of the world: proof of life, and why their servers cannot be reached. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::facts::Proof;
use crate::{http, mqtt};

/// The proof there is at `now`, and when it expires by itself (`None`: when its part says so).
///
/// What the API accepted counts for `2 × heartbeat`.
pub(super) fn proof(
    mqtt: &mqtt::Facts,
    api: &http::Facts,
    heartbeat: Duration,
    now: Instant,
) -> Option<(Proof, Option<Instant>)> {
    if mqtt.connected {
        return Some((Proof::Broker, None));
    }
    let until = api.accepted? + 2 * heartbeat;
    (until > now).then_some((Proof::Api, Some(until)))
}

/// Why the broker or the API cannot be reached; `None` if neither has failed, or is configured.
///
/// `offline` is when a probe last found the device offline: a failure before it says nothing of the server.
pub(super) fn failure(
    mqtt: &mqtt::Facts,
    api: Option<&http::Facts>,
    offline: Option<Instant>,
) -> Option<String> {
    let is_newer = |failed: Option<Instant>| match (failed, offline) {
        (Some(failed), Some(offline)) => failed > offline,
        _ => true,
    };
    let broker = mqtt.last_error.as_ref();
    let broker = broker.filter(|_| !mqtt.connected && is_newer(mqtt.failed));
    let broker = broker.map(|error| format!("broker {}: {error}", mqtt.host));
    let api = api.filter(|api| is_newer(api.failed));
    let api = api.and_then(|api| api.last_error.as_ref());
    let api = api.map(|error| format!("API: {error}"));
    match (broker, api) {
        (Some(broker), Some(api)) => Some(format!("{broker}; {api}")),
        (broker, api) => broker.or(api),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(60);

    fn session() -> mqtt::Facts {
        mqtt::Facts {
            connected: true,
            host: "broker.example:1883".into(),
            last_error: Some("reset by peer".into()),
            ..mqtt::Facts::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_api_accepted_proves_life_for_two_heartbeats_whatever_the_clock_says() {
        let start = Instant::now();
        let api = http::Facts {
            // A clock that was right then and is not now.
            last_ok: Some(17),
            accepted: Some(start),
            ..http::Facts::default()
        };
        let mqtt = mqtt::Facts::default();
        let at = |passed| proof(&mqtt, &api, HEARTBEAT, start + passed);
        let end = start + 2 * HEARTBEAT;
        assert_eq!(at(Duration::ZERO), Some((Proof::Api, Some(end))));
        let last = 2 * HEARTBEAT - Duration::from_millis(1);
        assert_eq!(at(last), Some((Proof::Api, Some(end))));
        assert_eq!(at(2 * HEARTBEAT), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_with_the_broker_is_proof_as_long_as_it_lives() {
        let now = Instant::now();
        let api = http::Facts::default();
        let mut mqtt = session();
        assert_eq!(
            proof(&mqtt, &api, HEARTBEAT, now),
            Some((Proof::Broker, None))
        );
        mqtt.connected = false;
        assert_eq!(proof(&mqtt, &api, HEARTBEAT, now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_from_before_the_world_came_back_says_nothing_of_the_server() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut mqtt = session();
        mqtt.connected = false;
        mqtt.failed = Some(start);
        let mut api = http::Facts::default();
        api.failed("no connection in time".into());
        let told = |mqtt: &mqtt::Facts, api: &http::Facts, offline| {
            failure(mqtt, Some(api), Some(offline)).unwrap_or_default()
        };
        assert_eq!(told(&mqtt, &api, start + second), "");
        mqtt.failed = Some(start + 2 * second);
        let broker = "broker broker.example:1883: reset by peer";
        assert_eq!(told(&mqtt, &api, start + second), broker);
        // Settings that allow nothing are not mended by the world.
        api.hindered("stats_url is not set".into());
        mqtt.failed = Some(start);
        assert_eq!(
            told(&mqtt, &api, start + second),
            "API: stats_url is not set"
        );
    }

    #[test]
    fn a_failure_names_what_is_configured_and_away() {
        let mut mqtt = session();
        let api = http::Facts {
            last_error: Some("api.example answered 500".into()),
            ..http::Facts::default()
        };
        let failure = |mqtt: &mqtt::Facts, api| failure(mqtt, api, None);
        assert_eq!(failure(&mqtt, None), None);
        mqtt.connected = false;
        let broker = "broker broker.example:1883: reset by peer";
        assert_eq!(failure(&mqtt, None).unwrap(), broker);
        let both = format!("{broker}; API: api.example answered 500");
        assert_eq!(failure(&mqtt, Some(&api)).unwrap(), both);
        let none = mqtt::Facts::default();
        assert_eq!(
            failure(&none, Some(&api)).unwrap(),
            "API: api.example answered 500"
        );
        assert_eq!(failure(&none, None), None);
    }
}
