//! A probe: route and gateways, name look-up and connection, every name server, web check. Each has its
//! deadline; together they take [`LONGEST`] at most.
//!
//! A quick probe, after a sign that the way is gone, gives each check 3 s and makes them all at once.

mod connect;
mod dns;
mod gateway;
mod lookup;
mod route;
mod servers;
mod web;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::collect::kernel;
use crate::config::{Config, Health};
use crate::lookup::Resolver;
use crate::process::clock::epoch_seconds;
use crate::sorted;
use crate::tasks::Together;

pub use connect::Connect;
pub use gateway::{Answers, Gateway};
pub use lookup::{Lookup, Resolved};
pub use route::Route;
pub use servers::Server;
pub use web::{Web, WebResult};

pub(super) use route::Last;

use web::WebCheck;

/// A probe has ended after this.
pub const LONGEST: Duration = Duration::from_secs(12);

/// Deadline of each check of a quick probe.
const QUICK: Duration = Duration::from_secs(3);

/// The way a probe is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Task {
    /// The way out there was last.
    pub(super) last: Last,
    pub(super) quick: bool,
}

/// Findings of one probe. A check that is switched off is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// When it ended, seconds since the epoch.
    pub at: u64,
    /// Duration, ms.
    pub ms: u64,
    pub route: Route,
    /// The gateways of the default routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<Gateway>,
    /// Absent for an address in place of a name, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// The configured name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<Server>,
    /// Absent if the look-up gave no address, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
    #[serde(skip)]
    pub(super) public: PublicNames,
}

/// The names that the world's resolvers know with public addresses only: the defaults of the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PublicNames {
    /// The check of `health_url`.
    pub(super) health: bool,
    /// The check of `web_url`.
    pub(super) web: bool,
}

impl PublicNames {
    fn of(settings: &Health) -> Self {
        let default = Config::default().health;
        PublicNames {
            health: settings.host == default.host,
            web: settings.web_url == default.web_url,
        }
    }
}

/// Makes probes as the options say.
pub(super) struct Prober {
    root: PathBuf,
    public: PublicNames,
    /// Host and port of the health check; `None` = off.
    health: Option<(String, u16)>,
    web: Option<WebCheck>,
    resolver: Resolver,
}

impl Prober {
    /// `root` is the prefix of /proc and /sys.
    pub(super) fn new(settings: &Health, root: PathBuf, resolver: Resolver) -> Self {
        let host = settings.host.as_str();
        Prober {
            root,
            public: PublicNames::of(settings),
            health: (!host.is_empty()).then(|| (host.to_owned(), settings.port)),
            web: WebCheck::new(&settings.web_url, &settings.web_body, &resolver),
            resolver,
        }
    }

    /// Makes every check, even after others failed: a table without a default route is no proof that
    /// there is no way out.
    pub(super) async fn probe(&self, task: &Task) -> Findings {
        let start = Instant::now();
        let of = |usual: Duration| if task.quick { QUICK } else { usual };
        let mut gateways = Together::new();
        // A few: `ways` is bounded.
        for way in kernel::ways(&self.root) {
            let (root, within) = (self.root.clone(), of(gateway::WITHIN));
            gateways.add(async move { gateway::ask(&root, way, within).await });
        }
        let mut servers = Together::new();
        for server in servers::configured(&self.root) {
            let name = self.name().map(str::to_owned);
            servers.add(servers::ask(server, name, of(servers::WITHIN)));
        }
        let mut resolvers = Vec::new();
        let (looked_up, web_may) = oneshot::channel::<()>();
        // Look-ups are made one at a time: the second would take its time for that of the first.
        let web_may = async {
            if !task.quick {
                // An error says the same.
                let _ = web_may.await;
            }
        };
        let health = async {
            let Some((host, port)) = &self.health else {
                drop(looked_up);
                return (None, None);
            };
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let (mut lookup, mut addresses) = match bare.parse::<IpAddr>() {
                Ok(address) => (None, vec![address.into()]),
                Err(_) => {
                    let within = of(lookup::WITHIN);
                    let (lookup, addresses) = Lookup::of(bare, &self.resolver, within).await;
                    (Some(lookup), addresses)
                }
            };
            drop(looked_up);
            if let Some(lookup) = lookup.as_mut().filter(|one| one.result != Resolved::Found) {
                while let Some(asked) = servers.next().await {
                    resolvers.push(asked);
                }
                let answered = |one: &&Server| one.system && one.result == Resolved::Found;
                if let Some(server) = resolvers.iter().find(answered) {
                    addresses = lookup.answered_by(server);
                }
            }
            let connect = Connect::to(&addresses, *port, of(connect::WITHIN)).await;
            (lookup, connect)
        };
        let web = async {
            let web = self.web.as_ref()?;
            web_may.await;
            Some(web.ask(of(web::WITHIN)).await)
        };
        let ((lookup, connect), web) = tokio::join!(health, web);
        while let Some(asked) = servers.next().await {
            resolvers.push(asked);
        }
        sorted::by_key(&mut resolvers, |one: &Server| (!one.system, one.address));
        let mut asked = Vec::new();
        while let Some(gateway) = gateways.next().await {
            asked.extend(gateway);
        }
        Findings {
            at: epoch_seconds(),
            ms: millis(start),
            // The way may have come or gone meanwhile.
            route: Route::look(&self.root, &task.last),
            gateways: asked,
            lookup,
            resolvers,
            connect,
            web,
            public: self.public,
        }
    }

    /// The name that the name servers are asked for.
    fn name(&self) -> Option<&str> {
        let health = self.health.as_ref().map(|(host, _)| host.as_str());
        let is_name = |host: &&str| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<IpAddr>().is_err()
        };
        let web = self.web.as_ref().and_then(WebCheck::name);
        health.filter(is_name).or(web)
    }
}

/// Time since `start`, ms.
fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn no_gateway_is_left_out_for_the_ways_of_vpns_which_have_none() {
        let root = tempfile::tempdir().unwrap();
        let here = u32::from_ne_bytes([127, 0, 0, 1]);
        let mut table = String::from("Iface Destination Gateway Flags RefCnt Use Metric Mask\n");
        for n in 0..5 {
            table += &format!("wg{n} 00000000 00000000 0001 0 0 0 00000000\n");
        }
        table += &format!("wwan0 00000000 {here:08X} 0003 0 0 20 00000000\n");
        for (path, text) in [
            ("proc/net/route", &*table),
            ("sys/class/net/wwan0/ifindex", "1\n"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let settings = Health {
            host: "".into(),
            web_url: "".into(),
            ..Health::default()
        };
        let prober = Prober::new(
            &settings,
            root.path().to_owned(),
            Resolver::system("lookup"),
        );
        let found = prober.probe(&Task::default()).await;
        assert_eq!(found.route.device.as_deref(), Some("wg0"));
        let asked = found.gateways.iter().map(|one| one.address);
        assert_eq!(asked.collect::<Vec<_>>(), [IpAddr::from([127, 0, 0, 1])]);
    }

    #[tokio::test]
    async fn every_check_is_made_though_no_table_has_a_default_route() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::default().with(|config| {
            config.health.host = "localhost".into();
            config.health.port = host.local_addr().unwrap().port();
            config.health.web_url = format!("http://{}/", page.local_addr().unwrap())
                .as_str()
                .into();
        });
        let root = tempfile::tempdir().unwrap();
        let prober = Prober::new(
            &config.health,
            root.path().to_owned(),
            Resolver::system("lookup"),
        );
        let serve = async {
            let (mut socket, _) = page.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert!(socket.read_buf(&mut asked).await.unwrap() > 0);
            }
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).await.unwrap();
            socket
        };
        let task = Task::default();
        let (found, _) = tokio::join!(prober.probe(&task), serve);
        assert!(!found.route.found);
        assert_eq!(found.lookup.unwrap().result, Resolved::Found);
        assert!(found.connect.unwrap().succeeded());
        assert_eq!(found.web.unwrap().result, WebResult::Ok);
        assert_eq!(found.public, PublicNames::default());
    }

    #[test]
    fn the_default_names_are_public_ones_and_no_others() {
        let of = |health: &str, web: &str| {
            PublicNames::of(&Health {
                host: health.into(),
                web_url: web.into(),
                ..Health::default()
            })
        };
        let default = Config::default();
        let (health, web) = (&*default.health.host, default.health.web_url.as_str());
        let both = PublicNames {
            health: true,
            web: true,
        };
        assert_eq!(of(health, web), both);
        assert_eq!(of("core.lan", "http://core.lan/"), PublicNames::default());
        assert_eq!(of("", ""), PublicNames::default());
    }
}
