//! A look: asks netifd and hostapd, one after the other, in bounded time, as far as they have not just answered the
//! same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use ubus::{Client, Error, Status};

use super::read;
use super::sight::{Ap, Configured, Mode, Sight};
use super::verdict::State;
use crate::collect::Answers;
use crate::process::file::read_up_to;
use crate::process::file::under;

/// Longest wait for the answer of one object.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for all of them.
pub(super) const ALL_WITHIN: Duration = Duration::from_secs(10);

/// Access points that are asked; no device has more.
const APS_MAX: usize = 64;

/// Looks at the device behind `client`, with its /sys below `root`.
#[derive(Debug)]
pub(super) struct Eye {
    pub(super) client: Client,
    pub(super) root: PathBuf,
    /// Of the collection that has just ended: what was asked there is not asked again.
    pub(super) answers: Option<Answers>,
}

impl Eye {
    pub(super) async fn look(&self) -> Sight {
        let until = Instant::now() + ALL_WITHIN;
        let mut sight = Sight::default();
        let reply = self.ask("network.wireless", "status", until).await;
        sight.radios = reply.and_then(|reply| read::radios(&reply));
        let Some(radios) = &sight.radios else {
            return sight;
        };
        if radios
            .iter()
            .all(|radio| radio.of(Mode::Ap).next().is_none())
        {
            return sight;
        }
        let Some(paths) = self.paths(until).await else {
            return sight;
        };
        sight.serving = paths.iter().any(|path| path == "hostapd");
        let names = paths
            .iter()
            .filter_map(|path| path.strip_prefix("hostapd."));
        let aps = names.take(APS_MAX).map(|name| Ap {
            name: name.to_owned(),
            status: None,
        });
        let mut aps: Vec<Ap> = aps.collect();
        let mut lacking = false;
        for radio in radios {
            lacking |= !self.ask_aps(radio, &mut aps, until).await;
        }
        sight.aps = Some(aps);
        if lacking {
            let reply = self.ask("network.interface", "dump", until).await;
            sight.closed = reply.and_then(|reply| read::closed(&reply));
        }
        for radio in radios.iter().filter(|of| of.of(Mode::Ap).next().is_some()) {
            let clients = radio.of(Mode::Client);
            let linked = clients.filter_map(|vif| vif.ifname.as_ref().filter(|of| self.links(of)));
            sight.linked.extend(linked.cloned());
        }
        sight
    }

    /// Asks the access points of a radio until one beacons; false if none is on the bus.
    async fn ask_aps(&self, radio: &Configured, aps: &mut [Ap], until: Instant) -> bool {
        let mut found = false;
        for vif in radio.of(Mode::Ap) {
            let is_it = |ap: &&mut Ap| vif.ifname.as_ref() == Some(&ap.name);
            let Some(ap) = aps.iter_mut().find(is_it) else {
                continue;
            };
            found = true;
            let path = format!("hostapd.{}", ap.name);
            let reply = self.ask(&path, "get_status", until).await;
            ap.status = reply.and_then(|reply| read::status(&reply));
            let state = ap.status.and_then(|status| status.state);
            if state == Some(State::Enabled) {
                break;
            }
        }
        found
    }

    /// `hostapd` and its access points, as far as they are on the bus; `None` if nobody says so.
    async fn paths(&self, until: Instant) -> Option<Vec<String>> {
        if let Some(paths) = self.answers.as_ref().and_then(Answers::hostapd) {
            return paths;
        }
        match self.client.lookup("hostapd*", within(until)).await {
            Ok(objects) => Some(objects.into_iter().map(|object| object.path).collect()),
            Err(Error::Status(Status::NOT_FOUND)) => Some(Vec::new()),
            Err(error) => {
                log::debug!("hostapd*: {error}");
                None
            }
        }
    }

    async fn ask(&self, path: &str, method: &str, until: Instant) -> Option<Bytes> {
        let answers = self.answers.as_ref();
        if let Some(reply) = answers.and_then(|answers| answers.reply(path, method)) {
            return reply;
        }
        let asked = self
            .client
            .call_raw(path, method, Vec::new(), within(until));
        match asked.await {
            Ok(replies) => replies.into_iter().next(),
            Err(error) => {
                log::debug!("{path} {method}: {error}");
                None
            }
        }
    }

    /// Does this network device have a link?
    fn links(&self, ifname: &str) -> bool {
        // Names come from outside; those of devices have no slash.
        if ifname.contains('/') || ifname.starts_with('.') {
            return false;
        }
        let path = format!("/sys/class/net/{ifname}/operstate");
        let text = read_up_to(&under(&self.root, Path::new(&path)), 64);
        text.is_ok_and(|(text, _)| matches!(text.trim_ascii(), b"up" | b"unknown"))
    }
}

fn within(until: Instant) -> Duration {
    TIMEOUT.min(until.saturating_duration_since(Instant::now()))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use ubus::blobmsg::Value;

    fn answered(json: &str) -> Option<Bytes> {
        let value: Value = serde_json::from_str(json).unwrap();
        Some(value.to_members().into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_asks_nobody_for_what_a_collection_has_just_asked() {
        let radio = r#"{"radio0": {"up": true, "autostart": true, "config": {"band": "5g"}, "interfaces": [
            {"ifname": "phy0-ap0", "config": {"mode": "ap", "network": ["lan"]}}]}}"#;
        let ap = "hostapd.phy0-ap0";
        let mut answers = vec![
            ("network.wireless".to_owned(), "status", answered(radio)),
            (
                ap.to_owned(),
                "get_status",
                answered(r#"{"status": "ENABLED"}"#),
            ),
        ];
        let names = || vec!["hostapd".to_owned(), ap.to_owned()];
        let mut eye = Eye {
            client: ubus::connect(Path::new("/nowhere")).0,
            root: PathBuf::from("/nowhere"),
            answers: Some(Answers::of_test(names(), answers.clone())),
        };
        // Nobody drives the client: it would never answer.
        let sight = timeout(ALL_WITHIN, eye.look()).await.unwrap();
        let status = sight.aps.unwrap()[0].status.unwrap();
        assert_eq!(status.state, Some(State::Enabled));
        assert!(sight.serving);

        answers[1].2 = None;
        eye.answers = Some(Answers::of_test(names(), answers));
        let sight = timeout(ALL_WITHIN, eye.look()).await.unwrap();
        assert_eq!(sight.aps.unwrap()[0].status, None, "it did not answer");
    }
}
