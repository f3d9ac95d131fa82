//! The needs of every daemon.
//!
//! * [`lock`]: one agent on a device
//! * [`starts`]: how often it was started lately, and how long that holds broker and API off
//! * [`crash`]: the file it was reading when it last ended badly
//! * [`runtime`]: the thread that everything runs on
//! * [`shutdown`]: a request to end, heard by all tasks
//! * [`logging`]: syslog, or the terminal
//! * [`clock`]: the time, and how much faster the lab lets it pass
//! * [`backoff`]: the one rule for retries
//! * [`mod@file`]: bounded reading of files that others wrote
//! * [`facts`]: waiting for a fact that another part publishes
//! * [`kept`]: a record on flash, written on a thread of its own
//! * [`ask`]: a question to a part that publishes its facts

pub mod ask;
pub mod backoff;
pub mod clock;
pub mod crash;
pub mod facts;
pub mod file;
pub mod kept;
pub mod lock;
pub mod logging;
pub mod runtime;
pub mod shutdown;
pub mod starts;
