//! The WAN device's MAC address, as netifd knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ubus::{lenient, Client, Error};

/// How long an agent without a configured identity waits for the bus at start.
const BUS_WITHIN: Duration = Duration::from_secs(5);

/// How long netifd may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Dump {
    #[serde(default, deserialize_with = "lenient")]
    interface: Option<Vec<Interface>>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default, deserialize_with = "lenient")]
    l3_device: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    metric: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    route: Option<Vec<Route>>,
}

#[derive(Deserialize)]
struct Route {
    #[serde(default, deserialize_with = "lenient")]
    target: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    mask: Option<u32>,
}

impl Route {
    fn is_default(&self) -> bool {
        self.mask == Some(0) && matches!(self.target.as_deref(), Some("0.0.0.0" | "::"))
    }
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Deserialize)]
struct Device {
    #[serde(default, deserialize_with = "lenient")]
    macaddr: Option<String>,
}

/// The MAC of the device that owns the default route of the lowest metric; `None` without a bus,
/// without netifd or without such a route.
pub async fn mac(client: &Client) -> Option<String> {
    match ask(client).await {
        Ok(mac) => mac,
        Err(error) => {
            log::info!("WAN device not known: {error}");
            None
        }
    }
}

async fn ask(client: &Client) -> Result<Option<String>, Error> {
    client.connected(BUS_WITHIN).await?;
    let no_args = BTreeMap::<String, ()>::new();
    let dump: Dump = client
        .call("network.interface", "dump", &no_args, ANSWER_WITHIN)
        .await?;
    let device = dump
        .interface
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| interface.route.iter().flatten().any(Route::is_default))
        .min_by_key(|interface| interface.metric.unwrap_or(0))
        .and_then(|interface| interface.l3_device);
    let Some(name) = device else {
        return Ok(None);
    };
    let device: Device = client
        .call(
            "network.device",
            "status",
            &Named { name: &name },
            ANSWER_WITHIN,
        )
        .await?;
    Ok(device.macaddr)
}
