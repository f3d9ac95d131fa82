//! What happens by itself, and boots of the router.

use std::future::Future;
use std::process::ExitStatus;

use socketman::ubus;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::network::ground;
use super::{Lab, LabError, AGENT_ENDS_WITHIN, ANSWER_WITHIN};
use crate::place::Place;
use crate::router::{self, Boot, Router};

/// What happens in a lab by itself.
#[derive(Debug)]
pub enum Happening {
    AgentEnded(ExitStatus),
    /// By the bus, or by the router's script; [`Lab::reboot`] does it.
    RebootAsked,
}

impl Lab {
    /// Waits until the router is asked to reboot: on the bus, or by its script. Safe to drop and call
    /// again until it has answered.
    pub async fn reboot_asked(&mut self) {
        // One end is ours: it never closes.
        self.reboots.recv().await;
    }

    /// Waits for something that is not the lab's. Meanwhile the router reboots when it is asked to, and an
    /// agent that ends is started again, as procd does it.
    ///
    /// # Errors
    ///
    /// One of them does not come back.
    pub async fn during<T>(&mut self, happens: impl Future<Output = T>) -> Result<T, LabError> {
        tokio::pin!(happens);
        loop {
            let happening = tokio::select! {
                happened = &mut happens => return Ok(happened),
                happening = self.happening() => happening?,
            };
            match happening {
                Happening::RebootAsked => self.reboot().await?,
                Happening::AgentEnded(_) => {
                    self.start_agent()?;
                }
            }
        }
    }

    /// Reboots the router: the agent has its time to end, then this is [`Lab::power_cut`].
    ///
    /// # Errors
    ///
    /// The router does not come back.
    pub async fn reboot(&mut self) -> Result<(), LabError> {
        if let Some(agent) = &mut self.agent {
            // One that does not end in time is killed.
            let _ = agent.terminate(AGENT_ENDS_WITHIN).await;
        }
        self.power_cut().await
    }

    /// Cuts the power of the router and gives it back: the agent and whatever runs beside it is killed,
    /// files in RAM go, those in /etc stay, and the boot has another id. An agent that was there is
    /// started again.
    ///
    /// # Errors
    ///
    /// The router does not come back.
    pub async fn power_cut(&mut self) -> Result<(), LabError> {
        let had_agent = self.agent.is_some();
        if let Some(mut agent) = self.agent.take() {
            agent.kill().await?;
        }
        let stations = self.router.facts().authorized();
        let (gone, _) = oneshot::channel();
        drop(std::mem::replace(&mut self.router_end, gone));
        if let Ok(Ok(Err(error))) = timeout(ANSWER_WITHIN, &mut self.router_task).await {
            return Err(error.into());
        }
        if let Ok(site) = &self.site {
            site.power_cycle()?;
        }
        self.boots += 1;
        let router = Router::boot(Boot {
            root: &self.place.root(),
            stations,
            seed: self.seed,
            number: self.boots,
            ground: self.site.as_ref().ok().map(ground),
            pace: self.program.time_scale,
            reboots: self.reboot.clone(),
        })?;
        self.router = router.control();
        (self.router_task, self.router_end) = serve(router, &self.place);
        self.router_is_there().await?;
        if had_agent {
            self.start_agent()?;
        }
        Ok(())
    }

    /// Waits until the agent ends or the router is asked to reboot. Safe to drop and call again until it
    /// has answered.
    ///
    /// # Errors
    ///
    /// The system does not say how the agent ended.
    pub async fn happening(&mut self) -> Result<Happening, LabError> {
        let ended = async {
            match &mut self.agent {
                Some(agent) => agent.ended().await,
                None => std::future::pending().await,
            }
        };
        let status = tokio::select! {
            status = ended => status,
            Some(()) = self.reboots.recv() => return Ok(Happening::RebootAsked),
        };
        self.agent = None;
        Ok(Happening::AgentEnded(status?))
    }
}

/// Puts a router on the bus; dropped, the sender ends it.
pub(super) fn serve(
    router: Router,
    place: &Place,
) -> (JoinHandle<Result<(), router::Error>>, oneshot::Sender<()>) {
    let (client, connection) = ubus::connect(&place.socket());
    tokio::spawn(connection.run());
    let (end, ended) = oneshot::channel::<()>();
    let task = tokio::spawn(router.serve(client, async {
        // Sent or dropped, it is the end.
        let _ = ended.await;
    }));
    (task, end)
}
