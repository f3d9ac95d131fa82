//! Faults of the world around the agent, in lanes: of one lane there is one fault at a time, and no lane waits for another.

use std::time::Duration;

use super::broker::Broker;
use super::Failure;
use crate::collector::Mode;
use crate::lab::Lab;
use crate::router::RadioFault;

/// Stations while nothing is wrong.
pub(super) const STATIONS: usize = 12;

/// Stations of a crowd.
const CROWD: usize = 60;

/// s.
const TEN_YEARS: i64 = 3652 * 86_400;

/// A fault; each ends by itself a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The API does this with requests.
    Api(&'static str, Mode),
    BrokerKilled,
    BrokerEnded,
    BrokerHalted,
    BusRestarted,
    BusGone,
    HostapdGone,
    HostapdSilent,
    WrongTypes,
    RpcdGone,
    RadioFails,
    RadioSilent,
    Crowd,
    Nobody,
    ClockAhead,
    ClockBehind,
    DiskFull,
}

const API: [Fault; 10] = [
    Fault::Api("API refuses connections", Mode::Down),
    Fault::Api("API answers 503", Mode::Status(503, None)),
    Fault::Api(
        "API answers 503, Retry-After: 1",
        Mode::Status(503, Some(1)),
    ),
    Fault::Api("API answers 400", Mode::Status(400, None)),
    Fault::Api("API answers 413", Mode::Status(413, None)),
    Fault::Api("API hangs", Mode::Slow(Duration::from_secs(60))),
    Fault::Api("API cuts connections", Mode::Reset),
    Fault::Api("API answers with a page", Mode::Page),
    Fault::Api("API answers no HTTP", Mode::Rubbish),
    Fault::Api("API redirects in a loop", Mode::Redirect),
];

const BROKER: [Fault; 3] = [Fault::BrokerKilled, Fault::BrokerEnded, Fault::BrokerHalted];

const DEVICE: [Fault; 13] = [
    Fault::BusRestarted,
    Fault::BusGone,
    Fault::HostapdGone,
    Fault::HostapdSilent,
    Fault::WrongTypes,
    Fault::RpcdGone,
    Fault::RadioFails,
    Fault::RadioSilent,
    Fault::Crowd,
    Fault::Nobody,
    Fault::ClockAhead,
    Fault::ClockBehind,
    Fault::DiskFull,
];

/// The faults of each lane.
pub(super) const LANES: [&[Fault]; 3] = [&API, &BROKER, &DEVICE];

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::Api(name, _) => name,
            Fault::BrokerKilled => "broker killed",
            Fault::BrokerEnded => "broker ended",
            Fault::BrokerHalted => "broker halted",
            Fault::BusRestarted => "bus restarted",
            Fault::BusGone => "bus gone",
            Fault::HostapdGone => "hostapd gone",
            Fault::HostapdSilent => "hostapd silent",
            Fault::WrongTypes => "answers of other types",
            Fault::RpcdGone => "rpcd gone",
            Fault::RadioFails => "radio fails",
            Fault::RadioSilent => "radio silent",
            Fault::Crowd => "a crowd of stations",
            Fault::Nobody => "no station",
            Fault::ClockAhead => "clock ten years ahead",
            Fault::ClockBehind => "clock ten years behind",
            Fault::DiskFull => "disk full",
        }
    }

    pub(super) async fn begin(self, lab: &mut Lab, broker: &mut Broker) -> Result<(), Failure> {
        let router = lab.router.clone();
        match self {
            Fault::Api(_, mode) => lab.set_api(mode).await?,
            Fault::BrokerKilled => broker.kill().await?,
            Fault::BrokerEnded => broker.end().await?,
            Fault::BrokerHalted => broker.halt()?,
            Fault::BusRestarted => lab.restart_bus().await?,
            Fault::BusGone => lab.stop_bus().await,
            Fault::HostapdGone => router.without_hostapd().await?,
            Fault::HostapdSilent => router.silent("hostapd.*").await?,
            Fault::WrongTypes => router.wrong_types("*").await?,
            Fault::RpcdGone => router.without_rpcd().await?,
            Fault::RadioFails => router.set_radio(1, Some(RadioFault::Fail)).await?,
            Fault::RadioSilent => router.set_radio(1, Some(RadioFault::Silent)).await?,
            Fault::Crowd => lab.set_stations(CROWD).await?,
            Fault::Nobody => lab.set_stations(0).await?,
            Fault::ClockAhead => lab.program().set_clock(TEN_YEARS, false)?,
            Fault::ClockBehind => lab.program().set_clock(-TEN_YEARS, false)?,
            Fault::DiskFull => lab.set_disk_full(true)?,
        }
        Ok(())
    }

    pub(super) async fn end(self, lab: &mut Lab, broker: &mut Broker) -> Result<(), Failure> {
        let router = lab.router.clone();
        match self {
            Fault::Api(..) => lab.set_api(Mode::Up).await?,
            Fault::BrokerKilled | Fault::BrokerEnded | Fault::BrokerHalted => broker.back().await?,
            Fault::BusRestarted => {}
            Fault::BusGone => lab.start_bus()?,
            Fault::HostapdGone | Fault::HostapdSilent | Fault::WrongTypes | Fault::RpcdGone => {
                router.heal().await?;
            }
            Fault::RadioFails | Fault::RadioSilent => router.set_radio(1, None).await?,
            Fault::Crowd | Fault::Nobody => lab.set_stations(STATIONS).await?,
            Fault::ClockAhead | Fault::ClockBehind => lab.program().set_clock(0, true)?,
            Fault::DiskFull => lab.set_disk_full(false)?,
        }
        Ok(())
    }
}
