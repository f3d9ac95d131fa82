//! The links to broker and API in one line each.

use super::view::shown;
use super::words::{ago, ahead, count, lasting, safe};

shown! {
    /// The link to the broker.
    pub(super) struct MqttView {
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
    /// The delivery of reports, or of results, to a server of HTTP.
    pub(super) struct ApiView {
        last_ok: Option<u64>,
        host: String,
        last_error: Option<String>,
        next_attempt: Option<u64>,
    }
}

impl MqttView {
    pub(super) fn words(&self) -> String {
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
    pub(super) fn words(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
