//! The upgrade under way in a line.

use super::view::shown;
use super::words::{ahead, lasting, safe};

shown! {
    /// The part of `status.upgrade` that a person is shown.
    pub(super) struct UpgradeView {
        state: String,
        id: Option<String>,
        since: Option<u64>,
        received: Option<u64>,
        size: Option<u64>,
        begins: Option<u64>,
        error: Option<String>,
    }
}

impl UpgradeView {
    /// `None` while nothing is upgraded and nothing waits.
    pub(super) fn line(&self) -> Option<String> {
        let state = match &*self.state {
            "" | "idle" => return None,
            "waiting" => "waits for its window".to_owned(),
            "fetching" => "fetches the file".to_owned(),
            "flashing" => "flashes the firmware".to_owned(),
            "installing" => "installs the package".to_owned(),
            "trial" => "has to prove that the device lives".to_owned(),
            "undoing" => "goes back to the package before".to_owned(),
            other => safe(other),
        };
        let id = safe(self.id.as_deref().unwrap_or_default());
        let mut words = format!("job {id} {state}");
        if let Some(begins) = self.begins {
            words += &format!(", begins {}", ahead(begins));
        } else if let Some(since) = self.since {
            words += &format!(" for {}", lasting(since));
        }
        if let (Some(received), Some(size)) = (self.received, self.size) {
            words += &format!(": {received} of {size} bytes");
        }
        if let Some(error) = &self.error {
            words += &format!("; {}", safe(error));
        }
        Some(format!("upgrade   {words}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::*;
    use crate::cli::view::of_json;
    use crate::process::clock::epoch_seconds;
    use crate::terminal::{assert_harmless, HOSTILE};

    fn line(view: Value) -> Option<String> {
        of_json::<UpgradeView>(view).line()
    }

    #[test]
    fn an_upgrade_is_told_while_there_is_one() {
        assert_eq!(line(json!({})), None);
        assert_eq!(line(json!({"state": "idle"})), None);
        let now = epoch_seconds();
        let waiting = json!({"state": "waiting", "id": "u-1", "since": now, "begins": now + 7260});
        let waiting = line(waiting).unwrap();
        assert!(
            waiting.starts_with("upgrade   job u-1 waits for its window, begins in 2 h"),
            "{waiting}"
        );
        let fetching = json!({"state": "fetching", "id": "u-1", "since": now - 300, "received": 1000,
            "size": 5000, "error": "get.example ended in the middle"});
        assert_eq!(
            line(fetching).unwrap(),
            "upgrade   job u-1 fetches the file for 5 min: 1000 of 5000 bytes; get.example ended in the middle"
        );
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        let view = json!({"state": HOSTILE, "id": HOSTILE, "error": HOSTILE});
        assert_harmless(&line(view).unwrap(), 3);
    }
}
