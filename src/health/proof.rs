//! Evidence from other parts: proof of life, and why their servers cannot be reached. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::facts::{Proof, Server};
use crate::{http, mqtt};

/// The proof there is at `now`, and when it expires by itself (`None`: when its part says so).
///
/// A delivery that the API accepted counts for `2 × heartbeat`. Nothing from before the way out was `lost` counts.
pub(super) fn proof(
    mqtt: &mqtt::Facts,
    api: &http::Facts,
    heartbeat: Duration,
    lost: Option<Instant>,
    now: Instant,
) -> Option<(Proof, Option<Instant>)> {
    let counts = |at: Option<Instant>| lost.is_none_or(|lost| at.is_some_and(|at| at > lost));
    if mqtt.connected && counts(mqtt.arrived) {
        return Some((Proof::Broker, None));
    }
    let accepted = api.accepted.filter(|at| counts(Some(*at)))?;
    let until = accepted + 2 * heartbeat;
    (until > now).then_some((Proof::Api, Some(until)))
}

/// Broker and API, as far as they are configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Servers {
    pub(super) broker: Option<Server>,
    pub(super) api: Option<Server>,
}

impl Servers {
    /// `offline` is when a probe last found the device offline, `lost` when the way out was lost: a failure
    /// before the one, and a success before the other, says nothing of the server.
    pub(super) fn of(
        mqtt: &mqtt::Facts,
        api: Option<&http::Facts>,
        offline: Option<Instant>,
        lost: Option<Instant>,
    ) -> Self {
        let is_newer = |failed: Option<Instant>| match (failed, offline) {
            (Some(failed), Some(offline)) => failed > offline,
            _ => true,
        };
        let counts = |at: Option<Instant>| lost.is_none_or(|lost| at.is_some_and(|at| at > lost));
        let state = |reached: bool, error: &Option<String>, failed| match (reached, error) {
            (true, _) => Server {
                reached: Some(true),
                error: None,
            },
            (false, Some(error)) if is_newer(failed) => Server {
                reached: Some(false),
                error: Some(error.clone()),
            },
            _ => Server::default(),
        };
        let broker = (!mqtt.host.is_empty() || mqtt.last_error.is_some()).then(|| {
            let error = mqtt.last_error.as_ref().filter(|_| !mqtt.connected);
            let error = error.map(|error| format!("{}: {error}", mqtt.host));
            state(mqtt.connected && counts(mqtt.arrived), &error, mqtt.failed)
        });
        let api = api.map(|api| {
            let reached = api.accepted.is_some_and(|at| counts(Some(at)));
            state(reached, &api.last_error, api.failed)
        });
        Servers { broker, api }
    }

    /// All that are configured have failed.
    pub(super) fn have_failed(&self) -> bool {
        let mut servers = [&self.broker, &self.api].into_iter().flatten().peekable();
        servers.peek().is_some() && servers.all(|server| server.reached == Some(false))
    }

    /// The servers that cannot be reached, and why; `None` if none has failed.
    pub(super) fn words(&self) -> Option<String> {
        let error = |server: &Option<Server>| server.as_ref().and_then(|one| one.error.clone());
        let broker = error(&self.broker).map(|error| format!("broker {error}"));
        let api = error(&self.api).map(|error| format!("API: {error}"));
        match (broker, api) {
            (Some(broker), Some(api)) => Some(format!("{broker}; {api}")),
            (broker, api) => broker.or(api),
        }
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
        let at = |passed| proof(&mqtt, &api, HEARTBEAT, None, start + passed);
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
            proof(&mqtt, &api, HEARTBEAT, None, now),
            Some((Proof::Broker, None))
        );
        mqtt.connected = false;
        assert_eq!(proof(&mqtt, &api, HEARTBEAT, None, now), None);
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
            let servers = Servers::of(mqtt, Some(api), Some(offline), None);
            servers.words().unwrap_or_default()
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

    #[tokio::test(start_paused = true)]
    async fn once_the_way_is_lost_only_what_arrives_after_that_is_proof() {
        let lost = Instant::now();
        let second = Duration::from_secs(1);
        let mut mqtt = session();
        mqtt.arrived = Some(lost);
        let mut api = http::Facts {
            accepted: Some(lost),
            ..http::Facts::default()
        };
        let now = lost + 9 * second;
        let at = |mqtt: &mqtt::Facts, api: &http::Facts| {
            let proof = proof(mqtt, api, HEARTBEAT, Some(lost), now);
            let servers = Servers::of(mqtt, Some(api), None, Some(lost));
            let reached = [servers.broker, servers.api].map(|one| one.unwrap().reached);
            (proof.map(|(proof, _)| proof), reached)
        };
        assert_eq!(at(&mqtt, &api), (None, [None, None]));
        api.accepted = Some(lost + second);
        assert_eq!(at(&mqtt, &api), (Some(Proof::Api), [None, Some(true)]));
        mqtt.arrived = Some(lost + second);
        let both = [Some(true), Some(true)];
        assert_eq!(at(&mqtt, &api), (Some(Proof::Broker), both));
    }

    #[test]
    fn servers_have_failed_when_all_that_are_configured_have() {
        let mut mqtt = session();
        let mut api = http::Facts {
            last_error: Some("api.example answered 500".into()),
            ..http::Facts::default()
        };
        let judged = |mqtt: &mqtt::Facts, api: Option<&http::Facts>| {
            let servers = Servers::of(mqtt, api, None, None);
            (servers.have_failed(), servers.words().unwrap_or_default())
        };
        let (broker, server) = (
            "broker broker.example:1883: reset by peer",
            "API: api.example answered 500",
        );
        assert_eq!(judged(&mqtt, None), (false, String::new()));
        assert_eq!(judged(&mqtt, Some(&api)), (false, server.to_owned()));
        mqtt.connected = false;
        assert_eq!(judged(&mqtt, None), (true, broker.to_owned()));
        let both = format!("{broker}; {server}");
        assert_eq!(judged(&mqtt, Some(&api)), (true, both));
        let none = mqtt::Facts::default();
        assert_eq!(judged(&none, Some(&api)), (true, server.to_owned()));
        assert_eq!(judged(&none, None), (false, String::new()));
        // It was not tried yet, or accepts.
        api.last_error = None;
        assert_eq!(judged(&mqtt, Some(&api)), (false, broker.to_owned()));
        assert_eq!(judged(&none, Some(&api)), (false, String::new()));
    }
}
