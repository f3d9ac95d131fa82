//! Orders of the person, carried out.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{first_line, status, ConsoleError, Printer, BACK_WITHIN};
use crate::collector::Mode;
use crate::depot::Line;
use crate::firmware::{Agent, Boots, Image, Package};
use crate::lab::{Cut, Lab, LabError, IMAGE_SIZE};
use crate::order::{self, ImageFlaw, LineFault, Order, PackageFlaw};
use crate::router::{RadioFault, RADIOS};

pub(super) async fn obey(lab: &mut Lab, line: &str, printer: &Printer) -> Result<(), ConsoleError> {
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

pub(super) async fn carry_out(
    lab: &mut Lab,
    order: Order,
    printer: &Printer,
) -> Result<(), ConsoleError> {
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

pub(super) fn line(fault: LineFault) -> Line {
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

pub(super) async fn upgrade_image(
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

pub(super) async fn upgrade_package(
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
pub(super) async fn send_upgrade(
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

pub(super) async fn reboot(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
    lab.reboot().await?;
    booted(lab, printer)
}

pub(super) fn booted(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
    let boot = lab.router.facts().boot_id;
    let agent = match lab.agent() {
        Some(agent) => format!("the agent has pid {}", agent.pid()),
        None => "there is no agent".to_owned(),
    };
    printer.line(&format!("router: boot {boot}; {agent}"))
}

pub(super) async fn set_api(lab: &Lab, mode: Mode, printer: &Printer) -> Result<(), ConsoleError> {
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

pub(super) fn set_clock(
    lab: &Lab,
    offset: i64,
    synced: bool,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    let set = lab.program().set_clock(offset, synced);
    set.map_err(LabError::from)?;
    printer.line(match offset {
        0 => "clock: right, and known to be",
        1.. => "clock: ten years ahead, and not known to be right",
        _ => "clock: ten years behind, and not known to be right",
    })
}

pub(super) async fn set_broker(
    lab: &mut Lab,
    up: bool,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    let set = match up {
        true => lab.mqtt.up().await,
        false => lab.mqtt.down().await,
    };
    set.map_err(LabError::from)?;
    printer.line(if up { "broker: up" } else { "broker: down" })
}

pub(super) async fn restart_bus(lab: &mut Lab, printer: &Printer) -> Result<(), ConsoleError> {
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
