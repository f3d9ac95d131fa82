//! SocketMan: the agent on OpenWrt access points and routers.
pub mod agent;
pub mod api;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod jobs;
pub mod lock;
pub mod logging;
pub mod mqtt;
pub mod provision;
pub mod shutdown;
pub mod spool;
pub mod status;
pub mod ubus;
pub mod upload;
