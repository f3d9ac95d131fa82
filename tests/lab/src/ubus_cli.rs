//! The `ubus` command line tool, for a desk that has none: same words, same exit codes.
//!
//! `list`, `call`, `listen` and `send` are here. What the original prints to a terminal instead of a
//! pipe is not imitated: scripts see the pipe's form. Its JSON parser forgives single quotes,
//! comments and the like; here a message has to be JSON. An object that the access lists hide is
//! reported as missing.

mod json;
mod listen;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use ubus::blobmsg::{Type, Value};
use ubus::{Client, Error, Method, Status};

use listen::listen;

pub use json::{format, parse};

/// Where the bus is on a router.
const SOCKET: &str = "/var/run/ubus/ubus.sock";

/// Longest duration of the look-ups that every command begins with.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for the greeting of a daemon that took the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The arguments of the tool.
#[derive(Debug, Clone, clap::Args)]
pub struct UbusArgs {
    /// Socket of the bus
    #[arg(short = 's', default_value = SOCKET)]
    pub socket: PathBuf,
    /// Seconds a command may take; `listen` ends after so many [default: 30, listen: never]
    #[arg(short = 't')]
    pub timeout: Option<u32>,
    /// Simplified output for scripts
    #[arg(short = 'S')]
    pub simple: bool,
    /// More verbose output
    #[arg(short = 'v')]
    pub verbose: bool,
    /// The command and its arguments.
    #[arg(help = "list [PATH] | call PATH METHOD [JSON] | listen [PATTERN...] | send TYPE [JSON]")]
    pub command: Option<String>,
    /// Arguments of the command
    pub args: Vec<String>,
}

/// The end of a command.
#[derive(Debug)]
enum End {
    Done,
    /// Said by main in the tool: exit code is the status.
    Status(Status),
    /// Said with the whole command line; exit code is 256 minus the status.
    Call(Status),
    /// An event could not be registered for.
    Listen(String, Status),
    Usage,
    Unreachable,
    /// Nobody reads what is printed any more.
    Closed,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        End::Closed
    }
}

/// Runs one command and returns the tool's exit code. `listen` ends when its time is over or the
/// bus is gone.
pub async fn run(args: &UbusArgs, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let end = match command(args, out).await {
        Ok(()) => End::Done,
        Err(end) => end,
    };
    let (code, text) = describe(&end, args);
    // There is no third place to complain if the place for complaints is closed.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    code
}

/// The tool's words for a status.
fn words(status: Status) -> String {
    match status.0 {
        0..=13 => status.text().to_owned(),
        unknown => format!("Unknown error: {unknown}"),
    }
}

/// Exit code and what is said about it.
fn describe(end: &End, args: &UbusArgs) -> (u8, String) {
    let failed = |status| format!("Command failed: {}\n", words(status));
    let (exit, text) = match end {
        End::Done => (0, String::new()),
        End::Status(status) => (code(*status), failed(*status)),
        // In one word, and with the status itself.
        End::Call(status) if args.simple => (code(*status), String::new()),
        End::Call(status) => {
            let line = args.args.join(" ");
            let mut text = format!("Command failed: ubus call {line} ({})\n", words(*status));
            let negated = Status(status.0.wrapping_neg());
            if *status == Status::INVALID_ARGUMENT {
                text += USAGE;
            } else if negated.0 > 0 {
                text += &failed(negated);
            }
            (code(negated), text)
        }
        End::Listen(event, status) => (
            255,
            format!(
                "Error while registering for event '{event}': {}\n",
                words(*status)
            ),
        ),
        End::Usage if args.command.is_none() => return (1, USAGE.to_owned()),
        End::Usage => return (254, USAGE.to_owned()),
        End::Unreachable => (255, "Failed to connect to ubus\n".to_owned()),
        // As if killed by SIGPIPE, which is how the original ends.
        End::Closed => (141, String::new()),
    };
    (exit, if args.simple { String::new() } else { text })
}

const USAGE: &str = "Usage: ubus [<options>] <command> [arguments...]
Options:
 -s <socket>:\t\tSet the unix domain socket to connect to
 -t <timeout>:\t\tSet the timeout (in seconds) for a command to complete
 -S:\t\t\tUse simplified output (for scripts)
 -v:\t\t\tMore verbose output

Commands:
 - list [<path>]\t\t\tList objects
 - call <path> <method> [<message>]\tCall an object method
 - listen [<path>...]\t\t\tListen for events
 - send <type> [<message>]\t\tSend an event

";

/// An exit code has eight bits.
fn code(status: Status) -> u8 {
    status.0 as u8
}

async fn command(args: &UbusArgs, out: &mut impl Write) -> Result<(), End> {
    let command = args.command.as_deref().ok_or(End::Usage)?;
    let (client, connection) = ubus::connect(&args.socket);
    let driver = tokio::spawn(connection.run());
    let end = match connected(&client).await {
        true => dispatch(command, args, &client, out).await,
        false => Err(End::Unreachable),
    };
    driver.abort();
    out.flush()?;
    end
}

/// True if the first attempt succeeds: the tool does not try twice.
async fn connected(client: &Client) -> bool {
    let mut state = client.state();
    let tried = state.wait_for(|state| state.connected || state.error.is_some());
    let tried = tokio::time::timeout(CONNECT_TIMEOUT, tried).await;
    matches!(tried, Ok(Ok(state)) if state.connected)
}

async fn dispatch(
    command: &str,
    args: &UbusArgs,
    client: &Client,
    out: &mut impl Write,
) -> Result<(), End> {
    let rest: Vec<&str> = args.args.iter().map(String::as_str).collect();
    match (command, &rest[..]) {
        ("list", [""]) => Err(End::Status(Status::INVALID_ARGUMENT)),
        ("list", []) => list(client, "", args, out).await,
        ("list", [path]) => list(client, path, args, out).await,
        ("call", [path, method]) => call(client, path, method, None, args, out).await,
        ("call", [path, method, message]) => {
            call(client, path, method, Some(message), args, out).await
        }
        ("listen", []) => listen(client, &["*"], args, out).await,
        ("listen", patterns) => listen(client, patterns, args, out).await,
        ("send", [name]) => send(client, name, None).await,
        ("send", [name, message]) => send(client, name, Some(message)).await,
        _ => Err(End::Usage),
    }
}

/// The status that the tool would have got where our client has more to say.
fn status(error: &Error) -> Status {
    match error {
        Error::Status(status) => *status,
        Error::Timeout(_) => Status::TIMEOUT,
        Error::NoData => Status::NO_DATA,
        Error::Malformed(_) | Error::Decode(_) => Status::PARSE_ERROR,
        Error::Encode(_) | Error::TooLarge(_) => Status::INVALID_ARGUMENT,
        Error::Disconnected | Error::Connect { .. } => Status::CONNECTION_FAILED,
        Error::Busy => Status::NO_MEMORY,
        _ => Status::UNKNOWN_ERROR,
    }
}

async fn list(
    client: &Client,
    pattern: &str,
    args: &UbusArgs,
    out: &mut impl Write,
) -> Result<(), End> {
    let objects = client
        .lookup(pattern, LOOKUP_TIMEOUT)
        .await
        .map_err(|error| End::Status(status(&error)))?;
    for object in objects {
        if args.simple || !args.verbose {
            writeln!(out, "{}", object.path)?;
            continue;
        }
        writeln!(out, "'{}' @{:08x}", object.path, object.id)?;
        for method in &object.methods {
            writeln!(out, "\t{}", signature(method))?;
        }
    }
    Ok(())
}

/// `"watchdog":{"frequency":"Integer","stop":"Boolean"}`
fn signature(method: &Method) -> String {
    let args = method.args.iter().map(|(name, kind)| {
        let kind = match kind {
            Type::Int8 => "Boolean",
            Type::Int32 => "Integer",
            Type::String => "String",
            Type::Array => "Array",
            Type::Table => "Table",
            _ => "(unknown)",
        };
        (name.clone().into_bytes(), Value::string(kind))
    });
    let table = Value::Table(vec![(
        method.name.clone().into_bytes(),
        Value::Table(args.collect()),
    )]);
    let text = format(&table, None);
    String::from_utf8_lossy(&text[1..text.len() - 1]).into_owned()
}

async fn call(
    client: &Client,
    path: &str,
    method: &str,
    message: Option<&str>,
    args: &UbusArgs,
    out: &mut impl Write,
) -> Result<(), End> {
    let message = match message {
        Some(text) => parse(text).ok_or(End::Call(Status::PARSE_ERROR))?,
        None => Value::Table(Vec::new()),
    };
    let found = client.lookup(path, LOOKUP_TIMEOUT).await;
    let found = found.map_err(|error| End::Status(status(&error)))?;
    // The tool, too, lets a pattern stand for one of the objects it means.
    let object = found.last().ok_or(End::Status(Status::NOT_FOUND))?;
    let timeout = match args.timeout {
        // As good as the original's "for ever".
        Some(0) => Duration::from_secs(86_400),
        timeout => Duration::from_secs(timeout.unwrap_or(30).into()),
    };
    let (replies, ended) = client
        .call_whole(&object.path, method, message.to_members(), timeout)
        .await
        .map_err(|error| End::Call(status(&error)))?;
    for reply in replies {
        let value = Value::from_members(&reply).map_err(|_| End::Call(Status::PARSE_ERROR))?;
        out.write_all(&format(&value, (!args.simple).then_some(0)))?;
        out.write_all(b"\n")?;
    }
    match ended {
        Status::OK => Ok(()),
        status => Err(End::Call(status)),
    }
}

async fn send(client: &Client, name: &str, message: Option<&str>) -> Result<(), End> {
    let message = match message {
        Some(text) => parse(text).ok_or(End::Status(Status::PARSE_ERROR))?,
        None => Value::Table(Vec::new()),
    };
    client
        .send_event_raw(name, message.to_members())
        .await
        .map_err(|error| End::Status(status(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_reads_as_the_tool_prints_it() {
        let method = Method::new(
            "m",
            &[("a", Type::String), ("b", Type::Int8), ("c", Type::Int64)],
        );
        assert_eq!(
            signature(&method),
            r#""m":{"a":"String","b":"Boolean","c":"(unknown)"}"#
        );
    }
}
