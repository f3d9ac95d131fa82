//! The report: one JSON line per collection.
//!
//! Keys, their order and their types are those that collectors know. Absent is absent: a value
//! nobody knew is left out, never 0 and never null.

mod device;
mod event;
mod interface;
mod network;
mod station;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use device::Stamped;

pub use device::Device;
pub use event::Event;
pub use interface::{Counters, Interface};
pub use network::{Neighbour, Ssid};
pub use station::{Lease, Source, Station};

/// What one collection found.
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
    /// What happened since the report before.
    pub events: Vec<Event>,
}

impl Report {
    /// The report as the line that is kept and delivered, without its end of line.
    ///
    /// (`boot_id`, `seq`) names it for ever; `gaps` tells what is missing before it and is left out
    /// when empty.
    pub fn to_line<G: Serialize>(&self, boot_id: &str, seq: u64, gaps: &[G]) -> Vec<u8> {
        struct Line<'a, G>(&'a Report, (&'a str, u64), &'a [G]);

        impl<G: Serialize> Serialize for Line<'_, G> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.write(Some(self.1), self.2, serializer)
            }
        }

        let stations = self.stations.as_ref().map_or(0, Vec::len);
        let mut line = Vec::with_capacity(2048 + 512 * stations);
        serde_json::to_writer(&mut line, &Line(self, (boot_id, seq), gaps))
            .expect("memory takes every byte, and every key of a report is a string");
        line
    }

    fn write<S: Serializer, G: Serialize>(
        &self,
        stamp: Option<(&str, u64)>,
        gaps: &[G],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        known(&mut map, "ssids", &self.ssids)?;
        known(&mut map, "survey", &self.survey)?;
        known(&mut map, "stations", &self.stations)?;
        known(&mut map, "dhcp", &self.dhcp)?;
        map.serialize_entry("device", &Stamped(&self.device, stamp))?;
        known(&mut map, "interfaces", &self.interfaces)?;
        if !self.events.is_empty() {
            map.serialize_entry("events", &self.events)?;
        }
        if !gaps.is_empty() {
            map.serialize_entry("gaps", gaps)?;
        }
        map.end()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write::<S, ()>(None, &[], serializer)
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
        let line = |gaps: &[&str]| String::from_utf8(report.to_line("b-1", 5, gaps)).unwrap();
        assert_eq!(
            line(&[]),
            r#"{"device":{"smv":"1\n2","mac":"","v":"4","created_at":7,"hostname":"h","boot_id":"b-1","seq":5,"kernel":"6.6"}}"#
        );
        assert!(line(&["g"]).ends_with(r#""kernel":"6.6"},"gaps":["g"]}"#));
    }

    #[test]
    fn the_report_itself_has_no_identity_yet() {
        assert_eq!(
            serde_json::to_string(&Report::default()).unwrap(),
            r#"{"device":{"smv":"","mac":"","v":"4","created_at":0}}"#
        );
    }
}
