//! The command line: what a person asks for.

mod ask;
pub mod check;
mod health;
pub mod import;
pub mod jobs;
mod links;
mod options;
mod provision;
mod recovery;
pub mod run;
mod starts;
pub mod stats;
pub mod status;
#[cfg(test)]
mod tests;
mod upgrade;
mod view;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use uci::Directories;

pub use ask::AskError;

use crate::config::{Inputs, Settings};
use crate::process::clock::{Clock, Pace};
use crate::process::file::under;

/// Where ubusd listens; below the root.
pub const DEFAULT_UBUS_SOCKET: &str = "/var/run/ubus/ubus.sock";

/// The command that was given.
#[derive(Debug, Clone)]
pub enum Command {
    /// Run the agent in the foreground.
    Agent(AgentArgs),
    /// Show the state of the running agent.
    Status { json: bool, bus: BusArgs },
    /// Show its newest report.
    Stats { json: bool, bus: BusArgs },
    /// Show its recent jobs.
    Jobs { json: bool, bus: BusArgs },
    /// Show what the settings come to, and what is wrong with them.
    Check(AgentArgs),
    /// Run `command` with the shell of the running agent.
    Run { command: String, bus: BusArgs },
    /// Take over the settings of the original.
    Import(ImportArgs),
}

/// The settings to take over, and their source.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The original's config.json; it stays as it is
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// Where the settings go [default: the config.json that the agent reads]
    #[arg(short = 'C', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prefix of every other path that is read or written
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

impl ImportArgs {
    /// Where the settings are looked for afterwards.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            file: self.config.clone(),
            ..Inputs::below(&self.root, crate::tls::CHECKS)
        }
    }
}

/// The way to the bus.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BusArgs {
    /// Socket of ubusd, taken as it is [default: /var/run/ubus/ubus.sock below the root]
    #[arg(long, value_name = "PATH")]
    ubus_socket: Option<PathBuf>,
    /// Prefix of every other path that is read or written
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        allow_hyphen_values = true
    )]
    pub root: PathBuf,
}

impl BusArgs {
    /// Socket of ubusd: as given, else the usual one below the root.
    pub fn socket(&self) -> PathBuf {
        match &self.ubus_socket {
            Some(path) => path.clone(),
            None => under(&self.root, Path::new(DEFAULT_UBUS_SOCKET)),
        }
    }
}

/// The settings of a run of the agent.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// Configuration, taken as it is [default: /etc/socketman/config.json below the root]
    #[arg(short = 'C', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of UCI packages, taken as it is [default: /etc/config below the root]
    #[arg(long, value_name = "DIR")]
    uci_dir: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
    #[command(flatten)]
    pub bus: BusArgs,
    /// Lets intervals and waits between attempts pass N times faster, for the lab.
    #[arg(long, value_name = "N", hide = true, default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    time_scale: u32,
    /// Takes the time from FILE, for the lab: seconds to add to the system clock, and 1 if that is
    /// known to be right or 0 if not.
    #[arg(long, value_name = "FILE", hide = true)]
    clock: Option<PathBuf>,
}

impl AgentArgs {
    /// Where settings are looked for.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            command_line: self.settings.clone(),
            file: self.config.clone(),
            uci: Directories::of(&self.bus.root, self.uci_dir.clone()),
            pace: Pace::faster(self.time_scale),
            ..Inputs::below(&self.bus.root, crate::tls::CHECKS)
        }
    }

    pub fn clock(&self) -> Clock {
        Clock::new(self.clock.clone())
    }
}

/// The process ends before it did anything: help was asked for, or the arguments make no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitWithMessage {
    /// 0 for help and version, which go to stdout; 2 for an error, which goes to stderr.
    pub code: u8,
    pub message: String,
}

impl ExitWithMessage {
    /// Prints the message where it belongs.
    pub fn print(&self) -> ExitCode {
        let text = self.message.as_bytes();
        let printed = match self.code {
            0 => std::io::stdout().write_all(text),
            _ => std::io::stderr().write_all(text),
        };
        match printed {
            Ok(()) => ExitCode::from(self.code),
            Err(_) => ExitCode::FAILURE,
        }
    }
}

/// Understands the arguments, the name of the program first.
///
/// Long options with a single dash (`-config=FILE`) count as with two, as the original took them.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitWithMessage> {
    let command = Cli::command().args_override_self(true);
    let args = options::double_dashes(&command, args);
    let exit = |error: clap::Error| ExitWithMessage {
        code: u8::try_from(error.exit_code()).unwrap_or(2),
        message: error.to_string(),
    };
    let matches = command.try_get_matches_from(args).map_err(exit)?;
    let cli = Cli::from_arg_matches(&matches).map_err(exit)?;
    Ok(match cli.verb {
        None => Command::Agent(cli.agent),
        Some(Verb::Agent(agent)) => Command::Agent(agent),
        Some(Verb::Status { json, bus }) => Command::Status { json, bus },
        Some(Verb::Stats { json, bus }) => Command::Stats { json, bus },
        Some(Verb::Jobs { json, bus }) => Command::Jobs { json, bus },
        Some(Verb::Check(agent)) => Command::Check(agent),
        Some(Verb::Run { command, bus }) => Command::Run {
            command: command.join(" "),
            bus,
        },
        Some(Verb::Import(args)) => Command::Import(args),
    })
}

/// Agent for OpenWrt access points and routers
#[derive(Parser)]
#[command(
    name = "socketman",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Without a command the agent runs in the foreground. Options set here precede those of the\n\
                  configuration file."
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    agent: AgentArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the agent in the foreground
    Agent(AgentArgs),
    /// Show the state of the running agent
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        bus: BusArgs,
    },
    /// Show its newest report
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        bus: BusArgs,
    },
    /// Show its recent jobs and their outcomes
    Jobs {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        bus: BusArgs,
    },
    /// Show every setting, its value and its source, and what is wrong; exit code 1 on an error
    Check(AgentArgs),
    /// Copy the settings of the original SocketMan to where this one reads them, unless some are there
    Import(ImportArgs),
    /// Run a job on the running agent, print its output and exit with its code
    Run {
        #[command(flatten)]
        bus: BusArgs,
        /// Command for the shell of the agent; words are joined with spaces
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}
