//! A mosquitto that keeps its sessions on disk, and is killed, ended and halted.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{kill_process, Pid, Signal};
use tokio::net::TcpListener;
use tokio::process::Child;

use super::Failure;
use crate::mosquitto;

/// The broker. It ends with this.
pub(super) struct Broker {
    conf: PathBuf,
    process: Option<Child>,
    pub(super) port: u16,
}

impl Broker {
    /// Starts it, with its files in `dir`.
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
        let free = TcpListener::bind("127.0.0.1:0").await?;
        let port = free.local_addr()?.port();
        drop(free);
        let conf = dir.join("mosquitto.conf");
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
             persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n\
             max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type all\n",
            dir.display()
        );
        fs::write(&conf, settings)?;
        let mut broker = Broker {
            conf,
            process: None,
            port,
        };
        broker.back().await?;
        Ok(broker)
    }

    /// It is there again, if it was not.
    pub(super) async fn back(&mut self) -> Result<(), Failure> {
        match &self.process {
            Some(process) => signal(process, Signal::CONT),
            None => {
                self.process = Some(mosquitto::start(&self.conf).await?);
                Ok(())
            }
        }
    }

    /// It loses what it had not saved, and its connections are reset.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        self.stop(Signal::KILL).await
    }

    /// It saves what it has.
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        self.stop(Signal::TERM).await
    }

    /// It keeps its connections, and neither reads nor answers.
    pub(super) fn halt(&self) -> Result<(), Failure> {
        match &self.process {
            Some(process) => signal(process, Signal::STOP),
            None => Ok(()),
        }
    }

    async fn stop(&mut self, by: Signal) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            signal(&process, by)?;
            process.wait().await?;
        }
        Ok(())
    }
}

fn signal(process: &Child, signal: Signal) -> Result<(), Failure> {
    let pid = process.id().map(u32::cast_signed).and_then(Pid::from_raw);
    let pid = pid.ok_or("the broker has ended by itself")?;
    Ok(kill_process(pid, signal)?)
}
