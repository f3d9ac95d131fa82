//! The answers of the bus: which objects are asked, for how long, and the shapes of their replies.
//!
//! * `question`, `gather`: the questions, all asked at once
//! * `replies`: the answers of one collection; `reply`, `field`: how one is read, bounded
//! * `hostapd`, `iwinfo`, `netifd`, `dhcp`, `system`: the shapes of replies, by the program that gives them

pub(crate) mod dhcp;
pub(crate) mod field;
pub(crate) mod gather;
pub(crate) mod hostapd;
pub(crate) mod iwinfo;
pub(crate) mod netifd;
pub(crate) mod question;
pub(crate) mod replies;
pub(crate) mod reply;
pub(crate) mod system;
