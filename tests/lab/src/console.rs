//! The lab for a person: says what happens as it happens, and takes orders.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use socketman::process::shutdown::Signals;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::collector::{Mode, Record};
use crate::depot::Line;
use crate::firmware::{Agent, Boots, Image, Package};
use crate::lab::{Cut, IMAGE_SIZE};
use crate::lab::{Happening, Lab, LabError};
use crate::mqtt_side::{Deaf, Said, Words};
use crate::order::{self, ImageFlaw, LineFault, Order, PackageFlaw};
use crate::report_tail::ReportTail;
use crate::router::{RadioFault, RADIOS};

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

/// Requests the API did not accept.
fn show_refused(known: &Record, seen: &mut u64, printer: &Printer) -> Result<(), ConsoleError> {
    let new = known.requests_total.saturating_sub(*seen);
    *seen = known.requests_total;
    let new = usize::try_from(new).unwrap_or(usize::MAX);
    let from = known.requests.len().saturating_sub(new);
    for request in &known.requests[from..] {
        if let Some(status) = request.status.filter(|status| *status != 200) {
            let count = request.reports.len();
            printer.line(&format!("API answered {status} to {count} reports"))?;
        }
    }
    Ok(())
}

fn show_message(said: &Said, printer: &Printer) -> Result<(), ConsoleError> {
    let Some(words) = said.words() else {
        let text = String::from_utf8_lossy(&said.payload);
        return printer.line(&format!(
            "{}: not understood: {}",
            said.channel,
            first_line(&text)
        ));
    };
    match describe(&words) {
        Some(text) => printer.line(&text),
        None => Ok(()),
    }
}

/// A message in words; None for the presence message, which only says that all is as it was.
fn describe(words: &Words) -> Option<String> {
    let (id, meta) = (first_line(&words.id), &words.meta);
    Some(match (words.event_type.as_str(), meta.online.as_str()) {
        ("PING", _) => return None,
        ("CONNECT", "1") => "broker: the agent is online".to_owned(),
        ("CONNECT", _) => "broker: the agent is offline".to_owned(),
        ("DELIVERED", _) => format!("job {id} DELIVERED"),
        (event_type, _) => {
            let end = match (meta.exit_code, meta.signal) {
                (Some(code), _) => format!(", exit code {code}"),
                (None, Some(signal)) => format!(", signal {signal}"),
                (None, None) => String::new(),
            };
            let said = [&meta.msg, &meta.stderr, &meta.reason]
                .into_iter()
                .find(|text| !text.is_empty());
            let said = said.map_or("no output".to_owned(), |text| first_line(text));
            format!("job {id} {}{end}: {said}", first_line(event_type))
        }
    })
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

async fn obey(lab: &mut Lab, line: &str, printer: &Printer) -> Result<(), ConsoleError> {
    let done = match order::parse(line) {
        Ok(order) => carry_out(lab, order, printer).await,
        Err(why) => return printer.line(&why),
    };
    match done {
        // What cannot be done is no reason to end: the person tries something else.
        Err(ConsoleError::Lab(error)) => printer.line(&format!("failed: {error}")),
        done => done,
    }
}

async fn carry_out(lab: &mut Lab, order: Order, printer: &Printer) -> Result<(), ConsoleError> {
    match order {
        Order::Nothing => Ok(()),
        Order::Help => printer.plain(order::HELP),
        Order::Status => printer.plain(&status(lab).await),
        Order::Stations(count) => {
            lab.set_stations(count).await?;
            printer.line(&format!("router: {count} stations"))
        }
        Order::Api(mode) => set_api(lab, mode, printer).await,
        Order::Mqtt(up) => set_broker(lab, up, printer).await,
        Order::Wan(up) => {
            let mode = if up { Mode::Up } else { Mode::Down };
            set_api(lab, mode, printer).await?;
            set_broker(lab, up, printer).await
        }
        Order::WanFault(None) => {
            lab.heal_wan().await?;
            printer.line("WAN: ok")
        }
        Order::WanFault(Some(fault)) => {
            lab.fail_wan(fault).await?;
            printer.line(&format!("WAN: {}", fault.meaning()))
        }
        Order::Reboot => reboot(lab, printer).await,
        Order::Power => {
            lab.power_cut().await?;
            booted(lab, printer)
        }
        Order::Agent(true) => {
            let pid = lab.start_agent()?.pid();
            printer.line(&format!("agent: pid {pid}"))
        }
        Order::Agent(false) => printer.line(match lab.stop_agent().await? {
            Some(_) => "agent: ended",
            None => "agent: does not run",
        }),
        Order::Clock(offset, synced) => set_clock(lab, offset, synced, printer),
        Order::DiskFull(full) => {
            lab.set_disk_full(full)?;
            printer.line(match full {
                true => "disk: the agent can write nothing",
                false => "disk: ok",
            })
        }
        Order::Radio(radio, fault) => {
            lab.router
                .set_radio(radio, fault)
                .await
                .map_err(LabError::from)?;
            let name = RADIOS[radio];
            printer.line(&match fault {
                None => format!("{name}: ok"),
                Some(RadioFault::Cac) => format!("{name}: listens for radar for a minute"),
                Some(RadioFault::Fail) => format!("{name}: netifd has given up setting it up"),
                Some(RadioFault::Silent) => format!("{name}: hostapd does not beacon"),
            })
        }
        Order::UbusRestart => restart_bus(lab, printer).await,
        Order::Job(command) => {
            let id = lab.send_job(&command).await?;
            printer.line(&format!("job {id} sent: {}", first_line(&command)))
        }
        Order::UpgradeImage(flaw) => upgrade_image(lab, flaw, printer).await,
        Order::UpgradePackage(flaw) => upgrade_package(lab, flaw, printer).await,
        Order::UpgradeLine(fault) => {
            lab.depot().await?.set(line(fault));
            printer.line(match fault {
                LineFault::None => "line of images and packages: ok",
                LineFault::Cut => "line of images and packages: breaks at every tenth of an image",
                LineFault::Slow => "line of images and packages: an image takes a minute",
                LineFault::Whole => "line of images and packages: every answer is the whole file",
            })
        }
    }
}

fn line(fault: LineFault) -> Line {
    match fault {
        LineFault::None => Line::default(),
        LineFault::Cut => Line {
            cuts: (1..10)
                .map(|tenth| (IMAGE_SIZE * tenth / 10) as u64)
                .collect(),
            ..Line::default()
        },
        LineFault::Slow => Line {
            slow: Some((IMAGE_SIZE / 60, Duration::from_secs(1))),
            ..Line::default()
        },
        LineFault::Whole => Line {
            whole: true,
            ..Line::default()
        },
    }
}

async fn upgrade_image(
    lab: &mut Lab,
    flaw: ImageFlaw,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    let board = match flaw {
        ImageFlaw::Board => "acme,ap1".to_owned(),
        _ => lab.board()?,
    };
    let mut image = Image::for_board(&board);
    image.agent = flaw != ImageFlaw::Bare;
    image.boots = match flaw {
        ImageFlaw::Old => Boots::Old,
        ImageFlaw::Offline => Boots::Offline,
        _ => Boots::New,
    };
    let mut msg = lab.offer_image(&image).await?;
    match flaw {
        ImageFlaw::Hash => msg["sha256"] = "0".repeat(64).into(),
        ImageFlaw::Drop => msg["keep"] = false.into(),
        ImageFlaw::Brick => lab.cut_while_flashing(Cut::EndsTheDevice),
        _ => {}
    }
    send_upgrade(lab, &msg, printer).await
}

async fn upgrade_package(
    lab: &mut Lab,
    flaw: PackageFlaw,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    let before = lab.system()?.running(lab.place().path());
    let later = before.later(lab.place().path()).map_err(LabError::Flash)?;
    let mut package = Package::of(later).with(match flaw {
        PackageFlaw::Exits => Agent::Exits,
        PackageFlaw::Hangs => Agent::Hangs,
        _ => Agent::Works,
    });
    if flaw == PackageFlaw::Arch {
        package.arch = "mips_24kc".to_owned();
    }
    let undo = Package::of(before);
    let mut msg = lab.offer_package("ipk", &package, Some(&undo)).await?;
    if flaw == PackageFlaw::Hash {
        msg["sha256"] = "0".repeat(64).into();
    }
    send_upgrade(lab, &msg, printer).await
}

/// The lab's files come by http, which the agent has to be allowed.
async fn send_upgrade(
    lab: &mut Lab,
    msg: &serde_json::Value,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    lab.set_option("insecure", true.into())?;
    // It sees that by itself as well, a little later.
    lab.call("reload", &()).await?;
    let id = lab.send_upgrade(msg).await?;
    printer.line(&format!("job {id} sent: {msg}"))
}

async fn reboot(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
    lab.reboot().await?;
    booted(lab, printer)
}

fn booted(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
    let boot = lab.router.facts().boot_id;
    let agent = match lab.agent() {
        Some(agent) => format!("the agent has pid {}", agent.pid()),
        None => "there is no agent".to_owned(),
    };
    printer.line(&format!("router: boot {boot}; {agent}"))
}

async fn set_api(lab: &Lab, mode: Mode, printer: &Printer) -> Result<(), ConsoleError> {
    lab.set_api(mode).await?;
    printer.line(match mode {
        Mode::Down => "API: refuses connections",
        Mode::Dated(_) => "API: up, with a date of its own",
        Mode::Slow(_) => "API: answers after 8 s",
        Mode::Status(status, _) => return printer.line(&format!("API: answers {status}")),
        Mode::Page => "API: answers with a web page",
        Mode::Reset => "API: cuts connections",
        Mode::Redirect => "API: redirects in a loop",
        Mode::Up | Mode::Rubbish | Mode::Drip | Mode::Huge | Mode::AtMost(_) | Mode::Picky(_) => {
            "API: up"
        }
    })
}

fn set_clock(lab: &Lab, offset: i64, synced: bool, printer: &Printer) -> Result<(), ConsoleError> {
    let set = lab.program().set_clock(offset, synced);
    set.map_err(LabError::from)?;
    printer.line(match offset {
        0 => "clock: right, and known to be",
        1.. => "clock: ten years ahead, and not known to be right",
        _ => "clock: ten years behind, and not known to be right",
    })
}

async fn set_broker(lab: &mut Lab, up: bool, printer: &Printer) -> Result<(), ConsoleError> {
    let set = match up {
        true => lab.mqtt.up().await,
        false => lab.mqtt.down().await,
    };
    set.map_err(LabError::from)?;
    printer.line(if up { "broker: up" } else { "broker: down" })
}

async fn restart_bus(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
    lab.restart_bus().await?;
    let back = Instant::now();
    printer.line("bus: restarted")?;
    match timeout(BACK_WITHIN, lab.registered()).await {
        Ok(object) => {
            object?;
            let ms = back.elapsed().as_millis();
            printer.line(&format!("bus: object socketman is back after {ms} ms"))
        }
        Err(_) => printer.line(&format!(
            "bus: no object socketman after {} s",
            BACK_WITHIN.as_secs()
        )),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn described(json: &str) -> Option<String> {
        let said = Said {
            channel: "pub".into(),
            payload: json.into(),
        };
        describe(&said.words().unwrap())
    }

    #[test]
    fn messages_of_the_device_are_one_safe_line_each() {
        let line = described(
            r#"{"id":"a","event_type":"PROCESSED","meta":{"msg":"one\u001b[2J\ntwo\n","exit_code":0}}"#,
        );
        assert_eq!(
            line.unwrap(),
            "job a PROCESSED, exit code 0: one\u{fffd}[2J …"
        );
        let line = described(
            r#"{"id":"a","event_type":"PROCESSED","meta":{"msg":"","stderr":"sh: nosuch: not found\n","exit_code":127}}"#,
        );
        assert_eq!(
            line.unwrap(),
            "job a PROCESSED, exit code 127: sh: nosuch: not found"
        );
        let line = described(r#"{"id":"b","event_type":"REJECTED","meta":{"reason":"expired"}}"#);
        assert_eq!(line.unwrap(), "job b REJECTED: expired");
        let line = described(r#"{"event_type":"CONNECT","meta":{"online":"0"}}"#);
        assert_eq!(line.unwrap(), "broker: the agent is offline");
        assert_eq!(described(r#"{"event_type":"PING"}"#), None);
    }
}
