//! The power cord: what the agent calls certain, on file systems of a real kernel that loses its power.
//!
//! ```text
//!  host                                          a virtual machine
//!  ┌────────────────────────────┐  "it is certain"  ┌──────────────────────────────┐
//!  │ ledger ◄───────────────────┼───────────────────┤ life: cell, log, spool, jobs,│
//!  │                            │                   │       trial of the guard     │
//!  │ volume: loses what was not │◄── NBD ───────────┤ ext4, F2FS                   │
//!  │         flushed            │                   │                              │
//!  │ flash:  clears bits only   │◄── memory ────────┤ JFFS2, UBIFS                 │
//!  └─────┬──────────────────────┘                   └──────────────────────────────┘
//!        │ cut: the media as they are at this moment, less what was lost
//!        ▼
//!  ┌────────────────────────────┐       found       ┌──────────────────────────────┐
//!  │ verdict                    │◄──────────────────┤ another machine starts on it │
//!  └────────────────────────────┘                   └──────────────────────────────┘
//! ```
//!
//! The machine that lives is stopped for a cut and goes on after it, for to boot one takes longer than all the
//! rest; once for each file system it does not go on but boots from what the cut left.
//!
//! A cut is sound without a common clock: everything that the ledger has heard when the machine stands still
//! was certain before. All that comes later counts for the next cut.
//!
//! * In the machine: [`life`] acts on a [`medium`] by chance and says what it knows in a [`word`]; [`guest`]
//!   is the first process and does what it is ordered.
//! * On the host: [`host`] has the machine, its media and the cuts.
//! * On both sides: the [`board`], on which words stand the moment they are said. [`cell`], [`records`], [`reports`], [`jobs`] and
//!   [`trial`] each have a store as it is used, and what must be true of it afterwards.
//!
//! The seed determines what is done, when a cut is asked for and which sectors survive. The moment itself is
//! one of a machine that runs beside others.

pub mod board;
pub mod cell;
pub mod guest;
pub mod host;
pub mod jobs;
pub mod life;
pub mod medium;
pub mod records;
pub mod reports;
pub mod trial;
pub mod word;

/// A file system.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Ext4,
    F2fs,
    Jffs2,
    Ubifs,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Ext4, Kind::F2fs, Kind::Jffs2, Kind::Ubifs];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::F2fs => "f2fs",
            Kind::Jffs2 => "jffs2",
            Kind::Ubifs => "ubifs",
        }
    }
}

/// Fails with words unless something holds.
fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(words()),
    }
}
