//! The report: one JSON line per collection.
//!
//! Keys, their order and their types are those that collectors know. Absent is absent: a value
//! nobody knew is left out, never 0 and never null.

mod device;
mod event;
mod interface;
mod network;
mod peer;
mod radio;
mod station;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use spool::Stamp;

use crate::mac::Mac;
use crate::sorted;
use device::Stamped;

pub use device::Device;
pub use event::Event;
pub use interface::{Counters, Interface};
pub use network::{Neighbour, Ssid};
pub use peer::Peer;
pub(super) use radio::OnAir;
pub use radio::{ChannelUse, Dfs, Radio};
pub use station::{Airtime, Lease, Source, Station, Traffic};

/// The findings of one collection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// `None` if Wi-Fi is not collected or nobody could say.
    pub ssids: Option<Vec<Ssid>>,
    /// `None` but in the first report after a survey.
    pub survey: Option<Vec<Neighbour>>,
    pub stations: Option<Vec<Station>>,
    /// `None` if no DHCP server could be asked.
    pub dhcp: Option<Vec<Lease>>,
    pub device: Device,
    pub interfaces: Option<Vec<Interface>>,
    /// `None` if nobody knows of any.
    pub radios: Option<Vec<Radio>>,
    /// `None` if this device is in no mesh.
    pub mesh: Option<Vec<Peer>>,
    /// Events since the report before.
    pub events: Vec<Event>,
}

/// The parts of a line, in their order.
const PARTS: [Part; 10] = [
    Part::Ssids,
    Part::Survey,
    Part::Device,
    Part::Interfaces,
    Part::Radios,
    Part::Mesh,
    Part::Events,
    Part::Gaps,
    Part::Dhcp,
    Part::Stations,
];

#[derive(Debug, Clone, Copy)]
enum Part {
    Ssids,
    Survey,
    Device,
    Interfaces,
    Radios,
    Mesh,
    Events,
    Gaps,
    Dhcp,
    Stations,
}

impl Report {
    /// Authorized stations; where nothing is known of Wi-Fi, or it is not collected, hosts with a lease. `None` if
    /// nobody knows of these either.
    pub(super) fn hosts(&self) -> Option<usize> {
        self.device.connected.or_else(|| {
            let leases = self.dhcp.as_ref()?.iter();
            let mut macs: Vec<Mac> = leases.map(|lease| lease.mac).collect();
            sorted::sort(&mut macs);
            macs.dedup();
            Some(macs.len())
        })
    }

    /// The report as the line that is kept and delivered, without its end of line. The `stamp` has the members
    /// that are known only when it is kept; (`boot_id`, `seq`) names it for ever, and empty gaps are left out.
    ///
    /// Every other line has its parts and its stations in the opposite order: so what one line says about
    /// a station is near to what the next says, and both are packed into less.
    pub fn to_line(&self, stamp: &Stamp<'_>) -> Vec<u8> {
        struct Line<'a>(&'a Report, &'a Stamp<'a>);

        impl Serialize for Line<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.write(Some(self.1), serializer)
            }
        }

        let stations = self.stations.as_ref().map_or(0, Vec::len);
        let mut line = Vec::with_capacity(2048 + 640 * stations);
        serde_json::to_writer(&mut line, &Line(self, stamp))
            .expect("memory takes every byte, and every key of a report is a string");
        line
    }

    fn write<S: Serializer>(
        &self,
        stamp: Option<&Stamp<'_>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let back = stamp.is_some_and(|stamp| stamp.seq.is_multiple_of(2));
        let mut parts = PARTS;
        if back {
            parts.reverse();
        }
        let mut map = serializer.serialize_map(None)?;
        for part in parts {
            match part {
                Part::Ssids => known(&mut map, "ssids", &self.ssids)?,
                Part::Survey => known(&mut map, "survey", &self.survey)?,
                Part::Device => map.serialize_entry("device", &Stamped(&self.device, stamp))?,
                Part::Interfaces => known(&mut map, "interfaces", &self.interfaces)?,
                Part::Radios => known(&mut map, "radios", &self.radios)?,
                Part::Mesh => known(&mut map, "mesh", &self.mesh)?,
                Part::Events => some(&mut map, "events", &self.events)?,
                Part::Gaps => some(&mut map, "gaps", stamp.map_or(&[], |stamp| stamp.gaps))?,
                Part::Dhcp => known(&mut map, "dhcp", &List::of(&self.dhcp, back))?,
                Part::Stations => known(&mut map, "stations", &List::of(&self.stations, back))?,
            }
        }
        map.end()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(None, serializer)
    }
}

/// A list, the last first if it goes `back`.
struct List<'a, T> {
    items: &'a [T],
    back: bool,
}

impl<'a, T> List<'a, T> {
    fn of(items: &'a Option<Vec<T>>, back: bool) -> Option<Self> {
        let items = items.as_deref()?;
        Some(List { items, back })
    }
}

impl<T: Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.items.len()))?;
        for n in 0..self.items.len() {
            let at = if self.back {
                self.items.len() - 1 - n
            } else {
                n
            };
            list.serialize_element(&self.items[at])?;
        }
        list.end()
    }
}

/// Writes a list that has something in it.
fn some<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    list: &[T],
) -> Result<(), M::Error> {
    match list {
        [] => Ok(()),
        list => map.serialize_entry(key, list),
    }
}

/// Writes a value that is known; absent is absent.
fn known<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: &Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, value),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use spool::{Certainty, Gap, Reason};

    use super::*;

    #[test]
    fn a_line_carries_its_identity_and_gaps_and_no_end_of_line() {
        let report = Report {
            device: Device {
                smv: "1\n2".into(),
                hostname: Some("h".into()),
                kernel: Some("6.6".into()),
                created_at: 7,
                ..Device::default()
            },
            ..Report::default()
        };
        let line = |seq, gaps: &[Gap]| {
            let stamp = Stamp {
                boot_id: "b-1",
                seq,
                created_at: 9,
                clock: Certainty::Ok,
                gaps,
            };
            String::from_utf8(report.to_line(&stamp)).unwrap()
        };
        let gap = Gap {
            from: None,
            to: Some(8),
            count: Some(1),
            reason: Reason::Full,
        };
        let gaps = r#""gaps":[{"from":null,"to":8,"count":1,"reason":"full"}]"#;
        assert_eq!(
            line(5, &[]),
            r#"{"device":{"smv":"1\n2","mac":"","v":"4","created_at":9,"hostname":"h","boot_id":"b-1","seq":5,"clock":"ok","kernel":"6.6"}}"#
        );
        let [odd, even] = [5, 6].map(|seq| line(seq, slice::from_ref(&gap)));
        assert!(odd.ends_with(&format!(r#""kernel":"6.6"}},{gaps}}}"#)));
        assert!(even.starts_with(&format!(r#"{{{gaps},"device":{{"smv""#)));
    }

    #[test]
    fn the_report_itself_has_no_identity_yet() {
        assert_eq!(
            serde_json::to_string(&Report::default()).unwrap(),
            r#"{"device":{"smv":"","mac":"","v":"4","created_at":0}}"#
        );
    }
}
