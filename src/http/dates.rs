//! The clocks of servers whose certificates were verified.

use tokio::sync::watch;

use super::endpoint::Endpoint;
use crate::process::clock::ServerDate;

/// Passes on the `Date` of answers that nobody but the server can have given. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dates(watch::Sender<Option<ServerDate>>);

impl Dates {
    /// To `to`, which holds the newest one.
    pub fn new(to: watch::Sender<Option<ServerDate>>) -> Self {
        Dates(to)
    }

    /// `from` has answered, and its clock stood at `date`, seconds since the epoch.
    pub(super) fn answered(&self, from: &Endpoint, date: Option<u64>) {
        if let Some(date) = date.filter(|_| from.is_verified()) {
            self.0.send_replace(Some(ServerDate::now(date)));
        }
    }
}

/// To nobody.
impl Default for Dates {
    fn default() -> Self {
        Dates::new(watch::channel(None).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Api;

    #[test]
    fn a_date_is_believed_over_verified_tls_alone() {
        let heard = |url: &str, insecure| {
            let (sender, receiver) = watch::channel(None);
            let api = Api {
                insecure,
                ..Api::default()
            };
            let from = Endpoint::new("stats_url", url, &api, "0a:1b").unwrap();
            let dates = Dates::new(sender);
            dates.answered(&from, Some(7));
            dates.answered(&from, None);
            let date: Option<ServerDate> = *receiver.borrow();
            date.map(|date| date.epoch)
        };
        assert_eq!(heard("https://h/stats", false), Some(7));
        assert_eq!(heard("https://h/stats", true), None);
        assert_eq!(heard("http://h/stats", false), None);
    }
}
