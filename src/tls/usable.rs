//! A look at a file of certificates or keys, before a connection needs it.

use std::path::Path;

use super::{identity, roots, TlsError};
use crate::config::Pem;

/// Reads the file at `path` as a connection to the broker would.
///
/// # Errors
///
/// The reason why it could not be used, without the name of an option.
pub fn usable(wanted: Pem, path: &Path) -> Result<(), String> {
    let (option, read) = match wanted {
        Pem::Authorities => ("cacrt", authorities(path)),
        Pem::Certificate => ("tls_cert", roots::certificates("tls_cert", path).map(drop)),
        Pem::Key => ("tls_key", identity::key(path).map(drop)),
    };
    read.map_err(|error| {
        let text = error.to_string();
        let prefix = format!("option '{option}': ");
        text.strip_prefix(&prefix).unwrap_or(&text).to_owned()
    })
}

fn authorities(path: &Path) -> Result<(), TlsError> {
    let builder = super::versions()?;
    roots::from_file("cacrt", path, builder.crypto_provider()).map(drop)
}
