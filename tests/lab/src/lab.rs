//! The lab: everything around the agent, and the agent.

mod boots;
mod bus;
mod error;
mod network;
mod processes;
mod service;
mod stock;
mod upgrade;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{json, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use ubus::Client;

use crate::agent_process::{AgentProcess, AgentProgram};
use crate::collector::{Collector, Mode, WEB_CHECK};
use crate::depot::Depot;
use crate::firmware::System;
use crate::mqtt_side::MqttSide;
use crate::options::Options;
use crate::place::Place;
use crate::router::{self, Boot, Control, Router, Steps, ToInit, ROUTER_MAC};
use crate::site::{Site, API_NAME, BROKER_NAME, BROKER_PORT};
use crate::slow_sync::SlowSync;
use crate::ubusd::Ubusd;

/// First and second level of the device's topics, after the channel.
const TOPIC: &str = "lab/desk";

/// The device's id at the broker.
const CLIENT_ID: &str = "socketman9483c4a1b200";

/// The token the API is sent. It is no secret: this API asks nobody.
const TOKEN: &str = "lab-token";

/// Time of the bus and its objects to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Orders to init that may wait.
const REQUESTS: usize = 16;

/// Interval of questions to the agent while a change in its status is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The agent has ended this long after SIGTERM, it promises.
pub const AGENT_ENDS_WITHIN: Duration = Duration::from_secs(5);

pub use boots::Happening;
pub use error::LabError;
pub use processes::Process;
pub use stock::{sha256, IMAGE_SIZE};
pub use upgrade::Cut;

use boots::serve;
use bus::open_bus;
use network::{ground, inside};
use processes::Sweep;
use service::Service;

/// A running lab. Everything in it ends when it is dropped, in order with [`Lab::end`].
pub struct Lab {
    agent: Option<AgentProcess>,
    program: AgentProgram,
    pub mqtt: MqttSide,
    pub api: Collector,
    pub router: Control,
    router_task: JoinHandle<Result<(), router::Error>>,
    /// Dropped, it ends the router.
    router_end: oneshot::Sender<()>,
    /// Orders that concern the device as a whole, and who gives them.
    requests: mpsc::Receiver<ToInit>,
    request: mpsc::Sender<ToInit>,
    /// The steps of the router's upgrade programs.
    pub steps: Steps,
    /// The agent as init sees it.
    service: Service,
    /// The agent that the lab was given.
    given: PathBuf,
    /// The firmware, where the agent is part of it.
    system: Option<System>,
    /// The server of images and packages, once it was opened.
    depot: Option<Depot>,
    /// The power is cut while the next image is written.
    cut: Option<Cut>,
    /// The number of boots of the router since the lab was started.
    boots: u32,
    seed: u64,
    bus: Option<Ubusd>,
    client: Client,
    /// The network around the router, or why it has none.
    site: Result<Site, String>,
    _sweep: Sweep,
    place: Place,
    jobs: u32,
}

impl Lab {
    /// Builds everything around the agent `binary`; [`Lab::start_agent`] starts it. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// A port is taken, the broker is not there, the directory does not serve.
    pub async fn start(options: &Options, binary: PathBuf, scale: u32) -> Result<Self, LabError> {
        let without = Err("this lab was started without".to_owned());
        Self::start_on(options, binary, scale, without).await
    }

    /// The same, with agent and router in the network of `site`; or without, for the reason it gives.
    ///
    /// # Errors
    ///
    /// A port is taken, the broker is not there, the directory does not serve.
    pub async fn start_on(
        options: &Options,
        binary: PathBuf,
        scale: u32,
        mut site: Result<Site, String>,
    ) -> Result<Self, LabError> {
        let place = Place::open(options.dir.as_deref())?;
        if let Some(size) = options.etc_size {
            place.limit_etc(size)?;
        }
        let bus = open_bus(&place.socket())?;
        let (client, connection) = ubus::connect(&place.socket());
        tokio::spawn(connection.run());

        let (request, requests) = mpsc::channel(REQUESTS);
        let steps = Steps::default();
        let router = Router::boot(Boot {
            root: &place.root(),
            stations: options.stations,
            seed: options.seed,
            number: 0,
            ground: site.as_ref().ok().map(ground),
            pace: scale,
            requests: request.clone(),
            steps: steps.clone(),
        })?;
        let control = router.control();
        let (router_task, router_end) = serve(router, &place);

        let base = format!("{TOPIC}/{ROUTER_MAC}");
        let mqtt = match &options.broker {
            None => MqttSide::embedded(options.mqtt, &base).await?,
            Some(broker) => MqttSide::real(broker, options.mqtt, &base, CLIENT_ID).await?,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.http));
        let api = Collector::start(address, place.path()).await;
        let api = api.map_err(|error| LabError::Api { address, error })?;

        let given = binary.clone();
        let program = AgentProgram {
            binary: match &mut site {
                Ok(site) => {
                    site.lead_to(mqtt.address(), api.addr())?;
                    inside(site, &binary, &place)?
                }
                Err(_) => binary,
            },
            root: place.root(),
            ubus_socket: place.socket(),
            log: place.log(),
            clock: place.clock(),
            keeps_time: false,
            time_scale: scale,
            slow_sync: None,
        };
        program.set_clock(0, true)?;
        let (topic, key) = TOPIC.split_once('/').expect("it has two levels");
        let mut settings = json!({
            "mac": ROUTER_MAC,
            "topic": topic,
            "key": key,
            "token": TOKEN,
            "ping-interval": 30,
        });
        // The lab is a world of its own.
        let servers = match &site {
            // Its checks are those of the defaults.
            Ok(_) => json!({
                "mqtt_host": BROKER_NAME,
                "port": BROKER_PORT,
                "stats_url": format!("http://{API_NAME}/stats"),
            }),
            Err(_) => json!({
                "mqtt_host": mqtt.address().ip().to_string(),
                "port": mqtt.address().port(),
                "stats_url": api.url("/stats"),
                "health_url": api.addr().ip().to_string(),
                "health_port": api.addr().port(),
                "web_url": api.url(WEB_CHECK),
            }),
        };
        if let (Value::Object(settings), Value::Object(servers)) = (&mut settings, servers) {
            settings.extend(servers);
        }
        program.configure(&settings)?;
        let mut lab = Lab {
            agent: None,
            program,
            mqtt,
            api,
            router: control,
            router_task,
            router_end,
            requests,
            request,
            steps,
            service: Service::default(),
            given,
            system: None,
            depot: None,
            cut: None,
            boots: 0,
            seed: options.seed,
            site,
            bus: Some(bus),
            client,
            _sweep: Sweep(place.root()),
            place,
            jobs: 0,
        };
        lab.router_is_there().await?;
        Ok(lab)
    }

    /// An order is done when the objects are on the bus.
    async fn router_is_there(&mut self) -> Result<(), LabError> {
        tokio::select! {
            done = self.router.thaw() => Ok(done?),
            ended = &mut self.router_task => match ended {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) | Err(_) => Err(router::Error::Ended.into()),
            },
        }
    }

    /// The agent as a program: starts, configures and asks it.
    pub fn program(&self) -> &AgentProgram {
        &self.program
    }

    /// Has each sync of the agent's disk take longer, from its next start on.
    pub fn slow_down_syncs(&mut self, by: SlowSync) {
        self.program.slow_sync = Some(by);
    }

    /// Has the agent ask the kernel for the time from its next start on, as on a router.
    pub fn keep_time(&mut self) {
        self.program.keeps_time = true;
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Keeps a temporary directory, for somebody to look into.
    pub fn keep(&mut self) {
        self.place.keep();
    }

    /// A client of the bus, as root.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts the agent. One that runs is killed.
    ///
    /// # Errors
    ///
    /// It cannot be executed.
    pub fn start_agent(&mut self) -> Result<&mut AgentProcess, LabError> {
        self.agent = None;
        self.service = Service::started();
        Ok(self.agent.insert(self.program.start()?))
    }

    /// The agent, if it was started.
    pub fn agent(&mut self) -> Option<&mut AgentProcess> {
        self.agent.as_mut()
    }

    /// Ends the agent with SIGTERM, if it runs, and says how it ended.
    ///
    /// # Errors
    ///
    /// It did not end as it promises.
    pub async fn stop_agent(&mut self) -> Result<Option<ExitStatus>, LabError> {
        self.service = Service::default();
        let Some(agent) = &mut self.agent else {
            return Ok(None);
        };
        // It has its own deadline; the time to notice that comes on top.
        let status = agent.terminate(AGENT_ENDS_WITHIN * 2).await?;
        self.agent = None;
        Ok(Some(status))
    }

    /// Waits until the agent ends, for ever if none was started. Safe to drop and call again until
    /// it has answered.
    ///
    /// # Errors
    ///
    /// The system does not say how it ended.
    pub async fn agent_ended(&mut self) -> Result<ExitStatus, LabError> {
        let Some(agent) = &mut self.agent else {
            return std::future::pending().await;
        };
        let status = agent.ended().await;
        self.agent = None;
        Ok(status?)
    }

    /// Sets how many stations there are.
    pub async fn set_stations(&self, count: usize) -> Result<(), LabError> {
        Ok(self.router.set_stations(count).await?)
    }

    /// Has every write of the agent fail from now on, or work again.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub fn set_disk_full(&self, full: bool) -> Result<(), LabError> {
        match &self.agent {
            Some(agent) => Ok(agent.set_disk_full(full)?),
            None => Ok(()),
        }
    }

    /// Sets what the API does.
    pub async fn set_api(&self, mode: Mode) -> Result<(), LabError> {
        let address = self.api.addr();
        let set = self.api.set(mode).await;
        set.map_err(|error| LabError::Api { address, error })
    }

    /// The same with a job of a type.
    pub async fn send_typed_job(&mut self, kind: &str, command: &str) -> Result<String, LabError> {
        self.jobs += 1;
        let id = format!("lab-{}", self.jobs);
        let job = json!({ "id": id, "meta": { "msg": command, "type": kind } });
        self.mqtt.send(job.to_string()).await?;
        Ok(id)
    }

    /// Sends a job by the broker and says its id; returns when the broker has it.
    pub async fn send_job(&mut self, command: &str) -> Result<String, LabError> {
        self.jobs += 1;
        let id = format!("lab-{}", self.jobs);
        self.mqtt.send_job(&id, command).await?;
        Ok(id)
    }

    /// Ends the agent with SIGTERM, then everything else.
    ///
    /// # Errors
    ///
    /// The agent did not end as it promises, or it ended with an error.
    pub async fn end(mut self) -> Result<Ended, LabError> {
        let agent = self.stop_agent().await?;
        self.mqtt.end().await?;
        drop(self.router_end);
        let ended = timeout(ANSWER_WITHIN, &mut self.router_task).await;
        if let Ok(Ok(Err(error))) = ended {
            return Err(error.into());
        }
        if let Some(bus) = self.bus.take() {
            bus.stop().await;
        }
        Ok(Ended { agent })
    }
}

/// The way in which the lab ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status of the agent; None without one.
    pub agent: Option<ExitStatus>,
}
