//! TLS to broker and API: certificates that are right, and each way in which they are not.

pub(crate) mod authority;
mod broker;
mod client_certificate;
mod clock;
mod link;
mod mosquitto;
mod pinned;
mod status;
