//! From every part to first contact, and back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::collect::Report;
use crate::config::reload;
use crate::config::reload::Current;
use crate::process::clock::Pace;
use crate::process::facts::publish;
use crate::process::shutdown::Shutdown;
use crate::provision::{self, once, About, Reach};
use crate::tasks::spawn;
use crate::{http, jobs, mqtt, upload};

/// While a trial waits for the API, a delivery is asked for this often.
const DELIVERY: Duration = Duration::from_secs(60);

/// The facts of other parts that first contact follows.
pub(super) struct Known {
    pub(super) current: watch::Receiver<Arc<Current>>,
    pub(super) mqtt: watch::Receiver<mqtt::Facts>,
    pub(super) api: watch::Receiver<http::Facts>,
    pub(super) rest: watch::Receiver<Option<http::Facts>>,
    pub(super) newest: watch::Receiver<Option<Arc<Report>>>,
}

/// The same in the words of first contact.
pub(super) struct Told {
    settings: watch::Sender<Arc<provision::Settings>>,
    reach: watch::Sender<Reach>,
    about: watch::Sender<About>,
}

/// Where those are read.
pub(super) struct Heard {
    pub(super) settings: watch::Receiver<Arc<provision::Settings>>,
    pub(super) reach: watch::Receiver<Reach>,
    pub(super) about: watch::Receiver<About>,
}

/// The way from what is known now to first contact.
pub(super) fn way(current: &watch::Receiver<Arc<Current>>) -> (Told, Heard) {
    let (settings, settings_known) = watch::channel(settings(&current.borrow()));
    let (reach, reach_known) = watch::channel(Reach::default());
    let (about, about_known) = watch::channel(About::default());
    let told = Told {
        settings,
        reach,
        about,
    };
    let heard = Heard {
        settings: settings_known,
        reach: reach_known,
        about: about_known,
    };
    (told, heard)
}

fn settings(current: &Current) -> Arc<provision::Settings> {
    let settings = provision::Settings::of(&current.loaded, current.mac.clone());
    Arc::new(settings)
}

/// True while one of two facts is, until `ends`.
pub(super) fn either(
    mut a: watch::Receiver<bool>,
    mut b: watch::Receiver<bool>,
    mut ends: Shutdown,
) -> watch::Receiver<bool> {
    let (sender, either) = watch::channel(*a.borrow() || *b.borrow());
    spawn(async move {
        loop {
            tokio::select! {
                () = ends.requested() => return,
                Ok(()) = a.changed() => {}
                Ok(()) = b.changed() => {}
                else => return,
            }
            let is_either = *a.borrow_and_update() || *b.borrow_and_update();
            publish(&sender, is_either);
        }
    });
    either
}

/// Passes on what changes, until `ends`.
pub(super) async fn tell(mut known: Known, told: Told, mut ends: Shutdown) {
    let mut sessions = Sessions::default();
    let (mut by_api, mut by_rest) = (Denials::default(), Denials::default());
    loop {
        let now = settings(&known.current.borrow_and_update());
        publish(&told.settings, now);
        let session = sessions.number(&known.mqtt.borrow_and_update());
        let api = known.api.borrow_and_update().clone();
        let rest = known.rest.borrow_and_update().clone().unwrap_or_default();
        let now = Reach {
            session,
            accepted: api.accepted.max(rest.accepted),
            denied: by_api
                .all(api.denied)
                .wrapping_add(by_rest.all(rest.denied)),
        };
        publish(&told.reach, now);
        if let Some(report) = &*known.newest.borrow_and_update() {
            let about = About {
                machine: report.device.machine_type.clone().unwrap_or_default(),
                firmware: report.device.firmware.clone().unwrap_or_default(),
            };
            publish(&told.about, about);
        }
        let is_known = *told.about.borrow() != About::default();
        let gone = tokio::select! {
            () = ends.requested() => return,
            changed = known.current.changed() => changed.is_err(),
            changed = known.mqtt.changed() => changed.is_err(),
            changed = known.api.changed() => changed.is_err(),
            changed = known.rest.changed() => changed.is_err(),
            changed = known.newest.changed(), if !is_known => changed.is_err(),
        };
        if gone {
            return;
        }
    }
}

/// Tells sessions with the broker apart.
#[derive(Default)]
struct Sessions {
    count: u64,
    connected: bool,
    reconnects: u64,
}

impl Sessions {
    fn number(&mut self, facts: &mqtt::Facts) -> Option<u64> {
        let is_new = !self.connected || facts.reconnects != self.reconnects;
        if facts.connected && is_new {
            self.count += 1;
        }
        (self.connected, self.reconnects) = (facts.connected, facts.reconnects);
        facts.connected.then_some(self.count)
    }
}

/// Adds up the denials of a part, which begins at 0 when it starts again.
#[derive(Default)]
struct Denials {
    seen: u32,
    all: u32,
}

impl Denials {
    /// All there were, now that the part tells of so many.
    fn all(&mut self, now: u32) -> u32 {
        let more = now.checked_sub(self.seen).unwrap_or(now);
        self.seen = now;
        self.all = self.all.wrapping_add(more);
        self.all
    }
}

/// Has reports delivered again and again while settings are on trial, without the wait under way.
pub(super) async fn hurry(
    mut trial: watch::Receiver<bool>,
    deliveries: upload::Handle,
    pace: Pace,
    ends: Shutdown,
) {
    let every = pace.of(DELIVERY);
    let work = async move {
        while trial.wait_for(|is_trial| *is_trial).await.is_ok() {
            // Other parts report the outcome.
            drop(timeout(every, deliveries.deliver()).await);
            sleep(every).await;
        }
    };
    ends.cut_short(vec![Box::pin(work)]).await;
}

/// Has settings read again.
pub(super) fn reading(settings: reload::Handle) -> provision::Reload {
    Box::new(move || {
        let settings = settings.clone();
        Box::pin(async move {
            // Without anybody to read them, the agent ends.
            drop(settings.reload().await);
        })
    })
}

/// Runs a command under an id of this boot, so that it runs once in it.
pub(super) fn running(jobs: jobs::Handle, boot_id: &str) -> once::RunCommand {
    let id = format!("boot_cmd-{boot_id}");
    Box::new(move |msg| {
        let (jobs, id) = (jobs.clone(), id.clone());
        Box::pin(async move {
            let request = |id| jobs::Request {
                msg: msg.clone(),
                id,
                ..jobs::Request::default()
            };
            let run = match jobs.run(request(Some(id))).await {
                // A ledger that takes nothing is no reason to leave it.
                Err(jobs::RunError::Rejected(_)) => jobs.run(request(None)).await,
                run => run,
            };
            run.map(drop).map_err(|error| error.to_string())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_of_a_part_that_starts_again_add_up() {
        let mut denials = Denials::default();
        let told = [0, 1, 3, 3, 0, 0, 1, 2].map(|now| denials.all(now));
        assert_eq!(told, [0, 1, 3, 3, 3, 3, 4, 5]);
    }

    #[test]
    fn each_session_with_the_broker_has_a_number_of_its_own() {
        let mut sessions = Sessions::default();
        let mut number = |connected, reconnects| {
            sessions.number(&mqtt::Facts {
                connected,
                reconnects,
                ..mqtt::Facts::default()
            })
        };
        assert_eq!(number(false, 0), None);
        assert_eq!(number(true, 0), Some(1));
        assert_eq!(number(true, 0), Some(1));
        assert_eq!(number(false, 0), None);
        assert_eq!(number(true, 1), Some(2));
        // The end of that one was not seen.
        assert_eq!(number(true, 2), Some(3));
        // A link without a broker in between counts from zero.
        assert_eq!(number(false, 0), None);
        assert_eq!(number(true, 0), Some(4));
    }
}
