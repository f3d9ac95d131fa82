//! Arguments in, [`Command`] or message out.

use super::*;
use crate::config::OPTIONS;

fn parsed(args: &[&str]) -> Result<Command, ExitWithMessage> {
    parse(["socketman"].iter().chain(args).map(OsString::from))
}

fn agent(args: &[&str]) -> AgentArgs {
    match parsed(args) {
        Ok(Command::Agent(agent)) => agent,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// Options set on the command line, as name and value.
fn set(args: &[&str]) -> Vec<(String, String)> {
    let agent = agent(args);
    let pairs = agent.settings.iter();
    pairs
        .map(|(row, value)| (row.name.into(), value.into()))
        .collect()
}

fn refused(args: &[&str]) -> String {
    match parsed(args) {
        Err(ExitWithMessage { code: 2, message }) => message,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn without_arguments_the_agent_runs_with_the_usual_paths() {
    for args in [&[][..], &["agent"]] {
        let agent = agent(args);
        let inputs = agent.inputs();
        assert_eq!(inputs.file, None);
        assert_eq!(inputs.uci.committed, Path::new("/etc/config"));
        assert_eq!(inputs.uci.replacing, Path::new("/var/run/uci"));
        assert_eq!(agent.bus.socket(), Path::new(DEFAULT_UBUS_SOCKET));
        assert_eq!(inputs.root, Path::new("/"));
        assert_eq!(inputs.pace, Pace::REAL);
        assert_eq!(agent.settings.iter().count(), 0);
    }
}

#[test]
fn default_paths_lie_below_the_root_and_given_ones_are_taken_as_they_are() {
    let agent = agent(&["--root", "/r"]);
    let files = agent.inputs().load(None).files;
    assert_eq!(files.json, Path::new("/r/etc/socketman/config.json"));
    assert_eq!(files.uci, Path::new("/r/etc/config/socketman"));
    assert_eq!(agent.bus.socket(), Path::new("/r/var/run/ubus/ubus.sock"));

    let agent = self::agent(&[
        "--root=/r",
        "-C",
        "c.json",
        "--ubus-socket",
        "/u",
        "--uci-dir",
        "d",
    ]);
    let files = agent.inputs().load(None).files;
    assert_eq!(files.json, Path::new("c.json"));
    assert_eq!(files.uci, Path::new("d/socketman"));
    assert_eq!(agent.bus.socket(), Path::new("/u"));
}

#[test]
fn every_flag_of_the_table_sets_its_option_in_every_form() {
    for row in OPTIONS {
        let Some(flag) = row.flag else { continue };
        for long in [Some(flag.long), flag.alias].into_iter().flatten() {
            for dashes in ["-", "--"] {
                if let Some(means) = flag.means {
                    let expected = [(row.name.to_string(), means.to_string())];
                    assert_eq!(set(&[&format!("{dashes}{long}")]), expected);
                    continue;
                }
                // A value may look like an option, as it could in the original.
                for value in ["x", "-x", "--debug", "-config", "a=b", ""] {
                    let expected = [(row.name.to_string(), value.to_string())];
                    assert_eq!(set(&[&format!("{dashes}{long}"), value]), expected);
                    assert_eq!(set(&[&format!("{dashes}{long}={value}")]), expected);
                }
            }
        }
        if let Some(short) = flag.short {
            let expected = [(row.name.to_string(), "NAME".to_string())];
            assert_eq!(set(&[&format!("-{short}"), "NAME"]), expected);
            assert_eq!(set(&[&format!("-{short}NAME")]), expected);
        }
    }
}

#[test]
fn the_flags_are_those_of_the_contract() {
    let command = Cli::command();
    let mut longs: Vec<_> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .collect();
    longs.sort_unstable();
    let expected = [
        "api-url",
        "clock",
        "config",
        "debug",
        "host",
        "init",
        "key",
        "mac",
        "mac-file",
        "noscan",
        "nosurvey",
        "password",
        "port",
        "qos",
        "root",
        "sleep",
        "stats-url",
        "time-scale",
        "tls",
        "token",
        "topic",
        "ubus-socket",
        "uci-dir",
        "username",
    ];
    assert_eq!(longs, expected);
    let verbs: Vec<_> = command
        .get_subcommands()
        .map(|verb| verb.get_name())
        .collect();
    let wanted = ["agent", "status", "stats", "jobs", "check", "import", "run"];
    assert_eq!(verbs, wanted);
    // clap checks names, shorts and conflicts of the whole definition.
    command.debug_assert();
}

#[test]
fn the_originals_command_lines_are_understood() {
    let file = |args: &[&str]| agent(args).inputs().file;
    assert_eq!(
        file(&["-config=/etc/config.json"]),
        Some("/etc/config.json".into())
    );
    assert_eq!(file(&["-config", "c"]), Some("c".into()));
    assert_eq!(file(&["-Cc"]), Some("c".into()));
    assert_eq!(
        set(&[
            "-username",
            "u",
            "-uNAME",
            "-debug",
            "-P",
            "1",
            "-port=2",
            "-noscan"
        ]),
        [
            ("username", "NAME"),
            ("port", "2"),
            ("scan", "0"),
            ("debug", "1")
        ]
        .map(|(name, value)| (name.into(), value.into()))
    );
}

#[test]
fn a_value_that_looks_like_an_option_stays_a_value() {
    let expected = [("username", "-config"), ("password", "-debug")];
    let expected = expected.map(|(name, value)| (name.into(), value.into()));
    assert_eq!(set(&["-u", "-config", "--password", "-debug"]), expected);
    assert_eq!(set(&["-u", "run", "-p", "-debug"])[0].1, "run");
    assert_eq!(set(&["-u", "--", "-debug"]).len(), 2);
}

#[test]
fn options_of_the_agent_may_stand_before_check() {
    for args in [
        &["-C", "c.json", "--uci-dir", "d", "check"][..],
        &["-C", "c.json", "check", "--uci-dir", "d"],
        &["check", "-C", "c.json", "--uci-dir", "d"],
    ] {
        let files = match parsed(args) {
            Ok(Command::Check(agent)) => agent.inputs().load(None).files,
            other => panic!("{args:?}: {other:?}"),
        };
        assert_eq!(files.json, Path::new("c.json"));
        assert_eq!(files.uci, Path::new("d/socketman"));
    }
    assert_eq!(set(&["-u", "check", "agent"])[0].1, "check");
    refused(&["status", "check"]);
}

#[test]
fn what_is_to_run_is_left_as_it_is() {
    let run = |args: &[&str]| match parsed(args) {
        Ok(Command::Run { command, bus }) => (command, bus.root),
        other => panic!("{args:?}: {other:?}"),
    };
    let (command, root) = run(&[
        "run",
        "--root",
        "/r",
        "--",
        "ls",
        "-config=x",
        "--",
        "-debug",
    ]);
    assert_eq!(command, "ls -config=x -- -debug");
    assert_eq!(root, Path::new("/r"));
    assert_eq!(run(&["run", "--", "echo 'a  b'"]).0, "echo 'a  b'");
    refused(&["run"]);
    refused(&["run", "--"]);
    refused(&["run", "ls"]);
}

#[test]
fn those_who_ask_the_agent_say_where_it_is_and_how_to_print() {
    let args = |verb| [verb, "--json", "--root=/r", "-ubus-socket", "/u"];
    for verb in ["status", "stats", "jobs"] {
        let (json, bus) = match parsed(&args(verb)).unwrap() {
            Command::Status { json, bus } if verb == "status" => (json, bus),
            Command::Stats { json, bus } if verb == "stats" => (json, bus),
            Command::Jobs { json, bus } if verb == "jobs" => (json, bus),
            other => panic!("{verb}: {other:?}"),
        };
        assert!(json);
        assert_eq!((bus.socket(), bus.root), ("/u".into(), "/r".into()));
        let message = refused(&[verb, "--username", "x"]);
        assert!(message.contains("--username"), "{message}");
    }
}

#[test]
fn what_is_not_understood_never_starts_the_agent() {
    for (args, named) in [
        (&["--frobnicate"][..], "'--frobnicate'"),
        (&["--pasword=hunter2"], "'--pasword'"),
        (&["-Z"], "'-Z'"),
        (&["agent", "--wifi"], "'--wifi'"),
        (&["frobnicate"], "'frobnicate'"),
        (&["--config"], "'--config <FILE>'"),
        (&["--debug=yes"], "'--debug'"),
        (&["--time-scale", "0"], "'--time-scale <N>'"),
        (&["--username", "x", "status"], "'status'"),
        (&["help"], "'help'"),
    ] {
        let message = refused(args);
        assert!(message.contains(named), "{args:?}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let not_utf8 = std::os::unix::ffi::OsStringExt::from_vec(b"--username=\xff".to_vec());
    assert_eq!(parse(["socketman".into(), not_utf8]).unwrap_err().code, 2);
}

#[test]
fn version_and_help_end_well_and_say_what_they_should() {
    for args in ["--version", "-V", "-version"] {
        let version = concat!("socketman ", env!("CARGO_PKG_VERSION"), "\n");
        let exit = parsed(&[args]).unwrap_err();
        assert_eq!((exit.code, exit.message.as_str()), (0, version));
    }
    for args in [&["--help"][..], &["-h"], &["-help"], &["agent", "--help"]] {
        let help = parsed(args).unwrap_err();
        assert_eq!(help.code, 0);
        let help = help.message;
        assert!(help.contains("every user can read it with ps"), "{help}");
        assert!(help.contains("-s, --sleep <SECONDS>"), "{help}");
        assert!(help.contains("[default: 1883, or 8883 with tls]"), "{help}");
        assert!(!help.contains("time-scale"), "{help}");
    }
    assert_eq!(parsed(&["run", "--help"]).unwrap_err().code, 0);
}

#[test]
fn secrets_given_as_arguments_do_not_show_in_debug_output() {
    let command = parsed(&["-p", "hunter2", "-key=hunter2", "--token", "hunter2"]).unwrap();
    let shown = format!("{command:?}");
    assert!(
        shown.contains("***") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn the_labs_pace_is_taken_from_time_scale() {
    let inputs = agent(&["--time-scale", "30"]).inputs();
    assert_eq!(inputs.pace, Pace::faster(30));
}
