//! Each fault of the WAN, seen from inside the device.

use socketman_lab::options::Options;
use socketman_lab::site::{WanFault, GATEWAY, HEALTH, WEB};

use super::{lab, status, Inside};

/// The number of looks after which a state counts as wrong.
const TRIES: usize = 5;

#[tokio::test]
async fn each_fault_breaks_what_it_says_and_nothing_else() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    let fine = Seen {
        carrier: true,
        lease: true,
        route: true,
        gateway: true,
        name: Some("7.7.7.7".to_owned()),
        health: true,
        broker: true,
        page: Some(204),
    };
    let dead = Seen {
        carrier: true,
        ..Seen::default()
    };
    inside.sees(&fine, "at the start").await;
    assert_eq!(inside.address_of("nosuch.example").await, None);
    for fault in WanFault::ALL {
        lab.fail_wan(fault).await.unwrap();
        let expected = match fault {
            WanFault::Carrier => Seen::default(),
            WanFault::Dhcp => dead.clone(),
            WanFault::Gateway => Seen {
                lease: true,
                route: true,
                ..dead.clone()
            },
            WanFault::Dns => Seen {
                name: None,
                ..fine.clone()
            },
            WanFault::Hijack => Seen {
                name: Some(GATEWAY.to_string()),
                ..fine.clone()
            },
            WanFault::Portal => Seen {
                health: false,
                broker: false,
                page: Some(302),
                ..fine.clone()
            },
            WanFault::Dark => Seen {
                health: false,
                broker: false,
                page: None,
                ..fine.clone()
            },
        };
        inside.sees(&expected, fault.name()).await;
        let wan = status(lab.client(), "wan").await;
        let (up, pending) = (wan["up"] == true, wan["pending"] == true);
        let (carrier, lease) = (expected.carrier, expected.lease);
        assert_eq!(up, carrier && lease, "{}: {wan}", fault.name());
        assert_eq!(pending, fault == WanFault::Dhcp, "{}: {wan}", fault.name());
        lab.heal_wan().await.unwrap();
        inside.sees(&fine, "after it").await;
    }
    // Several at once end together.
    for fault in WanFault::ALL {
        lab.fail_wan(fault).await.unwrap();
        lab.fail_wan(fault).await.unwrap();
    }
    assert_eq!(lab.site().unwrap().faults().count(), WanFault::ALL.len());
    lab.heal_wan().await.unwrap();
    inside.sees(&fine, "after all of them").await;
    println!("{} faults", WanFault::ALL.len());
}

/// The network as a program in the device sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    carrier: bool,
    lease: bool,
    route: bool,
    gateway: bool,
    /// The address that the broker's name has.
    name: Option<String>,
    health: bool,
    broker: bool,
    /// The answer of the web check's server.
    page: Option<u16>,
}

impl Inside {
    /// Waits until this is seen: on a busy machine an answer may come too late once.
    async fn sees(&self, wanted: &Seen, when: &str) {
        let mut seen = self.look().await;
        for _ in 0..TRIES {
            if seen == *wanted {
                return;
            }
            seen = self.look().await;
        }
        assert_eq!(seen, *wanted, "{when}");
    }

    async fn look(&self) -> Seen {
        let page = self.page((WEB, 80).into()).await.unwrap_or_default();
        let page = page.split(' ').nth(1).map(|status| status.parse().unwrap());
        let route = self.default_route().await;
        Seen {
            carrier: self.link().await.contains("LOWER_UP"),
            lease: self.addresses().await.contains("203.0.113.24/24"),
            route: route.contains("via 203.0.113.1 dev eth0"),
            gateway: self.gateway_answers().await,
            name: self.address_of("broker.example").await,
            health: self.connects((HEALTH, 53).into()).await,
            broker: self.broker_is_there().await,
            page,
        }
    }

    /// Is the gateway asked and does it answer? What is known of it is forgotten first.
    async fn gateway_answers(&self) -> bool {
        self.sh("ip neigh flush dev eth0").await;
        // The port is closed; the way to it leads over ARP.
        self.connects((GATEWAY, 9).into()).await;
        let neighbours = self
            .said(&format!("ip neigh show {GATEWAY} dev eth0"))
            .await;
        neighbours.contains("lladdr")
    }
}

#[tokio::test]
async fn without_namespaces_the_lab_says_why_a_fault_is_not_there() {
    let mut lab = crate::service::lab(crate::service::binary().await).await;
    let refused = lab.fail_wan(WanFault::Carrier).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no network namespaces: this lab was started without"
    );
    assert!(lab.heal_wan().await.is_err());
}
