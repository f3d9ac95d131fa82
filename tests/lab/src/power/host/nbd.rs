//! A server of network block devices, as much of it as qemu needs: so a machine reaches a volume.
//!
//! See the protocol's `doc/proto.md`: the fixed newstyle handshake, then simple replies.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::volume::{Volume, SECTOR};

const MAGIC: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

/// NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES.
const HANDSHAKE: u16 = 3;

/// NBD_FLAG_HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM and SEND_WRITE_ZEROES.
const EXPORT: u16 = 1 | 4 | 8 | 32 | 64;

/// NBD_CMD_FLAG_FUA.
const FUA: u16 = 1;

/// Largest request, bytes.
const REQUEST_MAX: u32 = 32 << 20;

const EINVAL: u32 = 22;

/// Serves `volume` to whoever connects to the socket `path`, until the last of them is gone and this process
/// ends.
///
/// # Errors
///
/// The socket cannot be made.
pub fn serve(path: &Path, volume: &Arc<Volume>) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let volume = Arc::clone(volume);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), volume) = (stream, Arc::clone(&volume)) else {
                return;
            };
            // An error is the end of the machine.
            thread::spawn(move || talk(stream, &volume));
        }
    });
    Ok(())
}

fn talk(mut stream: UnixStream, volume: &Volume) -> io::Result<()> {
    if greet(&mut stream, volume)? {
        while answer(&mut stream, volume)? {}
    }
    Ok(())
}

fn u16_of(stream: &mut UnixStream) -> io::Result<u16> {
    let mut bytes = [0; 2];
    stream.read_exact(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}

fn u32_of(stream: &mut UnixStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn u64_of(stream: &mut UnixStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// The handshake; false if the other side wants nothing.
fn greet(stream: &mut UnixStream, volume: &Volume) -> io::Result<bool> {
    let mut hello = MAGIC.to_be_bytes().to_vec();
    hello.extend(OPTION.to_be_bytes());
    hello.extend(HANDSHAKE.to_be_bytes());
    stream.write_all(&hello)?;
    let flags = u32_of(stream)?;
    loop {
        if u64_of(stream)? != OPTION {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let option = u32_of(stream)?;
        let len = u32_of(stream)?;
        if len > 64 << 10 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; len as usize];
        stream.read_exact(&mut data)?;
        match option {
            // NBD_OPT_EXPORT_NAME
            1 => {
                let mut reply = volume.bytes().to_be_bytes().to_vec();
                reply.extend(EXPORT.to_be_bytes());
                if flags & 2 == 0 {
                    reply.extend([0; 124]);
                }
                stream.write_all(&reply)?;
                return Ok(true);
            }
            // NBD_OPT_ABORT
            2 => {
                reply_to(stream, option, 1, &[])?;
                return Ok(false);
            }
            // NBD_OPT_INFO, NBD_OPT_GO
            6 | 7 => {
                let mut export = 0_u16.to_be_bytes().to_vec();
                export.extend(volume.bytes().to_be_bytes());
                export.extend(EXPORT.to_be_bytes());
                reply_to(stream, option, 3, &export)?;
                let mut sizes = 3_u16.to_be_bytes().to_vec();
                for size in [SECTOR as u32, SECTOR as u32, REQUEST_MAX] {
                    sizes.extend(size.to_be_bytes());
                }
                reply_to(stream, option, 3, &sizes)?;
                reply_to(stream, option, 1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            // NBD_REP_ERR_UNSUP
            _ => reply_to(stream, option, 0x8000_0001, &[])?,
        }
    }
}

fn reply_to(stream: &mut UnixStream, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut reply = OPTION_REPLY.to_be_bytes().to_vec();
    reply.extend(option.to_be_bytes());
    reply.extend(kind.to_be_bytes());
    reply.extend((data.len() as u32).to_be_bytes());
    reply.extend(data);
    stream.write_all(&reply)
}

/// Serves a request; false after the last.
fn answer(stream: &mut UnixStream, volume: &Volume) -> io::Result<bool> {
    if u32_of(stream)? != REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let flags = u16_of(stream)?;
    let command = u16_of(stream)?;
    let cookie = u64_of(stream)?;
    let offset = u64_of(stream)?;
    let len = u32_of(stream)?;
    let end = offset.checked_add(len.into());
    let is_whole = offset % SECTOR as u64 == 0 && len % SECTOR as u32 == 0;
    let fits = is_whole && len <= REQUEST_MAX && end.is_some_and(|end| end <= volume.bytes());
    let mut data = Vec::new();
    if command == 1 {
        if len > REQUEST_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        data = vec![0; len as usize];
        stream.read_exact(&mut data)?;
    }
    let through = flags & FUA != 0;
    let mut error = 0;
    let mut out = Vec::new();
    match command {
        2 => return Ok(false),
        _ if !fits => error = EINVAL,
        0 => {
            out.resize(len as usize, 0);
            volume.read(offset, &mut out);
        }
        1 => volume.write(offset, &data, through),
        3 => volume.flush(),
        // A trim is no promise.
        4 => {}
        6 => volume.clear(offset, len.into(), through),
        _ => error = EINVAL,
    }
    let mut reply = REPLY.to_be_bytes().to_vec();
    reply.extend(error.to_be_bytes());
    reply.extend(cookie.to_be_bytes());
    reply.extend(out);
    stream.write_all(&reply)?;
    Ok(true)
}
