//! Lines in, pieces of raw deflate out, which put together are one gzip member.
//!
//! ```text
//!  body = gzip header · segment · segment · … · final block · CRC-32 · length
//! ```
//!
//! A segment is made by a compressor of its own, and each line in it ends with a flush to a byte
//! boundary. So whole segments stand behind each other as they are, cut off behind any line; the
//! checksum of the whole is worked out from those of the lines.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Deflate level: beyond 6 the CPU of a small router pays more than the link saves.
const LEVEL: u32 = 6;

/// ID, deflate, no flags, no time, no extra flags, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// An empty block that says it is the last.
const FINAL_BLOCK: [u8; 2] = [3, 0];

/// Bytes of a body that are in it whatever it holds.
pub(crate) const FRAME: usize = GZIP_HEADER.len() + FINAL_BLOCK.len() + 8;

/// The compressor of a segment.
#[derive(Debug)]
pub(crate) struct Packer(Compress);

impl Packer {
    pub(crate) fn new() -> Self {
        Packer(Compress::new(Compression::new(LEVEL), false))
    }

    /// Packs a line; what comes is all of it.
    pub(crate) fn pack(&mut self, line: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(line.len() / 6 + 128);
        let start = self.0.total_in();
        loop {
            let done = (self.0.total_in() - start) as usize;
            // No error: deflate takes every byte, and the flush leaves room for more.
            let _ = self
                .0
                .compress_vec(&line[done..], &mut out, FlushCompress::Sync);
            let taken = (self.0.total_in() - start) as usize == line.len();
            if taken && out.len() < out.capacity() {
                return out;
            }
            out.reserve(line.len() / 8 + 128);
        }
    }
}

/// The reader of a segment.
#[derive(Debug)]
pub(crate) struct Unpacker(Decompress);

impl Unpacker {
    pub(crate) fn new() -> Self {
        Unpacker(Decompress::new(false))
    }

    /// The line of `plain` bytes that `packed` holds, all of it.
    ///
    /// # Errors
    ///
    /// It is no deflate, or another line.
    pub(crate) fn unpack(&mut self, packed: &[u8], plain: usize, crc: u32) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "is not what was written");
        // One byte more than it has to be shows that it is not longer.
        let mut line = Vec::with_capacity(plain + 1);
        let start = self.0.total_in();
        loop {
            let done = (self.0.total_in() - start) as usize;
            let before = (done, line.len());
            let status = self
                .0
                .decompress_vec(&packed[done..], &mut line, FlushDecompress::Sync)
                .map_err(|_| damaged())?;
            let done = (self.0.total_in() - start) as usize;
            if done == packed.len() && (line.len() <= plain) {
                break;
            }
            if status == Status::StreamEnd || line.len() > plain || (done, line.len()) == before {
                return Err(damaged());
            }
        }
        match line.len() == plain && crc32fast::hash(&line) == crc {
            true => Ok(line),
            false => Err(damaged()),
        }
    }
}

/// A gzip member in the making.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl Body {
    pub(crate) fn new() -> Self {
        Body {
            bytes: GZIP_HEADER.to_vec(),
            crc: crc32fast::Hasher::new(),
        }
    }

    /// Adds the packed line of `plain` bytes whose CRC-32 is `crc`.
    pub(crate) fn add(&mut self, packed: &[u8], plain: u32, crc: u32) {
        self.bytes.extend_from_slice(packed);
        let line = crc32fast::Hasher::new_with_initial_len(crc, plain.into());
        self.crc.combine(&line);
    }

    /// Bytes if it ended now.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - GZIP_HEADER.len() + FRAME
    }

    pub(crate) fn finish(mut self, plain: u64) -> Vec<u8> {
        self.bytes.extend_from_slice(&FINAL_BLOCK);
        let crc = self.crc.finalize();
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        // Modulo 2^32, as the format says.
        self.bytes.extend_from_slice(&(plain as u32).to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn lines() -> Vec<Vec<u8>> {
        (0..200u32)
            .map(|n| {
                let noise: String = (0..n % 50).map(|i| format!("{:x}", n * i * 7919)).collect();
                format!("{{\"n\":{n},\"noise\":\"{noise}\"}}\n").into_bytes()
            })
            .collect()
    }

    #[test]
    fn segments_put_together_are_one_gzip_member_wherever_they_are_cut() {
        let lines = lines();
        for cut in [1, 2, 49, 50, 51, 120, 200] {
            let mut body = Body::new();
            let mut packer = Packer::new();
            let mut plain = Vec::new();
            for (n, line) in lines[..cut].iter().enumerate() {
                if n % 50 == 0 {
                    packer = Packer::new();
                }
                let packed = packer.pack(line);
                body.add(&packed, line.len() as u32, crc32fast::hash(line));
                plain.extend_from_slice(line);
            }
            let expected = body.len();
            let bytes = body.finish(plain.len() as u64);
            assert_eq!(bytes.len(), expected);
            // This reader stops at the first member, and checks its end.
            let mut out = Vec::new();
            let mut reader = flate2::bufread::GzDecoder::new(&bytes[..]);
            reader.read_to_end(&mut out).unwrap();
            assert_eq!(out, plain);
            assert!(reader.into_inner().is_empty(), "nothing stands behind it");
        }
    }

    #[test]
    fn a_line_is_read_back_and_a_changed_one_refused() {
        let mut packer = Packer::new();
        let mut unpacker = Unpacker::new();
        for line in lines() {
            let packed = packer.pack(&line);
            let crc = crc32fast::hash(&line);
            assert_eq!(unpacker.unpack(&packed, line.len(), crc).unwrap(), line);
        }
        let line = b"a line of which something is repeated, something is repeated\n";
        let packed = Packer::new().pack(line);
        let crc = crc32fast::hash(line);
        for (len, crc) in [
            (line.len() - 1, crc),
            (line.len() + 1, crc),
            (line.len(), 1),
        ] {
            Unpacker::new().unpack(&packed, len, crc).unwrap_err();
        }
        for at in 0..packed.len() {
            let mut other = packed.clone();
            other[at] ^= 0x55;
            if let Ok(read) = Unpacker::new().unpack(&other, line.len(), crc) {
                assert_eq!(read, line);
            }
        }
    }

    #[test]
    fn a_line_that_does_not_get_smaller_is_packed_too() {
        let mut rng = fastrand::Rng::with_seed(1);
        let line: Vec<u8> = (0..300_000).map(|_| rng.u8(..)).collect();
        let packed = Packer::new().pack(&line);
        let read = Unpacker::new().unpack(&packed, line.len(), crc32fast::hash(&line));
        assert_eq!(read.unwrap(), line);
    }
}
