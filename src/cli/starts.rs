//! Starts of the agent that were too many.

use super::view::shown;
use super::words::{ahead, count, safe};

shown! {
    /// The part of `status.starts` that a person is shown.
    pub(super) struct StartsView {
        count: u64,
        held_until: Option<u64>,
        error: Option<String>,
    }
}

impl StartsView {
    /// Of broker and API there is nothing to tell while they are not tried.
    pub(super) fn or_held(&self, words: String) -> String {
        match self.held_until {
            Some(at) => format!(
                "NOT tried, the agent was started too often; begins {}",
                ahead(at)
            ),
            None => words,
        }
    }

    /// `None` if every end was orderly.
    pub(super) fn words(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(format!("NOT counted: {}", safe(error)));
        }
        let count = count(self.count, "time");
        let words = format!("ended without being told to {count} in a row; see the log");
        (self.count > 0).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_was_started_too_often_says_when_it_tries_broker_and_api() {
        let mut starts = StartsView {
            count: 5,
            held_until: Some(1),
            error: None,
        };
        assert_eq!(
            starts.or_held("connected".into()),
            "NOT tried, the agent was started too often; begins now"
        );
        let why = "ended without being told to 5 times in a row; see the log";
        assert_eq!(starts.words().unwrap(), why);
        starts.held_until = None;
        assert_eq!(starts.or_held("connected".into()), "connected");
        starts.error = Some("starts: is a link\x1b".into());
        assert_eq!(
            starts.words().unwrap(),
            "NOT counted: starts: is a link\\u{1b}"
        );
        assert_eq!(StartsView::default().words(), None);
    }
}
