//! The record of the settings that an init server gave.

use ring::digest::{digest, SHA256};
use serde::{Serialize, Serializer};

use super::reach::Reached;
use crate::written::{number, one_of, text, texts, Fields};

/// The progress of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// In config.json, or about to be; they have to prove themselves.
    Trial,
    /// Proven.
    Done,
    /// The settings before them hold again.
    Undone,
}

impl Phase {
    const ALL: [Phase; 3] = [Phase::Trial, Phase::Done, Phase::Undone];

    /// The phase's name in a record.
    fn word(self) -> &'static str {
        match self {
            Phase::Trial => "trial",
            Phase::Done => "done",
            Phase::Undone => "undone",
        }
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// The newest settings that were taken; JSON in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    pub phase: Phase,
    /// Host of the init server.
    pub server: String,
    /// When they were taken, seconds since the epoch.
    pub at: u64,
    /// config.json before; `None` if it did not exist.
    pub before: Option<Hash>,
    /// config.json with them.
    pub after: Hash,
    /// The servers that were reached with the settings before.
    pub reached: Reached,
    /// Keys that were not taken.
    pub refused: Vec<String>,
    /// Why the settings before hold again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// SHA-256 of a file, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hash(String);

impl Hash {
    /// Of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = digest(&SHA256, bytes);
        Hash(
            hash.as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// The first 16 digits.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

impl Record {
    /// For the cell.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always encode")
    }

    /// From the cell; `None` if it is not what was encoded.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        let phase = |value| one_of(value, &Phase::ALL, Phase::word);
        Some(Record {
            phase: fields.required("phase", phase)?,
            server: fields.required("server", text)?,
            at: fields.required("at", number)?,
            before: fields.maybe("before", text)?.map(Hash),
            after: Hash(fields.required("after", text)?),
            reached: fields.required("reached", Reached::read)?,
            refused: fields.required("refused", texts)?,
            error: fields.maybe("error", text)?,
        })
    }
}
