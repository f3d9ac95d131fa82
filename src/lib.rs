//! SocketMan: the agent on OpenWrt access points and routers.
//!
//! Read top to bottom, this is the way the data goes.
//!
//! ```text
//!        config ────────────────────────────────────────────────────► every part
//!  device ─ubus,/proc─► collect ─Report─► spool ─batch─► upload ─HTTP─► API
//!  broker ─► mqtt ─payload─► jobs ─outcome─► mqtt ─► broker
//!                             └─change─► guard ─► kept, or undone
//!  world ─probe─► health ─code─► collect
//!                   └─verdict─► recovery ─► interface, network, reboot
//!  every part ─fact─► status ─► bus ─ubus─► shell
//! ```
//!
//! * [`cli`] understands the command line: run the agent, or ask the one that runs.
//! * [`agent`] takes the lock, counts its starts, remembers each crash, finds out who the device is ([`mod@identity`]), builds the parts in the
//!   order below, waits for a signal and ends them within 5 s. [`process`] has what every daemon needs for that.
//! * [`config`] turns command line, UCI and config.json into one validated, immutable `Config`; one table
//!   holds every option. A bad value is reported, never fatal, and opens no way that an option guards. [`config::reload`] reads them again while the
//!   agent runs; the parts that an option concerns are restarted, or follow it.
//! * The crate [`durable`] is what everything that must survive is made of: files in directories that are
//!   ours alone, a log, a cell, and a thread that waits for flash so that nobody else does. It knows
//!   nothing of SocketMan. [`keep`] is the directory among them that outlives an upgrade of the system.
//! * The crate [`ubus`] is the bus: a client of its own, which knows nothing of SocketMan. It reconnects,
//!   registers and subscribes again by itself.
//! * [`collect`] asks the bus (or /proc and /sys) for stations, networks, interfaces and the device, hears
//!   who comes and goes, and makes a `Report` of what answered; it remembers the last day.
//! * The crate [`spool`] gives each report its identity (boot id, seq) and keeps it in files until the API has
//!   accepted it; bounded, and what did not fit is declared.
//! * [`lookup`] turns names into addresses on threads of its own, so that a silent resolver holds up
//!   neither the broker link nor the end of the process.
//! * [`http`] is the agent's one HTTP client, of [`upload`], [`rest`] and [`health`]; [`tls`] says which
//!   servers it and the broker link believe.
//! * [`upload`] delivers what the spool holds, oldest first, and deletes it on a 2xx only.
//! * [`mqtt`] keeps a session with the broker: presence, payloads in, replies out.
//! * [`jobs`] decides what a payload means, runs each id at most once in a worker beside the loop, and
//!   offers its outcome until somebody has taken it.
//! * [`guard`] undoes what a job has changed if the device is worse off after it.
//! * [`rest`] sends outcomes and presence to the API instead, if option `rest` says so.
//! * [`health`] knows whether the device reaches the world, and if not, why: by what broker and API
//!   prove, else by probes.
//! * [`recovery`] mends what it may of that, step by step, up to a reboot, and restarts a dead radio.
//! * [`provision`] also asks an init server for the settings of a device that has none, and sees whether they work.
//! * [`upgrade`] replaces the agent, or the firmware below it, and knows afterwards what came of it.
//! * [`actions`] does to the device what the agent decides to do; [`boot`] knows why it booted.
//! * [`status`] is the board with the newest fact of every part; [`bus`] shows it on ubus.
//!
//! A part is one task that owns its state; others hold a small handle. Everything happens on one
//! thread, but for name look-ups. [`process::backoff`] is the one rule for retries, [`process::clock`] the one place that
//! knows the lab may let time pass faster, [`process::logging`] where words go, [`terminal`] what of a peer's words is shown; [`process::file`] and [`mac`] read what
//! others wrote. `fuzzing`, which no program has in it, holds the readers of foreign bytes as targets of a fuzzer.
//! `sorted`, `tasks` and `written` have generic code of the libraries compiled once instead of for each type.

pub mod actions;
pub mod agent;
pub mod boot;
pub mod bus;
pub mod cli;
#[cfg(test)]
mod closed;
pub mod collect;
pub mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
pub mod health;
pub mod http;
pub mod identity;
pub mod jobs;
pub mod keep;
mod kernel;
pub mod lookup;
pub mod mac;
pub mod mqtt;
pub mod outage;
pub mod process;
pub mod provision;
pub mod recovery;
pub mod rest;
mod sorted;
pub mod status;
mod tasks;
pub mod terminal;
pub mod tls;
#[cfg(test)]
mod told;
pub mod upgrade;
pub mod upload;
mod written;
