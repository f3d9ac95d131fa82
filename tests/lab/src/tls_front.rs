//! TLS in front of a plain server, as a load balancer has it: for the collector and the broker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

/// A running front; it ends with its connections when this is dropped.
#[derive(Debug)]
pub struct TlsFront {
    addr: SocketAddr,
    config: watch::Sender<Arc<ServerConfig>>,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Listens on `addr` (port 0: any) and passes what is inside TLS on to `target`.
    ///
    /// # Errors
    ///
    /// The address is taken.
    pub async fn start(
        addr: SocketAddr,
        config: Arc<ServerConfig>,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (config, configs) = watch::channel(config);
        let task = tokio::spawn(pass(listener, configs, target));
        Ok(TlsFront { addr, config, task })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Shows other certificates, and asks for others, from the next connection on.
    pub fn set(&self, config: Arc<ServerConfig>) {
        self.config.send_replace(config);
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    listener: TcpListener,
    configs: watch::Receiver<Arc<ServerConfig>>,
    target: SocketAddr,
) {
    // Goes with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let acceptor = TlsAcceptor::from(configs.borrow().clone());
                    connections.spawn(connect(client, acceptor, target));
                }
                Err(error) => {
                    eprintln!("TLS: accept: {error}");
                    return;
                }
            },
            Some(ended) = connections.join_next() => {
                // Most of them are meant to fail.
                if let Ok(Err(error)) = ended {
                    eprintln!("TLS: {error}");
                }
            }
        }
    }
}

async fn connect(client: TcpStream, acceptor: TlsAcceptor, target: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
