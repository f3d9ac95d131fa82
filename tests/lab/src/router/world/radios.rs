//! The radios of the world: orders of netifd, faults, and the stations that depend on them.

use ubus::blobmsg::Value;
use ubus::Status;

use super::super::ap::APS;
use super::super::facts::RadioFacts;
use super::super::objects::radio_status;
use super::super::radio::{Radio, RadioFault, RADIOS};
use super::{News, World};

impl World {
    /// The radio of an access point.
    pub fn radio_of(&self, ap: usize) -> &Radio {
        let at = RADIOS.iter().position(|name| *name == APS[ap].radio);
        &self.radios[at.unwrap_or(0)]
    }

    /// Can stations use this access point?
    pub(super) fn is_on_air(&self, ap: usize) -> bool {
        self.radio_of(ap).beacons()
    }

    /// ms since the story began.
    pub(in crate::router) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Does this object exist? hostapd has one for each access point of a radio that is up.
    pub(in crate::router) fn shows(&self, path: &str) -> bool {
        let ifname = path.strip_prefix("hostapd.");
        let ap = ifname.and_then(|ifname| APS.iter().position(|ap| ap.ifname == ifname));
        ap.is_none_or(|ap| self.radio_of(ap).is_up())
    }

    /// Makes a radio sick, or well.
    pub(in crate::router) fn suffer(
        &mut self,
        radio: usize,
        fault: Option<RadioFault>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        if let Some(radio) = self.radios.get_mut(radio) {
            radio.suffer(fault, self.elapsed);
        }
        self.settle_stations(&mut news);
        news
    }

    /// `up` and `down` of `network.wireless`, for one radio or all; `None` for any other call.
    pub(in crate::router) fn order(
        &mut self,
        path: &str,
        method: &str,
        args: &Value,
    ) -> Option<Result<Vec<News>, Status>> {
        let up = match (path, method) {
            ("network.wireless", "up") => true,
            ("network.wireless", "down") => false,
            _ => return None,
        };
        let device = args.get("device").and_then(Value::as_str);
        if device.is_some_and(|device| !RADIOS.contains(&device)) {
            return Some(Err(Status::NOT_FOUND));
        }
        let mut news = Vec::new();
        let now = self.elapsed;
        for (name, radio) in RADIOS.iter().zip(&mut self.radios) {
            if device.is_some_and(|device| device != *name) {
                continue;
            }
            match up {
                true => radio.up(now),
                false => radio.down(),
            }
            if !up {
                news.push(told(name, radio, "wireless.down"));
            }
        }
        self.settle_stations(&mut news);
        Some(Ok(news))
    }

    pub(super) fn step_radios(&mut self, news: &mut Vec<News>) {
        let now = self.elapsed;
        for (name, radio) in RADIOS.iter().zip(&mut self.radios) {
            if radio.advance(now) {
                news.push(told(name, radio, "wireless.update"));
            }
        }
    }

    /// Stations of a radio that does not beacon leave, and come back when it does.
    fn settle_stations(&mut self, news: &mut Vec<News>) {
        let is_lost = |world: &World, at: usize| {
            let station = &world.stations[at];
            station.authorized && !world.is_on_air(station.ap)
        };
        while let Some(at) = (0..self.stations.len()).find(|at| is_lost(self, *at)) {
            self.leave(at, Some(self.elapsed), news);
        }
    }

    pub(super) fn radio_facts(&self) -> Vec<RadioFacts> {
        let radios = RADIOS.iter().zip(&self.radios);
        let facts = radios.map(|(name, radio)| RadioFacts {
            name,
            beacons: radio.beacons(),
            downs: radio.downs,
            ups: radio.ups,
        });
        facts.collect()
    }
}

/// Netifd's state of a radio, in 24.10.
fn told(name: &str, radio: &Radio, kind: &'static str) -> News {
    News {
        object: "network.wireless".to_owned(),
        kind,
        data: radio_status(name, radio),
    }
}
