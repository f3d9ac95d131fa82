//! SocketMan: the agent on OpenWrt access points and routers.
pub mod backoff;
pub mod clock;
pub mod collect;
pub mod config;
pub mod jobs;
pub mod mqtt;
pub mod spool;
pub mod ubus;
pub mod upload;
