//! First contact in words.

use super::view::shown;
use super::words::{ago, ahead, lasting, safe};

shown! {
    /// `provision` of a status, as far as a person is shown it.
    pub(super) struct ProvisionView {
        state: String,
        since: u64,
        server: Option<String>,
        last_error: Option<String>,
        next_attempt: Option<u64>,
        refused_keys: Vec<String>,
        at: Option<u64>,
    }
}

impl ProvisionView {
    /// The line of first contact; `None` for a device that has nothing to do with an init server.
    pub(super) fn line(&self) -> Option<String> {
        let server = match self.server.as_deref().unwrap_or_default() {
            "" => "the init server".to_owned(),
            server => safe(server),
        };
        let mut words = match &*self.state {
            "" | "not_needed" => return None,
            "waiting" => format!(
                "waiting for settings of {server} for {}",
                lasting(self.since)
            ),
            "trial" => format!("settings of {server} have to prove themselves"),
            "done" => match self.at {
                Some(at) => format!("settings of {server}, {}", ago(at)),
                None => format!("settings of {server}"),
            },
            other => safe(other),
        };
        if let Some(error) = &self.last_error {
            words += &format!(": {}", safe(error));
        }
        if let Some(at) = self.next_attempt {
            let what = match &*self.state {
                "trial" => "until",
                _ => "next attempt",
            };
            words += &format!("; {what} {}", ahead(at));
        }
        if !self.refused_keys.is_empty() {
            words += &format!("; refused: {}", safe(&self.refused_keys.join(", ")));
        }
        Some(format!("contact   {words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: &str) -> Option<String> {
        let view: ProvisionView =
            super::super::view::of_json(serde_json::from_str(status).unwrap());
        view.line()
    }

    #[test]
    fn first_contact_is_told_where_there_is_one() {
        assert_eq!(line("{}"), None);
        assert_eq!(
            line(r#"{"state": "not_needed", "server": "init.example"}"#),
            None
        );
        let now = crate::process::clock::epoch_seconds();
        let waiting = format!(
            r#"{{"state": "waiting", "since": {}, "server": "init.example", "last_error": "init.example answered 404",
                "next_attempt": {}}}"#,
            now - 300,
            now + 40
        );
        let waiting = line(&waiting).unwrap();
        assert!(
            waiting.starts_with("contact   waiting for settings of init.example for 5 min")
                && waiting.contains(": init.example answered 404; next attempt in "),
            "{waiting}"
        );
        let done = format!(
            r#"{{"state": "done", "at": {}, "server": "init.example", "refused_keys": ["boot_cmd", "x\u001b"]}}"#,
            now - 7200
        );
        let done = line(&done).unwrap();
        assert!(
            done.starts_with(
                "contact   settings of init.example, 2 h 0 min ago; refused: boot_cmd, x"
            ),
            "{done}"
        );
        assert!(!done.contains('\u{1b}'));
    }
}
