//! The world beyond the gateway: the servers of the two checks, and the ways to broker and API.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Longest request of the web check, bytes, and how long it may take.
const REQUEST_MAX: usize = 4096;
const REQUEST_WITHIN: Duration = Duration::from_secs(20);

/// Accepts, which is all that is asked of it.
pub(super) async fn accept(listener: TcpListener) {
    loop {
        // A client may be gone before it was served.
        drop(listener.accept().await);
    }
}

/// The page of the web check: 204, or the way to `login` behind a portal.
pub(super) async fn web(listener: TcpListener, portal: Arc<AtomicBool>, login: String) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (portal, login) = (Arc::clone(&portal), login.clone());
        tokio::spawn(async move {
            let served = serve(stream, &portal, &login);
            // A client may be gone before it was served.
            let _ = timeout(REQUEST_WITHIN, served).await;
        });
    }
}

async fn serve(mut stream: TcpStream, portal: &AtomicBool, login: &str) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") && asked.len() < REQUEST_MAX {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    let answer = match portal.load(Ordering::SeqCst) {
        false => "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned(),
        true => format!(
            "HTTP/1.1 302 Found\r\nlocation: {login}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
    };
    stream.write_all(answer.as_bytes()).await
}

/// Passes connections on to a server of the lab. All of them end when `cut` changes.
pub(super) async fn relay(listener: TcpListener, to: SocketAddr, cut: watch::Receiver<u32>) {
    loop {
        let Ok((mut device, _)) = listener.accept().await else {
            continue;
        };
        let mut cut = cut.clone();
        cut.mark_unchanged();
        tokio::spawn(async move {
            // While the server is down, the device sees its connection end.
            let Ok(mut server) = TcpStream::connect(to).await else {
                return;
            };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut device, &mut server) => {}
                _ = cut.changed() => {}
            }
        });
    }
}
