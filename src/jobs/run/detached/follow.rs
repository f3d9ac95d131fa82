//! The output of a detached job for who listens to it, read from its files as they grow.

use std::time::Duration;

use durable::{Directory, Disk};

use super::STREAMS;
use crate::jobs::live::StreamName;
use crate::jobs::run::tap::{Tap, PIECE_MAX};

/// Between two looks.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// A tap on files, and how far each was read.
#[derive(Debug)]
pub(super) struct Follow {
    tap: Tap,
    read: [u64; 2],
}

impl Follow {
    pub(super) fn new(tap: Tap) -> Self {
        Follow { tap, read: [0; 2] }
    }

    /// Passes on what came since the look before.
    pub(super) fn look(&mut self, directory: &mut Directory) {
        let names = [StreamName::Stdout, StreamName::Stderr];
        for ((file, name), from) in STREAMS.into_iter().zip(names).zip(&mut self.read) {
            let mut bytes = [0; PIECE_MAX];
            // A file that does not exist yet has no output.
            while let Ok(len @ 1..) = directory.read(file, *from, &mut bytes) {
                self.tap.heard(name, &bytes[..len]);
                *from += len as u64;
            }
        }
    }
}
