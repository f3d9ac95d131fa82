//! Events that happen by themselves, and boots of the router.

use std::future::Future;
use std::process::ExitStatus;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::network::ground;
use super::service::Service;
use super::{Lab, LabError, AGENT_ENDS_WITHIN, ANSWER_WITHIN};
use crate::place::Place;
use crate::router::{self, Boot, Flash, Router, ToInit, Verb};

/// An event that happens in a lab by itself.
#[derive(Debug)]
pub enum Happening {
    AgentEnded(ExitStatus),
    /// By the bus, or by the router's script; [`Lab::reboot`] does it.
    RebootAsked,
    /// The agent's init script was called; [`Lab::obey_script`] does what it says.
    AgentAsked(Verb),
    /// `sysupgrade` hands an image over; [`Lab::flash`] writes it.
    FlashAsked(Flash),
    /// It is time to start the agent again, or to kill one that does not end.
    ServiceDue,
}

impl Lab {
    /// Waits until the router is asked to reboot: on the bus, or by its script. Safe to drop and call
    /// again until it has answered.
    pub async fn reboot_asked(&mut self) {
        // One end is ours: it never closes.
        while !matches!(self.requests.recv().await, Some(ToInit::Reboot) | None) {}
    }

    /// Waits for something that is not the lab's. Meanwhile the router does what it is asked for, a reboot, an
    /// upgrade or a restart of the agent, and an agent that ends is started again, as procd does it.
    ///
    /// # Errors
    ///
    /// An access point does not come back.
    pub async fn during<T>(&mut self, happens: impl Future<Output = T>) -> Result<T, LabError> {
        tokio::pin!(happens);
        loop {
            let happening = tokio::select! {
                happened = &mut happens => return Ok(happened),
                happening = self.happening() => happening?,
            };
            self.attend(happening).await?;
        }
    }

    /// Does what a happening asks for.
    ///
    /// # Errors
    ///
    /// The router or the agent does not come back.
    pub async fn attend(&mut self, happening: Happening) -> Result<(), LabError> {
        match happening {
            Happening::RebootAsked => self.reboot().await,
            Happening::AgentEnded(_) => self.service_ended(),
            Happening::AgentAsked(verb) => self.obey_script(verb),
            Happening::FlashAsked(flash) => self.flash(flash).await,
            Happening::ServiceDue => self.service_due(),
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
    /// files in RAM go, those in /etc stay, and the boot has another id. An agent that was
    /// started, by somebody or at a boot, is started again.
    ///
    /// # Errors
    ///
    /// The router does not come back.
    pub async fn power_cut(&mut self) -> Result<(), LabError> {
        let is_enabled = self.service.is_enabled();
        self.lose_power().await?;
        self.boot().await?;
        if is_enabled && self.has_agent() {
            self.start_agent()?;
        }
        Ok(())
    }

    /// Kills the agent and whatever runs beside it.
    pub(super) async fn lose_power(&mut self) -> Result<(), LabError> {
        self.service = Service::down(self.service.is_enabled());
        if let Some(mut agent) = self.agent.take() {
            agent.kill().await?;
        }
        if self.site.is_err() {
            self.kill_processes().await;
        }
        Ok(())
    }

    /// Boots the router. What runs on it has been killed.
    pub(super) async fn boot(&mut self) -> Result<(), LabError> {
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
            requests: self.request.clone(),
            steps: self.steps.clone(),
        })?;
        self.router = router.control();
        (self.router_task, self.router_end) = serve(router, &self.place);
        // What the last boot's programs asked for went with them.
        while self.requests.try_recv().is_ok() {}
        self.router_is_there().await
    }

    /// Waits until the agent ends or the router is asked for something. Safe to drop and call again until it
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
            Some(request) = self.requests.recv() => return Ok(match request {
                ToInit::Reboot => Happening::RebootAsked,
                ToInit::Agent(verb) => Happening::AgentAsked(verb),
                ToInit::Flash(flash) => Happening::FlashAsked(flash),
            }),
            () = self.service.due() => return Ok(Happening::ServiceDue),
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
