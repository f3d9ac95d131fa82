//! Commands that a person types.

use std::time::Duration;

use crate::collector::Mode;
use crate::options;
use crate::router::{RadioFault, RADIOS};
use crate::site::WanFault;

/// Delay of the API's answers when it is slow. The agent waits longer.
pub const SLOW: Duration = Duration::from_secs(8);

/// s.
const TEN_YEARS: i64 = 3652 * 86_400;

/// The output of `help`.
pub const HELP: &str = "  status                  what the agent says of itself
  stations N              set how many stations there are (0 to 1000)
  wan down|up             take broker and API away, give them back
  wan carrier|dhcp|gateway|dns|hijack|portal|dark|ok
                          (root) let the other end of the cable be dead, the lease be taken back, the
                          gateway or the resolver be silent, the resolver or the web check lie, nothing
                          beyond the gateway answer; end all of these
  reboot                  let the router reboot: the agent gets SIGTERM, what is in RAM goes
  power                   pull its plug and put it back in: nobody gets a signal
  api down|up|500|413|429|400|slow|reset|html|portal|redirect
                          let the API refuse connections, work, answer with a status (429 with
                          Retry-After: 60), answer after 8 s, cut connections, answer with a web
                          page (html and portal), or redirect in a loop
  clock +10y|-10y|sync    let the agent's clock be wrong and not known to be right, or right
  disk full|ok            let every write of the agent fail, or work
  mqtt down|up            take the broker away, give it back
  radio cac|fail|silent|ok [radio0|radio1]
                          let a radio (radio1) listen for radar for a minute, fail to be set up or
                          say nothing, both until it is restarted, or work
  agent stop|start        end the agent, start it
  ubus restart            end the bus daemon and start another
  job COMMAND             send a shell command as a job by the broker
  upgrade image [board|hash|bare|old|offline|drop|brick]
                          send a job that flashes the next release: as it should be, for another board,
                          with another hash, without the agent, one that does not boot, one without
                          network, without the settings, with the power cut while it is written
  upgrade package [exits|hangs|hash|arch]
                          send a job that installs the next version of the agent: as it should be, one
                          that ends at once or does nothing, with another hash, for another processor
  upgrade line ok|cut|slow|whole
                          let the line of these files work, break at every tenth, take a minute, ignore
                          where a download goes on
  help                    this list
  Ctrl-C                  end
";

/// An order to the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    Nothing,
    Help,
    Status,
    Stations(usize),
    Api(Mode),
    /// The error of the agent's clock, s, and whether it is known to be right.
    Clock(i64, bool),
    DiskFull(bool),
    Mqtt(bool),
    Wan(bool),
    /// A fault of the WAN, or the end of all.
    WanFault(Option<WanFault>),
    Reboot,
    Power,
    Agent(bool),
    /// Which radio, and what is wrong with it.
    Radio(usize, Option<RadioFault>),
    UbusRestart,
    Job(String),
    UpgradeImage(ImageFlaw),
    UpgradePackage(PackageFlaw),
    UpgradeLine(LineFault),
}

/// The flaw of an image, or of the job that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFlaw {
    None,
    Board,
    Hash,
    Bare,
    Old,
    Offline,
    Drop,
    Brick,
}

/// The flaw of a package, or of the job that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFlaw {
    None,
    Exits,
    Hangs,
    Hash,
    Arch,
}

/// The fault of the line of images and packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    None,
    Cut,
    Slow,
    Whole,
}

/// Reads a line.
///
/// # Errors
///
/// It is no order; in words for the person who typed it.
pub fn parse(line: &str) -> Result<Order, String> {
    let line = line.trim();
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    match (verb, rest) {
        ("", _) => Ok(Order::Nothing),
        ("help", "") => Ok(Order::Help),
        ("status", "") => Ok(Order::Status),
        ("stations", count) => options::stations(count)
            .map(Order::Stations)
            .map_err(|why| format!("stations N: '{count}' {why}")),
        ("api", what) => api(what).map(Order::Api),
        ("clock", "+10y") => Ok(Order::Clock(TEN_YEARS, false)),
        ("clock", "-10y") => Ok(Order::Clock(-TEN_YEARS, false)),
        ("clock", "sync") => Ok(Order::Clock(0, true)),
        ("clock", _) => Err("clock +10y, -10y or sync?".to_owned()),
        ("disk", "full") => Ok(Order::DiskFull(true)),
        ("disk", "ok") => Ok(Order::DiskFull(false)),
        ("disk", _) => Err("disk full or ok?".to_owned()),
        ("wan", "down") => Ok(Order::Wan(false)),
        ("wan", "up") => Ok(Order::Wan(true)),
        ("wan", "ok") => Ok(Order::WanFault(None)),
        ("wan", fault) => match WanFault::named(fault) {
            Some(fault) => Ok(Order::WanFault(Some(fault))),
            None => Err(
                "wan down, up, carrier, dhcp, gateway, dns, hijack, portal, dark or ok?".to_owned(),
            ),
        },
        ("reboot", "") => Ok(Order::Reboot),
        ("power", "") => Ok(Order::Power),
        ("agent", "stop") => Ok(Order::Agent(false)),
        ("agent", "start") => Ok(Order::Agent(true)),
        ("agent", _) => Err("agent stop or start?".to_owned()),
        ("mqtt", "down") => Ok(Order::Mqtt(false)),
        ("mqtt", "up") => Ok(Order::Mqtt(true)),
        ("mqtt", _) => Err("mqtt down or up?".to_owned()),
        ("radio", what) => radio(what),
        ("ubus", "restart") => Ok(Order::UbusRestart),
        ("ubus", _) => Err("ubus restart?".to_owned()),
        ("upgrade", what) => upgrade(what),
        ("job", "") => Err("job COMMAND: which command? For example: job uptime".to_owned()),
        ("job", command) => Ok(Order::Job(command.to_owned())),
        _ => Err(format!(
            "'{}' is no command; there are: help, status, stations N, \
             wan down|up|carrier|dhcp|gateway|dns|hijack|portal|dark|ok, reboot, power, \
             api down|up|500|413|429|400|slow|reset|html|portal|redirect, clock +10y|-10y|sync, \
             disk full|ok, mqtt down|up, agent stop|start, radio cac|fail|silent|ok, ubus restart, \
             upgrade image|package|line, job COMMAND",
            line.escape_debug()
        )),
    }
}

fn upgrade(what: &str) -> Result<Order, String> {
    let (kind, flaw) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
    match kind {
        "image" => Ok(Order::UpgradeImage(match flaw.trim() {
            "" => ImageFlaw::None,
            "board" => ImageFlaw::Board,
            "hash" => ImageFlaw::Hash,
            "bare" => ImageFlaw::Bare,
            "old" => ImageFlaw::Old,
            "offline" => ImageFlaw::Offline,
            "drop" => ImageFlaw::Drop,
            "brick" => ImageFlaw::Brick,
            _ => {
                return Err(
                    "upgrade image board, hash, bare, old, offline, drop or brick?".to_owned(),
                )
            }
        })),
        "package" => Ok(Order::UpgradePackage(match flaw.trim() {
            "" => PackageFlaw::None,
            "exits" => PackageFlaw::Exits,
            "hangs" => PackageFlaw::Hangs,
            "hash" => PackageFlaw::Hash,
            "arch" => PackageFlaw::Arch,
            _ => return Err("upgrade package exits, hangs, hash or arch?".to_owned()),
        })),
        "line" => Ok(Order::UpgradeLine(match flaw.trim() {
            "ok" => LineFault::None,
            "cut" => LineFault::Cut,
            "slow" => LineFault::Slow,
            "whole" => LineFault::Whole,
            _ => return Err("upgrade line ok, cut, slow or whole?".to_owned()),
        })),
        _ => Err("upgrade image, package or line?".to_owned()),
    }
}

fn radio(what: &str) -> Result<Order, String> {
    let (fault, name) = what
        .split_once(char::is_whitespace)
        .unwrap_or((what, RADIOS[1]));
    let radio = RADIOS.iter().position(|known| *known == name.trim());
    let fault = match fault {
        "cac" => Some(RadioFault::Cac),
        "fail" => Some(RadioFault::Fail),
        "silent" => Some(RadioFault::Silent),
        "ok" => None,
        _ => return Err("radio cac, fail, silent or ok?".to_owned()),
    };
    match radio {
        Some(radio) => Ok(Order::Radio(radio, fault)),
        None => Err(format!("which radio? There are {}", RADIOS.join(", "))),
    }
}

fn api(what: &str) -> Result<Mode, String> {
    Ok(match what {
        "down" => Mode::Down,
        "up" => Mode::Up,
        "429" => Mode::Status(429, Some(60)),
        "400" | "413" | "500" => match what.parse() {
            Ok(status) => Mode::Status(status, None),
            Err(_) => return Err(format!("'{what}' is no status")),
        },
        "slow" => Mode::Slow(SLOW),
        "reset" => Mode::Reset,
        "html" | "portal" => Mode::Page,
        "redirect" => Mode::Redirect,
        _ => {
            return Err(
                "api down, up, 500, 413, 429, 400, slow, reset, html, portal or redirect?"
                    .to_owned(),
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_the_help_is_understood() {
        for (line, order) in [
            ("", Order::Nothing),
            (" help ", Order::Help),
            ("status", Order::Status),
            ("stations 40", Order::Stations(40)),
            ("api down", Order::Api(Mode::Down)),
            ("api up", Order::Api(Mode::Up)),
            ("api  500", Order::Api(Mode::Status(500, None))),
            ("api slow", Order::Api(Mode::Slow(SLOW))),
            ("api portal", Order::Api(Mode::Page)),
            ("api html", Order::Api(Mode::Page)),
            ("api 413", Order::Api(Mode::Status(413, None))),
            ("api 429", Order::Api(Mode::Status(429, Some(60)))),
            ("api 400", Order::Api(Mode::Status(400, None))),
            ("api reset", Order::Api(Mode::Reset)),
            ("api redirect", Order::Api(Mode::Redirect)),
            ("clock +10y", Order::Clock(TEN_YEARS, false)),
            ("clock -10y", Order::Clock(-TEN_YEARS, false)),
            ("clock sync", Order::Clock(0, true)),
            ("disk full", Order::DiskFull(true)),
            ("disk ok", Order::DiskFull(false)),
            ("wan down", Order::Wan(false)),
            ("wan up", Order::Wan(true)),
            ("wan carrier", Order::WanFault(Some(WanFault::Carrier))),
            ("wan dhcp", Order::WanFault(Some(WanFault::Dhcp))),
            ("wan gateway", Order::WanFault(Some(WanFault::Gateway))),
            ("wan dns", Order::WanFault(Some(WanFault::Dns))),
            ("wan hijack", Order::WanFault(Some(WanFault::Hijack))),
            ("wan portal", Order::WanFault(Some(WanFault::Portal))),
            ("wan dark", Order::WanFault(Some(WanFault::Dark))),
            ("wan ok", Order::WanFault(None)),
            ("reboot", Order::Reboot),
            ("power", Order::Power),
            ("agent stop", Order::Agent(false)),
            ("agent start", Order::Agent(true)),
            ("mqtt down", Order::Mqtt(false)),
            ("mqtt up", Order::Mqtt(true)),
            ("radio fail", Order::Radio(1, Some(RadioFault::Fail))),
            (
                "radio silent radio0",
                Order::Radio(0, Some(RadioFault::Silent)),
            ),
            ("radio cac", Order::Radio(1, Some(RadioFault::Cac))),
            ("radio ok", Order::Radio(1, None)),
            ("ubus restart", Order::UbusRestart),
            ("upgrade image", Order::UpgradeImage(ImageFlaw::None)),
            (
                "upgrade image  offline",
                Order::UpgradeImage(ImageFlaw::Offline),
            ),
            (
                "upgrade package hangs",
                Order::UpgradePackage(PackageFlaw::Hangs),
            ),
            ("upgrade line cut", Order::UpgradeLine(LineFault::Cut)),
            (
                "job echo a  b; exit 3",
                Order::Job("echo a  b; exit 3".into()),
            ),
        ] {
            assert_eq!(parse(line), Ok(order), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_would_be() {
        for (line, hint) in [
            ("frobnicate", "there are: help, status"),
            ("help me", "there are: help"),
            ("stations many", "'many' is not a number"),
            ("stations 1001", "at most 1000"),
            ("api sideways", "down, up, 500, 413"),
            ("clock", "+10y, -10y or sync"),
            ("disk", "full or ok"),
            ("wan", "down, up, carrier"),
            ("wan sideways", "dark or ok"),
            ("reboot now", "is no command"),
            ("agent", "stop or start"),
            ("mqtt", "down or up"),
            ("radio", "cac, fail, silent or ok"),
            ("radio fail radio7", "radio0, radio1"),
            ("ubus", "ubus restart"),
            ("upgrade", "image, package or line"),
            ("upgrade image x", "offline, drop or brick"),
            ("upgrade package x", "hash or arch"),
            ("upgrade line", "slow or whole"),
            ("job", "which command"),
            ("\u{1b}[2J", "'\\u{1b}[2J' is no command"),
        ] {
            let answer = parse(line).unwrap_err();
            assert!(answer.contains(hint), "{line}: {answer}");
        }
    }
}
