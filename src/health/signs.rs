//! Signs that the way out has changed: netlink and the bus.
//!
//! ```text
//!  kernel ─netlink─► hint ──────────────┐
//!  netifd ─event, notification─► hint ──┼─► the task looks in /proc and /sys
//!         ─dump, after each hint────────┘
//! ```
//!
//! A storm of them costs little: after each hint the next is read a moment later, and what the kernel could
//! not keep meanwhile counts as one.

use std::future::pending;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, Instant};
use ubus::{Client, Events, Heard, Notice, Status, Subscription};

use super::netlink::Changes;
use super::uplink::Netifd;
use crate::collect::netifd;

/// Time after a hint in which others are the same one.
const SETTLE: Duration = Duration::from_millis(300);

/// Longest wait for netifd.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// Time after which mwan3 counts as gone. Its object is rpcd's, and away while rpcd or the bus starts again.
const GONE_AFTER: Duration = Duration::from_secs(60);

const INTERFACES: &str = "network.interface";

/// Something that may have to do with the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// Something has changed.
    Hint,
    /// netifd took this interface down.
    Down(String),
    /// netifd's word now.
    Netifd(Netifd),
}

pub(super) type Signs = mpsc::Sender<Sign>;

/// Signs that may wait.
pub(super) const WAITING: usize = 8;

/// Hears the kernel; ends when nobody listens.
pub(super) async fn hear_kernel(signs: Signs) {
    let heard = async {
        let changes = Changes::listen()?;
        loop {
            changes.next().await?;
            if signs.send(Sign::Hint).await.is_err() {
                return Ok(());
            }
            sleep(SETTLE).await;
        }
    };
    let heard: std::io::Result<()> = heard.await;
    if let Err(error) = heard {
        log::warn!("health: no word of the kernel on changes of the network: {error}");
    }
    pending().await
}

/// Hears netifd, and asks it at the start, after each sign of its, and when `device`, of which the link is
/// asked for, changes. Ends when nobody listens.
pub(super) async fn hear_netifd(
    client: Client,
    mut device: watch::Receiver<Option<String>>,
    signs: Signs,
) {
    let events = client.listen(INTERFACES).await;
    let mut events = events.inspect_err(not_heard).ok();
    let notices = client.subscribe(INTERFACES).await;
    let mut notices = notices.inspect_err(not_heard).ok();
    let mut mwan3 = Mwan3::default();
    loop {
        let of = device.borrow_and_update().clone();
        if let Some(netifd) = ask(&client, of.as_deref(), &mut mwan3).await {
            if signs.send(Sign::Netifd(netifd)).await.is_err() {
                return;
            }
        }
        let mut news = tokio::select! {
            down = event(&mut events) => down.map_or(Sign::Hint, Sign::Down),
            down = notice(&mut notices) => down.map_or(Sign::Hint, Sign::Down),
            changed = device.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = mwan3.due() => continue,
        };
        // One change makes several.
        let settled = sleep(SETTLE);
        tokio::pin!(settled);
        loop {
            if news != Sign::Hint && signs.send(news).await.is_err() {
                return;
            }
            let down = tokio::select! {
                down = event(&mut events) => down,
                down = notice(&mut notices) => down,
                () = &mut settled => break,
            };
            news = down.map_or(Sign::Hint, Sign::Down);
        }
    }
}

fn not_heard(error: &ubus::Error) {
    log::warn!("{INTERFACES}: no word on changes: {error}");
}

/// The interface that the next event says is down; `None` for other news.
async fn event(events: &mut Option<Events>) -> Option<String> {
    if let Some(open) = events {
        match open.next().await {
            Some(Heard::Event { data, .. }) => return netifd::down(&data),
            Some(Heard::Lost { .. }) => return None,
            None => *events = None,
        }
    }
    pending().await
}

/// The same of a notification.
async fn notice(notices: &mut Option<Subscription>) -> Option<String> {
    if let Some(open) = notices {
        match open.next().await {
            Some(Notice::Notification { kind, data, .. }) if kind == "interface.down" => {
                return netifd::named(&data);
            }
            Some(_) => return None,
            None => *notices = None,
        }
    }
    pending().await
}

/// Is mwan3 on the bus?
#[derive(Debug, Default)]
struct Mwan3 {
    /// It counts as being there.
    is_there: bool,
    /// The first look that did not find it, or the last that failed since, while it counts as being there.
    missed: Option<Instant>,
}

impl Mwan3 {
    fn looked_up(&mut self, found: Result<bool, ubus::Error>) -> bool {
        match found {
            Ok(true) => (self.is_there, self.missed) = (true, None),
            Ok(false) | Err(ubus::Error::Status(Status::NOT_FOUND)) if self.is_there => {
                let missed = *self.missed.get_or_insert_with(Instant::now);
                if missed.elapsed() >= GONE_AFTER {
                    *self = Mwan3::default();
                }
            }
            Ok(false) => {}
            Err(_) => self.not_looked_up(),
        }
        self.is_there
    }

    /// A look has failed. Since the one that missed it, it may have been there, so its minute begins again.
    fn not_looked_up(&mut self) {
        self.missed = self.missed.map(|_| Instant::now());
    }

    /// Completes when a look has to say whether it is gone; never while none has missed it. Cancel safe.
    async fn due(&self) {
        let Some(missed) = self.missed else {
            return pending().await;
        };
        let (now, due) = (Instant::now(), missed + GONE_AFTER);
        sleep_until(if due > now { due } else { now + GONE_AFTER }).await;
    }
}

/// Asks netifd; `None` if it does not answer.
async fn ask(client: &Client, device: Option<&str>, mwan3: &mut Mwan3) -> Option<Netifd> {
    let dump = client.call_raw(INTERFACES, "dump", Vec::new(), ASKED_WITHIN);
    let dump = dump.await.unwrap_or_default();
    let Some(dump) = dump.first() else {
        mwan3.not_looked_up();
        return None;
    };
    let mut netifd = Netifd {
        interfaces: netifd::interfaces(dump),
        ..Netifd::default()
    };
    if let Some(device) = device {
        let args = netifd::of_device(device);
        let status = client.call_raw("network.device", "status", args, ASKED_WITHIN);
        let status = status.await.ok();
        let reply = status.as_ref().and_then(|replies| replies.first());
        netifd.carrier = reply.and_then(|reply| netifd::carrier(reply));
    }
    let found = client.lookup("mwan3", ASKED_WITHIN).await;
    netifd.mwan3 = mwan3.looked_up(found.map(|found| !found.is_empty()));
    Some(netifd)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn mwan3_does_not_count_as_gone_while_rpcd_starts_again() {
        let none = || Err(ubus::Error::Status(Status::NOT_FOUND));
        let mut mwan3 = Mwan3::default();
        assert!(!mwan3.looked_up(none()));
        assert!(mwan3.looked_up(Ok(true)));
        // Nobody looks while netifd has no news.
        advance(100 * GONE_AFTER).await;
        for found in [none(), Ok(false), none(), none(), Ok(false)] {
            assert!(mwan3.looked_up(found));
            advance(GONE_AFTER / 5).await;
        }
        assert!(!mwan3.looked_up(none()));
        assert!(!mwan3.looked_up(Err(ubus::Error::Disconnected)));
        assert!(mwan3.looked_up(Ok(true)));
    }

    #[tokio::test(start_paused = true)]
    async fn mwan3_has_its_minute_again_after_a_look_that_failed() {
        let none = || Err(ubus::Error::Status(Status::NOT_FOUND));
        let mut mwan3 = Mwan3::default();
        assert!(mwan3.looked_up(Ok(true)));
        assert!(mwan3.looked_up(none()));
        advance(GONE_AFTER).await;
        assert!(mwan3.looked_up(Err(ubus::Error::Disconnected)));
        advance(GONE_AFTER / 5).await;
        assert!(mwan3.looked_up(none()));
        advance(GONE_AFTER * 4 / 5).await;
        assert!(!mwan3.looked_up(none()));
        assert!(!mwan3.looked_up(Err(ubus::Error::Disconnected)));
        assert!(!mwan3.looked_up(none()));
    }

    #[tokio::test(start_paused = true)]
    async fn mwan3_has_its_minute_again_after_netifd_has_not_answered() {
        let client = ubus::connect("/nonexistent".as_ref()).0;
        let mut mwan3 = Mwan3::default();
        assert!(mwan3.looked_up(Ok(true)));
        assert!(mwan3.looked_up(Ok(false)));
        advance(GONE_AFTER).await;
        assert_eq!(ask(&client, None, &mut mwan3).await, None);
        assert!(mwan3.looked_up(Ok(false)));
    }

    #[tokio::test(start_paused = true)]
    async fn mwan3_that_was_missed_is_looked_for_again_without_news() {
        const MOMENT: Duration = Duration::from_secs(1);
        let mut mwan3 = Mwan3::default();
        assert!(mwan3.looked_up(Ok(true)));
        assert!(timeout(10 * GONE_AFTER, mwan3.due()).await.is_err());
        assert!(mwan3.looked_up(Ok(false)));
        // Other news come in between.
        for _ in 0..3 {
            assert!(timeout(GONE_AFTER / 4, mwan3.due()).await.is_err());
            assert!(mwan3.looked_up(Ok(false)));
        }
        assert!(timeout(GONE_AFTER / 4 + MOMENT, mwan3.due()).await.is_ok());
        assert!(!mwan3.looked_up(Ok(false)));
        assert!(timeout(10 * GONE_AFTER, mwan3.due()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_for_mwan3_that_is_overdue_has_a_minute_and_no_more() {
        let mut mwan3 = Mwan3::default();
        assert!(mwan3.looked_up(Ok(true)));
        assert!(mwan3.looked_up(Ok(false)));
        advance(2 * GONE_AFTER).await;
        assert!(timeout(GONE_AFTER / 2, mwan3.due()).await.is_err());
        assert!(timeout(2 * GONE_AFTER, mwan3.due()).await.is_ok());
    }
}
