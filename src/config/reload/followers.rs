//! Settings of parts that follow them while they run.

use tokio::sync::watch;

use crate::config::Config;
use crate::process::facts::publish;

/// Publishes the settings of one part, if they are others than before.
type Follower = Box<dyn Fn(&Config) + Send>;

/// The parts that follow their settings.
#[derive(Default)]
pub(super) struct Followers(Vec<Follower>);

impl Followers {
    /// Adds a part that works with what `of` takes from a configuration, `now` at first.
    pub(super) fn add<S>(&mut self, now: &Config, of: fn(&Config) -> S) -> watch::Receiver<S>
    where
        S: PartialEq + Send + Sync + 'static,
    {
        let (sender, followed) = watch::channel(of(now));
        self.0
            .push(Box::new(move |config| publish(&sender, of(config))));
        followed
    }

    /// Wakes the parts whose settings are others in `config`.
    pub(super) fn publish(&self, config: &Config) {
        for follower in &self.0 {
            follower(config);
        }
    }
}
