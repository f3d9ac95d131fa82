//! The options of the table as arguments, and the single dashes of the original.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Preset, Row, Settings, OPTIONS};

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().filter_map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Settings::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for row in OPTIONS {
            let Some(flag) = row.flag else { continue };
            let value = match flag.means {
                Some(means) => matches.get_flag(row.name).then_some(means),
                None => matches.get_one::<String>(row.name).map(String::as_str),
            };
            if let Some(value) = value {
                self.set(row.name, value);
            }
        }
        Ok(())
    }
}

/// The argument of an option that has one. Values are judged later, with those of the file.
fn argument(row: &'static Row) -> Option<Arg> {
    let flag = row.flag?;
    let arg = Arg::new(row.name).long(flag.long).aliases(flag.alias);
    let arg = match flag.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let help = capital(flag.help.unwrap_or(row.help));
    Some(match flag.means {
        Some(_) => arg.action(ArgAction::SetTrue).help(help),
        None => arg
            .value_name(row.kind.placeholder())
            // The original took the next word in any case, even a password that begins with a dash.
            .allow_hyphen_values(true)
            .help(match row.default {
                Preset::Fixed("") => help,
                Preset::Fixed(text) | Preset::Derived(text) => format!("{help} [default: {text}]"),
            }),
    })
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}

/// Gives long options that have a single dash (`-config FILE`, `-config=FILE`) their second one.
///
/// As in the original a long name that matches as a whole comes before a short option with its value
/// attached (`-port` is not `-p ort`, but `-uNAME` is `-u NAME`). Values of options, and everything
/// after `--` or `run`, stay as they are. `agent` and `check` take the agent's options, so they may
/// stand behind them.
pub(super) fn double_dashes(
    command: &Command,
    args: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut out: Vec<OsString> = args.by_ref().take(1).collect();
    let mut verb = None;
    while let Some(arg) = args.next() {
        if arg == "--" || arg == "run" {
            out.push(arg);
            break;
        }
        if verb.is_none() && (arg == "agent" || arg == "check") {
            verb = Some(arg);
            continue;
        }
        let (arg, takes_next) = understand(command, arg);
        out.push(arg);
        if takes_next {
            out.extend(args.next());
        }
    }
    out.extend(args);
    out.splice(1..1, verb);
    out
}

/// The argument as clap wants it, and whether the next one is its value.
fn understand(command: &Command, arg: OsString) -> (OsString, bool) {
    let Some(text) = arg.to_str() else {
        return (arg, false);
    };
    let Some(body) = text.strip_prefix('-').filter(|body| !body.is_empty()) else {
        return (arg, false);
    };
    let long = body.strip_prefix('-').unwrap_or(body);
    let (name, inline) = match long.split_once('=') {
        Some((name, _)) => (name, true),
        None => (long, false),
    };
    // One character after one dash is a short option.
    if text.starts_with("--") || name.chars().count() > 1 {
        if let Some(takes_value) = long_option(command, name) {
            return (format!("--{long}").into(), takes_value && !inline);
        }
    }
    let takes_next = !text.starts_with("--") && ends_with_hungry_short(command, body);
    (arg, takes_next)
}

/// Does a cluster of short options end with one that still wants its value?
fn ends_with_hungry_short(command: &Command, cluster: &str) -> bool {
    let hungry = |short| {
        command
            .get_arguments()
            .any(|arg| arg.get_short() == Some(short) && arg.get_action().takes_values())
    };
    cluster
        .find(hungry)
        .is_some_and(|at| cluster[at..].chars().count() == 1)
}

/// Is this the name of a long option, of the agent or a subcommand? And does it take a value?
fn long_option(command: &Command, name: &str) -> Option<bool> {
    if matches!(name, "help" | "version") {
        return Some(false);
    }
    std::iter::once(command)
        .chain(command.get_subcommands())
        .flat_map(Command::get_arguments)
        .find(|arg| {
            arg.get_long() == Some(name)
                || arg.get_all_aliases().is_some_and(|all| all.contains(&name))
        })
        .map(|arg| arg.get_action().takes_values())
}
