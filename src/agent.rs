//! The agent: takes the lock, finds out who the device is, starts the parts, waits for a signal, and
//! drains.

mod commands;
mod contact;
mod parts;
mod past;
mod previous;
mod reports;
mod version;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use tokio::sync::watch;

use crate::cli::AgentArgs;
use crate::config::reload;
use crate::config::reload::Facts;
use crate::config::{strict, Problem};
use crate::process::crash::Crashes;
use crate::process::file::read_small;
use crate::process::lock::{Lock, LockError};
use crate::process::shutdown::Signals;
use crate::process::{logging, starts};
use crate::tasks::spawn;
use crate::{guard, jobs, keep, kernel, upgrade};

use parts::{Device, Parts};
use past::Past;
/// The agent has ended this long after SIGTERM at the latest.
pub const END_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait for the lock of an agent that is ending.
const AFTER_ANOTHER: Duration = END_WITHIN.saturating_add(Duration::from_secs(1));

/// Where the kernel says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Lock(LockError),
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
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    if let Err(error) = kernel::keep_descriptors() {
        log::warn!("/proc/self/fd: {error}; jobs inherit whatever the agent was started with");
    }
    let mut inputs = args.inputs();
    // Settings may be what ended the agents before.
    let crashes = Crashes::read(starts::directory(&inputs.root));
    crashes.end_on_panic();
    inputs.crashes = crashes.clone();
    let mut loaded = inputs.load(None);
    logging::set_debug(loaded.config.debug);

    // Before bus, broker and disk are touched.
    let (mut lock, mut standing) = take_lock(&loaded.config.state_dir).await?;
    if version::is_new(&loaded.files.home) {
        standing.warnings = inputs.mend();
    }
    if !standing.warnings.is_empty() {
        // They can be read now, and may say something else.
        let before = loaded.config.state_dir.clone();
        loaded = inputs.load(None);
        logging::set_debug(loaded.config.debug);
        if loaded.config.state_dir != before {
            let (other, again) = take_lock(&loaded.config.state_dir).await?;
            (lock, standing.errors) = (other, again.errors);
        }
    }
    let mut signals = Signals::listen().map_err(AgentError::Signals)?;
    let boot_id = boot_id(&inputs.root)?;
    let home = &loaded.files.home;
    let mut past = Past::look(&inputs.root, home, &boot_id, inputs.pace, crashes);
    let (client, connection) = ubus::connect(&args.bus.socket());
    spawn(connection.run());
    log::info!("socketman {} starts", env!("CARGO_PKG_VERSION"));
    let (state_dir, config) = (&loaded.config.state_dir, &inputs.uci.committed);
    let before = past.note.others(state_dir);
    let hold = {
        let loaded = loaded.clone();
        Arc::new(move |uci: Option<&[u8]>| strict::hold_with(&loaded, uci))
    };
    let root = &inputs.root;
    let mut found = guard::find(state_dir, &before, config, root, &boot_id, hold);
    if found.has_undone {
        loaded = inputs.load(None);
    }
    let state_dir = &loaded.config.state_dir;
    // Before the ledger is read, which may have come along with a new firmware.
    let upgraded = upgrade::find(state_dir, &inputs.root, &boot_id);
    past.look_for_ledgers(state_dir, found.state_dir());
    let ledger = past.ledger.as_ref().unwrap_or(state_dir);
    let is_left = loaded.differs_from_kept_copies() && jobs::has_started_jobs(ledger);
    let (held, holding) = watch::channel(found.holds(is_left));
    let chosen = reload::identity(&loaded.config, &loaded.config.state_dir, &inputs.root);
    let device = Device {
        root: inputs.root.clone(),
        uci: inputs.uci.clone(),
        boot_id,
        clock: args.clock(),
    };
    let (reloading, settings) =
        reload::new_held(inputs, loaded, chosen, standing, holding).map_err(AgentError::Signals)?;
    let parts = Parts::start(
        reloading,
        settings,
        client,
        device,
        &past,
        (found, held),
        upgraded,
    );
    let signal = signals.next().await;
    log::info!("{signal}: ending");
    if let Some(lock) = &mut lock {
        lock.ending();
    }
    past.starts.ended();
    parts.end().await;
    drop(lock);
    Ok(())
}

/// The lock, or what is wrong with it unless another agent holds it.
async fn take_lock(state_dir: &Path) -> Result<(Option<Lock>, Facts), AgentError> {
    keep::close(state_dir);
    let error = match Lock::take_after(state_dir, AFTER_ANOTHER).await {
        Ok(lock) => return Ok((Some(lock), Facts::default())),
        Err(error @ LockError::AlreadyRunning { .. }) => return Err(AgentError::Lock(error)),
        // A device whose flash is worn out still has to be reachable.
        Err(error) => error,
    };
    let error = Problem {
        option: Some("state_dir".to_owned()),
        source: "lock".to_owned(),
        line: None,
        reason: format!("{error}; nothing keeps a second agent from starting"),
    };
    let standing = Facts {
        errors: vec![error],
        warnings: Vec::new(),
    };
    Ok((None, standing))
}

fn boot_id(root: &Path) -> Result<String, AgentError> {
    let path = crate::process::file::under(root, Path::new(BOOT_ID));
    let failed = |error: String| AgentError::BootId {
        path: path.display().to_string(),
        error,
    };
    let bytes = read_small(&path, 4096).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match text.is_empty() {
        false => Ok(text),
        true => Err(failed("is empty".to_owned())),
    }
}
