//! Reports between a spool and a server, and the account of all of them.

pub mod ledger;
pub mod report;
