//! Files that options name: certificates and keys in PEM, looked at when the settings are read.
//!
//! The link to the broker reads them again when it connects; here it only shows in time that it could
//! not. The part that connects is the one that looks, so that both agree on what can be used.

use std::path::Path;

use super::{Config, Problem};

/// The content a file has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pem {
    /// At least one CA certificate.
    Authorities,
    /// At least one certificate.
    Certificate,
    /// A private key without a passphrase. Its path is secret.
    Key,
}

/// The judgement of the part that connects on files that options name.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// Reads the file at a path and looks for what it should hold. An error says why it cannot be used; it
    /// never quotes the file, nor the path of a key.
    pub look: fn(Pem, &Path) -> Result<(), String>,
    /// Warnings about settings that work.
    pub warnings: fn(&Config) -> Vec<Problem>,
}
