//! Questions to the bus.

use ubus::blob::Writer;

/// A question. Questions about one network or device follow from the answer that lists them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    Board,
    Info,
    Dump,
    Devices,
    Radios,
    /// Which objects `hostapd*` there are.
    Aps,
    Status(String),
    Clients(String),
    /// Which devices iwinfo knows, those of VLANs included.
    Netdevs,
    IwInfo(String),
    Assoclist(String),
    /// The driver's survey of channels.
    ChannelUse(String),
    /// odhcpd.
    Leases4,
    Leases6,
    /// rpcd, which reads the files of all DHCP servers.
    LuciLeases,
    /// rpcd, which looks names up for it.
    Hints,
}

impl Question {
    /// The object, its method, and the argument `device`.
    fn parts(&self) -> (String, &'static str, Option<&str>) {
        let (path, method) = match self {
            Question::Board => ("system", "board"),
            Question::Info => ("system", "info"),
            Question::Dump => ("network.interface", "dump"),
            Question::Devices => ("network.device", "status"),
            Question::Radios => ("network.wireless", "status"),
            Question::Aps => ("hostapd*", ""),
            Question::Status(name) => return (format!("hostapd.{name}"), "get_status", None),
            Question::Clients(name) => return (format!("hostapd.{name}"), "get_clients", None),
            Question::Netdevs => ("iwinfo", "devices"),
            Question::IwInfo(name) => return ("iwinfo".to_owned(), "info", Some(name)),
            Question::Assoclist(name) => return ("iwinfo".to_owned(), "assoclist", Some(name)),
            Question::ChannelUse(name) => return ("iwinfo".to_owned(), "survey", Some(name)),
            Question::Leases4 => ("dhcp", "ipv4leases"),
            Question::Leases6 => ("dhcp", "ipv6leases"),
            Question::LuciLeases => ("luci-rpc", "getDHCPLeases"),
            Question::Hints => ("luci-rpc", "getHostHints"),
        };
        (path.to_owned(), method, None)
    }

    /// The object, its method and the members of its arguments; a look-up has no method.
    pub(crate) fn call(&self) -> (String, &'static str, Vec<u8>) {
        let (path, method, device) = self.parts();
        let mut args = Writer::new();
        if let Some(device) = device {
            args.string(b"device", device.as_bytes());
        }
        (path, method, args.into_bytes())
    }

    /// Its name in lists of missing sources: the object, with the method where several
    /// are asked.
    pub(crate) fn source(&self) -> String {
        match self {
            Question::Dump | Question::Devices | Question::Radios | Question::Netdevs => {
                self.parts().0
            }
            Question::Aps => "hostapd".to_owned(),
            _ => {
                let (path, method, device) = self.parts();
                let device = device.map(|device| format!(" {device}"));
                format!("{path} {method}{}", device.unwrap_or_default())
            }
        }
    }

    /// Is this about something that was listed a moment ago?
    pub(crate) fn is_about_one(&self) -> bool {
        use Question::{Assoclist, ChannelUse, Clients, IwInfo, Status};
        matches!(
            self,
            Status(_) | Clients(_) | IwInfo(_) | Assoclist(_) | ChannelUse(_)
        )
    }
}
