//! Answers that no HTTP server gives by mistake: bytes that are not HTTP, a reset, an answer that never
//! ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::record::{Record, Request};
use super::Mode;

/// A client that keeps a rubbish connection open is cut off.
const RUBBISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a request before it is reset.
const BEFORE_RESET: usize = 100;

/// Bytes of an answer that is too long.
const HUGE: usize = 10_000_000;

/// A connection without an HTTP server.
pub(super) struct Raw<'a> {
    pub(super) mode: Mode,
    pub(super) record: &'a watch::Sender<Record>,
}

impl Raw<'_> {
    pub(super) async fn converse(self, stream: TcpStream) {
        // The peer may be gone at any point, which is its right.
        let _ = match self.mode {
            Mode::Reset => self.reset(stream).await,
            Mode::Drip => self.drip(stream).await,
            Mode::Huge => self.huge(stream).await,
            _ => tokio::time::timeout(RUBBISH_TIMEOUT, self.rubbish(stream))
                .await
                .unwrap_or(Ok(())),
        };
    }

    /// Waits for a request, and notes that one came.
    async fn asked(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut asked = vec![0; 64 << 10];
        if stream.read(&mut asked).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.record
            .send_modify(|record| record.add(Request::default()));
        Ok(())
    }

    async fn rubbish(&self, mut stream: TcpStream) -> io::Result<()> {
        self.asked(&mut stream).await?;
        stream
            .write_all(b"\x16\x03 this is not HTTP\r\n\r\n<html>\0")
            .await?;
        stream.shutdown().await?;
        let mut asked = vec![0; 64 << 10];
        while stream.read(&mut asked).await? > 0 {}
        Ok(())
    }

    async fn reset(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut some = [0; BEFORE_RESET];
        stream.read_exact(&mut some).await?;
        self.record
            .send_modify(|record| record.add(Request::default()));
        // Closed with bytes unread, it is reset.
        Ok(())
    }

    async fn drip(&self, mut stream: TcpStream) -> io::Result<()> {
        self.asked(&mut stream).await?;
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await?;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            stream.write_all(b" ").await?;
        }
    }

    async fn huge(&self, mut stream: TcpStream) -> io::Result<()> {
        self.asked(&mut stream).await?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {HUGE}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let spaces = vec![b' '; 64 << 10];
        for _ in 0..HUGE.div_ceil(spaces.len()) {
            stream.write_all(&spaces).await?;
        }
        Ok(())
    }
}
