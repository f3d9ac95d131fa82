//! One probe: route, name look-up and connection, web check. Each has its deadline; together they
//! take [`LONGEST`] at most.

mod connect;
mod lookup;
mod route;
mod web;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::clock::epoch_seconds;
use crate::config::Config;
use crate::lookup::Resolver;

pub use connect::Connect;
pub use lookup::{Lookup, Resolved};
pub use route::Route;
pub use web::{Web, WebResult};

use web::WebCheck;

/// A probe has ended after this.
pub const LONGEST: Duration = Duration::from_secs(16);

/// What one probe found. A check that is switched off is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// When it ended, seconds since the epoch.
    pub at: u64,
    /// How long it took.
    pub ms: u64,
    pub route: Route,
    /// Absent for an address in place of a name, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
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
    /// That of `health_url`.
    pub(super) health: bool,
    /// That of `web_url`.
    pub(super) web: bool,
}

impl PublicNames {
    fn of(config: &Config) -> Self {
        let default = Config::default();
        PublicNames {
            health: config.health_url == default.health_url,
            web: config.web_url == default.web_url,
        }
    }
}

/// What is probed, as the options say.
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
    pub(super) fn new(config: &Config, root: PathBuf, resolver: Resolver) -> Self {
        let host = config.health_url.as_str();
        Prober {
            root,
            public: PublicNames::of(config),
            health: (!host.is_empty()).then(|| (host.to_owned(), config.health_port)),
            web: WebCheck::new(&config.web_url, &config.web_body, &resolver),
            resolver,
        }
    }

    /// Makes every check, whatever the others said: a table without a default route is no proof that
    /// there is no way out. `uplink` is the device that had the default route last.
    pub(super) async fn probe(&self, uplink: Option<&str>) -> Findings {
        let start = Instant::now();
        let mut found = Findings {
            at: 0,
            ms: 0,
            route: Route::look(&self.root, uplink),
            lookup: None,
            connect: None,
            web: None,
            public: self.public,
        };
        if let Some((host, port)) = &self.health {
            (found.lookup, found.connect) = self.reach(host, *port).await;
        }
        if let Some(web) = &self.web {
            found.web = Some(web.ask().await);
        }
        found.at = epoch_seconds();
        found.ms = millis(start);
        found
    }

    async fn reach(&self, host: &str, port: u16) -> (Option<Lookup>, Option<Connect>) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return (None, Connect::to(&[address.into()], port).await);
        }
        let (lookup, addresses) = Lookup::of(bare, &self.resolver).await;
        let connect = Connect::to(&addresses, port).await;
        (Some(lookup), connect)
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
    async fn every_check_is_made_though_no_table_has_a_default_route() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config {
            health_url: "localhost".into(),
            health_port: host.local_addr().unwrap().port(),
            web_url: format!("http://{}/", page.local_addr().unwrap())
                .as_str()
                .into(),
            ..Config::default()
        };
        let root = tempfile::tempdir().unwrap();
        let prober = Prober::new(&config, root.path().to_owned(), Resolver::system("lookup"));
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
        let (found, _) = tokio::join!(prober.probe(None), serve);
        assert!(!found.route.found);
        assert_eq!(found.lookup.unwrap().result, Resolved::Found);
        assert!(found.connect.unwrap().succeeded());
        assert_eq!(found.web.unwrap().result, WebResult::Ok);
        assert_eq!(found.public, PublicNames::default());
    }

    #[test]
    fn the_default_names_are_public_ones_and_no_others() {
        let of = |health: &str, web: &str| {
            PublicNames::of(&Config {
                health_url: health.into(),
                web_url: web.into(),
                ..Config::default()
            })
        };
        let default = Config::default();
        let (health, web) = (&*default.health_url, default.web_url.as_str());
        let both = PublicNames {
            health: true,
            web: true,
        };
        assert_eq!(of(health, web), both);
        assert_eq!(of("core.lan", "http://core.lan/"), PublicNames::default());
        assert_eq!(of("", ""), PublicNames::default());
    }
}
