//! The handle on a running router.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::facts::Facts;
use super::fault::{self, Fault};
use super::netifd::Uplink;
use super::radio::RadioFault;

/// Orders to the router.
#[derive(Debug)]
pub(super) enum Order {
    Stations(usize),
    Churn(u32),
    Advance(Duration),
    Freeze(bool),
    /// The radio of this index, and what is wrong with it.
    Radio(usize, Option<RadioFault>),
    Break(Vec<Fault>),
    Heal,
    Uplink(Uplink),
}

/// The router is not served any more, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the router is gone: {0}")]
pub struct Gone(String);

/// Tells a router what to do and what is true of it. Orders are done when they return; they wait
/// until the router is being served.
#[derive(Debug, Clone)]
pub struct Control {
    pub(super) orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) root: PathBuf,
    /// The error that ended it.
    pub(super) failed: Arc<OnceLock<String>>,
}

impl Control {
    /// The facts at this moment. They stay exact while the router is frozen.
    pub fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }

    /// To wait for a change of what is true.
    pub fn watch(&self) -> watch::Receiver<Facts> {
        self.facts.clone()
    }

    /// The directory to give an agent as `--root`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes it exactly so many authorized stations.
    pub async fn set_stations(&self, count: usize) -> Result<(), Gone> {
        self.order(Order::Stations(count)).await
    }

    /// Stations that leave per minute by themselves, to return later; at most 60.
    pub async fn set_churn(&self, per_minute: u32) -> Result<(), Gone> {
        self.order(Order::Churn(per_minute)).await
    }

    /// Lets time pass in the world alone.
    pub async fn advance(&self, time: Duration) -> Result<(), Gone> {
        self.order(Order::Advance(time)).await
    }

    /// Stops the world's time, but for [`Control::advance`].
    pub async fn freeze(&self) -> Result<(), Gone> {
        self.order(Order::Freeze(true)).await
    }

    /// Lets the world's time follow the clock again.
    pub async fn thaw(&self) -> Result<(), Gone> {
        self.order(Order::Freeze(false)).await
    }

    /// Makes a radio sick, by its index; `None` makes it well.
    pub async fn set_radio(&self, radio: usize, fault: Option<RadioFault>) -> Result<(), Gone> {
        self.order(Order::Radio(radio, fault)).await
    }

    /// Takes objects off the bus; a `*` at the end means all that begin so, here and below.
    pub async fn vanish(&self, objects: &str) -> Result<(), Gone> {
        self.fail(vec![Fault::Absent(objects.to_owned())]).await
    }

    /// Lets objects answer so much later.
    pub async fn late(&self, objects: &str, by: Duration) -> Result<(), Gone> {
        self.fail(vec![Fault::Late(objects.to_owned(), by)]).await
    }

    /// Lets objects never answer.
    pub async fn silent(&self, objects: &str) -> Result<(), Gone> {
        self.fail(vec![Fault::Silent(objects.to_owned())]).await
    }

    /// Lets objects answer with values of other types than they should have.
    pub async fn wrong_types(&self, objects: &str) -> Result<(), Gone> {
        self.fail(vec![Fault::WrongTypes(objects.to_owned())]).await
    }

    /// Takes away what only a box with rpcd has: `iwinfo`, `luci-rpc`, `uci`.
    pub async fn without_rpcd(&self) -> Result<(), Gone> {
        self.fail(fault::without_rpcd()).await
    }

    /// Takes away all access points.
    pub async fn without_hostapd(&self) -> Result<(), Gone> {
        self.fail(fault::without_hostapd()).await
    }

    /// Ends all faults. Calls that were never answered end in "unknown error".
    pub async fn heal(&self) -> Result<(), Gone> {
        self.order(Order::Heal).await
    }

    /// Tells netifd what the other end of its cable does; without a ground nobody listens.
    pub async fn set_uplink(&self, uplink: Uplink) -> Result<(), Gone> {
        self.order(Order::Uplink(uplink)).await
    }

    async fn fail(&self, faults: Vec<Fault>) -> Result<(), Gone> {
        self.order(Order::Break(faults)).await
    }

    async fn order(&self, order: Order) -> Result<(), Gone> {
        let (done, is_done) = oneshot::channel();
        if self.orders.send((order, done)).await.is_err() {
            return Err(self.gone());
        }
        is_done.await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Gone {
        let failed = self.failed.get().map(String::as_str);
        Gone(failed.unwrap_or("nobody serves it").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::super::Router;

    #[tokio::test]
    async fn an_order_to_a_router_that_has_failed_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let (client, connection) = ubus::connect(&dir.path().join("ubus.sock"));
        // Nobody drives it.
        drop(connection);
        let router = Router::new(1, 1).unwrap();
        let control = router.control();
        let failed = router.serve(client, pending()).await.unwrap_err();
        let gone = control.freeze().await.unwrap_err().to_string();
        assert_eq!(gone, format!("the router is gone: {failed}"));
    }
}
