//! Outages in the log: each of their reasons once, not at every attempt.

use log::Level;

/// The outage of one server, as the log knows it.
#[derive(Debug, Clone, Default)]
pub struct Outage {
    told: Option<String>,
}

impl Outage {
    /// The level at which to log that an attempt failed for `reason`: a warning if that is news, for debugging
    /// if it was the last that was warned of.
    pub fn level(&mut self, reason: &str) -> Level {
        if self.told.as_deref() == Some(reason) {
            return Level::Debug;
        }
        self.told = Some(reason.to_owned());
        Level::Warn
    }

    /// The server did what was asked of it: the next failure is news, also for the same reason.
    pub fn over(&mut self) {
        self.told = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_warning_once_until_another_or_a_success_comes() {
        let mut outage = Outage::default();
        let mut levels = |reasons: &[&str]| -> Vec<Level> {
            let reasons = reasons.iter();
            reasons.map(|reason| outage.level(reason)).collect()
        };
        let [warn, debug] = [Level::Warn, Level::Debug];
        assert_eq!(
            levels(&["refused", "refused", "refused"]),
            [warn, debug, debug]
        );
        assert_eq!(levels(&["in time", "in time"]), [warn, debug]);
        assert_eq!(levels(&["refused", "refused"]), [warn, debug]);
        outage.over();
        assert_eq!(outage.level("refused"), warn);
    }
}
