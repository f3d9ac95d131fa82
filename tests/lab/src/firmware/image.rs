//! Images for `sysupgrade` of the lab's router.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Every image begins so.
const MAGIC: &str = "LABIMAGE";

/// A release of the firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// `DISTRIB_RELEASE`.
    pub version: String,
    /// `DISTRIB_REVISION`.
    pub revision: String,
}

impl Release {
    /// The one that the router starts with.
    pub fn first() -> Self {
        Release {
            version: "24.10.2".to_owned(),
            revision: "r28739-d9340319c6".to_owned(),
        }
    }

    /// An image of a later release.
    pub fn next() -> Self {
        Release {
            version: "24.10.3".to_owned(),
            revision: "r28872-daca7c049b".to_owned(),
        }
    }
}

/// The system that comes up after an image was flashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boots {
    /// That of the image.
    New,
    /// That of the image, which has no driver for the network.
    Offline,
    /// The one before, as it was: the boot loader does not start the new one.
    Old,
    /// Nothing at all.
    Nothing,
}

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    /// The boards it is for.
    pub supported_devices: Vec<String>,
    pub release: Release,
    /// Is the agent part of it?
    pub agent: bool,
    pub boots: Boots,
}

impl Image {
    /// An image of the next release for a board, with the agent.
    pub fn for_board(board: &str) -> Self {
        Image {
            supported_devices: vec![board.to_owned()],
            release: Release::next(),
            agent: true,
            boots: Boots::New,
        }
    }

    /// The image as a file of so many bytes, or as many as it needs; its filling looks like compressed data.
    ///
    /// # Errors
    ///
    /// The metadata cannot be written as JSON.
    pub fn bytes(&self, size: usize) -> io::Result<Vec<u8>> {
        let metadata = serde_json::to_string(self)?;
        let mut bytes = MAGIC.as_bytes().to_vec();
        let filling = size.saturating_sub(MAGIC.len() + metadata.len() + 2);
        let mut rng = fastrand::Rng::with_seed(7);
        bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(filling));
        bytes.extend(format!("\n{metadata}\n").as_bytes());
        Ok(bytes)
    }

    /// Reads the metadata of an image.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no image.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let lines = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n');
        let metadata = lines.into_iter().next().unwrap_or_default();
        Ok(serde_json::from_slice(metadata)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_the_size_that_was_asked_for_and_says_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let image = Image::for_board("acme,ap1");
        let bytes = image.bytes(5000).unwrap();
        assert_eq!(bytes.len(), 5000);
        std::fs::write(&path, bytes).unwrap();
        let read = Image::read(&path).unwrap();
        assert_eq!(read.supported_devices, ["acme,ap1"]);
        assert_eq!(read.release, Release::next());
        std::fs::write(&path, "<html>").unwrap();
        assert!(Image::read(&path).is_err());
    }
}
