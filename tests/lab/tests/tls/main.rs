//! TLS to broker and API: certificates that are right, and each way in which they are not.

// All of this is test code, what is not marked as a test too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod authority;
mod broker;
mod client_certificate;
mod link;
mod mosquitto;
mod pinned;
mod status;
