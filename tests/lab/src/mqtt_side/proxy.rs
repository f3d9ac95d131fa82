//! A TCP proxy that can be cut: what takes a real broker away from the agent and gives it back.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A listener that passes connections on to `target`.
pub(super) struct Proxy {
    address: SocketAddr,
    target: String,
    /// None while it is down.
    task: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(super) async fn start(address: SocketAddr, target: String) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(pass(listener, target.clone()));
        Ok(Proxy {
            address,
            target,
            task: Some(task),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Closes the listener and every connection; returns when they are closed.
    pub(super) async fn down(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // It was aborted: that is how it ends.
            let _ = task.await;
        }
    }

    /// Listens again at the same address.
    pub(super) async fn up(&mut self) -> io::Result<()> {
        if self.task.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.task = Some(tokio::spawn(pass(listener, self.target.clone())));
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn pass(listener: TcpListener, target: String) {
    // Goes with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(connect(client, target.clone()));
                }
                Err(error) => {
                    eprintln!("proxy: accept: {error}");
                    return;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Ok(Err(error)) = ended {
                    eprintln!("proxy: {target}: {error}");
                }
            }
        }
    }
}

async fn connect(mut client: TcpStream, target: String) -> io::Result<()> {
    let mut server = TcpStream::connect(&target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // A connection that breaks is the agent's business, or the broker's.
    let _ = copy_bidirectional(&mut client, &mut server).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A server that says back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream) -> io::Result<usize> {
        stream.write_all(b"hello").await?;
        let mut answer = [0; 5];
        timeout(DEADLINE, stream.read(&mut answer)).await.unwrap()
    }

    #[tokio::test]
    async fn while_it_is_down_connections_are_cut_and_refused_and_then_it_is_back() {
        let target = echo().await.to_string();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut proxy = Proxy::start(any, target).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream).await.unwrap(), 5);

        proxy.down().await;
        assert!(matches!(say(&mut stream).await, Ok(0) | Err(_)));
        TcpStream::connect(proxy.address()).await.unwrap_err();

        proxy.up().await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream).await.unwrap(), 5);
    }
}
