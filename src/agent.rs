//! The agent: builds the parts in the order the data flows, waits for a signal, and drains.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{timeout_at, Instant as Deadline};

use crate::cli::AgentArgs;
use crate::clock::{Clock, Pace};
use crate::collect::Report;
use crate::config::{self, Config, Loaded, Problem};
use crate::crash::Crashes;
use crate::lock::{Lock, LockError};
use crate::provision::identity::{identify, IdentityError};
use crate::shutdown::{shutdown, Signals};
use crate::starts::{self, Starts};
use crate::status::{Board, ConfigFacts};
use crate::{api, collect, health, jobs, logging, mqtt, rest, spool, tls, ubus, upload};

/// The agent has ended this long after SIGTERM at the latest.
pub const END_WITHIN: Duration = Duration::from_secs(5);

/// What running jobs get of it to end by themselves.
const JOBS_GRACE: Duration = Duration::from_secs(2);

/// Reports on their way from collection to the spool.
const REPORTS: usize = 4;

/// Where the kernel says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Lock(LockError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("signals: {0}")]
    Signals(std::io::Error),
    #[error("{path}: {error}")]
    BootId { path: String, error: String },
}

impl AgentError {
    /// Exit code of the process: 3 for a second agent, 1 for everything else.
    pub fn code(&self) -> u8 {
        match self {
            AgentError::Lock(LockError::AlreadyRunning { .. }) => 3,
            _ => 1,
        }
    }
}

/// Runs until SIGTERM or SIGINT, and ends within [`END_WITHIN`].
pub async fn run(args: AgentArgs) -> Result<(), AgentError> {
    let root = args.bus.root.clone();
    let loaded = config::load(&args.settings, &args.config_file(), &root, args.pace());
    logging::set_debug(loaded.config.debug);
    let mut facts = found_wrong(&loaded);
    let config = loaded.config;

    // Before bus, broker and disk are touched.
    let _lock = match Lock::take(&config.state_dir) {
        Ok(lock) => Some(lock),
        Err(error @ LockError::AlreadyRunning { .. }) => return Err(AgentError::Lock(error)),
        Err(error) => {
            // A device whose flash is worn out still has to be reachable.
            log::error!("lock: {error}; nothing keeps a second agent from starting");
            facts.errors.push(Problem {
                option: Some("state_dir".to_owned()),
                source: "lock".to_owned(),
                line: None,
                reason: error.to_string(),
            });
            None
        }
    };
    let mut signals = Signals::listen().map_err(AgentError::Signals)?;
    let boot_id = boot_id(&root)?;
    let past = Past::look(&root, &boot_id, config.pace);
    past.crashes.end_on_panic();
    let (client, connection) = ubus::connect(&args.bus.socket());
    tokio::spawn(connection.run());
    let mac = match identify(&config, None, &root) {
        // Only a device without a configured identity has to ask.
        Ok(known) if known.source.is_configured() => known,
        _ => identify(&config, collect::wan_mac(&client).await, &root)?,
    };
    log::info!(
        "socketman {} on {} ({})",
        env!("CARGO_PKG_VERSION"),
        mac.mac,
        mac.source
    );
    let parts = Parts::start(
        config,
        facts,
        client,
        &root,
        boot_id,
        mac.mac,
        args.clock(),
        &past,
    );
    let signal = signals.next().await;
    log::info!("{signal}: ending");
    past.starts.ended();
    parts.end().await;
    Ok(())
}

/// What the agents before this one left behind.
struct Past {
    starts: Arc<Starts>,
    crashes: Crashes,
}

impl Past {
    fn look(root: &Path, boot_id: &str, pace: Pace) -> Self {
        let uptime = rustix::system::sysinfo().uptime;
        let uptime = Duration::from_secs(u64::try_from(uptime).unwrap_or(0));
        let dir = || starts::directory(root);
        Past {
            starts: Arc::new(Starts::count(dir(), boot_id, uptime, pace)),
            crashes: Crashes::read(dir()),
        }
    }
}

/// Logs what is wrong with the settings and keeps it for `status`.
fn found_wrong(loaded: &Loaded) -> ConfigFacts {
    for problem in &loaded.errors {
        log::error!("{problem}; the default is used");
    }
    let mut warnings = loaded.warnings.clone();
    warnings.extend(tls::warnings(&loaded.config));
    for problem in &warnings {
        log::warn!("{problem}");
    }
    ConfigFacts {
        errors: loaded.errors.clone(),
        warnings,
    }
}

fn boot_id(root: &Path) -> Result<String, AgentError> {
    let path = config::under(root, Path::new(BOOT_ID));
    let failed = |error: String| AgentError::BootId {
        path: path.display().to_string(),
        error,
    };
    let bytes = config::read_small(&path, 4096).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match text.is_empty() {
        false => Ok(text),
        true => Err(failed("is empty".to_owned())),
    }
}

/// The running parts, by when they have to end.
struct Parts {
    /// Everything that may stop at once: collection, delivery, the bus object, jobs.
    first: JoinSet<()>,
    end_first: crate::shutdown::Trigger,
    /// The broker link and the API's results: they take the last outcomes of jobs with them.
    broker: JoinSet<()>,
    end_broker: crate::shutdown::Trigger,
    /// Ends when nobody has anything for it any more.
    spool: JoinHandle<()>,
}

impl Parts {
    fn start(
        config: Arc<Config>,
        config_facts: ConfigFacts,
        client: ubus::Client,
        root: &Path,
        boot_id: String,
        mac: String,
        clock: Clock,
        past: &Past,
    ) -> Self {
        let (end_first, ends) = shutdown();
        let (end_broker, mut broker_ends) = shutdown();
        let hold = past.starts.hold();
        let mut rest_ends = broker_ends.clone();
        let mut first = JoinSet::new();
        let mut broker = JoinSet::new();
        let (_, configs) = watch::channel(config.clone());

        // device ─► collect ─► spool ─► upload
        let (spool, inbox) = spool::Handle::new();
        let spool_task = tokio::spawn(spool::run(
            spool::Settings {
                dir: config.spool_dir.clone(),
                boot_id,
                max: config.spool_max,
                flash: config.archive_dir.clone().map(|dir| spool::Flash {
                    dir,
                    max: config.archive_max,
                    daily: config.archive_daily,
                }),
                clock,
            },
            inbox,
        ));
        let (reports, collected) = mpsc::channel(REPORTS);
        let (code, code_known) = watch::channel(None);
        let (collect_facts, collect_known) = watch::channel(collect::Facts::default());
        let (newest, newest_known) = watch::channel(None);
        let every = config.pace.of(collect::history::EVERY);
        let (history, history_known) = watch::channel(collect::History::new(every));
        first.spawn(collect::run(
            collect::Part {
                config: config.clone(),
                client: client.clone(),
                root: root.to_owned(),
                mac: mac.clone(),
                health: code_known.clone(),
                reports,
                facts: collect_facts,
                newest,
                history,
            },
            ends.clone(),
        ));
        first.spawn(keep(collected, spool.clone()));
        let (upload_facts, upload_known) = watch::channel(upload::Facts::default());
        let (health_facts, health_known) = watch::channel(health::Facts::default());
        let (deliveries, asks) = upload::asks(upload_known.clone());
        let delivery = upload::run(
            upload::Part {
                config: config.clone(),
                mac: mac.clone(),
                spool: spool.clone(),
                health: health_known.clone(),
                facts: upload_facts,
                asks,
            },
            ends.clone(),
        );
        let mut held_ends = ends.clone();
        first.spawn(async move {
            if hold.over(&mut held_ends).await {
                delivery.await;
            }
        });

        // broker ─► mqtt ─► jobs ─► replies ─► mqtt
        let (jobs_part, jobs, outlets) = jobs::new(configs.clone(), mac.clone());
        let mut jobs_end = ends.clone();
        let jobs_part = jobs_part.with_crashes(past.crashes.clone());
        first.spawn(jobs_part.run(async move { jobs_end.requested().await }, JOBS_GRACE));
        let (mqtt_facts, mqtt_known) = watch::channel(mqtt::Facts::default());
        let mut held_ends = broker_ends.clone();
        let link = mqtt::run(
            config.clone(),
            mac.clone(),
            jobs.clone(),
            outlets.broker,
            mqtt_facts,
            async move { broker_ends.requested().await },
        );
        broker.spawn(async move {
            if hold.over(&mut held_ends).await {
                // What nobody took is lost with the process.
                drop(link.await);
            }
        });

        // mqtt, upload, world ─► health ─► collect, upload
        let (health, asks) = health::asks(health_known.clone());
        first.spawn(health::run(
            health::Part {
                config: config.clone(),
                root: root.to_owned(),
                mqtt: mqtt_known.clone(),
                api: upload_known.clone(),
                facts: health_facts,
                code,
                asks,
            },
            ends.clone(),
        ));

        // jobs ─► results ─► rest, instead of mqtt
        let (rest_facts, rest_known) = watch::channel(None);
        let mut held_ends = rest_ends.clone();
        let results = rest::run(
            rest::Part {
                config: config.clone(),
                mac: mac.clone(),
                replies: outlets.api,
                facts: rest_facts,
                health: code_known,
            },
            async move { rest_ends.requested().await },
        );
        broker.spawn(async move {
            if hold.over(&mut held_ends).await {
                drop(results.await);
            }
        });

        // every part ─► board ─► bus
        let sources = api::Sources {
            board: Board {
                started: Instant::now(),
                starts: Arc::clone(&past.starts),
                mac,
                config: config_facts,
                collect: collect_known,
                health: health_known,
                mqtt: mqtt_known,
                api: upload_known,
                rest: rest_known,
                spool: spool.facts(),
                jobs: jobs.facts(),
            },
            newest: newest_known,
            history: history_known,
            health,
            deliveries,
            jobs,
            config: configs,
        };
        first.spawn(api::run(client, sources, ends));
        Parts {
            first,
            end_first,
            broker,
            end_broker,
            spool: spool_task,
        }
    }

    /// Ends the parts in order; what does not end in time is left behind, and said.
    async fn end(mut self) {
        let now = Deadline::now();
        self.end_first.fire();
        if timeout_at(now + END_WITHIN * 3 / 5, ended(&mut self.first))
            .await
            .is_err()
        {
            log::warn!("{} parts did not end in time", self.first.len());
        }
        // It takes what it has to flash while the broker is told.
        self.end_broker.fire();
        if timeout_at(now + END_WITHIN * 9 / 10, ended(&mut self.broker))
            .await
            .is_err()
        {
            log::warn!("the broker link did not end in time");
        }
        if timeout_at(now + END_WITHIN, self.spool).await.is_err() {
            log::warn!("the spool did not end in time");
        }
    }
}

async fn ended(parts: &mut JoinSet<()>) {
    while let Some(part) = parts.join_next().await {
        if let Err(error) = part {
            log::error!("a part ended badly: {error}");
        }
    }
}

/// Gives each report its place in the spool.
async fn keep(mut collected: mpsc::Receiver<Arc<Report>>, spool: spool::Handle) {
    while let Some(report) = collected.recv().await {
        let build = move |stamp: &spool::Stamp<'_>| {
            let known = collect::Stamp {
                boot_id: stamp.boot_id,
                seq: stamp.seq,
                created_at: stamp.created_at,
                clock: stamp.clock.word(),
            };
            report.to_line(&known, stamp.gaps)
        };
        match spool.append(build).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("report not kept: {error}"),
            Err(stopped) => {
                log::error!("report not kept: {stopped}");
                return;
            }
        }
    }
}
