//! The web side of the router: `/ubus` as uhttpd and rpcd have it, and the LuCI page in a stand-in of
//! LuCI's runtime.
//!
//! ```text
//!  browser ─HTTP─► server ─┬─► files: the app from this checkout, the stand-in
//!                          ├─► menu: the app's pages, of those that LuCI would show
//!                          └─► rpc: JSON-RPC ─► session: who may? ─┬─► the bus
//!                                  access: the app's acl.d file ◄──┴─► uci: /etc/config, committed
//! ```
//!
//! Whoever may run jobs is the user who started the lab. So each lab has a new password, and
//! told in the page's address alone, in the part that browsers send to nobody.

mod access;
mod files;
mod menu;
mod rpc;
mod server;
mod session;
pub(crate) mod uci;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use ubus::Client;

use self::uci::Uci;
use access::Groups;
use rpc::Gate;
use session::Sessions;

pub use access::AccessError;
pub use session::USERS;

/// Why there is no web side.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("the page at {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("{path}: {error}", path = .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// The running web side; it ends when this is dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    password: String,
    task: JoinHandle<()>,
}

impl Web {
    /// Serves on `address` (port 0: any) what is on the bus behind `client` and below `root`.
    ///
    /// # Errors
    ///
    /// The address is taken, or the app's access list cannot be read.
    pub async fn start(address: SocketAddr, client: Client, root: &Path) -> Result<Self, WebError> {
        let groups = Groups::of_the_app()?;
        let password = secret()?;
        let failed = |error| WebError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let sessions = Sessions::new(groups, password.clone());
        let gate = Gate::new(client, sessions, Uci::new(root.join("etc/config")));
        let task = tokio::spawn(server::run(listener, gate));
        Ok(Web {
            address,
            password,
            task,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page, with what a browser needs to log in as `user`.
    pub fn url(&self, user: &str) -> String {
        format!("http://{}/#{user}:{}", self.address, self.password)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// 32 hexadecimal digits nobody can guess.
fn secret() -> Result<String, WebError> {
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 16];
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| WebError::File { path, error })?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
