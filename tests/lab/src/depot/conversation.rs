//! A connection of a client: requests with an empty body, answers that may be cut.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Get, Line, Shelf};

/// Bytes that are written at a time.
const CHUNK: usize = 16 << 10;

/// Longest line of a request, and how many there may be.
const REQUEST_MAX: u64 = 64 << 10;

/// A file as it is asked for.
struct Wanted {
    number: usize,
    bytes: Arc<[u8]>,
    from: u64,
}

pub(super) async fn converse(stream: TcpStream, shelf: &Shelf) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(get) = read(&mut stream).await? {
        let line = shelf.line.borrow().clone();
        let (number, head, wanted) = answer(get, &line, shelf);
        let stream = stream.get_mut();
        let mut sent = stream.write_all(head.as_bytes()).await;
        if let (Ok(()), Some(wanted)) = (&sent, wanted) {
            sent = send(stream, &wanted, shelf).await;
        }
        shelf.note(number, |get| get.done = true);
        // Cut: the peer reads the end of the connection too early.
        sent?;
    }
    Ok(())
}

/// The next request; `None` at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Get>> {
    use tokio::io::AsyncReadExt;
    let mut get = Get::default();
    let mut lines = stream.take(REQUEST_MAX).lines();
    let mut is_first = true;
    while let Some(line) = lines.next_line().await? {
        if line.is_empty() {
            return Ok(Some(get));
        }
        if is_first {
            let path = line.split(' ').nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            get.path = path.to_owned();
            is_first = false;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let from = value
                    .strip_prefix("bytes=")
                    .and_then(|range| range.strip_suffix('-'));
                get.from = from.and_then(|from| from.parse().ok());
            }
            "if-match" => get.tag = Some(value.to_owned()),
            "if-range" => {
                get.tag = Some(value.to_owned());
                get.or_whole = true;
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Notes a request; its number, the head of the answer, and the file that follows.
fn answer(mut get: Get, line: &Line, shelf: &Shelf) -> (usize, String, Option<Wanted>) {
    let found = shelf.files().get(&get.path).map(|file| {
        let tag = (!line.untagged).then(|| file.tag());
        (file.bytes.clone(), tag)
    });
    let mut head = String::new();
    let mut body = None;
    get.status = match (line.status, found) {
        (Some(status), _) => status,
        (None, None) => 404,
        (None, Some((bytes, tag))) => {
            let len = bytes.len() as u64;
            let changed = tag.is_some() && get.tag.is_some() && get.tag != tag;
            let from = get.from.filter(|_| !line.whole);
            let status = match from {
                _ if changed && get.or_whole => 200,
                _ if changed => 412,
                Some(from) if from >= len => 416,
                Some(_) => 206,
                None => 200,
            };
            if let Some(tag) = tag {
                head += &format!("ETag: {tag}\r\n");
            }
            match status {
                206 => {
                    let from = from.unwrap_or(0);
                    head += &format!("Content-Range: bytes {from}-{}/{len}\r\n", len - 1);
                    body = Some((bytes, from));
                }
                200 => {
                    if !line.whole {
                        head += "Accept-Ranges: bytes\r\n";
                    }
                    body = Some((bytes, 0));
                }
                416 => head += &format!("Content-Range: bytes */{len}\r\n"),
                _ => {}
            }
            status
        }
    };
    let length = body
        .as_ref()
        .map_or(0, |(bytes, from)| bytes.len() as u64 - from);
    let head = format!(
        "HTTP/1.1 {} lab\r\n{head}Content-Length: {length}\r\n\r\n",
        get.status
    );
    let mut number = 0;
    shelf.gets.send_modify(|gets| {
        number = gets.len();
        gets.push(get);
    });
    let wanted = body.map(|(bytes, from)| Wanted {
        number,
        bytes,
        from,
    });
    (number, head, wanted)
}

/// Sends a file as the line lets it.
///
/// # Errors
///
/// The line was cut, by us or by the peer.
async fn send(stream: &mut TcpStream, wanted: &Wanted, shelf: &Shelf) -> io::Result<()> {
    let mut lines = shelf.line.subscribe();
    let mut at = wanted.from;
    loop {
        let line = lines.borrow_and_update().clone();
        let len = wanted.bytes.len() as u64;
        let cut = line
            .cuts
            .iter()
            .copied()
            .find(|cut| *cut >= at && *cut < len);
        let held = line.held_at.filter(|held| *held < len);
        let step = line.slow.map_or(CHUNK, |(bytes, _)| bytes) as u64;
        let mut end = len.min(at + step);
        end = held.map_or(end, |held| end.min(held.max(at)));
        end = cut.map_or(end, |cut| end.min(cut));
        let part = &wanted.bytes[at as usize..end as usize];
        stream.write_all(part).await?;
        at = end;
        shelf.note(wanted.number, |get| get.sent = at - wanted.from);
        if at == len {
            return Ok(());
        }
        if cut == Some(at) {
            shelf
                .line
                .send_modify(|line| line.cuts.retain(|cut| *cut != at));
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if held == Some(at) {
            // Until the line is another, or the peer has gone.
            let mut nothing = [0];
            tokio::select! {
                changed = lines.changed() => changed.map_err(io::Error::other)?,
                read = peek(stream, &mut nothing) => read?,
            }
        } else if let Some((_, pause)) = line.slow {
            sleep(pause).await;
        }
    }
}

/// Returns with an error when the peer has ended the connection.
async fn peek(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    match stream.peek(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        // The next request on a connection that is still busy.
        _ => std::future::pending().await,
    }
}
