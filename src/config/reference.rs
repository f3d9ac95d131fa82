//! docs/options.md, as the table writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{Preset, Row, OPTIONS};

const HEAD: &str = "\
# Options

<!-- Generated from the table in src/config/options.rs:
     UPDATE_DOCS=1 cargo test --lib options_reference -->

An option comes from the command line, else from config.json, else it has its default. The file is
`/etc/socketman/config.json` unless `--config FILE` names another: one JSON object, UTF-8, at most
1 MiB, a value at most 4096 bytes.

A value that cannot be used never stops the agent. It is reported with option, source, line and
reason, in the log and in the `config` part of the agent's status; the default is used (also when the
file has a good value and the command line a bad one), and everything else stands. The same goes for a file
that is missing, empty, cut off or no JSON: its error names line and column. Keys that are not known
and keys given twice (the last one holds) are warnings.

Types are read loosely, as the original did: a bool may be `true`, `1`, `\"1\"`, `\"true\"`, `\"yes\"`, `\"on\"`
and their opposites; a number may stand in quotes (`\"8443\"`); a string of digits may stand without. `null`
is an error. Control characters are refused.

Secret values are never logged nor shown, at any level; of a URL only what stands before the query, and no
user name or password.

";

const TAIL: &str = "
## Command line

What stands on the command line can be read by every user of the device with `ps`: passwords and tokens
belong in the file, which only root should be able to read.

Long options may have a single dash (`-config=FILE`, `-config FILE`), as in the original. A long name that
matches as a whole comes first, else the first letter is a short option and the rest its value: `-port 1`
is `--port 1`, `-uNAME` is `--username NAME`. A flag that is not known ends the process with exit code 2
before it did anything.

## Paths

`--root DIR` is put before every path the agent reads or writes: those in the table, the defaults of
`--config` and `--ubus-socket`, and `/proc`, `/sys`, `/tmp`, `/etc`. A path given with `--config` or
`--ubus-socket` is taken as it is. Paths in the table are absolute and without `..`.

## Identity

`mac` is used as it is written, else the first line of `mac_file`. Else the agent takes the MAC address of the
WAN device, else that of the first physical network interface (addresses of the hardware before random
ones, wired before wireless, then by name), both written as `AA-BB-CC-DD-EE-FF`.

## Log

Lines go to syslog (facility daemon, tag `socketman`); with the environment variable `DEBUG` set, to
the terminal. How much is logged is set with the option `debug`.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    text += "| name | type | default | command line | meaning |\n|---|---|---|---|---|\n";
    for row in OPTIONS {
        write_row(&mut text, row).expect("a String takes everything");
    }
    text + TAIL
}

fn write_row(text: &mut String, row: &Row) -> std::fmt::Result {
    write!(text, "| `{}`", row.name)?;
    for alias in row.aliases {
        write!(text, " (`{alias}`)")?;
    }
    write!(text, " | {} | ", row.kind.describe())?;
    match row.default {
        Preset::Fixed("") => {}
        Preset::Fixed(default) => write!(text, "`{default}`")?,
        Preset::Derived(rule) => text.write_str(rule)?,
    }
    text.write_str(" | ")?;
    if let Some(flag) = row.flag {
        write!(text, "`--{}`", flag.long)?;
        if let Some(short) = flag.short {
            write!(text, " `-{short}`")?;
        }
        if let Some(alias) = flag.alias {
            write!(text, " `--{alias}`")?;
        }
        if let Some(means) = flag.means {
            write!(text, " (= {means})")?;
        }
    }
    let help = row.help.replace('|', "\\|").replace('<', "&lt;");
    let effect = match row.without_effect {
        true => " (no effect in this version)",
        false => "",
    };
    writeln!(text, " | {help}{effect} |")
}

#[test]
fn options_reference_in_the_docs_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == reference(),
        "docs/options.md is not what the table says; UPDATE_DOCS=1 cargo test --lib options_reference"
    );
}
