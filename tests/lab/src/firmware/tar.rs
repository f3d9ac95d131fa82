//! Gzipped tar archives, as packages are made of.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::Compression;

const BLOCK: usize = 512;

/// An entry of an archive.
pub(super) enum Content<'a> {
    Directory,
    File(&'a [u8], u32),
    Link(&'a str),
}

/// An archive with these entries, gzipped.
///
/// # Errors
///
/// A path is longer than the format allows.
pub(super) fn archive(entries: &[(&str, Content<'_>)]) -> io::Result<Vec<u8>> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    for (path, content) in entries {
        let (kind, mode, bytes, link) = match content {
            Content::Directory => (b'5', 0o755, &[][..], ""),
            Content::File(bytes, mode) => (b'0', *mode, *bytes, ""),
            Content::Link(to) => (b'2', 0o777, &[][..], *to),
        };
        zipped.write_all(&header(path, kind, mode, bytes.len(), link)?)?;
        zipped.write_all(bytes)?;
        let filling = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        zipped.write_all(&[0; BLOCK][..filling])?;
    }
    zipped.write_all(&[0; 2 * BLOCK])?;
    zipped.finish()
}

fn header(path: &str, kind: u8, mode: u32, size: usize, link: &str) -> io::Result<[u8; BLOCK]> {
    let mut header = [0; BLOCK];
    let fields: [(usize, usize, String); 8] = [
        (0, 100, path.to_owned()),
        (100, 8, format!("{mode:07o}")),
        (108, 8, "0000000".to_owned()),
        (116, 8, "0000000".to_owned()),
        (124, 12, format!("{size:011o}")),
        (136, 12, "00000000000".to_owned()),
        (157, 100, link.to_owned()),
        (257, 8, "ustar  ".to_owned()),
    ];
    for (at, room, text) in fields {
        let field = &mut header[at..at + room];
        let field = field.get_mut(..text.len()).ok_or_else(|| {
            let reason = format!("{text}: is too long for an archive");
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })?;
        field.copy_from_slice(text.as_bytes());
    }
    header[156] = kind;
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}
