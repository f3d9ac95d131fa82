//! The health of the device in one line: healthy? if not, why, and what next?

use super::view::shown;
use super::words::{ahead, lasting, safe};

shown! {
    /// The part of `status.health` that a person is shown.
    pub(super) struct HealthView {
        verdict: Option<String>,
        since: Option<u64>,
        next_probe: Option<u64>,
        evidence: EvidenceView,
    }
}

shown! {
    struct EvidenceView {
        proof: Option<String>,
        doubt: bool,
        degraded: bool,
        lost: Option<String>,
        broker: Option<ServerView>,
        api: Option<ServerView>,
        server: Option<String>,
        probe: Option<ProbeView>,
    }
}

shown! {
    /// A server of the operator's.
    struct ServerView {
        error: Option<String>,
    }
}

shown! {
    struct ProbeView {
        route: RouteView,
        gateways: Vec<GatewayView>,
        resolvers: Vec<ResolverView>,
        lookup: Option<CheckView>,
        connect: Option<CheckView>,
        web: Option<CheckView>,
    }
}

shown! {
    struct RouteView {
        found: bool,
        device: Option<String>,
    }
}

shown! {
    struct GatewayView {
        address: String,
        answers: String,
    }
}

shown! {
    struct ResolverView {
        address: String,
        error: Option<String>,
    }
}

shown! {
    /// A check; each has a name of its own for its target.
    struct CheckView {
        name: String,
        to: String,
        url: String,
        result: String,
        status: Option<u64>,
        location: Option<String>,
        error: Option<String>,
    }
}

impl HealthView {
    pub(super) fn words(&self) -> String {
        let next = self.next_probe.map(ahead);
        let next = next
            .map(|at| format!("; next probe {at}"))
            .unwrap_or_default();
        let probe = self.evidence.probe.as_ref().map(ProbeView::words);
        let probe = probe.filter(|words| !words.is_empty());
        let Some(verdict) = &self.verdict else {
            return match (probe, &self.evidence.probe) {
                (Some(probe), _) => format!("not known yet: {probe}{next}"),
                (None, Some(_)) => format!("not known yet{next}"),
                (None, None) => "not known yet".to_owned(),
            };
        };
        let since = self.since.map(lasting);
        let since = since.map(|at| format!(" for {at}")).unwrap_or_default();
        if verdict == "ok" {
            let by = match self.evidence.proof.as_deref() {
                Some("broker") => ", connected to the broker",
                Some("api") => ", the API accepts",
                _ => ", by probes",
            };
            let (doubt, degraded) = (self.evidence.doubt, self.evidence.degraded);
            let but = match (&self.evidence.lost, probe) {
                (Some(lost), _) => format!("; in doubt: {}{next}", safe(lost)),
                (None, Some(probe)) if doubt => format!("; in doubt: {probe}{next}"),
                (None, Some(probe)) if degraded => format!("; degraded: {probe}"),
                (None, None) if degraded => "; degraded: slow".to_owned(),
                _ => String::new(),
            };
            return format!("ok{since}{by}{but}{}", self.evidence.servers());
        }
        let server = self.evidence.server.as_deref().map(safe);
        let why = match verdict.as_str() {
            "server_unreachable" => server,
            _ => probe.or_else(|| self.evidence.lost.as_deref().map(safe)),
        };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        // Its names are plain words.
        let verdict = safe(verdict).replace('_', " ");
        format!("NOT ok{since}: {verdict}{why}{next}")
    }
}

impl EvidenceView {
    /// The broker or the API that fails though the device is healthy.
    fn servers(&self) -> String {
        let named = [("broker", &self.broker), ("API", &self.api)];
        let failed = named.into_iter().filter_map(|(name, server)| {
            let error = server.as_ref()?.error.as_deref()?;
            Some(format!("; {name}: {}", safe(error)))
        });
        failed.collect()
    }
}

impl ProbeView {
    /// The failed checks, each with the reason; empty if none failed.
    fn words(&self) -> String {
        let mut failures = Vec::new();
        let reached = [&self.connect, &self.web];
        let mut reached = reached.into_iter().flatten().map(CheckView::failure);
        // An answer proves a way, even if the tables have none.
        if !self.route.found && !reached.any(|failure| failure.is_none()) {
            let device = self.route.device.as_deref();
            failures.push(match device {
                Some(device) => format!("no default route, the last went by {}", safe(device)),
                None => "no default route".to_owned(),
            });
        }
        let dead = self.gateways.iter().filter(|one| one.answers == "no");
        failures.extend(dead.map(|one| format!("gateway {}: no answer", safe(&one.address))));
        let checks = [&self.lookup, &self.connect, &self.web];
        failures.extend(checks.into_iter().flatten().filter_map(CheckView::failure));
        failures.extend(self.resolvers.iter().filter_map(|one| {
            let error = one.error.as_deref()?;
            Some(format!(
                "name server {}: {}",
                safe(&one.address),
                safe(error)
            ))
        }));
        failures.join(", ")
    }
}

impl CheckView {
    fn failure(&self) -> Option<String> {
        let mut names = [&self.name, &self.to, &self.url].into_iter();
        let name = names.find(|name| !name.is_empty());
        let name = name.map(|name| safe(name)).unwrap_or_default();
        if let Some(error) = &self.error {
            return Some(format!("{name}: {}", safe(error)));
        }
        let status = self.status.filter(|_| self.result != "ok")?;
        let to = self.location.as_deref().map(safe);
        let to = to.map(|to| format!(", to {to}")).unwrap_or_default();
        Some(format!("{name}: answered {status}{to}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::super::view::of_json;
    use super::*;

    fn words(health: Value) -> String {
        of_json::<HealthView>(health).words()
    }

    #[test]
    fn a_healthy_device_says_how_that_is_known() {
        for (evidence, expected) in [
            (json!({"proof": "broker"}), "ok, connected to the broker"),
            (json!({"proof": "api"}), "ok, the API accepts"),
            (
                json!({"probe": {"route": {"found": true}}}),
                "ok, by probes",
            ),
            (
                json!({"proof": "api", "degraded": true, "probe": {"route": {"found": true},
                    "web": {"url": "http://w/", "result": "failed", "error": "no answer within 6 s"}}}),
                "ok, the API accepts; degraded: http://w/: no answer within 6 s",
            ),
            (
                json!({"doubt": true, "probe": {"route": {"found": false, "device": "wan"}}}),
                "ok, by probes; in doubt: no default route, the last went by wan; next probe now",
            ),
            (
                json!({"lost": "wan has lost its link"}),
                "ok, by probes; in doubt: wan has lost its link; next probe now",
            ),
            (
                json!({"proof": "broker", "broker": {"reached": true},
                    "api": {"reached": false, "error": "api.example answered 500"}}),
                "ok, connected to the broker; API: api.example answered 500",
            ),
            (
                json!({"degraded": true, "probe": {"route": {"found": false},
                    "connect": {"to": "9.9.9.9:53"},
                    "web": {"url": "http://w/", "result": "failed", "error": "refused"}}}),
                "ok, by probes; degraded: http://w/: refused",
            ),
        ] {
            let health = json!({"code": 9, "verdict": "ok", "next_probe": 1, "evidence": evidence});
            assert_eq!(words(health), expected);
        }
    }

    #[test]
    fn a_sick_one_says_why_and_what_next_and_nothing_hostile_reaches_the_terminal() {
        let health = |verdict: &str, evidence| {
            words(json!({"code": 1, "verdict": verdict, "next_probe": 1, "evidence": evidence}))
        };
        assert_eq!(
            health(
                "captive_portal",
                json!({"probe": {"route": {"found": true},
                    "lookup": {"name": "h", "result": "found", "addresses": ["9.9.9.9"]},
                    "connect": {"to": "9.9.9.9:53", "error": "refused"},
                    "web": {"url": "http://w/", "result": "foreign", "status": 302,
                        "location": "http://log.in/\u{1b}[2J"}}})
            ),
            "NOT ok: captive portal: 9.9.9.9:53: refused, http://w/: answered 302, \
             to http://log.in/\\u{1b}[2J; next probe now"
        );
        assert_eq!(
            health(
                "server_unreachable",
                json!({"server": "API: api.example answered 500"})
            ),
            "NOT ok: server unreachable: API: api.example answered 500; next probe now"
        );
        assert_eq!(
            health(
                "gateway_dead",
                json!({"lost": "wan has lost its link", "probe": {"route": {"found": true},
                    "gateways": [{"address": "192.0.2.1", "answers": "no"}],
                    "resolvers": [{"address": "127.0.0.1"},
                        {"address": "192.0.2.9", "error": "no answer within 5 s"}]}})
            ),
            "NOT ok: gateway dead: gateway 192.0.2.1: no answer, \
             name server 192.0.2.9: no answer within 5 s; next probe now"
        );
        assert_eq!(words(json!({"verdict": null})), "not known yet");
        assert_eq!(
            words(json!({"verdict": null, "next_probe": 1,
                "evidence": {"probe": {"route": {"found": true}}}})),
            "not known yet; next probe now"
        );
    }
}
