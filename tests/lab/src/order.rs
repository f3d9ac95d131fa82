//! What a person types.

use std::time::Duration;

use crate::collector::Mode;
use crate::options;

/// How late the API answers when it is slow. The agent waits longer.
pub const SLOW: Duration = Duration::from_secs(8);

/// What `help` prints.
pub const HELP: &str = "  status                  what the agent says of itself
  stations N              set how many stations there are (0 to 1000)
  wan down|up             take everything beyond the router away, give it back
  api down|up|500|slow|portal
                          let the API refuse connections, work, answer 500, answer after 8 s, or
                          answer with a web page
  mqtt down|up            take the broker away, give it back
  agent stop|start        end the agent, start it
  ubus restart            end the bus daemon and start another
  job COMMAND             send a shell command as a job by the broker
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
    Mqtt(bool),
    Wan(bool),
    Agent(bool),
    UbusRestart,
    Job(String),
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
        ("api", "down") => Ok(Order::Api(Mode::Down)),
        ("api", "up") => Ok(Order::Api(Mode::Up)),
        ("api", "500") => Ok(Order::Api(Mode::Status(500, None))),
        ("api", "slow") => Ok(Order::Api(Mode::Slow(SLOW))),
        ("api", "portal") => Ok(Order::Api(Mode::Page)),
        ("api", _) => Err("api down, up, 500, slow or portal?".to_owned()),
        ("wan", "down") => Ok(Order::Wan(false)),
        ("wan", "up") => Ok(Order::Wan(true)),
        ("wan", _) => Err("wan down or up?".to_owned()),
        ("agent", "stop") => Ok(Order::Agent(false)),
        ("agent", "start") => Ok(Order::Agent(true)),
        ("agent", _) => Err("agent stop or start?".to_owned()),
        ("mqtt", "down") => Ok(Order::Mqtt(false)),
        ("mqtt", "up") => Ok(Order::Mqtt(true)),
        ("mqtt", _) => Err("mqtt down or up?".to_owned()),
        ("ubus", "restart") => Ok(Order::UbusRestart),
        ("ubus", _) => Err("ubus restart?".to_owned()),
        ("job", "") => Err("job COMMAND: which command? For example: job uptime".to_owned()),
        ("job", command) => Ok(Order::Job(command.to_owned())),
        _ => Err(format!(
            "'{}' is no command; there are: help, status, stations N, wan down|up, \
             api down|up|500|slow|portal, mqtt down|up, agent stop|start, ubus restart, job COMMAND",
            line.escape_debug()
        )),
    }
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
            ("wan down", Order::Wan(false)),
            ("wan up", Order::Wan(true)),
            ("agent stop", Order::Agent(false)),
            ("agent start", Order::Agent(true)),
            ("mqtt down", Order::Mqtt(false)),
            ("mqtt up", Order::Mqtt(true)),
            ("ubus restart", Order::UbusRestart),
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
            ("api sideways", "down, up, 500, slow or portal"),
            ("wan", "down or up"),
            ("agent", "stop or start"),
            ("mqtt", "down or up"),
            ("ubus", "ubus restart"),
            ("job", "which command"),
            ("\u{1b}[2J", "'\\u{1b}[2J' is no command"),
        ] {
            let answer = parse(line).unwrap_err();
            assert!(answer.contains(hint), "{line}: {answer}");
        }
    }
}
