//! `socketman status`: healthy? if not, why, and what next?

use std::io::Write;

use super::ask::{Agent, AskError};
use super::health::HealthView;
use super::provision::ProvisionView;
use super::recovery::{BootView, GuardView, RecoveryView};
use super::starts::StartsView;
use super::upgrade::UpgradeView;
use super::view::shown;
use super::words::{ago, ahead, bytes, count, lasting, safe, span};
use super::BusArgs;

shown! {
    /// The part of the reply that a person is shown; keys that an older or newer agent lacks are left out.
    struct View {
        version: String,
        uptime: u64,
        mac: String,
        mac_source: String,
        seq: Option<u64>,
        config: ConfigView,
        health: HealthView,
        sources: SourcesView,
        mqtt: MqttView,
        api: ApiView,
        rest: Option<ApiView>,
        spool: SpoolView,
        jobs: JobsView,
        recovery: Option<RecoveryView>,
        guard: GuardView,
        boot: BootView,
        radios: Vec<RadioView>,
        provision: ProvisionView,
        upgrade: UpgradeView,
        stations: u64,
        starts: StartsView,
    }
}

shown! {
    struct ConfigView {
        errors: Vec<ProblemView>,
        warnings: Vec<ProblemView>,
    }
}

shown! {
    struct ProblemView {
        option: Option<String>,
        source: String,
        line: Option<u64>,
        reason: String,
    }
}

shown! {
    struct SourcesView {
        missing: Vec<String>,
    }
}

shown! {
    struct MqttView {
        connected: bool,
        host: String,
        since: Option<u64>,
        reconnects: u64,
        last_error: Option<String>,
        next_attempt: Option<u64>,
        live_off: bool,
    }
}

shown! {
    struct ApiView {
        last_ok: Option<u64>,
        host: String,
        last_error: Option<String>,
        next_attempt: Option<u64>,
    }
}

shown! {
    struct SpoolView {
        reports: u64,
        set_aside: u64,
        bytes: u64,
        oldest: Option<u64>,
        dropped: u64,
        last_error: Option<String>,
    }
}

shown! {
    struct RadioView {
        name: String,
        verdict: String,
        since: Option<u64>,
        restarts: u64,
    }
}

shown! {
    struct JobsView {
        queued: u64,
        running: u64,
        done: u64,
        failed: u64,
        rejected: u64,
        given_up: u64,
        durable: bool,
        kept: bool,
    }
}

/// Prints the state of the agent.
pub async fn run(json: bool, bus: &BusArgs) -> Result<(), AskError> {
    let agent = Agent::connect(bus).await?;
    if json {
        return agent.print_json("status").await;
    }
    let view: View = agent.call("status", &()).await?;
    std::io::stdout().write_all(view.text().as_bytes())?;
    Ok(())
}

impl View {
    fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "socketman {}, {}, up {}",
                safe(&self.version),
                safe(&self.mac),
                span(self.uptime)
            ),
            format!("health    {}", self.health.words()),
        ];
        let recovery = self.recovery.as_ref().map(RecoveryView::words);
        lines.extend(recovery.map(|words| format!("recovery  {words}")));
        lines.extend(self.guard.words().map(|words| format!("guard     {words}")));
        lines.extend([
            format!("broker    {}", self.starts.or_held(self.mqtt.words())),
            format!("delivery  {}", self.starts.or_held(self.api.words())),
            format!("queue     {}", self.spool.words()),
            match (self.seq, self.radios.len() as u64) {
                (Some(0), _) => "wifi      not known yet".to_owned(),
                (_, 0) => format!("clients   {}, no Wi-Fi", count(self.stations, "lease")),
                (_, radios) => format!(
                    "wifi      {}, {}",
                    count(radios, "radio"),
                    count(self.stations, "station")
                ),
            },
        ]);
        lines.extend(self.radios.iter().filter_map(RadioView::words));
        lines.push(format!("jobs      {}", self.jobs.words()));
        if let Some(rest) = &self.rest {
            lines.push(format!("results   {}", rest.words()));
        }
        lines.extend(self.boot.words().map(|words| format!("boot      {words}")));
        lines.extend(self.provision.line());
        lines.extend(self.upgrade.line());
        if !self.mac_source.is_empty() {
            lines.push(format!("identity  {}", safe(&self.mac_source)));
        }
        lines.extend(
            self.starts
                .words()
                .map(|words| format!("starts    {words}")),
        );
        if !self.sources.missing.is_empty() {
            let missing = self.sources.missing.join(", ");
            lines.push(format!("missing   {}", safe(&missing)));
        }
        for error in &self.config.errors {
            lines.push(format!("error     {}", error.words()));
        }
        for warning in &self.config.warnings {
            lines.push(format!("warning   {}", warning.words()));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl MqttView {
    fn words(&self) -> String {
        let lasting = self
            .since
            .map(|at| format!(" for {}", lasting(at)))
            .unwrap_or_default();
        if self.connected {
            let live = match self.live_off {
                true => "; no live output of jobs, connections ended within 5 s of it",
                false => "",
            };
            return format!(
                "connected to {}{lasting}, {}{live}",
                safe(&self.host),
                count(self.reconnects, "reconnect")
            );
        }
        if self.host.is_empty() {
            return match &self.last_error {
                // Settings that cannot be read may name one.
                Some(error) => safe(error),
                None => "none configured (mqtt_host)".to_owned(),
            };
        }
        let mut words = format!("NOT connected to {}{lasting}", safe(&self.host));
        if let Some(error) = &self.last_error {
            words += &format!(": {}", safe(error));
        }
        if let Some(at) = self.next_attempt {
            words += &format!("; next attempt {}", ahead(at));
        }
        words
    }
}

impl ApiView {
    fn words(&self) -> String {
        let next = self
            .next_attempt
            .map(|at| format!("; next {}", ahead(at)))
            .unwrap_or_default();
        match (&self.last_error, self.last_ok) {
            (None, Some(at)) if self.host.is_empty() => format!("accepted {}{next}", ago(at)),
            (None, Some(at)) => format!("accepted by {} {}{next}", safe(&self.host), ago(at)),
            (None, None) => format!("nothing sent yet{next}"),
            (Some(error), Some(at)) => {
                format!("FAILING, last accepted {}: {}{next}", ago(at), safe(error))
            }
            (Some(error), None) => format!("FAILING, never accepted: {}{next}", safe(error)),
        }
    }
}

impl SpoolView {
    fn words(&self) -> String {
        let mut words = match self.reports {
            0 => "empty".to_owned(),
            reports => format!("{}, {}", count(reports, "report"), bytes(self.bytes)),
        };
        if let Some(at) = self.oldest {
            words += &format!(", oldest {}", ago(at));
        }
        if self.set_aside > 0 {
            words += &format!(", {} refused and set aside", self.set_aside);
        }
        words += &format!(", {} dropped", self.dropped);
        if let Some(error) = &self.last_error {
            words += &format!("; {}", safe(error));
        }
        words
    }
}

impl RadioView {
    /// A line for a radio that is not as it should be, or has been restarted.
    fn words(&self) -> Option<String> {
        let fault = match self.verdict.as_str() {
            "setup_failed" => "NOT set up",
            "not_beaconing" => "NOT beaconing",
            "waiting" => "waiting",
            _ if self.restarts > 0 => "on the air",
            _ => return None,
        };
        let lasting = self
            .since
            .map(|at| format!(" for {}", lasting(at)))
            .unwrap_or_default();
        let restarts = match self.restarts {
            0 => String::new(),
            restarts => format!(", {} in 24 h", count(restarts, "restart")),
        };
        Some(format!(
            "radio     {} {fault}{lasting}{restarts}",
            safe(&self.name)
        ))
    }
}

impl JobsView {
    fn words(&self) -> String {
        let kept = match (self.durable, self.kept) {
            (true, true) => "",
            (true, false) => " (known until the next upgrade)",
            (false, _) => " (known until the agent restarts)",
        };
        let given_up = match self.given_up {
            0 => String::new(),
            count => format!(", {count} answers given up"),
        };
        format!(
            "{} running, {} waiting, {} done, {} failed, {} rejected{given_up}{kept}",
            self.running, self.queued, self.done, self.failed, self.rejected
        )
    }
}

impl ProblemView {
    fn words(&self) -> String {
        let mut words = safe(&self.source);
        if let Some(line) = self.line {
            words += &format!(":{line}");
        }
        match &self.option {
            Some(option) => format!("{words}: option '{}': {}", safe(option), safe(&self.reason)),
            None => format!("{words}: {}", safe(&self.reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{assert_harmless, HOSTILE};

    #[test]
    fn errors_and_hosts_cannot_drive_the_terminal() {
        let error = || Some(HOSTILE.to_owned());
        let problem = || ProblemView {
            source: HOSTILE.into(),
            line: Some(1),
            option: error(),
            reason: HOSTILE.into(),
        };
        let mut view = View {
            version: HOSTILE.into(),
            mac: HOSTILE.into(),
            mac_source: HOSTILE.into(),
            ..View::default()
        };
        view.mqtt.host = HOSTILE.into();
        view.mqtt.last_error = error();
        view.api.last_error = error();
        view.spool.last_error = error();
        view.starts = super::super::view::of_json(serde_json::json!({ "error": HOSTILE }));
        view.radios = vec![RadioView {
            name: HOSTILE.into(),
            verdict: "waiting".into(),
            ..RadioView::default()
        }];
        view.sources.missing = vec![HOSTILE.into(), HOSTILE.into()];
        view.config.errors = vec![problem()];
        view.config.warnings = vec![problem()];
        assert_harmless(&view.text(), 17);
    }

    #[test]
    fn what_is_wrong_stands_out_and_says_what_next() {
        let view = View {
            version: "1.2.3".into(),
            mac: "94:83:c4:a1:b2:00".into(),
            mac_source: "the board's label".into(),
            uptime: 125,
            mqtt: MqttView {
                host: "broker.example:1883".into(),
                last_error: Some("connection refused".into()),
                ..MqttView::default()
            },
            api: ApiView {
                last_error: Some("api.example: 500 \x1b[2J".into()),
                ..ApiView::default()
            },
            stations: 1,
            radios: vec![
                RadioView {
                    name: "radio0".into(),
                    verdict: "ok".into(),
                    ..RadioView::default()
                },
                RadioView {
                    name: "radio1".into(),
                    verdict: "not_beaconing".into(),
                    restarts: 2,
                    ..RadioView::default()
                },
            ],
            ..View::default()
        };
        assert_eq!(
            view.text(),
            "socketman 1.2.3, 94:83:c4:a1:b2:00, up 2 min\n\
             health    not known yet\n\
             broker    NOT connected to broker.example:1883: connection refused\n\
             delivery  FAILING, never accepted: api.example: 500 \\u{1b}[2J\n\
             queue     empty, 0 dropped\n\
             wifi      2 radios, 1 station\n\
             radio     radio1 NOT beaconing, 2 restarts in 24 h\n\
             jobs      0 running, 0 waiting, 0 done, 0 failed, 0 rejected (known until the agent restarts)\n\
             identity  the board's label\n"
        );
    }

    #[test]
    fn a_broker_that_bears_no_live_output_is_told() {
        let view = MqttView {
            connected: true,
            host: "b:1883".into(),
            live_off: true,
            ..MqttView::default()
        };
        assert_eq!(
            view.words(),
            "connected to b:1883, 0 reconnects; no live output of jobs, connections ended within 5 s of it"
        );
    }

    #[test]
    fn reports_that_were_set_aside_are_counted_beside_the_queue() {
        let spool = SpoolView {
            reports: 4,
            set_aside: 3,
            bytes: 2048,
            ..SpoolView::default()
        };
        assert_eq!(
            spool.words(),
            "4 reports, 2.0 KiB, 3 refused and set aside, 0 dropped"
        );
    }
}
