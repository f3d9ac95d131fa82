//! The spool on disks that fail and forget: kills and power cuts at every call, faults at every call,
//! all of them by chance, and a month offline. `SOCKETMAN_TESTS_LONG=1` tries a million by chance.

mod days;
mod disks;
mod faults;
mod kills;
mod parts;
mod power;
mod script;
mod world;

use socketman_lab::reports::{ledger, report};
