//! A look: asks netifd and hostapd, one after the other, in bounded time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::read;
use super::sight::{Ap, Configured, Mode, Sight};
use super::verdict::State;
use crate::file::read_up_to;
use crate::file::under;
use crate::ubus::{Client, Error, Status};

/// Longest wait for the answer of one object.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for all of them.
pub(super) const ALL_WITHIN: Duration = Duration::from_secs(10);

/// Access points that are asked; no device has more.
const APS_MAX: usize = 64;

/// Looks at the device behind `client`, with its /sys below `root`.
#[derive(Debug, Clone)]
pub(super) struct Eye {
    pub(super) client: Client,
    pub(super) root: PathBuf,
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
