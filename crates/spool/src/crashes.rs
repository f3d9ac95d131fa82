//! Reports that end the process while they are read.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// A record of what the process handled when it ended badly, so that a report or a segment that ends it again and
/// again is not read any more.
pub trait Crashes: fmt::Debug + Send + Sync {
    /// Notes that `bytes` are handled from now on; `kind` is a word for what they are.
    ///
    /// # Errors
    ///
    /// Handling them has ended the process too often: they are skipped.
    fn handle(&self, kind: &str, bytes: &[u8]) -> Result<Handling, Box<dyn Error + Send + Sync>>;
}

/// Nothing is recorded, nothing is skipped.
impl Crashes for () {
    fn handle(&self, _: &str, _: &[u8]) -> Result<Handling, Box<dyn Error + Send + Sync>> {
        Ok(Handling::new(()))
    }
}

/// Something is being handled until this is dropped.
#[derive(Debug)]
pub struct Handling(#[allow(dead_code)] Box<dyn Any>); // For its destructor.

impl Handling {
    /// Keeps `note` as long as it is handled.
    pub fn new(note: impl Any) -> Self {
        Handling(Box::new(note))
    }
}
