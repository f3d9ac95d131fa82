//! A router that does not exist: its objects on the bus and its files, with counters that move and
//! stations that come and go.
//!
//! ```text
//!  world (pure: time, stations, leases, counters) ─► objects (pure: what each method answers)
//!    │  │                                                │
//!    │  └─► tree: the files for --root                   └─► Router: on the bus, through faults
//!    └─► facts: what is true, for comparison                    ▲
//!                                                            Control: orders
//! ```
//!
//! With a [`Site`](crate::site::Site) the router stands in a network namespace: netifd does there what
//! `/etc/config/network` says, and dnsmasq and the firewall run ([`netifd`], `ground`, `machine`). Its
//! scripts (`/etc/init.d/network` and others below its root) reach it through `scripts`.
//!
//! Shapes and wire types are those of OpenWrt 24.10, with `tests/data/samples` as the base.

mod ap;
mod boot;
mod control;
mod facts;
mod fault;
mod ground;
mod lease;
mod machine;
pub(crate) mod members;
mod netdev;
pub mod netifd;
mod objects;
mod offers;
mod radio;
mod rpcd;
mod scripts;
mod station;
mod steps;
mod to_init;
mod tree;
mod world;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use ubus::blobmsg::Value;
use ubus::{Client, Request, Responder, Status};

pub use ap::{Ap, Band, Network, APS};
pub use boot::{Boot, Error};
pub use control::{Control, Gone};
pub use facts::{Facts, NetdevFacts, RadioFacts, StationFacts};
pub use fault::{distort, Fault, Faults};
pub use lease::Lease;
pub use objects::{answer, catalogue, Reply, SECRETS};
pub use radio::{Radio, RadioFault, RADIOS};
pub use station::{Mac, Standard, Station, Traffic};
pub use steps::Steps;
pub use to_init::{Flash, ToInit, Verb};
pub use tree::Tree;
pub use world::{News, World, HOSTNAME, ROUTER_MAC};

use control::Order;
use machine::{Machine, Out};
use offers::Offers;
use scripts::Scripts;

/// Interval at which the world moves, and the counters with it.
const TICK: Duration = Duration::from_secs(1);

/// Orders that may wait.
const ORDERS: usize = 16;

/// Calls that are kept unanswered; of more, the oldest ends in "unknown error".
const UNANSWERED: usize = 1024;

/// The router, to be put on a bus with [`Router::serve`].
#[derive(Debug)]
pub struct Router {
    world: World,
    tree: Tree,
    faults: Faults,
    frozen: bool,
    orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>,
    facts: watch::Sender<Facts>,
    control: Control,
    unanswered: Vec<Responder>,
    machine: Machine,
    scripts: Option<Scripts>,
    requests: Option<mpsc::Sender<ToInit>>,
    steps: Steps,
}

impl Router {
    /// A router whose clock shows the time of this machine, with that many authorized stations and
    /// its files in a temporary directory, which goes with it.
    pub fn new(stations: usize, seed: u64) -> Result<Self, Error> {
        let world = World::new(stations, seed, epoch());
        let tree = Tree::temporary(&world).map_err(|source| Error::Tree {
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self::with(world, tree))
    }

    /// The same, with its files in a directory that stays.
    pub fn at(root: &Path, stations: usize, seed: u64) -> Result<Self, Error> {
        let world = World::new(stations, seed, epoch());
        let tree = Tree::at(root, &world).map_err(|source| Error::Tree {
            path: root.to_owned(),
            source,
        })?;
        Ok(Self::with(world, tree))
    }

    fn with(world: World, tree: Tree) -> Self {
        let (orders_tx, orders) = mpsc::channel(ORDERS);
        let (facts, facts_rx) = watch::channel(world.facts());
        let control = Control {
            orders: orders_tx,
            facts: facts_rx,
            root: tree.root().to_owned(),
            failed: Arc::default(),
        };
        Router {
            machine: Machine::new(tree.root(), None, 1),
            scripts: None,
            requests: None,
            steps: Steps::default(),
            world,
            tree,
            faults: Faults::default(),
            frozen: false,
            orders,
            facts,
            control,
            unanswered: Vec::new(),
        }
    }

    /// A handle, good for as long as the router is served.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Offers the objects through `client` and lets the world move, until `shutdown`. The client's
    /// connection has to be driven by somebody else.
    pub async fn serve(
        mut self,
        client: Client,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let served = self.attend(client, shutdown).await;
        if let Err(error) = &served {
            // Before the orders that wait are dropped with the router. It fails once.
            let _ = self.control.failed.set(error.to_string());
        }
        served
    }

    async fn attend(
        &mut self,
        client: Client,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let mut offers = Offers::new(client);
        self.adjust(&mut offers).await?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                call = offers.next() => {
                    let (path, request) = call.ok_or(Error::Ended)?;
                    if let Some(news) = self.answer(path, request) {
                        self.moved(news, &offers)?;
                        self.adjust(&mut offers).await?;
                    }
                    self.speak(&mut offers).await?;
                }
                asked = next_order(&mut self.scripts) => {
                    self.asked(asked.map_err(Error::Scripts)?).await;
                    self.speak(&mut offers).await?;
                }
                () = self.machine.due() => {
                    self.machine.catch_up();
                    self.speak(&mut offers).await?;
                }
                Some((order, done)) = self.orders.recv() => {
                    self.obey(order, &mut offers).await?;
                    self.speak(&mut offers).await?;
                    // Whoever does not wait for it does not need to know.
                    let _ = done.send(());
                }
                now = ticks.tick() => {
                    if !self.frozen {
                        let news = self.world.advance(now.saturating_duration_since(last));
                        self.moved(news, &offers)?;
                        self.adjust(&mut offers).await?;
                    }
                    last = now;
                }
            }
        }
    }

    /// Does what a script asks for, or passes it on.
    async fn asked(&mut self, asked: scripts::Asked) {
        let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
        match words[..] {
            ["step", ..] => {
                let step = words[1..].join(" ");
                self.steps.announce(step, asked);
            }
            ["sysupgrade", ..] => {
                let words: Vec<String> = asked.words[1..].to_vec();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match Flash::read(&words, asked) {
                    Ok(flash) => self.request(ToInit::Flash(flash)),
                    Err(asked) => asked.answer(1),
                }
            }
            ["socketman", verb] if Verb::named(verb).is_some() => {
                if let Some(verb) = Verb::named(verb) {
                    self.request(ToInit::Agent(verb));
                }
                asked.answer(0);
            }
            _ => {
                let code = self.machine.order(&asked.words).await;
                asked.answer(code);
            }
        }
    }

    fn request(&self, request: ToInit) {
        if let Some(requests) = &self.requests {
            // With as many that wait, one more changes nothing.
            let _ = requests.try_send(request);
        }
    }

    async fn obey(&mut self, order: Order, offers: &mut Offers) -> Result<(), Error> {
        match order {
            Order::Stations(count) => {
                let news = self.world.set_stations(count);
                self.moved(news, offers)?;
            }
            Order::Advance(time) => {
                let news = self.world.advance(time);
                self.moved(news, offers)?;
                self.adjust(offers).await?;
            }
            Order::Radio(radio, fault) => {
                let news = self.world.suffer(radio, fault);
                self.moved(news, offers)?;
                self.adjust(offers).await?;
            }
            Order::Churn(per_minute) => self.world.set_churn(per_minute),
            Order::Freeze(frozen) => self.frozen = frozen,
            Order::Break(faults) => {
                faults.into_iter().for_each(|fault| self.faults.add(fault));
                self.adjust(offers).await?;
            }
            Order::Heal => {
                self.faults.clear();
                self.unanswered.clear();
                self.adjust(offers).await?;
            }
            Order::Uplink(uplink) => self.machine.uplink(uplink),
        }
        Ok(())
    }

    /// Offers what is there, the interfaces that netifd knows among it.
    async fn adjust(&self, offers: &mut Offers) -> Result<(), ubus::Error> {
        let ground = self.machine.ground.as_ref();
        let interfaces = ground.map(|ground| ground.netifd.names().map(str::to_owned).collect());
        offers.adjust(&self.faults, &self.world, interfaces).await
    }

    /// Sends what the machine has to say.
    async fn speak(&mut self, offers: &mut Offers) -> Result<(), Error> {
        let mut interfaces_changed = false;
        while let Some(out) = self.machine.next_out() {
            match out {
                Out::Event(name, data) => {
                    interfaces_changed = true;
                    offers.send_event(name, &data).await;
                }
                Out::Notice(news) => offers.notify(&news)?,
                Out::ReloadAgent => offers.reload_agent(),
                Out::Reboot => self.request(ToInit::Reboot),
            }
        }
        if interfaces_changed {
            self.adjust(offers).await?;
        }
        Ok(())
    }

    /// The world is another: files and facts first, so that whoever hears the news finds them.
    fn moved(&mut self, news: Vec<News>, offers: &Offers) -> Result<(), Error> {
        self.tree
            .refresh(&self.world)
            .map_err(|source| Error::Tree {
                path: self.tree.root().to_owned(),
                source,
            })?;
        self.facts.send_replace(self.world.facts());
        Ok(news.iter().try_for_each(|news| offers.notify(news))?)
    }

    /// The reply to a call, and the news if it was an order that changed the world.
    fn reply(&mut self, path: &str, method: &str, args: &Value) -> (Reply, Option<Vec<News>>) {
        match self.world.order(path, method, args) {
            Some(Ok(news)) => return (Ok(None), Some(news)),
            Some(Err(status)) => return (Err(status), None),
            None => {}
        }
        let uptime = self.world.uptime();
        let done = self.machine.answer(path, method, args, uptime);
        self.world.downs.clone_from(&self.machine.downs);
        let reply = done.unwrap_or_else(|| answer(&self.world, path, method, args));
        (reply, None)
    }

    /// Answers a call; the news if it was an order that changed the world.
    fn answer(&mut self, path: String, request: Request) -> Option<Vec<News>> {
        let mut news = None;
        let reply = match Value::from_members(request.data()) {
            Ok(args) => {
                let (reply, told) = self.reply(&path, &request.method, &args);
                news = told;
                reply
            }
            Err(_) => Err(Status::INVALID_ARGUMENT),
        };
        let reply = match reply {
            Ok(Some(value)) if self.faults.wrong_types(&path) => Ok(Some(distort(value))),
            reply => reply,
        };
        let responder = request.into_responder();
        if self.faults.silent(&path) {
            if self.unanswered.len() >= UNANSWERED {
                self.unanswered.remove(0);
            }
            self.unanswered.push(responder);
        } else if let Some(delay) = self.faults.delay(&path) {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                give(responder, reply);
            });
        } else {
            give(responder, reply);
        }
        news
    }
}

/// The next order of a script; pending for ever without one.
async fn next_order(scripts: &mut Option<Scripts>) -> io::Result<scripts::Asked> {
    match scripts {
        Some(scripts) => scripts.next().await,
        None => std::future::pending().await,
    }
}

fn give(responder: Responder, reply: Reply) {
    match reply {
        Ok(Some(value)) => {
            responder.data_raw(value.to_members());
            responder.finish(Status::OK);
        }
        Ok(None) => responder.finish(Status::OK),
        Err(status) => responder.finish(status),
    }
}

fn epoch() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
