//! The host's side: the machine, its media, and the cuts.
//!
//! * [`volume`]: a disk that loses what was not flushed, and [`nbd`], how the machine reaches it
//! * [`flash`]: the memory of the machine that is flash
//! * [`kernel`], [`image`]: what is booted; [`mod@format`]: what empty media are
//! * [`machine`]: a machine from its start to its end
//! * [`account`]: all that one medium's life has said; [`trace`]: the requests of a disk beside it
//! * [`cord`]: the cuts, one after the other; [`tally`], what they showed; [`options`], how many
//! * [`patience`]: a deadline

pub mod account;
pub mod cord;
pub mod flash;
pub mod format;
pub mod image;
pub mod kernel;
pub mod machine;
pub mod nbd;
pub mod options;
pub mod patience;
pub mod tally;
pub mod trace;
pub mod volume;
