//! Recovery, guard and the last boot in a line each.

use super::view::shown;
use super::words::{ago, ahead, count, safe};

shown! {
    /// The part of `status.recovery` that a person is shown.
    pub(super) struct RecoveryView {
        why: Option<String>,
        tried: Vec<TriedView>,
        reboots_24h: u64,
        reboots_left: u64,
        next: Option<StepView>,
    }
}

shown! {
    struct TriedView {
        step: String,
        at: u64,
        error: Option<String>,
    }
}

shown! {
    struct StepView {
        step: String,
        at: u64,
    }
}

/// The name of a step, a verdict or a cause in words.
fn name(word: &str) -> String {
    safe(word).replace('_', " ")
}

impl RecoveryView {
    pub(super) fn words(&self) -> String {
        let budget = match (self.reboots_24h, self.reboots_left) {
            (0, 0) => "no reboots, they cannot be recorded".to_owned(),
            (used, left) => format!("{used} of {} in 24 h used", count(used + left, "reboot")),
        };
        let Some(why) = &self.why else {
            return format!("nothing to do; {budget}");
        };
        let tried: Vec<String> = self.tried.iter().map(TriedView::words).collect();
        let tried = match tried.is_empty() {
            true => "nothing tried yet".to_owned(),
            false => format!("tried {}", tried.join(", ")),
        };
        let next = match &self.next {
            Some(next) => format!("next {} {}", name(&next.step), ahead(next.at)),
            None => "no next step".to_owned(),
        };
        format!("{}: {tried}; {next}; {budget}", safe(why))
    }
}

impl TriedView {
    fn words(&self) -> String {
        let words = format!("{} {}", name(&self.step), ago(self.at));
        match &self.error {
            Some(error) => format!("{words} (FAILED: {})", safe(error)),
            None => words,
        }
    }
}

shown! {
    /// The part of `status.guard` that a person is shown.
    pub(super) struct GuardView {
        armed: bool,
        until: Option<u64>,
    }
}

impl GuardView {
    /// `None` while nothing is guarded.
    pub(super) fn words(&self) -> Option<String> {
        let until = self.until.map(|at| format!(", decided {}", ahead(at)));
        let until = until.unwrap_or_default();
        let words =
            format!("armed{until}: a network change is undone then unless the device is reached");
        self.armed.then_some(words)
    }
}

shown! {
    /// The part of `status.boot` that a person is shown.
    pub(super) struct BootView {
        cause: Option<String>,
        at: Option<u64>,
    }
}

impl BootView {
    /// `None` until the cause is known.
    pub(super) fn words(&self) -> Option<String> {
        let cause = name(self.cause.as_deref()?);
        let at = self.at.map(|at| format!(", {}", ago(at)));
        Some(format!("{cause}{}", at.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::super::view::of_json;
    use super::*;
    use crate::process::clock::epoch_seconds;
    use crate::terminal::{assert_harmless, HOSTILE};

    fn recovery(view: Value) -> String {
        of_json::<RecoveryView>(view).words()
    }

    #[test]
    fn recovery_says_what_was_tried_what_is_next_and_what_is_left() {
        let now = epoch_seconds();
        assert_eq!(
            recovery(json!({"reboots_24h": 0, "reboots_left": 3})),
            "nothing to do; 0 of 3 reboots in 24 h used"
        );
        assert_eq!(
            recovery(json!({
                "step": "down_up", "since": now - 45, "why": "there is no default route",
                "tried": [{"step": "renew", "at": now - 125, "error": "ubus: timed out"},
                          {"step": "down_up", "at": now - 90}],
                "reboots_24h": 1, "reboots_left": 2,
                "next": {"step": "network_restart", "at": now + 179},
            })),
            "there is no default route: tried renew 2 min ago (FAILED: ubus: timed out), \
             down up 1 min ago; next network restart in 2 min; 1 of 3 reboots in 24 h used"
        );
        assert_eq!(
            recovery(
                json!({"why": "a captive portal answers for the web; no step would mend that"})
            ),
            "a captive portal answers for the web; no step would mend that: nothing tried yet; \
             no next step; no reboots, they cannot be recorded"
        );
    }

    #[test]
    fn a_guard_and_a_boot_are_told_only_if_there_is_something_to_tell() {
        let guard = |view| of_json::<GuardView>(view).words();
        assert_eq!(guard(json!({"armed": false, "until": 5})), None);
        assert_eq!(
            guard(json!({"armed": true, "until": 5})).unwrap(),
            "armed, decided now: a network change is undone then unless the device is reached"
        );
        let boot = |view| of_json::<BootView>(view).words();
        assert_eq!(boot(json!({"cause": null})), None);
        let at = epoch_seconds() - 7500;
        let told = boot(json!({"cause": "recovery", "at": at}));
        assert_eq!(told.unwrap(), "recovery, 2 h 5 min ago");
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        let view = json!({"why": HOSTILE, "tried": [{"step": HOSTILE, "error": HOSTILE}],
            "next": {"step": HOSTILE}});
        assert_harmless(&recovery(view), 4);
        let boot: BootView = of_json(json!({"cause": HOSTILE}));
        assert_harmless(&boot.words().unwrap(), 1);
    }
}
