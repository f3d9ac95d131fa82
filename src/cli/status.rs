//! `socketman status`: healthy? if not, why, and what next?

use std::fmt::Write as _;
use std::io::Write as _;

use super::ask::{Agent, AskError};
use super::health::HealthView;
use super::links::{ApiView, MqttView};
use super::provision::ProvisionView;
use super::recovery::{BootView, GuardView, RecoveryView};
use super::starts::StartsView;
use super::upgrade::UpgradeView;
use super::view::shown;
use super::words::{ago, bytes, count, lasting, safe, span};
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
        stations: Option<u64>,
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

/// Lines, each with a name and the words about it.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, words: &str) {
        // A String takes everything.
        let _ = writeln!(self.0, "{name:<10}{words}");
    }

    /// Adds a line if there are words for it.
    fn add_known(&mut self, name: &str, words: Option<String>) {
        if let Some(words) = words {
            self.add(name, &words);
        }
    }
}

impl View {
    fn text(&self) -> String {
        let mut lines = Lines(format!(
            "socketman {}, {}, up {}\n",
            safe(&self.version),
            safe(&self.mac),
            span(self.uptime)
        ));
        lines.add("health", &self.health.words());
        let recovery = self.recovery.as_ref().map(RecoveryView::words);
        lines.add_known("recovery", recovery);
        lines.add_known("guard", self.guard.words());
        lines.add("broker", &self.starts.or_held(self.mqtt.words()));
        lines.add("delivery", &self.starts.or_held(self.api.words()));
        lines.add("queue", &self.spool.words());
        let stations = |noun| match self.stations {
            Some(number) => count(number, noun),
            None => format!("{noun}s not known"),
        };
        match (self.seq, self.radios.len() as u64) {
            (Some(0), _) => lines.add("wifi", "not known yet"),
            (_, 0) => {
                lines.add("clients", &format!("{}, no Wi-Fi", stations("lease")));
            }
            (_, radios) => {
                let radios = count(radios, "radio");
                let stations = stations("station");
                lines.add("wifi", &format!("{radios}, {stations}"));
            }
        }
        for radio in &self.radios {
            lines.add_known("radio", radio.words());
        }
        lines.add("jobs", &self.jobs.words());
        lines.add_known("results", self.rest.as_ref().map(ApiView::words));
        lines.add_known("boot", self.boot.words());
        for line in [self.provision.line(), self.upgrade.line()] {
            lines.0.extend(line.map(|line| line + "\n"));
        }
        if !self.mac_source.is_empty() {
            lines.add("identity", &safe(&self.mac_source));
        }
        lines.add_known("starts", self.starts.words());
        if !self.sources.missing.is_empty() {
            lines.add("missing", &safe(&self.sources.missing.join(", ")));
        }
        for error in &self.config.errors {
            lines.add("error", &error.words());
        }
        for warning in &self.config.warnings {
            lines.add("warning", &warning.words());
        }
        lines.0
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
    /// Words about a radio that is not as it should be, or has been restarted.
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
        Some(format!("{} {fault}{lasting}{restarts}", safe(&self.name)))
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
    use serde_json::json;

    use super::*;
    use crate::cli::view::of_json;
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
        view.mqtt = of_json(json!({ "host": HOSTILE, "last_error": HOSTILE }));
        view.api = of_json(json!({ "last_error": HOSTILE }));
        view.spool.last_error = error();
        view.starts = of_json(json!({ "error": HOSTILE }));
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
            mqtt: of_json(json!({
                "host": "broker.example:1883",
                "last_error": "connection refused",
            })),
            api: of_json(json!({ "last_error": "api.example: 500 \x1b[2J" })),
            stations: Some(1),
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
