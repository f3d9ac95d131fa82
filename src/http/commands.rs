//! Commands in answers of the API: `{"cmd": "…"}`, as the original always ran them.
//!
//! They are taken from an accepted answer alone, with option `api_commands`, and only if nobody but the API can have
//! given it: over TLS that was verified, or with option `insecure`, which says that anybody may.

use serde::Deserialize;
use tokio::sync::mpsc;

use super::answer::Answer;
use super::endpoint::Endpoint;
use crate::config::{Api, Secret};

/// A command for the shell, and the host whose answer it stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCommand {
    pub host: String,
    pub command: Secret,
}

/// Passes commands on. Cheap to clone; the default has them dropped.
#[derive(Debug, Clone, Default)]
pub struct Commands(Option<mpsc::Sender<ApiCommand>>);

#[derive(Deserialize)]
struct Body {
    cmd: String,
}

impl Commands {
    /// To `to`; a command that finds no room there is dropped.
    pub fn new(to: mpsc::Sender<ApiCommand>) -> Self {
        Commands(Some(to))
    }

    /// `from` gave this answer with this body.
    pub(super) fn answered(&self, api: &Api, from: &Endpoint, answer: Answer, body: &[u8]) {
        let Some(to) = &self.0 else {
            return;
        };
        if !api.commands || answer != Answer::Accepted {
            return;
        }
        let Some(command) = command(body) else {
            return;
        };
        let host = from.host().to_owned();
        if !from.is_verified() && !api.insecure {
            log::warn!("{host} sends a command over a connection that anybody could change; it does not run");
            return;
        }
        let command = ApiCommand {
            host,
            command: Secret::new(command),
        };
        if to.try_send(command).is_err() {
            log::warn!("too many commands in answers of the API; one is dropped");
        }
    }
}

/// The command in a body. A body that is cut off, or anything but one JSON object with a text, has none.
fn command(body: &[u8]) -> Option<String> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let is_said = !body.cmd.trim_ascii().is_empty();
    is_said.then_some(body.cmd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example/stats";

    /// The command that is passed on from a body at `url`.
    fn passed(url: &str, api_commands: bool, insecure: bool, answer: Answer, body: &str) -> bool {
        let api = Api {
            commands: api_commands,
            insecure,
            ..Api::default()
        };
        let from = Endpoint::new("stats_url", url, &api, "0a:1b").unwrap();
        let (sender, mut commands) = mpsc::channel(1);
        Commands::new(sender).answered(&api, &from, answer, body.as_bytes());
        commands.try_recv().is_ok()
    }

    #[test]
    fn a_command_runs_only_if_it_was_allowed_and_nobody_else_can_have_sent_it() {
        let body = r#"{"cmd": "id", "other": 1}"#;
        let http = "http://api.example/stats";
        for (url, api_commands, insecure, expected) in [
            (URL, true, false, true),
            (URL, true, true, true),
            (http, true, true, true),
            (http, true, false, false),
            (URL, false, false, false),
            (URL, false, true, false),
            (http, false, true, false),
        ] {
            let passed = passed(url, api_commands, insecure, Answer::Accepted, body);
            assert_eq!(passed, expected, "{url} {api_commands} {insecure}");
        }
    }

    #[test]
    fn an_answer_that_accepts_nothing_commands_nothing() {
        for answer in [
            Answer::Page { status: 200 },
            Answer::Redirect { status: 302 },
            Answer::Captive { status: 200 },
            Answer::Refused { status: 401 },
        ] {
            assert!(!passed(URL, true, false, answer, r#"{"cmd": "id"}"#));
        }
    }

    #[test]
    fn a_body_that_is_not_one_whole_object_with_a_text_commands_nothing() {
        for body in [
            "",
            "{}",
            r#"{"cmd": ""}"#,
            r#"{"cmd": " "}"#,
            r#"{"cmd": 1}"#,
            r#"{"cmd": ["id"]}"#,
            r#"{"cmd": null}"#,
            r#"{"cmd": "id""#,
            r#"{"cmd": "id"} {}"#,
            r#"{"cmd": "id", "cmd": "id"}"#,
            r#"[{"cmd": "id"}]"#,
            r#""id""#,
        ] {
            assert!(!passed(URL, true, false, Answer::Accepted, body), "{body}");
        }
    }

    #[test]
    fn commands_that_nobody_takes_are_dropped() {
        let api = Api {
            commands: true,
            ..Api::default()
        };
        let from = Endpoint::new("stats_url", URL, &api, "0a:1b").unwrap();
        let (sender, mut taken) = mpsc::channel(1);
        for commands in [Commands::default(), Commands::new(sender)] {
            for body in [r#"{"cmd": "one"}"#, r#"{"cmd": "two"}"#] {
                commands.answered(&api, &from, Answer::Accepted, body.as_bytes());
            }
        }
        assert_eq!(taken.try_recv().unwrap().command.reveal(), "one");
        assert!(taken.try_recv().is_err());
    }
}
