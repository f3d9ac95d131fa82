//! The agent's broker link and jobs, against the lab's broker and against mosquitto.

/// Makes a test with the lab's broker and one with mosquitto of each function.
macro_rules! with_both_brokers {
    ($($name:ident),* $(,)?) => {
        mod with_the_labs_broker {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::mqtt::server::Server::lab().await).await;
            })*
        }
        mod with_mosquitto {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::mqtt::server::Server::mosquitto().await).await;
            })*
        }
    };
}

mod agent;
mod exchange;
mod live;
mod login;
pub(crate) mod operator;
mod outages;
mod poison;
mod presence;
mod retained;
pub(crate) mod server;
mod strange;

use std::time::Duration;

use tokio::time::timeout;

pub(crate) const MAC: &str = "aa:bb:cc:00:11:22";
pub(crate) const BASE: &str = "fleet/secret/aa:bb:cc:00:11:22";

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) async fn within<T>(what: &str, step: impl std::future::Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}
