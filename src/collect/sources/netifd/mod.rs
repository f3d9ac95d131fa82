//! Answers of netifd about the way out: which interface of UCI it is.

pub(crate) mod netdevs;
pub(crate) mod network;
pub(crate) mod radio;

use super::reply::Place::{Bool, Field as Any, Text, U64};
use super::reply::{Field, Fields};
use network::Route;
use ubus::blob::Writer;

/// A logical interface, as `network.interface dump` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Interface {
    /// Its name in UCI.
    pub(crate) name: String,
    pub(crate) up: bool,
    /// It is to be up.
    pub(crate) autostart: bool,
    /// A program made it, such as `wan6_4` of DS-Lite: netifd drops it for good when it is taken down.
    pub(crate) dynamic: bool,
    pub(crate) proto: String,
    /// The device it lies on.
    pub(crate) device: Option<String>,
    /// The device its packets go by, while it is up: `pppoe-wan` on `eth1`.
    pub(crate) l3_device: Option<String>,
    /// Metric of its best default route of IPv4, of any table.
    pub(crate) v4: Option<u64>,
    /// The same of IPv6.
    pub(crate) v6: Option<u64>,
}

impl Interface {
    fn read(fields: Fields<'_>) -> Option<Self> {
        let mut interface = Interface::default();
        let (mut name, mut proto, mut metric) = (None, None, None);
        let (mut up, mut autostart, mut dynamic) = (Some(false), Some(false), Some(false));
        let mut routes = Field::default();
        fields.read(&mut [
            ("interface", Text(&mut name)),
            ("up", Bool(&mut up)),
            ("autostart", Bool(&mut autostart)),
            ("dynamic", Bool(&mut dynamic)),
            ("proto", Text(&mut proto)),
            ("device", Text(&mut interface.device)),
            ("l3_device", Text(&mut interface.l3_device)),
            ("metric", U64(&mut metric)),
            ("route", Any(&mut routes)),
        ]);
        interface.name = name?;
        (interface.up, interface.autostart) = (up?, autostart?);
        interface.dynamic = dynamic?;
        interface.proto = proto.unwrap_or_default();
        let routes = Route::read_all(routes);
        let best = |v6| {
            let of = routes.iter().filter(|route: &&Route| route.v6 == v6);
            of.map(|route| route.metric.or(metric).unwrap_or(0)).min()
        };
        (interface.v4, interface.v6) = (best(false), best(true));
        Some(interface)
    }
}

/// The interfaces in a reply of `network.interface dump`.
pub(crate) fn interfaces(reply: &[u8]) -> Vec<Interface> {
    let list = Fields::of(reply).named(b"interface").and_then(Field::array);
    let list = list.map(|list| list.list(|_, one| Interface::read(one.table()?)).items);
    list.unwrap_or_default()
}

/// True if a device has a link, by a reply of `network.device status` about it; `None` while it is down.
pub(crate) fn carrier(reply: &[u8]) -> Option<bool> {
    let device = netdevs::device_of(String::new(), Fields::of(reply))?;
    device.carrier.filter(|_| device.up == Some(true))
}

/// The arguments of `network.device status` about one device.
pub(crate) fn of_device(name: &str) -> Vec<u8> {
    let mut args = Writer::new();
    args.string(b"name", name.as_bytes());
    args.into_bytes()
}

/// The interface that an event or a notification is about.
pub(crate) fn named(data: &[u8]) -> Option<String> {
    Fields::of(data).named(b"interface")?.text()
}

/// The interface that an event `network.interface` says is down.
pub(crate) fn down(data: &[u8]) -> Option<String> {
    let action = Fields::of(data).named(b"action")?;
    named(data).filter(|_| action.str() == Some("ifdown"))
}

#[cfg(test)]
mod tests {
    use ubus::blobmsg::Value;

    use super::*;

    fn members(json: &str) -> Vec<u8> {
        let value: Value = serde_json::from_str(json).unwrap();
        value.to_members()
    }

    #[test]
    fn the_interfaces_of_a_real_router_are_read() {
        let dump = include_str!("../../../../tests/data/samples/network.interface__dump.json");
        let found = interfaces(&members(dump));
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            ["guest", "iot", "lan", "loopback", "wan", "wan6", "wwan"]
        );
        let owners = found.iter().filter(|one| one.v4.is_some());
        let owners: Vec<&str> = owners.map(|one| one.name.as_str()).collect();
        assert_eq!(owners, ["wan"]);
        let wan6 = found.iter().find(|one| one.name == "wan6").unwrap();
        assert!(wan6.v6.is_some() && wan6.v4.is_none(), "{wan6:?}");
    }

    #[test]
    fn a_default_route_of_another_table_counts_and_one_that_leads_nowhere_does_not() {
        let found = interfaces(&members(
            r#"{"interface":[
                {"interface":"a","up":true,"metric":7,"route":[{"target":"0.0.0.0","mask":0,"nexthop":"10.0.0.1","table":100}]},
                {"interface":"b","up":true,"route":[{"target":"::","mask":0,"type":"unreachable"}]},
                {"up":true}, 5, {"interface":""}]}"#,
        ));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].v4, found[0].v6), (Some(7), None));
        assert_eq!((found[1].v4, found[1].v6), (None, None));
    }

    #[test]
    fn the_link_of_a_device_that_is_down_is_not_known() {
        for (reply, expected) in [
            (r#"{"present":true,"up":true,"carrier":false}"#, Some(false)),
            (r#"{"present":true,"up":true,"carrier":true}"#, Some(true)),
            (r#"{"present":true,"up":false,"carrier":false}"#, None),
            (r#"{"present":false}"#, None),
        ] {
            assert_eq!(carrier(&members(reply)), expected, "{reply}");
        }
    }

    #[test]
    fn an_event_names_the_interface_that_is_down() {
        let event = |json: &str| down(&members(json));
        let wan = Some("wan".to_owned());
        assert_eq!(event(r#"{"action":"ifdown","interface":"wan"}"#), wan);
        assert_eq!(event(r#"{"action":"ifup","interface":"wan"}"#), None);
        assert_eq!(event(r#"{"action":"ifdown"}"#), None);
        assert_eq!(event(r#"{"action":5,"interface":7}"#), None);
    }
}
