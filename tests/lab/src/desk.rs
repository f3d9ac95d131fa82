//! The program `socketman-lab`.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use socketman::process::shutdown::Signals;

use crate::agent_binary::{self, BinaryError};
use crate::bench::{self, BenchArgs};
use crate::console::{self, ConsoleError};
use crate::firmware::Manager;
use crate::fleet::{self, FleetArgs};
use crate::lab::{Ended, Lab, LabError};
use crate::options::{Options, INTERACTIVE_SCALE, ONCE_SCALE};
use crate::play::{play, Step};
use crate::router::ROUTER_MAC;
use crate::site::Site;
use crate::soak::{self, SoakArgs};
use crate::ubus_cli::{self, UbusArgs};
use crate::uci_view::{self, UciArgs};
use crate::web::{Web, WebError};

/// Lines of the agent's log shown when the script fails.
const LOG_LINES: usize = 15;

/// A router on your desk: a bus, a Wi-Fi router, an MQTT broker, an API, and SocketMan among them.
///
/// Runs until Ctrl-C, says what happens and takes commands (type help); with --once it plays a script
/// and says whether all of it happened.
#[derive(Parser)]
#[command(
    name = "socketman-lab",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Desk {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    lab: LabArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Act as the ubus tool of a router: list, call, listen, send
    Ubus(UbusArgs),
    Uci(UciArgs),
    Fleet(FleetArgs),
    Bench(BenchArgs),
    Soak(SoakArgs),
}

#[derive(Args)]
struct LabArgs {
    /// Play the script and exit: 0 only if all of it happened
    #[arg(long)]
    once: bool,
    /// Write how the script went to this file
    #[arg(long, value_name = "FILE", requires = "once")]
    json: Option<PathBuf>,
    /// Port of the page on 127.0.0.1 [default: any]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true,
        conflicts_with = "once"
    )]
    page: u16,
    /// Do without network namespaces, even as root: no wan carrier, dhcp and so on
    #[arg(long)]
    no_namespaces: bool,
    /// Do not start the agent; how to start it is printed
    #[arg(long, conflicts_with = "once")]
    no_agent: bool,
    #[command(flatten)]
    options: Options,
}

/// Why the program fails.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Binary(#[from] BinaryError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Console(#[from] ConsoleError),
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{0}")]
    Bench(bench::Failure),
    #[error("{0}")]
    Soak(soak::Failure),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{path}: {error}")]
    Json { path: PathBuf, error: io::Error },
    #[error("{0}: the script was not finished")]
    Interrupted(&'static str),
}

/// Does what the arguments say, in a tokio runtime.
///
/// # Errors
///
/// It could not begin, or was interrupted.
pub async fn run(desk: Desk) -> Result<ExitCode, DeskError> {
    match desk.verb {
        Some(Verb::Ubus(args)) => {
            let (mut out, mut err) = (io::stdout(), io::stderr());
            Ok(ubus_cli::run(&args, &mut out, &mut err).await.into())
        }
        Some(Verb::Uci(args)) => Ok(uci_view::run(&args, &mut io::stdout())?),
        Some(Verb::Fleet(args)) => {
            let figures = fleet::run(&args, &mut io::stdout())?;
            if let Some(path) = &args.json {
                write_json(path, &figures)?;
            }
            Ok(match figures.ok() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            })
        }
        Some(Verb::Bench(args)) => bench::run(args).await.map_err(DeskError::Bench),
        Some(Verb::Soak(args)) => {
            let mut signals = Signals::listen()?;
            let program = agent_binary::find_counted().await?;
            let mut out = io::stdout();
            let figures = tokio::select! {
                figures = soak::run(&args, &program, &mut out) => figures,
                signal = signals.next() => return Err(DeskError::Interrupted(signal)),
            };
            Ok(match figures.map_err(DeskError::Soak)?.wrong().is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            })
        }
        None => {
            // From here on a signal ends the agent first.
            let mut signals = Signals::listen()?;
            let binary = tokio::select! {
                found = agent_binary::find() => found?,
                signal = signals.next() => return Err(DeskError::Interrupted(signal)),
            };
            match desk.lab.once {
                true => once(desk.lab, binary, signals).await,
                false => interactive(desk.lab, binary, signals).await,
            }
        }
    }
}

async fn interactive(
    args: LabArgs,
    binary: PathBuf,
    mut signals: Signals,
) -> Result<ExitCode, DeskError> {
    let scale = args.options.time_scale.unwrap_or(INTERACTIVE_SCALE);
    let site = site(&args);
    let mut lab = Lab::start_on(&args.options, binary, scale, site).await?;
    lab.install(Manager::Opkg)?;
    let agent = match args.no_agent {
        true => format!("start it with: {}", lab.program().command_line()),
        false => format!("pid {}", lab.start_agent()?.pid()),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.page));
    let web = Web::start(address, lab.client().clone(), &lab.place().root()).await?;
    introduce(&mut lab, &agent, &web)?;
    let ran = console::run(&mut lab, &mut signals).await;
    let place = lab.place().path().display().to_string();
    let fate = match lab.place().is_temporary() {
        true => "removed",
        false => "kept",
    };
    let Ended { agent } = lab.end().await?;
    ran?;
    if let Some(status) = agent {
        say(&format!("The agent ended: {status}."))?;
    }
    say(&format!("{place} is {fate}."))?;
    Ok(match agent.is_none_or(|status| status.success()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The network around the router, where it can be had.
fn site(args: &LabArgs) -> Result<Site, String> {
    match args.no_namespaces {
        true => Err("they were not wanted".to_owned()),
        false => Site::make(ROUTER_MAC).map_err(|error| error.to_string()),
    }
}

/// Says where everything is.
fn introduce(lab: &mut Lab, agent: &str, web: &Web) -> io::Result<()> {
    let network = match lab.site() {
        Ok(site) => format!(
            "ip netns exec {} sh (the router), {} (beyond)",
            site.device().name(),
            site.world().name()
        ),
        Err(error) => error.to_string(),
    };
    let program = lab.program();
    let own = std::env::current_exe()?;
    let socket = program.ubus_socket.display();
    let keeps = match lab.place().is_temporary() {
        true => " (removed at the end)",
        false => "",
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "A router on your desk. Type help for what can be broken; Ctrl-C ends."
    )?;
    writeln!(out, "  page       {}", web.url("root"))?;
    writeln!(out, "  directory  {}{keeps}", lab.place().path().display())?;
    writeln!(out, "  agent      {agent}")?;
    writeln!(out, "  its log    {}", program.log.display())?;
    writeln!(out, "  settings   {}", program.config_file().display())?;
    writeln!(out, "  API        {}", lab.api.url("/stats"))?;
    writeln!(out, "  accepted   {}", lab.place().reports().display())?;
    writeln!(out, "  broker     {}", lab.mqtt.description())?;
    writeln!(out, "  network    {network}")?;
    writeln!(out, "  ask it     {}", program.question("status"))?;
    writeln!(out, "  the bus    {} ubus -s {socket} list", own.display())?;
    if program.time_scale == 1 {
        let pace = "as on a router: a report every 15 s, delivered once a minute; --time-scale 10 is faster";
        writeln!(out, "  pace       {pace}")?;
    }
    writeln!(out)
}

async fn once(args: LabArgs, binary: PathBuf, mut signals: Signals) -> Result<ExitCode, DeskError> {
    let scale = args.options.time_scale.unwrap_or(ONCE_SCALE);
    let start = Instant::now();
    let site = site(&args);
    let mut lab = Lab::start_on(&args.options, binary, scale, site).await?;
    say(&format!(
        "A router with {} stations, its bus, a broker ({}) and an API; the agent's intervals pass {} \
         times faster than on a router.",
        args.options.stations,
        lab.mqtt.description(),
        scale
    ))?;
    let played = tokio::select! {
        played = play(&mut lab, show) => played,
        signal = signals.next() => {
            lab.end().await?;
            return Err(DeskError::Interrupted(signal));
        }
    };
    let mut outcome = match played {
        Ok(outcome) => outcome,
        Err(error) => {
            lab.end().await?;
            return Err(error.into());
        }
    };
    if !outcome.ok {
        lab.keep();
        complain(&lab)?;
    }
    let failure = match lab.end().await {
        Ok(Ended {
            agent: Some(status),
        }) if !status.success() => Some(format!("the agent ended: {status}")),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    if let Some(failure) = failure {
        // The steps have said so already if it is theirs.
        if outcome.ok {
            say(&format!("FAILED: {failure}"))?;
        }
        outcome.ok = false;
    }
    if let Some(path) = &args.json {
        write_json(path, &outcome)?;
    }
    let verdict = match outcome.ok {
        true => "All of it happened",
        false => "NOT all of it happened",
    };
    say(&format!(
        "{verdict}: {} reports delivered, {} jobs, {:.1} s in all.",
        outcome.reports_delivered,
        outcome.jobs.len(),
        start.elapsed().as_secs_f64()
    ))?;
    Ok(match outcome.ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn show(step: &Step) -> io::Result<()> {
    let mark = match step.ok {
        true => "ok    ",
        false => "FAILED",
    };
    let seconds = step.ms as f64 / 1000.0;
    say(&format!(
        "{mark} {seconds:5.1} s  {}\n                {}",
        step.name, step.detail
    ))
}

/// Says where to look when the script failed.
fn complain(lab: &Lab) -> io::Result<()> {
    let path = lab.place().log();
    let log = fs::read(&path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    say(&format!(
        "The directory is kept: {}\nThe end of {}:",
        lab.place().path().display(),
        path.display()
    ))?;
    last.iter().try_for_each(|line| say(&format!("    {line}")))
}

fn write_json(path: &Path, outcome: &impl Serialize) -> Result<(), DeskError> {
    let failed = |error: io::Error| DeskError::Json {
        path: path.to_owned(),
        error,
    };
    let mut json = serde_json::to_vec_pretty(outcome).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    fs::write(path, json).map_err(failed)
}

/// Prints a line; unlike println!, a closed standard output is an error and no panic.
fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
