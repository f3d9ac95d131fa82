//! files/socketman.config, the UCI settings of the package, as the table writes them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use uci::Directories;

use super::{Config, Inputs, Kind, Preset, Row, OPTIONS};
use crate::process::clock::Pace;

const HEAD: &str = "\
# Settings of SocketMan. What is commented shows the default; docs/options.md explains more.
# uci drops comments when it writes: `socketman check` lists the options then. A change counts as soon as
# it is written; only enabled waits for /etc/init.d/socketman reload.

config socketman 'main'
\t# 1: the init script starts the agent
\toption enabled '0'

\t# JSON file with settings; those here come first
\t#option config '/etc/socketman/config.json'
";

/// The heading of each group of options, by the first option in it.
const GROUPS: [(&str, &str); 10] = [
    ("username", "MQTT broker"),
    ("api_url", "API"),
    ("mac", "Identity"),
    ("monitor", "Collection"),
    ("no-cache", "Delivery"),
    ("no-ping", "Presence and health"),
    ("recover", "Recovery"),
    ("init_url", "First contact"),
    ("api_commands", "Jobs"),
    ("state_dir", "The agent"),
];

fn packaged() -> String {
    let mut text = HEAD.to_owned();
    let mut heading = None;
    for row in OPTIONS {
        let group = GROUPS.iter().find(|(first, _)| *first == row.name);
        heading = group.map(|(_, group)| group).or(heading);
        if let Some(group) = heading.take() {
            write!(text, "\n\t### {group}\n").expect("a String takes everything");
        }
        write_row(&mut text, row).expect("a String takes everything");
    }
    text
}

fn write_row(text: &mut String, row: &Row) -> std::fmt::Result {
    write!(text, "\n\t# {}", row.help)?;
    write!(text, "; {}", row.kind.describe())?;
    let default = match row.default {
        Preset::Fixed(default) => default,
        Preset::Derived(rule) => {
            write!(text, "; default: {rule}")?;
            ""
        }
    };
    let command = match row.kind {
        Kind::Keys(_) => "list",
        _ => "option",
    };
    let name = row.name.replace('-', "_");
    writeln!(text, "\n\t#{command} {name} '{default}'")
}

#[test]
fn packaged_settings_show_every_option_with_an_effect_and_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("files/socketman.config");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, packaged()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == packaged(),
        "files/socketman.config is not what the table says; \
         UPDATE_DOCS=1 cargo test --lib packaged_settings"
    );
    for (first, _) in GROUPS {
        assert!(OPTIONS.iter().any(|row| row.name == first), "{first}");
    }
}

/// The configuration of a package of settings.
fn load(text: &str) -> super::Loaded {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("socketman"), text).unwrap();
    let root = Path::new("/root-of-test");
    Inputs {
        uci: Directories::of(root, Some(dir.path().to_owned())),
        ..Inputs::below(root, crate::tls::CHECKS)
    }
    .load(None)
}

#[test]
fn packaged_settings_mean_the_defaults_commented_or_not() {
    let defaults = Config::defaults(Path::new("/root-of-test"), Pace::REAL);
    let commented = packaged();
    // What follows from others has no value to write, no key is no list, and a file that is named has to
    // be there.
    let nothing = |line: &str| {
        let derived = |row: &Row| matches!(row.default, Preset::Derived(_));
        line.starts_with("\t#list")
            || line.starts_with("\t#option config ")
            || OPTIONS
                .iter()
                .any(|row| derived(row) && line.starts_with(&format!("\t#option {} ", row.name)))
    };
    let lines = commented.lines().map(|line| match nothing(line) {
        true => line.to_owned(),
        false => line.replace("\t#option", "\toption"),
    });
    let written: String = lines.map(|line| line + "\n").collect();
    assert!(written.matches("\toption ").count() > 40);
    for text in [&commented, &written] {
        let loaded = load(text);
        assert_eq!(loaded.errors, [], "{text}");
        assert_eq!(*loaded.config, defaults, "{text}");
    }
}
