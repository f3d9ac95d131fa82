//! The imaginary router on the lab's bus.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use socketman_lab::router::{Control, Router, APS, SECRETS};
use socketman_lab::ubusd::Ubusd;
use tokio::sync::oneshot;
use ubus::blobmsg::Value;
use ubus::{Client, Error, Notice, Status, Subscription};

const LIMIT: Duration = Duration::from_secs(20);

/// A bus with a router on it, and a client to ask.
struct Desk {
    control: Control,
    client: Client,
    shutdown: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), socketman_lab::router::Error>>,
    _ubusd: Ubusd,
    _dir: tempfile::TempDir,
}

async fn desk(stations: usize) -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ubus.sock");
    let ubusd = Ubusd::start(&socket).unwrap();
    let connected = || {
        let (client, connection) = ubus::connect(&socket);
        tokio::spawn(connection.run());
        client
    };
    let router = Router::new(stations, 1).unwrap();
    let control = router.control();
    let (shutdown, ordered) = oneshot::channel::<()>();
    let served = tokio::spawn(router.serve(connected(), async {
        let _ = ordered.await;
    }));
    let client = connected();
    // The first order is done when all objects are offered.
    within(control.freeze()).await.unwrap();
    within(until_listed(&client, "uci")).await;
    Desk {
        control,
        client,
        shutdown,
        served,
        _ubusd: ubusd,
        _dir: dir,
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("it takes too long")
}

/// Follows the bus until an object is there.
async fn until_listed(client: &Client, path: &str) {
    let mut events = client.listen("ubus.object.add").await.unwrap();
    loop {
        let found = client.lookup("", LIMIT).await.unwrap();
        if found.iter().any(|object| object.path == path) {
            return;
        }
        events.next().await.unwrap();
    }
}

impl Desk {
    async fn ask(&self, path: &str, method: &str, args: &str) -> Result<Value, Error> {
        let args: Value = serde_json::from_str(args).unwrap();
        let replies = self
            .client
            .call_raw(path, method, args.to_members(), Duration::from_secs(5))
            .await?;
        Ok(Value::from_members(replies.first().ok_or(Error::NoData)?)?)
    }

    /// The stations that hostapd lists as authorized, upper case, sorted.
    async fn authorized(&self) -> Vec<String> {
        let mut macs = Vec::new();
        for ap in &APS {
            let path = format!("hostapd.{}", ap.ifname);
            let reply = self.ask(&path, "get_clients", "{}").await.unwrap();
            let Some(Value::Table(clients)) = reply.get("clients") else {
                panic!("{path}: no clients");
            };
            for (mac, client) in clients {
                if client.get("authorized") == Some(&Value::Int8(1)) {
                    macs.push(String::from_utf8(mac.clone()).unwrap().to_uppercase());
                }
            }
        }
        macs.sort();
        macs
    }

    async fn paths(&self) -> HashSet<String> {
        let objects = self.client.lookup("", LIMIT).await.unwrap();
        objects.into_iter().map(|object| object.path).collect()
    }
}

/// The next notification, by object and kind.
async fn next_kind(subscription: &mut Subscription) -> (String, String) {
    loop {
        match within(subscription.next()).await.unwrap() {
            Notice::Notification { path, kind, .. } => return (path, kind),
            Notice::Subscribed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until the subscription holds for so many objects.
async fn subscribed(subscription: &mut Subscription, objects: usize) {
    for _ in 0..objects {
        let notice = within(subscription.next()).await.unwrap();
        assert!(matches!(notice, Notice::Subscribed { .. }), "{notice:?}");
    }
}

#[tokio::test]
async fn the_bus_shows_the_objects_of_a_real_router() {
    let desk = desk(3).await;
    let real: Vec<String> =
        serde_json::from_str(include_str!("../data/samples/ubus__list.json")).unwrap();
    let ours = desk.paths().await;
    let extra: Vec<_> = ours.iter().filter(|path| !real.contains(path)).collect();
    assert_eq!(extra, ["hostapd.phy0-ap1"]);
    for path in [
        "system",
        "network.device",
        "network.interface",
        "network.interface.wan",
        "network.wireless",
        "hostapd.phy1-ap0",
        "iwinfo",
        "dhcp",
        "dnsmasq",
        "luci-rpc",
    ] {
        assert!(ours.contains(path), "{path}");
    }
}

#[tokio::test]
async fn what_hostapd_says_is_what_the_world_knows() {
    let desk = desk(30).await;
    let facts = desk.control.facts();
    assert_eq!(facts.authorized(), 30);
    assert_eq!(desk.authorized().await, facts.macs());
    for station in facts.stations.iter().filter(|s| s.authorized) {
        let path = format!("hostapd.{}", station.interface);
        let reply = desk.ask(&path, "get_clients", "{}").await.unwrap();
        let client = reply.get("clients").unwrap();
        let client = client.get(&station.mac.to_string()).unwrap();
        let tx = client.get("bytes").and_then(|bytes| bytes.get("tx"));
        assert_eq!(tx, Some(&Value::Int64(station.tx.bytes as i64)));
        let signal = client.get("signal").and_then(Value::as_i64);
        assert_eq!(signal, Some(station.signal.into()));
    }
}

#[tokio::test]
async fn an_ssid_that_is_not_text_arrives_byte_by_byte() {
    let desk = desk(1).await;
    for ap in &APS {
        let path = format!("hostapd.{}", ap.ifname);
        let status = desk.ask(&path, "get_status", "{}").await.unwrap();
        assert_eq!(status.get("ssid"), Some(&Value::String(ap.ssid.to_vec())));
    }
    assert!(APS.iter().any(|ap| std::str::from_utf8(ap.ssid).is_err()));
}

#[tokio::test]
async fn the_wireless_status_holds_secrets_as_a_real_one_does() {
    let desk = desk(1).await;
    let status = desk.ask("network.wireless", "status", "{}").await.unwrap();
    let text = serde_json::to_string(&status).unwrap();
    for secret in SECRETS {
        assert!(text.contains(secret));
    }
}

#[tokio::test]
async fn counters_rise_with_time_on_the_bus_and_in_the_files() {
    let desk = desk(10).await;
    let rx_bytes = || async {
        let args = r#"{"name":"eth0"}"#;
        let status = desk.ask("network.device", "status", args).await.unwrap();
        let rx = status.get("statistics").and_then(|s| s.get("rx_bytes"));
        rx.and_then(Value::as_i64).unwrap()
    };
    let before = rx_bytes().await;
    assert_eq!(rx_bytes().await, before, "the world is frozen");
    within(desk.control.advance(Duration::from_secs(30)))
        .await
        .unwrap();
    let after = rx_bytes().await;
    assert!(after > before);
    let file = desk
        .control
        .root()
        .join("sys/class/net/eth0/statistics/rx_bytes");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.trim(), after.to_string());
    let facts = desk.control.facts();
    assert_eq!(facts.device("eth0").unwrap().rx_bytes as i64, after);
}

#[tokio::test]
async fn thawed_the_world_moves_by_the_clock() {
    let desk = desk(2).await;
    let before = desk.control.facts().uptime;
    let mut facts = desk.control.watch();
    within(desk.control.thaw()).await.unwrap();
    let moved = within(facts.wait_for(|facts| facts.uptime > before)).await;
    assert!(moved.unwrap().uptime <= before + LIMIT.as_secs() as u32);
}

#[tokio::test]
async fn who_comes_and_goes_is_announced() {
    let desk = desk(0).await;
    let mut hostapd = desk.client.subscribe("hostapd.*").await.unwrap();
    subscribed(&mut hostapd, APS.len()).await;
    let mut dnsmasq = desk.client.subscribe("dnsmasq").await.unwrap();
    subscribed(&mut dnsmasq, 1).await;

    within(desk.control.set_stations(1)).await.unwrap();
    for kind in ["auth", "assoc", "sta-authorized"] {
        let (path, heard) = next_kind(&mut hostapd).await;
        assert_eq!((path.as_str(), heard.as_str()), ("hostapd.phy1-ap0", kind));
    }
    assert_eq!(next_kind(&mut dnsmasq).await.1, "dhcp.ack");
    assert_eq!(desk.authorized().await, ["3C:22:FB:10:20:31"]);

    within(desk.control.set_stations(0)).await.unwrap();
    let first = next_kind(&mut hostapd).await.1;
    assert!(["disassoc", "deauth", "inactive-deauth"].contains(&first.as_str()));
    assert_eq!(next_kind(&mut hostapd).await.1, "disassoc");
    assert_eq!(desk.authorized().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_lease_file_says_what_luci_says() {
    let desk = desk(12).await;
    let file = std::fs::read_to_string(desk.control.root().join("tmp/dhcp.leases")).unwrap();
    let reply = desk.ask("luci-rpc", "getDHCPLeases", "{}").await.unwrap();
    let Some(Value::Array(leases)) = reply.get("dhcp_leases") else {
        panic!("no leases");
    };
    assert_eq!(file.lines().count(), leases.len());
    for (line, lease) in file.lines().zip(leases) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 5, "{line}");
        assert_eq!(lease.get("ipaddr").and_then(Value::as_str), Some(words[2]));
        let mac = lease.get("macaddr").and_then(Value::as_str);
        assert_eq!(mac, Some(words[1].to_uppercase().as_str()));
        let name = lease.get("hostname").and_then(Value::as_str);
        assert_eq!(name.unwrap_or("*"), words[3]);
    }
}

#[tokio::test]
async fn an_object_vanishes_and_comes_back() {
    let desk = desk(1).await;
    let mut removed = desk.client.listen("ubus.object.remove").await.unwrap();
    within(desk.control.vanish("hostapd.phy1-ap1"))
        .await
        .unwrap();
    within(removed.next()).await.unwrap();
    assert!(!desk.paths().await.contains("hostapd.phy1-ap1"));
    let gone = desk.ask("hostapd.phy1-ap1", "get_clients", "{}").await;
    assert_eq!(gone, Err(Error::Status(Status::NOT_FOUND)));
    within(desk.control.heal()).await.unwrap();
    within(until_listed(&desk.client, "hostapd.phy1-ap1")).await;
    assert!(desk
        .ask("hostapd.phy1-ap1", "get_clients", "{}")
        .await
        .is_ok());
}

#[tokio::test]
async fn a_base_image_has_no_rpcd_and_a_wired_box_no_hostapd() {
    let desk = desk(1).await;
    let all = desk.paths().await;
    let mut removed = desk.client.listen("ubus.object.remove").await.unwrap();
    within(desk.control.without_rpcd()).await.unwrap();
    within(desk.control.without_hostapd()).await.unwrap();
    for _ in 0..4 + APS.len() {
        within(removed.next()).await.unwrap();
    }
    let left = desk.paths().await;
    let missing: Vec<_> = all.difference(&left).collect();
    assert_eq!(missing.len(), 4 + APS.len());
    let others = ["hostapd", "iwinfo", "luci-rpc", "uci"];
    assert!(missing
        .iter()
        .all(|path| path.starts_with("hostapd.") || others.contains(&path.as_str())));
}

#[tokio::test]
async fn a_late_object_answers_late_and_the_others_meanwhile() {
    let desk = desk(1).await;
    let by = Duration::from_millis(300);
    within(desk.control.late("system", by)).await.unwrap();
    let asked = tokio::time::Instant::now();
    let (late, other) = tokio::join!(
        async { (desk.ask("system", "board", "{}").await, asked.elapsed()) },
        async { (desk.ask("dnsmasq", "metrics", "{}").await, asked.elapsed()) },
    );
    assert!(late.0.is_ok() && other.0.is_ok());
    assert!(late.1 >= by);
    assert!(other.1 < late.1);
}

#[tokio::test]
async fn a_silent_object_never_answers_until_it_is_healed() {
    let desk = desk(1).await;
    within(desk.control.silent("iwinfo")).await.unwrap();
    let call = |timeout| {
        desk.client
            .call_raw("iwinfo", "devices", Vec::new(), timeout)
    };
    let unanswered = call(Duration::from_millis(200)).await;
    assert!(
        matches!(unanswered, Err(Error::Timeout(_))),
        "{unanswered:?}"
    );
    within(desk.control.heal()).await.unwrap();
    assert!(call(LIMIT).await.is_ok());
}

#[tokio::test]
async fn wrong_types_leave_no_scalar_as_it_was() {
    fn scalars<'v>(value: &'v Value, at: String, found: &mut Vec<(String, &'v Value)>) {
        match value {
            Value::Table(members) => {
                for (name, value) in members {
                    let name = String::from_utf8_lossy(name);
                    scalars(value, format!("{at}.{name}"), found);
                }
            }
            other => found.push((at, other)),
        }
    }
    let desk = desk(3).await;
    let right = desk
        .ask("hostapd.phy1-ap0", "get_clients", "{}")
        .await
        .unwrap();
    within(desk.control.wrong_types("hostapd.*")).await.unwrap();
    let wrong = desk
        .ask("hostapd.phy1-ap0", "get_clients", "{}")
        .await
        .unwrap();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    scalars(&right, String::new(), &mut before);
    scalars(&wrong, String::new(), &mut after);
    assert!(before.len() > 20);
    for (at, value) in before {
        let same = after.iter().find(|(there, _)| *there == at);
        if let Some((_, changed)) = same {
            let kind = std::mem::discriminant(value);
            assert_ne!(kind, std::mem::discriminant(*changed), "{at}");
        }
    }
    assert!(desk.ask("system", "board", "{}").await.is_ok());
}

#[tokio::test]
async fn when_the_router_ends_its_objects_are_gone() {
    let desk = desk(1).await;
    let mut removed = desk.client.listen("ubus.object.remove").await.unwrap();
    let objects = desk.paths().await.len();
    desk.shutdown.send(()).unwrap();
    within(desk.served).await.unwrap().unwrap();
    for _ in 0..objects {
        within(removed.next()).await.unwrap();
    }
    let left = desk.client.lookup("", LIMIT).await.unwrap();
    assert_eq!(left, []);
    assert!(desk.control.set_stations(5).await.is_err());
}
