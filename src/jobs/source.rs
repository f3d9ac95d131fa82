//! The way by which a job came.

use serde::Serialize;

/// The way by which a job came. Each has a space of ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The broker.
    Mqtt,
    /// The bus: the shell, LuCI, other programs of the device.
    Ubus,
}

impl Source {
    /// The byte that stands for it in the ledger.
    pub(in crate::jobs) fn number(self) -> u8 {
        match self {
            Source::Mqtt => b'm',
            Source::Ubus => b'u',
        }
    }

    /// The source that a byte of the ledger stands for.
    pub(in crate::jobs) fn of_number(number: u8) -> Option<Self> {
        match number {
            b'm' => Some(Source::Mqtt),
            b'u' => Some(Source::Ubus),
            _ => None,
        }
    }
}
