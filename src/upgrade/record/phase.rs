//! The stages of an upgrade.

use serde::{Serialize, Serializer};

/// The stage of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// sysupgrade has the image.
    Flashing,
    /// The package manager has not begun.
    Ready,
    /// The package manager may have begun.
    Installing,
    /// The new firmware or the new agent runs, and has to prove that it lives.
    Trial,
    /// The package manager may be installing the package before.
    Undoing,
    /// Decided.
    Success,
    /// Decided; what runs now is said by `reason`.
    Failed,
    /// Decided: the package before is installed.
    Undone,
    /// Decided: nothing was begun.
    Interrupted,
}

impl Phase {
    pub const ALL: [Phase; 9] = [
        Phase::Flashing,
        Phase::Ready,
        Phase::Installing,
        Phase::Trial,
        Phase::Undoing,
        Phase::Success,
        Phase::Failed,
        Phase::Undone,
        Phase::Interrupted,
    ];

    /// True if the outcome is known.
    pub fn is_decided(self) -> bool {
        matches!(
            self,
            Phase::Success | Phase::Failed | Phase::Undone | Phase::Interrupted
        )
    }

    /// The phase's name in a record.
    pub(super) fn word(self) -> &'static str {
        match self {
            Phase::Flashing => "flashing",
            Phase::Ready => "ready",
            Phase::Installing => "installing",
            Phase::Trial => "trial",
            Phase::Undoing => "undoing",
            Phase::Success => "success",
            Phase::Failed => "failed",
            Phase::Undone => "undone",
            Phase::Interrupted => "interrupted",
        }
    }

    /// The phase's name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Flashing => "flashing",
            Phase::Ready | Phase::Installing => "installing",
            Phase::Trial => "trial",
            Phase::Undoing => "undoing",
            _ => "idle",
        }
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
