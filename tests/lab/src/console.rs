//! The lab for a person: says what happens as it happens, and takes orders.

mod messages;
mod orders;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use socketman::process::shutdown::Signals;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::lab::{Happening, Lab, LabError};
use crate::mqtt_side::Deaf;
use crate::report_tail::ReportTail;

use messages::{show_message, show_refused};
use orders::{booted, obey, reboot};

/// Longest wait for the agent's object after the bus was restarted.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Length to which a job's output is shown, characters.
const SHOWN: usize = 100;

/// Why the console ended.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error("standard output: {0}")]
    Output(io::Error),
    #[error("accepted reports: {0}")]
    Reports(io::Error),
    #[error("the API has ended")]
    ApiEnded,
    #[error(transparent)]
    Deaf(Deaf),
    #[error(transparent)]
    Lab(#[from] LabError),
}

/// Prints lines with the time since the lab started.
struct Printer {
    start: Instant,
}

impl Printer {
    fn line(&self, text: &str) -> Result<(), ConsoleError> {
        let at = self.start.elapsed().as_secs_f64();
        let mut out = io::stdout().lock();
        writeln!(out, "{at:8.1} s  {text}").map_err(ConsoleError::Output)
    }

    fn plain(&self, text: &str) -> Result<(), ConsoleError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).map_err(ConsoleError::Output)
    }
}

/// Runs until a signal. The end of standard input ends the orders, not the lab.
///
/// # Errors
///
/// Standard output is closed, or a part of the lab has ended.
pub async fn run(lab: &mut Lab, signals: &mut Signals) -> Result<(), ConsoleError> {
    let printer = Printer {
        start: Instant::now(),
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typing = true;
    let mut ear = lab.mqtt.listen();
    let mut record = lab.api.watch();
    let mut tail = ReportTail::new(lab.place().reports());
    // Within one boot, which a lab's router does not leave. The newest may come before older ones.
    let mut seen = BTreeSet::new();
    let mut requests = record.borrow_and_update().requests_total;
    loop {
        tokio::select! {
            signal = signals.next() => {
                return printer.line(&format!("{signal}: the agent ends, then the lab"));
            }
            line = lines.next_line(), if typing => match line {
                Ok(Some(line)) => obey(lab, &line, &printer).await?,
                // No terminal, or one that hung up: there is still a signal to end by.
                Ok(None) | Err(_) => {
                    typing = false;
                    printer.line("no more commands: standard input has ended; Ctrl-C or SIGTERM ends the lab")?;
                }
            },
            said = ear.next() => match said {
                Ok(said) => show_message(&said, &printer)?,
                Err(Deaf::Missed(count)) => printer.line(&format!("{count} messages not shown"))?,
                Err(error) => return Err(ConsoleError::Deaf(error)),
            },
            changed = record.changed() => {
                changed.map_err(|_| ConsoleError::ApiEnded)?;
                let known = record.borrow_and_update().clone();
                show_refused(&known, &mut requests, &printer)?;
                for report in tail.read_new().map_err(ConsoleError::Reports)? {
                    let again = if seen.insert(report.seq) { "" } else { " again" };
                    printer.line(&format!(
                        "report {} accepted{again}: {} stations, {} interfaces, {} bytes{}",
                        report.seq,
                        report.stations.len(),
                        report.interfaces,
                        report.bytes,
                        if report.missing > 0 { ", declares losses" } else { "" },
                    ))?;
                }
            }
            happening = lab.happening() => match happening? {
                Happening::AgentEnded(status) => {
                    printer.line(&agent_ended(status, lab))?;
                    lab.attend(Happening::AgentEnded(status)).await?;
                }
                Happening::RebootAsked => {
                    printer.line("router: was asked to reboot")?;
                    reboot(lab, &printer).await?;
                }
                Happening::FlashAsked(flash) => {
                    printer.line(&format!("router: flashes {}", flash.image.display()))?;
                    lab.flash(flash).await?;
                    booted(lab, &printer)?;
                }
                other => lab.attend(other).await?,
            },
        }
    }
}

fn agent_ended(status: ExitStatus, lab: &Lab) -> String {
    let next = match lab.is_agent_wanted() {
        true => "; init starts it again",
        false => "",
    };
    let log = lab.program().log.display();
    format!("the agent ended: {status}{next}; see {log}")
}

/// The first line of what a device said, safe on a terminal.
fn first_line(text: &str) -> String {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if shown.len() < text.len() {
        shown.push_str(" …");
    }
    shown
}

/// The output of `socketman status`.
async fn status(lab: &Lab) -> String {
    let program = lab.program();
    let output = Command::new(&program.binary)
        .args(["status", "--ubus-socket"])
        .arg(&program.ubus_socket)
        .kill_on_drop(true)
        .output()
        .await;
    match output {
        Ok(output) => {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        }
        Err(error) => format!("{}: {error}\n", program.binary.display()),
    }
}
