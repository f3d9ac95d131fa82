//! An agent at the broker, and its operator.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::echo::{publish, Client};
use super::process::{cpu, resident};
use super::{stations, Failure};
use crate::lab::Lab;
use crate::slow_sync::SlowSync;

/// An agent at the broker, and its operator.
pub(super) struct Site {
    lab: Lab,
    operator: Client,
    /// Of the topics.
    base: String,
}

impl Site {
    pub(super) async fn start(
        binary: &Path,
        port: u16,
        name: &str,
        state_dir: &Path,
    ) -> Result<Self, Failure> {
        Site::with(binary, port, name, state_dir, None).await
    }

    /// `name` is two hex digits.
    pub(super) async fn with(
        binary: &Path,
        port: u16,
        name: &str,
        state_dir: &Path,
        slow: Option<SlowSync>,
    ) -> Result<Self, Failure> {
        let mac = format!("94:83:c4:a1:b2:{name}");
        let mut lab = Lab::start(&stations(0), binary.to_owned(), 1).await?;
        // The agent's paths are below the lab's root, which is on another file system.
        let parent = state_dir.parent().ok_or("no parent")?;
        let inside = lab.program().root.join(parent.strip_prefix("/")?);
        fs::create_dir_all(inside.parent().ok_or("no parent")?)?;
        if !inside.exists() {
            symlink(parent, inside)?;
        }
        lab.program().configure(&json!({
            "mac": mac,
            "mqtt_host": "127.0.0.1",
            "port": port,
            "topic": "fleet",
            "key": "secret",
            "state_dir": state_dir,
            "job_workers": 2,
            "spread": 0,
        }))?;
        if let Some(slow) = slow {
            lab.slow_down_syncs(slow);
        }
        lab.keep_time();
        lab.start_agent()?;
        lab.status_when(|status| status["mqtt"]["connected"] == true)
            .await;
        let base = format!("fleet/secret/{mac}");
        let operator = Client::connect(&mac, port, &format!("pub/{base}")).await?;
        Ok(Site {
            lab,
            operator,
            base,
        })
    }

    pub(super) async fn send(&self, id: &str) -> Result<(), Failure> {
        let job = json!({"id": id, "meta": {"msg": "echo x"}});
        publish(&self.operator.client, &format!("sub/{}", self.base), job).await
    }

    /// From a publish to its result.
    pub(super) async fn once(&mut self, id: &str) -> Result<(), Failure> {
        self.send(id).await?;
        self.operator.hear().await.map(drop)
    }

    pub(super) async fn at_once(&mut self, count: usize, name: &str) -> Result<(), Failure> {
        for n in 0..count {
            self.send(&format!("{name} {n}")).await?;
        }
        for _ in 0..count {
            self.operator.hear().await?;
        }
        Ok(())
    }

    /// Resident memory of the agent, KiB.
    pub(super) fn memory(&mut self) -> Result<f64, Failure> {
        resident(self.lab.agent().ok_or("no agent")?.pid())
    }

    /// CPU time of the agent so far, ms.
    pub(super) fn cpu(&mut self) -> Result<f64, Failure> {
        let pid = self.lab.agent().ok_or("no agent")?.pid();
        cpu(pid)
    }

    pub(super) async fn end(self) -> Result<(), Failure> {
        self.lab.end().await?;
        Ok(())
    }
}
