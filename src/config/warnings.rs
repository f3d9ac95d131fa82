//! Settings that work, but that an operator should know about.

use super::load::Loading;
use super::value;

impl Loading<'_> {
    /// Warns of secrets that cross a network in clear, and of topics that some brokers refuse.
    pub(super) fn warn_of_exposure(&mut self) {
        let config = &self.config;
        let mut found = Vec::new();
        let urls = [
            ("api_url", &config.rest.url),
            ("stats_url", &config.upload.url),
            ("backup_stats_url", &config.upload.backup_url),
        ];
        for (name, url) in urls {
            if !value::is_in_clear(url) {
                continue;
            }
            if !config.api.token.is_empty() {
                let reason = "is http: anyone on the way can read the token; use https";
                found.push((name, reason));
            } else if value::has_login(url) {
                let reason = "is http: anyone on the way can read the password in it; use https";
                found.push((name, reason));
            }
        }
        let has_broker = config.broker.is_set();
        let is_away = has_broker && !value::is_loopback(&config.broker.host);
        if is_away && !config.broker.tls && !config.broker.password.is_empty() {
            let reason = "goes to the broker without TLS: anyone on the way can read it; set tls";
            found.push(("password", reason));
        }
        for (name, level) in [
            ("topic", config.broker.topic.as_str()),
            ("key", config.broker.key.reveal()),
        ] {
            if has_broker && level.contains([' ', '.']) {
                found.push((
                    name,
                    "holds a space or a dot, which some brokers (NATS) refuse",
                ));
            }
        }
        for (name, reason) in found {
            self.warn_settled(name, reason);
        }
    }
}
