//! A network with all that is known of it, and what that comes to.

use crate::collect::reply::dbm;
use crate::collect::report::{OnAir, Ssid};
use crate::collect::sources::hostapd::{Ap, Clients, Status};
use crate::collect::sources::iwinfo::{Assoclist, Info, Netdev};
use crate::collect::sources::netifd::radio::{Radio, Vif, Vlan};
use crate::mac::Mac;

/// A network with all that is known of it.
#[derive(Debug, Default)]
pub(crate) struct Cell<'a> {
    pub(crate) name: &'a str,
    pub(super) ap: Option<&'a Ap>,
    pub(super) netdev: Option<&'a Netdev>,
    pub(super) radio: Option<&'a Radio>,
    pub(super) vif: Option<&'a Vif>,
    /// The devices of its VLANs and of single stations.
    pub(super) parts: Vec<(&'a Netdev, Option<&'a Vlan>)>,
}

/// The part of a network that a list of stations is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Network,
    /// A VLAN that is configured.
    Vlan(&'a Vlan),
    /// A VLAN that RADIUS assigned, or a single station.
    Unknown,
}

impl<'a> Cell<'a> {
    fn info(&self) -> Option<&'a Info> {
        self.netdev?.info.as_ref()
    }

    fn status(&self) -> Option<&'a Status> {
        self.ap?.status.as_ref()
    }

    pub(super) fn phy(&self) -> Option<&'a str> {
        let status = self.status().and_then(|status| status.phy.as_deref());
        status.or_else(|| self.info()?.phy.as_deref())
    }

    pub(super) fn bssid(&self) -> Option<Mac> {
        let status = self.status().and_then(|status| status.bssid);
        status.or_else(|| self.info()?.bssid)
    }

    /// The stations that hostapd lists.
    pub(crate) fn clients(&self) -> Option<&'a Clients> {
        self.ap?.clients.as_ref()
    }

    /// True for a network of ours, false for one that this device is a client of.
    pub(crate) fn is_ap(&self) -> bool {
        self.ap.is_some() || self.netdev.and_then(Netdev::mode) == Some("Master")
    }

    /// True for a network of equals: its stations are peers.
    pub(crate) fn is_of_peers(&self) -> bool {
        let mode = self.netdev.and_then(Netdev::mode);
        matches!(mode, Some("Mesh Point" | "Ad-Hoc"))
    }

    /// iwinfo's lists for the network and for each of its parts.
    pub(crate) fn assoclists(&self) -> impl Iterator<Item = (&'a Assoclist, Part<'a>)> + '_ {
        let own = self.netdev.map(|netdev| (netdev, Part::Network));
        let parts = self.parts.iter().map(|(netdev, vlan)| match vlan {
            Some(vlan) => (*netdev, Part::Vlan(vlan)),
            None => (*netdev, Part::Unknown),
        });
        let lists = own.into_iter().chain(parts);
        lists.filter_map(|(netdev, part)| Some((netdev.stations.as_ref()?, part)))
    }

    /// The network as configured.
    pub(crate) fn vif(&self) -> Option<&'a Vif> {
        self.vif
    }

    pub(crate) fn ssid(&self) -> Option<&'a str> {
        let configured = || self.vif?.ssid.as_deref();
        let told = || self.info()?.ssid.as_deref();
        self.status()
            .and_then(|status| status.ssid.as_deref())
            .or_else(told)
            .or_else(configured)
    }

    pub(super) fn frequency(&self) -> Option<u32> {
        let frequency = self.status().and_then(|status| status.freq);
        let frequency = frequency.or_else(|| self.clients()?.freq());
        frequency
            .filter(|mhz| *mhz > 0)
            .or_else(|| self.info()?.frequency)
            .filter(|mhz| *mhz > 0)
    }

    /// Facts of hostapd about a network that is switched off: the driver does not know of that.
    fn is_on_air(&self) -> bool {
        !self.status().is_some_and(|status| status.off)
    }

    /// The channel it is on.
    pub(crate) fn channel(&self) -> Option<u32> {
        let told = self.status().and_then(|status| status.channel);
        let positive = |number: &u32| *number > 0;
        told.filter(positive)
            .or_else(|| self.info()?.channel)
            .filter(|channel| self.is_on_air() && *channel > 0)
    }

    /// The band it is in, as its frequency says, or its radio.
    pub(crate) fn band(&self) -> Option<String> {
        let frequency = self.frequency().filter(|_| self.is_on_air());
        let told = frequency.and_then(band).map(str::to_owned);
        told.or_else(|| self.radio?.band.clone())
    }

    /// The section of its radio, or the kernel's name of it.
    pub(crate) fn radio_name(&self) -> Option<&'a str> {
        let radio = self.radio.map(|radio| radio.name.as_str());
        radio.or_else(|| self.phy())
    }

    /// Measurements on its channel: hostapd's, else the driver's.
    pub(crate) fn on_air(&self) -> OnAir {
        let told = self
            .status()
            .map(|status| status.on_air)
            .unwrap_or_default();
        let surveyed = || {
            let mhz = self.frequency()?;
            let mut channels = self.netdev?.survey.iter();
            channels.find(|of| of.mhz == mhz).map(|of| of.channel_use)
        };
        OnAir {
            channel_use: told.channel_use.or_else(surveyed),
            ..told
        }
    }

    /// Its line in the report; `clients` = authorized stations, if they are known.
    pub(crate) fn report(&self, clients: Option<usize>) -> Ssid {
        // The driver's facts about a network that is switched off are those of the radio it would be on.
        let on_air = self.is_on_air();
        let info = self.info().filter(|_| on_air);
        let positive = |number: &u32| *number > 0;
        let frequency = self.frequency().filter(|_| on_air);
        let signal = dbm(info.and_then(|info| info.signal));
        Ssid {
            interface: self.name.to_owned(),
            channel: self
                .channel()
                .or_else(|| self.radio?.channel)
                .filter(|channel| on_air && *channel > 0),
            noise: dbm(info.and_then(|info| info.noise)),
            frequency,
            signal,
            // It says how good the signal is, and nothing without one.
            quality: info
                .and_then(|info| info.quality)
                .filter(|_| signal.is_some()),
            bitrate: info.and_then(|info| info.bitrate).filter(positive),
            quality_max: info
                .and_then(|info| info.quality_max)
                .filter(|_| signal.is_some()),
            bssid: self.bssid(),
            ssid: self.ssid().map(str::to_owned),
            tx_power: info.and_then(|info| info.txpower),
            band: self.band(),
            radio: self.radio_name().map(str::to_owned),
            clients,
        }
    }
}

/// The band a frequency in MHz is in, named as in /etc/config/wireless.
pub(super) fn band(mhz: u32) -> Option<&'static str> {
    match mhz {
        2400..2500 => Some("2g"),
        4900..5925 => Some("5g"),
        5925..7200 => Some("6g"),
        57000..71000 => Some("60g"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_follows_from_the_frequency() {
        assert_eq!(band(2437), Some("2g"));
        assert_eq!(band(5180), Some("5g"));
        assert_eq!(band(5955), Some("6g"));
        assert_eq!(band(58320), Some("60g"));
        assert_eq!(band(0), None);
    }
}
