//! Asks the bus: everything at once, each answer with a deadline of its own, so that a daemon that
//! hangs costs what it alone knows.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use log::debug;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::network::{Devices, Dump};
use super::reply::List;
use super::system::{Board, Info};
use super::wireless::{Air, Ap, Netdev};
use crate::ubus::{Client, Error, Status};

/// How long one object may take to answer; all objects of one daemon share it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Networks of hostapd, and devices of iwinfo, that are asked about.
const MAX_NETDEVS: usize = 64;

/// Objects of one daemon that are asked at the same time.
const AT_ONCE: usize = 32;

/// What the bus said; `None` where nobody answered.
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) board: Option<Board>,
    pub(super) info: Option<Info>,
    pub(super) dump: Option<Dump>,
    pub(super) devices: Option<Devices>,
    /// `None` if Wi-Fi is not asked about.
    pub(super) air: Option<Air>,
    /// What did not answer or does not exist.
    pub(super) missing: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct DeviceNames {
    #[serde(default)]
    devices: List<String>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Of<'a> {
    device: &'a str,
}

/// A result, or `None` and a word about it in `missing`.
fn answered<T>(missing: &mut Vec<String>, source: &str, result: Result<T, Error>) -> Option<T> {
    result
        .inspect_err(|error| {
            debug!("{source}: {error}");
            missing.push(source.to_owned());
        })
        .ok()
}

/// Asks every source once.
pub(super) async fn gather(client: &Client, wifi: bool) -> Replies {
    let (board, info, dump, devices, air) = tokio::join!(
        ask(client, "system", "board", &Nothing {}, TIMEOUT),
        ask(client, "system", "info", &Nothing {}, TIMEOUT),
        ask(client, "network.interface", "dump", &Nothing {}, TIMEOUT),
        ask(client, "network.device", "status", &Nothing {}, TIMEOUT),
        async {
            match wifi {
                true => Some(gather_air(client).await),
                false => None,
            }
        },
    );
    let mut missing = Vec::new();
    let mut replies = Replies {
        board: answered(&mut missing, "system board", board),
        info: answered(&mut missing, "system info", info),
        dump: answered(&mut missing, "network.interface", dump),
        devices: answered(&mut missing, "network.device", devices),
        ..Replies::default()
    };
    if let Some((air, missing_there)) = air {
        replies.air = Some(air);
        missing.extend(missing_there);
    }
    replies.missing = missing;
    replies
}

async fn gather_air(client: &Client) -> (Air, Vec<String>) {
    let (radios, aps, netdevs) = tokio::join!(
        ask(client, "network.wireless", "status", &Nothing {}, TIMEOUT),
        gather_aps(client),
        gather_netdevs(client),
    );
    let mut missing = Vec::new();
    let radios = answered(&mut missing, "network.wireless", radios);
    let aps = answered(&mut missing, "hostapd", aps).map(|(aps, missing_there)| {
        if aps.is_empty() {
            missing.push("hostapd".to_owned());
        }
        missing.extend(missing_there);
        aps
    });
    let netdevs = answered(&mut missing, "iwinfo", netdevs).map(|(netdevs, missing_there)| {
        missing.extend(missing_there);
        netdevs
    });
    let air = Air {
        aps,
        netdevs: netdevs.unwrap_or_default(),
        radios,
    };
    (air, missing)
}

/// Every object of hostapd that is one network.
async fn gather_aps(client: &Client) -> Result<(Vec<Ap>, Vec<String>), Error> {
    let objects = match client.lookup("hostapd.*", TIMEOUT).await {
        Err(Error::Status(Status::NOT_FOUND)) => Vec::new(),
        found => found?,
    };
    let mut names: Vec<&str> = objects
        .iter()
        .filter_map(|object| object.path.strip_prefix("hostapd."))
        .collect();
    names.sort_unstable();
    let mut missing = Vec::new();
    bound(&mut names, "hostapd", &mut missing);

    let turn = Turns::new();
    let asked = names.iter().map(|name| {
        let turn = &turn;
        async move {
            let path = format!("hostapd.{name}");
            let time = turn.next().await;
            tokio::join!(
                ask(client, &path, "get_status", &Nothing {}, time.left()),
                ask(client, &path, "get_clients", &Nothing {}, time.left()),
            )
        }
    });
    let answers = all(asked).await;
    let mut aps = Vec::with_capacity(names.len());
    for (name, (status, clients)) in names.iter().zip(answers) {
        // Gone since it was looked up, as all of them are for a moment when Wi-Fi is reloaded.
        if let (Err(status), Err(clients)) = (&status, &clients) {
            if is_gone(status) && is_gone(clients) {
                continue;
            }
        }
        aps.push(Ap {
            name: (*name).to_owned(),
            status: answered(&mut missing, &format!("hostapd.{name} get_status"), status),
            clients: answered(
                &mut missing,
                &format!("hostapd.{name} get_clients"),
                clients,
            ),
        });
    }
    Ok((aps, missing))
}

/// Every device that iwinfo knows, those of VLANs included.
async fn gather_netdevs(client: &Client) -> Result<(Vec<Netdev>, Vec<String>), Error> {
    let known: DeviceNames = ask(client, "iwinfo", "devices", &Nothing {}, TIMEOUT).await?;
    let mut names: Vec<&str> = known.devices.items.iter().map(String::as_str).collect();
    let mut missing = Vec::new();
    bound(&mut names, "iwinfo", &mut missing);

    let turn = Turns::new();
    let asked = names.iter().map(|device| {
        let turn = &turn;
        async move {
            let of = Of { device };
            let time = turn.next().await;
            tokio::join!(
                ask(client, "iwinfo", "info", &of, time.left()),
                ask(client, "iwinfo", "assoclist", &of, time.left()),
            )
        }
    });
    let answers = all(asked).await;
    let mut netdevs = Vec::with_capacity(names.len());
    for (name, (info, stations)) in names.iter().zip(answers) {
        if let (Err(info), Err(stations)) = (&info, &stations) {
            if is_gone(info) && is_gone(stations) {
                continue;
            }
        }
        netdevs.push(Netdev {
            name: (*name).to_owned(),
            info: answered(&mut missing, &format!("iwinfo info {name}"), info),
            stations: answered(&mut missing, &format!("iwinfo assoclist {name}"), stations),
        });
    }
    Ok((netdevs, missing))
}

fn is_gone(error: &Error) -> bool {
    *error == Error::Status(Status::NOT_FOUND)
}

/// Nobody can make the list of what is asked long, or its names.
fn bound(names: &mut Vec<&str>, source: &str, missing: &mut Vec<String>) {
    names.retain(|name| !name.is_empty() && name.len() <= super::reply::MAX_TEXT);
    if names.len() > MAX_NETDEVS {
        missing.push(format!("{source} beyond {MAX_NETDEVS} networks"));
        names.truncate(MAX_NETDEVS);
    }
}

async fn ask<R: DeserializeOwned>(
    client: &Client,
    path: &str,
    method: &str,
    args: &impl Serialize,
    timeout: Duration,
) -> Result<R, Error> {
    client.call(path, method, args, timeout).await
}

/// Lets so many ask at a time, all of them within one [`TIMEOUT`].
struct Turns {
    permits: Semaphore,
    until: Instant,
}

/// The turn of one; the next has it when this is dropped.
struct Turn<'a> {
    _permit: Option<tokio::sync::SemaphorePermit<'a>>,
    until: Instant,
}

impl Turns {
    fn new() -> Self {
        Turns {
            permits: Semaphore::new(AT_ONCE),
            until: Instant::now() + TIMEOUT,
        }
    }

    async fn next(&self) -> Turn<'_> {
        // Fails only once it is closed, which nobody does.
        Turn {
            _permit: self.permits.acquire().await.ok(),
            until: self.until,
        }
    }
}

impl Turn<'_> {
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Runs the futures together; their results in order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    enum Slot<F: Future> {
        Running(Pin<Box<F>>),
        Done(F::Output),
    }

    let mut slots: Vec<Option<Slot<F>>> = futures
        .map(|future| Some(Slot::Running(Box::pin(future))))
        .collect();
    // Cheap enough: they are few, and one poll of a waiting call looks at one channel.
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for slot in &mut slots {
            if let Some(Slot::Running(future)) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(result) => *slot = Some(Slot::Done(result)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        match waiting {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    slots
        .into_iter()
        .filter_map(|slot| match slot {
            Some(Slot::Done(result)) => Some(result),
            _ => None,
        })
        .collect()
}
