use std::net::IpAddr;

use ubus::blobmsg::Value;

use super::*;
use crate::site::GATEWAY;

const FINE: Uplink = Uplink {
    carrier: true,
    lease: true,
};

const FILE: &str = "config interface 'loopback'\n\toption device 'lo'\n\toption proto 'static'\n\t\
    list ipaddr '127.0.0.1/8'\n\nconfig device\n\toption name 'br-lan'\n\toption type 'bridge'\n\n\
    config interface 'lan'\n\toption device 'br-lan'\n\toption proto 'static'\n\t\
    option ipaddr '192.168.8.1'\n\toption netmask '255.255.255.0'\n\n\
    config interface 'wan'\n\toption device 'eth0'\n\toption proto 'dhcp'\n";

fn network(text: &str) -> Option<Network> {
    Some(Network::parse(text.as_bytes()))
}

fn started(uplink: Uplink) -> Netifd {
    let mut netifd = Netifd::new(uplink);
    netifd.start(network(FILE));
    netifd
}

fn is_up(netifd: &Netifd, name: &str) -> Option<bool> {
    match netifd.status(name)?.get("up")? {
        Value::Int8(up) => Some(*up == 1),
        _ => None,
    }
}

fn events(netifd: &mut Netifd) -> Vec<(String, bool)> {
    netifd.effects().events
}

fn wan(up: bool) -> Vec<(String, bool)> {
    vec![("wan".to_owned(), up)]
}

#[test]
fn what_the_file_says_comes_up() {
    let mut netifd = started(FINE);
    let done = netifd.effects();
    assert_eq!(
        done.ip,
        [
            "link add br-lan type bridge",
            "link set br-lan up",
            "addr replace 192.168.8.1/24 dev br-lan",
            "link set lo up",
            "link set eth0 up",
            "addr replace 203.0.113.24/24 dev eth0",
            "route replace default via 203.0.113.1 dev eth0 proto static",
        ]
    );
    let up: Vec<_> = done.events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(up, ["lan", "loopback", "wan"]);
    assert_eq!(netifd.servers(), [IpAddr::from(GATEWAY)]);
}

#[test]
fn a_reload_of_the_same_file_does_nothing() {
    let mut netifd = started(FINE);
    netifd.effects();
    assert!(netifd.reload(network(FILE)));
    assert_eq!(netifd.effects(), Effects::default());
    // Nor does one of a file that says the same in other words.
    let other = FILE.replace("\toption proto 'dhcp'", "\toption proto dhcp # as ever");
    assert!(netifd.reload(network(&other)));
    assert_eq!(netifd.effects(), Effects::default());
}

#[test]
fn a_reload_restarts_the_interface_that_changed_and_no_other() {
    let mut netifd = started(FINE);
    netifd.effects();
    netifd.reload(network(&format!("{FILE}\toption hostname 'x'\n")));
    assert_eq!(events(&mut netifd), [wan(false), wan(true)].concat());
    netifd.reload(network(&format!(
        "{FILE}\toption hostname 'x'\n\toption metric '9'\n"
    )));
    let done = netifd.effects();
    assert_eq!(done.events, []);
    let route = "route replace default via 203.0.113.1 dev eth0 proto static metric 9";
    assert_eq!(done.ip.last().map(String::as_str), Some(route));
}

#[test]
fn without_a_file_a_reload_fails_and_a_restart_leaves_nothing_up() {
    let mut netifd = started(FINE);
    netifd.effects();
    assert!(!netifd.reload(None));
    assert_eq!(netifd.effects(), Effects::default());
    netifd.stop();
    assert_eq!(netifd.effects().events.len(), 3);
    assert_eq!(is_up(&netifd, "wan"), Some(false));
    netifd.start(None);
    assert_eq!(netifd.names().count(), 0);
}

#[test]
fn an_interface_that_was_taken_down_stays_down_until_up_or_a_restart() {
    let mut netifd = started(FINE);
    netifd.effects();
    assert!(netifd.down("wan"));
    let done = netifd.effects();
    assert_eq!(done.events, wan(false));
    assert_eq!(
        done.ip.last().map(String::as_str),
        Some("link set eth0 down")
    );
    netifd.reload(network(FILE));
    assert_eq!(events(&mut netifd), []);
    assert!(netifd.up("wan"));
    assert_eq!(events(&mut netifd), wan(true));
    netifd.down("wan");
    netifd.stop();
    netifd.start(network(FILE));
    assert_eq!(is_up(&netifd, "wan"), Some(true));
    assert!(!netifd.up("nosuch") && !netifd.down("nosuch") && !netifd.renew("nosuch"));
}

#[test]
fn without_a_lease_an_interface_is_pending_and_without_carrier_it_is_down() {
    let mut netifd = started(FINE);
    netifd.effects();
    netifd.uplink(Uplink {
        lease: false,
        ..FINE
    });
    let pending = Some(Value::bool(true));
    assert_eq!(
        netifd.status("wan").unwrap().get("pending").cloned(),
        pending
    );
    let done = netifd.effects();
    assert_eq!(done.events, wan(false));
    assert_eq!(
        done.ip.last().map(String::as_str),
        Some("addr del 203.0.113.24/24 dev eth0")
    );
    netifd.renew("wan");
    assert_eq!(events(&mut netifd), []);
    netifd.uplink(FINE);
    assert_eq!(events(&mut netifd), wan(true));
    netifd.uplink(Uplink {
        carrier: false,
        ..FINE
    });
    assert_eq!(events(&mut netifd), wan(false));
    assert_eq!(is_up(&netifd, "wan"), Some(false));
    netifd.uplink(FINE);
    assert_eq!(events(&mut netifd), wan(true));
}

#[test]
fn a_device_that_is_not_there_keeps_its_interface_down() {
    let mut netifd = started(FINE);
    netifd.effects();
    netifd.reload(network(&FILE.replace("eth0", "eth9")));
    assert_eq!(events(&mut netifd), wan(false));
    let status = netifd.status("wan").unwrap();
    assert_eq!(status.get("available"), Some(&Value::bool(false)));
    assert!(status.get("errors").is_some());
    netifd.reload(network(FILE));
    assert_eq!(events(&mut netifd), wan(true));
}

#[test]
fn a_section_with_another_name_is_another_interface() {
    let mut netifd = started(FINE);
    netifd.effects();
    netifd.reload(network(&FILE.replace("'wan'", "'uplink'")));
    let renamed = vec![("wan".to_owned(), false), ("uplink".to_owned(), true)];
    assert_eq!(events(&mut netifd), renamed);
}
