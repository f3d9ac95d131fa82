//! A router's cable and what is at its other end, in two network namespaces.
//!
//! ```text
//!   device ── eth0 ═══ lan ── world
//!   203.0.113.24        203.0.113.1  gateway, resolver
//!   by the lease        1.1.1.1:53   one.one.one.one, the health check
//!                       6.6.6.6:80   connectivitycheck.gstatic.com, the web check
//!                       7.7.7.7      broker.example and api.example, ways to those of the lab
//! ```
//!
//! The agent runs in `device`, with the settings it has by default for its checks. The device's
//! addresses are netifd's work ([`crate::router`]); its programs ask [`Dnsmasq`] on 127.0.0.1.

mod beyond;
mod dns;
mod dnsmasq;
mod fault;
mod namespace;
mod resolver;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdp};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use dnsmasq::{Dnsmasq, Servers};
pub use fault::WanFault;
pub use namespace::{Namespace, NamespaceError};

use resolver::{Manner, Resolver};

use crate::router::netifd::Uplink;

/// The gateway, which is the provider's resolver too.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The address of the lease.
pub const LEASED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 24);

/// Length of the network's prefix.
pub const PREFIX: u8 = 24;

/// Where the two checks connect to.
pub const HEALTH: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
pub const WEB: Ipv4Addr = Ipv4Addr::new(6, 6, 6, 6);

/// Broker and API.
pub const SERVERS: Ipv4Addr = Ipv4Addr::new(7, 7, 7, 7);
pub const BROKER_NAME: &str = "broker.example";
pub const BROKER_PORT: u16 = 1883;
pub const API_NAME: &str = "api.example";

/// The cable's end at the device.
pub const WAN: &str = "eth0";

/// Longest wait until connections have ended, and how often is looked.
const CUT_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Two namespaces, and what answers in the second; gone when dropped.
#[derive(Debug)]
pub struct Site {
    device: Arc<Namespace>,
    world: Namespace,
    resolver: Resolver,
    portal: Arc<AtomicBool>,
    /// Counts how often the connections to broker and API were cut.
    cut: watch::Sender<u32>,
    /// The number of ways to them.
    relays: usize,
    faults: BTreeSet<&'static str>,
    /// The address of the device's end of the cable.
    mac: String,
    tasks: JoinSet<()>,
}

impl Site {
    /// Makes the namespaces and what answers there by itself. Needs a tokio runtime. `mac` is the address
    /// of the device's end of the cable.
    ///
    /// # Errors
    ///
    /// This process may not make namespaces, or `ip` is not there.
    pub fn make(mac: &str) -> Result<Self, NamespaceError> {
        static SITES: AtomicU32 = AtomicU32::new(0);
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        if number == 0 && rustix::process::geteuid().is_root() {
            Namespace::sweep();
        }
        let device = Namespace::make(&format!("d{number}"))?;
        let world = Namespace::make(&format!("w{number}"))?;
        for address in [HEALTH, WEB, SERVERS] {
            world.ip(&format!("addr add {address}/32 dev lo"))?;
        }
        // A gateway says so when there is no way on.
        let forward = || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1\n");
        world
            .enter(forward)?
            .map_err(|error| NamespaceError::Enter {
                name: world.name().to_owned(),
                error,
            })?;
        let names = [
            ("one.one.one.one", HEALTH),
            ("connectivitycheck.gstatic.com", WEB),
            (BROKER_NAME, SERVERS),
            (API_NAME, SERVERS),
        ];
        let mut site = Site {
            device: Arc::new(device),
            world,
            resolver: Resolver::new(&names),
            portal: Arc::default(),
            cut: watch::Sender::new(0),
            relays: 0,
            faults: BTreeSet::new(),
            mac: mac.to_owned(),
            tasks: JoinSet::new(),
        };
        site.lay_cable()?;
        let socket = site.udp((GATEWAY, 53).into())?;
        site.tasks.spawn(site.resolver.clone().serve(socket));
        let health = site.tcp((HEALTH, 53).into())?;
        site.tasks.spawn(beyond::accept(health));
        let web = site.tcp((WEB, 80).into())?;
        let login = format!("http://{GATEWAY}/login");
        let portal = Arc::clone(&site.portal);
        site.tasks.spawn(beyond::web(web, portal, login));
        Ok(site)
    }

    /// Leads the world's broker and API to these servers of the lab.
    ///
    /// # Errors
    ///
    /// The world's namespace cannot be entered.
    pub fn lead_to(&mut self, broker: SocketAddr, api: SocketAddr) -> Result<(), NamespaceError> {
        self.lead(BROKER_PORT, broker)?;
        self.lead(80, api)
    }

    /// Leads a port of the world's servers to one of the lab's.
    ///
    /// # Errors
    ///
    /// The world's namespace cannot be entered.
    pub fn lead(&mut self, port: u16, to: SocketAddr) -> Result<(), NamespaceError> {
        let listener = self.tcp((SERVERS, port).into())?;
        let cut = self.cut.subscribe();
        self.relays += 1;
        self.tasks.spawn(beyond::relay(listener, to, cut));
        Ok(())
    }

    fn lay_cable(&self) -> Result<(), NamespaceError> {
        let (near, far) = (self.device.name(), self.world.name());
        let words = format!(
            "link add {WAN} netns {near} address {} type veth peer name lan netns {far}",
            self.mac
        );
        let words: Vec<&str> = words.split(' ').collect();
        namespace::ip(&words)?;
        if !self.faults.contains(WanFault::Gateway.name()) {
            self.world
                .ip(&format!("addr add {GATEWAY}/{PREFIX} dev lan"))?;
        }
        match self.carrier() {
            true => self.world.ip("link set lan up"),
            false => Ok(()),
        }
    }

    /// Cuts the power of the device: its processes are killed, and the network of its kernel is as after a
    /// boot. The faults stay.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn power_cycle(&self) -> Result<(), NamespaceError> {
        self.device.kill_all();
        // The cable goes first: a socket that is still open would keep it.
        self.world.ip("link del lan")?;
        self.device.remake()?;
        self.lay_cable()
    }

    /// The other end of the cable as netifd sees it.
    pub fn uplink(&self) -> Uplink {
        Uplink {
            carrier: self.carrier(),
            lease: !self.faults.contains(WanFault::Dhcp.name()),
        }
    }

    /// The device's namespace.
    pub fn device(&self) -> &Arc<Namespace> {
        &self.device
    }

    /// The namespace at the other end of the cable.
    pub fn world(&self) -> &Namespace {
        &self.world
    }

    /// The faults there are, by name.
    pub fn faults(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.faults.iter().copied()
    }

    fn carrier(&self) -> bool {
        !self.faults.contains(WanFault::Carrier.name())
    }

    /// Brings a fault about. Where the device's connections would outlive it and hide it (`dns`, `hijack`,
    /// `portal`), they are cut.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub async fn fail(&mut self, fault: WanFault) -> Result<(), NamespaceError> {
        if !self.faults.insert(fault.name()) {
            return Ok(());
        }
        if matches!(fault, WanFault::Dns | WanFault::Hijack | WanFault::Portal) {
            // First, or the device would not hear of it.
            self.cut().await;
        }
        match fault {
            WanFault::Carrier => self.world.ip("link set lan down")?,
            // The lease is netifd's, which gets a message.
            WanFault::Dhcp => {}
            WanFault::Gateway => self
                .world
                .ip(&format!("addr del {GATEWAY}/{PREFIX} dev lan"))?,
            WanFault::Dns => self.resolver.set(Manner::Silent),
            WanFault::Hijack => self.resolver.set(Manner::Lying(GATEWAY)),
            WanFault::Portal => {
                self.portal.store(true, Ordering::SeqCst);
                self.beyond("del", &[HEALTH, SERVERS])?;
            }
            WanFault::Dark => self.beyond("del", &[HEALTH, WEB, SERVERS])?,
        }
        Ok(())
    }

    /// Ends the connections to broker and API, and waits for that.
    pub async fn cut(&self) {
        self.cut.send_modify(|count| *count = count.wrapping_add(1));
        // Each relay has a receiver, and each connection another.
        let ended = async {
            while self.cut.receiver_count() > self.relays {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // One that is still about to connect ends by itself.
        let _ = tokio::time::timeout(CUT_WITHIN, ended).await;
    }

    /// Ends all faults.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn heal(&mut self) -> Result<(), NamespaceError> {
        self.resolver.set(Manner::Honest);
        self.portal.store(false, Ordering::SeqCst);
        for name in std::mem::take(&mut self.faults) {
            match WanFault::named(name) {
                Some(WanFault::Carrier) => self.world.ip("link set lan up")?,
                Some(WanFault::Gateway) => self
                    .world
                    .ip(&format!("addr replace {GATEWAY}/{PREFIX} dev lan"))?,
                Some(WanFault::Portal) => self.beyond("replace", &[HEALTH, SERVERS])?,
                Some(WanFault::Dark) => self.beyond("replace", &[HEALTH, WEB, SERVERS])?,
                Some(WanFault::Dhcp | WanFault::Dns | WanFault::Hijack) | None => {}
            }
        }
        Ok(())
    }

    /// Takes addresses beyond the gateway away, or gives them back. One that is as it should be already,
    /// by another fault, is left so.
    fn beyond(&self, verb: &str, addresses: &[Ipv4Addr]) -> Result<(), NamespaceError> {
        let change = |address: &Ipv4Addr| format!("addr {verb} {address}/32 dev lo");
        let changes: Vec<String> = addresses.iter().map(change).collect();
        self.world.batch(&changes).map(drop)
    }

    fn tcp(&self, at: SocketAddr) -> Result<TcpListener, NamespaceError> {
        let open = || {
            let listener = StdListener::bind(at)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let opened: io::Result<StdListener> = self.world.enter(open)?;
        opened
            .and_then(TcpListener::from_std)
            .map_err(|error| self.failed(error))
    }

    fn udp(&self, at: SocketAddr) -> Result<UdpSocket, NamespaceError> {
        let open = || {
            let socket = StdUdp::bind(at)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let opened: io::Result<StdUdp> = self.world.enter(open)?;
        opened
            .and_then(UdpSocket::from_std)
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> NamespaceError {
        NamespaceError::Enter {
            name: self.world.name().to_owned(),
            error,
        }
    }
}
