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

pub(crate) const MAC: &str = "aa:bb:cc:00:11:22";
pub(crate) const BASE: &str = "fleet/secret/aa:bb:cc:00:11:22";
