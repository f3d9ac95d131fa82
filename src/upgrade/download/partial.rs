//! The part of a file that has arrived, and the answers that go on with it.

use std::fs::File;
use std::io::{Seek, Write};

use durable::Directory;
use reqwest::header::{HeaderMap, HeaderValue, IF_MATCH, RANGE};
use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;

use super::Trouble;
use crate::kernel;

/// Room that is left to others, bytes.
const SPARE: u64 = 1 << 20;

/// The part of the file that has arrived.
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) have: u64,
    pub(super) hash: Context,
    /// Names the state of the file at the server.
    pub(super) etag: Option<HeaderValue>,
    pub(super) size: Option<u64>,
    /// Put together from more than one answer.
    pub(super) resumed: bool,
}

/// The meaning of the head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// The rest of the file follows.
    Rest,
    /// The whole file follows.
    Whole,
    /// The bytes that have arrived are of no use; the file has to be requested again.
    Other,
}

/// The head of an answer, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) status: u16,
    /// `Content-Range`
    pub(super) range: Option<&'a str>,
    pub(super) etag: Option<&'a [u8]>,
}

/// The meaning of a head, if `have` bytes are there of a file with this `etag` and this `size`. `None` if it brings
/// nothing.
pub(super) fn judge(
    seen: Seen<'_>,
    have: u64,
    etag: Option<&[u8]>,
    size: Option<u64>,
) -> Option<Head> {
    match seen.status {
        200 => Some(Head::Whole),
        206 if have > 0 => {
            let (from, total) = seen.range.map(content_range).unwrap_or_default();
            let is_same = match (etag, seen.etag) {
                (Some(before), Some(now)) => before == now,
                _ => true,
            };
            let fits = from == Some(have) && (total.is_none() || size.is_none() || total == size);
            Some(match fits && is_same {
                true => Head::Rest,
                false => Head::Other,
            })
        }
        412 | 416 if have > 0 => Some(Head::Other),
        _ => None,
    }
}

/// Where the part begins, and the size of the whole: `bytes 500-999/1000`.
pub(super) fn content_range(text: &str) -> (Option<u64>, Option<u64>) {
    let range = text.trim().strip_prefix("bytes ").unwrap_or_default();
    let (part, total) = range.split_once('/').unwrap_or_default();
    let from = part.split_once('-').map(|(from, _)| from.trim());
    let number = |text: &str| text.trim().parse().ok();
    (from.and_then(number), number(total))
}

impl Partial {
    pub(super) fn new(
        directory: &Directory,
        name: &str,
        size: Option<u64>,
    ) -> Result<Self, String> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
        let file = directory.file(name, flags);
        Ok(Partial {
            file: file.map_err(|error| in_ram(&error))?,
            have: 0,
            hash: Context::new(&SHA256),
            etag: None,
            size,
            resumed: false,
        })
    }

    /// Forgets what has arrived.
    pub(super) fn start_over(&mut self) -> Result<(), Trouble> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| Trouble::Final(in_ram(&error)))?;
        self.have = 0;
        self.hash = Context::new(&SHA256);
        self.etag = None;
        self.resumed = false;
        Ok(())
    }

    pub(super) fn add(&mut self, bytes: &[u8], max: u64) -> Result<(), Trouble> {
        let have = self.have.saturating_add(bytes.len() as u64);
        if have > max {
            let why = format!("the server has more than {max} bytes");
            return Err(Trouble::Final(why));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|error| Trouble::Final(in_ram(&error)))?;
        self.hash.update(bytes);
        self.have = have;
        Ok(())
    }

    /// The headers that ask for what is missing.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.have > 0 {
            if let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.have)) {
                headers.insert(RANGE, range);
            }
            if let Some(etag) = &self.etag {
                headers.insert(IF_MATCH, etag.clone());
            }
        }
        headers
    }
}

pub(super) fn in_ram(error: &std::io::Error) -> String {
    format!("/tmp: {error}")
}

/// Fails if there is not room for `size` bytes beside `directory`, in which there are `have` of them.
pub(super) fn check_room(directory: &File, size: u64, have: u64) -> Result<(), String> {
    let free = kernel::free_bytes(directory).map_err(|error| in_ram(&error))?;
    let needed = size.saturating_sub(have).saturating_add(SPARE);
    match free < needed {
        true => Err(format!(
            "no room in /tmp: {needed} bytes are needed and {free} are free"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(status: u16, range: Option<&'a str>, etag: Option<&'a [u8]>) -> Seen<'a> {
        Seen {
            status,
            range,
            etag,
        }
    }

    #[test]
    fn the_rest_of_the_same_file_is_taken_and_nothing_else() {
        let etag: Option<&[u8]> = Some(b"\"a\"");
        let other: Option<&[u8]> = Some(b"\"b\"");
        let good = Some("bytes 500-999/1000");
        let judged = |seen, have| judge(seen, have, etag, Some(1000));
        assert_eq!(judged(seen(206, good, etag), 500), Some(Head::Rest));
        assert_eq!(judged(seen(206, good, None), 500), Some(Head::Rest));
        assert_eq!(
            judged(seen(206, Some("bytes 500-999/*"), etag), 500),
            Some(Head::Rest)
        );
        for (range, etag) in [
            (good, other),
            (Some("bytes 501-999/1000"), etag),
            (Some("bytes 0-999/1000"), etag),
            (Some("bytes 500-999/1001"), etag),
            (Some("bytes 500"), etag),
            (Some("lines 500-999/1000"), etag),
            (Some("bytes -1-9/10"), etag),
            (None, etag),
        ] {
            assert_eq!(
                judged(seen(206, range, etag), 500),
                Some(Head::Other),
                "{range:?}"
            );
        }
        assert_eq!(judged(seen(200, None, other), 500), Some(Head::Whole));
        assert_eq!(judged(seen(412, None, None), 500), Some(Head::Other));
        assert_eq!(
            judged(seen(416, Some("bytes */1000"), None), 500),
            Some(Head::Other)
        );
        // Nobody asked for a part.
        assert_eq!(judged(seen(206, Some("bytes 0-999/1000"), etag), 0), None);
        assert_eq!(judged(seen(412, None, None), 0), None);
        assert_eq!(judged(seen(416, None, None), 0), None);
    }
}
