//! docs/options.md, as the table writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{Guard, Preset, Row, OPTIONS};

const HEAD: &str = "\
# Options

<!-- Generated from the table in src/config/options.rs:
     UPDATE_DOCS=1 cargo test --lib options_reference -->

An option comes from the command line, else from UCI, else from config.json, else it has its default.
`socketman check` shows each with its value and source, and everything that is wrong.

* **UCI**: the package `socketman` (`/etc/config/socketman`, or `/var/run/uci/socketman` in its place), section
  `config socketman 'main'`. Names are those of the table with `_` for `-`: `option no_ping '1'`. `option enabled '1'`
  lets the init script start the agent, `option config` names the file of config.json. Only what is committed counts.
* **config.json**: `/etc/socketman/config.json` unless `--config FILE` or UCI names another: one JSON object, UTF-8, at most
  1 MiB. It need not be there if the UCI section is.

A value is at most 4096 bytes; spaces around it are dropped. One that cannot be used never stops the agent. It is reported
with option, source, line and reason, in the log and in the `config` part of the agent's status; the default is used (also
when a source that is preceded has a good value), and everything else stands. Options that guard a way into the device
are [different](#options-that-guard). Keys and sections that are not known and keys given twice (the last one holds) are
warnings.

**Last good copies.** A config.json that is empty, cut off or no JSON, and a UCI package that libuci refuses or that has
lost its section `main`, is an error with its line, and its last good copy is used; the init script, too, starts the agent by it. The agent keeps one of each file, written
when it changes and everything that guards in it can be used: config.json's in `state_dir` (as command line, UCI or default have it), the UCI package's in the default
`state_dir`. A copy stands in for the file it was made of and no other. When the file is gone, which is looked at twice 10 s
apart, its copy goes too: to drop the settings of a file, remove it. A file that is there and can be read neither itself
nor by its copy closes every way: there is no link to the broker, and no job but root's own runs. A provisioning server is
not asked while a file that is there cannot be read itself.

**Owner and mode.** A settings file that belongs to somebody else than root, or that others may write, cannot be read in this
sense: `chown root FILE; chmod 600 FILE` after a look at what it says. (The first start of a new version takes the right to write
from others itself, with a warning.) Secrets that others can read are a warning.

**Directories.** `spool_dir`, `archive_dir` and `state_dir` are three different ones, none inside another; else `archive_dir` is off,
then `spool_dir` has its default, with an error. (A `state_dir` that would take the default of `spool_dir` has its own default.)

## While the agent runs

Settings are read again on SIGHUP, by `ubus call socketman reload`, and by themselves 1 s after one of the files changed.
Running jobs go on; only parts whose options changed restart. Another `spool_dir` takes what waits along. To another
`state_dir` the record of jobs moves as soon as that directory can be opened, and the one before is removed when its disk allows; it is locked at once; everything else in it is used from the next start on. Files that `cacrt`, `tls_cert` and `tls_key` name are watched too.

## How values are written

Types are read loosely, as the original did: a bool may be `true`, `1`, `\"1\"`, `\"true\"`, `\"yes\"`, `\"on\"`
and their opposites; a number may stand in quotes (`\"8443\"`); a string of digits may stand without. `null`
is an error, and so is a list where one value is wanted; where a list is wanted one value will do. Control
characters are refused.

Secret values are never logged nor shown, at any level; of a URL only what stands before the query, and no
user name or password.

";

const GUARDS: &str = "
## Options that guard

A typo must not open what an option keeps closed. While the value of one of these cannot be used (wrong type or syntax, or a
file it names that is missing or holds something else), its last good value holds, from the last good copy of the same
file. Without one, the strictest holds. The value of another source never stands in for it.

| option | strictest |
|---|---|
";

const TAIL: &str = "
`socketman check` and `status` name the option and the reason; `config` on ubus has `closed` with an option that is held at its
strictest. A value that is mended counts as soon as it is written.

## Command line

What stands on the command line can be read by every user of the device with `ps`: passwords and tokens
belong in the file, which only root should be able to read.

Long options may have a single dash (`-config=FILE`, `-config FILE`), as in the original. A long name that
matches as a whole comes first, else the first letter is a short option and the rest its value: `-port 1`
is `--port 1`, `-uNAME` is `--username NAME`. A flag that is not known ends the process with exit code 2
before it did anything.

## Paths

`--root DIR` is put before every path the agent reads or writes: those in the table, the defaults of
`--config`, `--uci-dir` and `--ubus-socket`, and `/proc`, `/sys`, `/tmp`, `/etc`. A path given with one of
these three is taken as it is. Paths in the table are absolute and without `..`.

## Identity

`mac` is used as it is written, else the first line of `mac_file`. Else the agent chooses a MAC address of the
hardware once, at its first start, and remembers it in `state_dir`/keep/identity, which sysupgrade keeps: the
one on the board's label, else that of the first wired network interface by name, else that of the first
radio, else that of an interface or radio on USB, written as `AA-BB-CC-DD-EE-FF`. Only addresses given by
the maker count; virtual interfaces, modems, tunnels, and addresses that are random, taken from another
interface or set by a program are never asked. Where nothing has such an address, the agent makes up a local
one, and keeps it.

The identity does not change with the uplink or with a card that comes or goes. The permanent addresses of the
hardware are remembered with it. If none of them is there and others are (a backup restored on another
router, a copied disk), the identity is chosen again, with a warning in the log and in `status`. A card on
USB that was only seen beside others does not count beside others, for it can be moved. The same happens if the file is damaged. If `state_dir` cannot be used, the choice is made at each start, with a
warning.

## Log

Lines go to syslog (facility daemon, tag `socketman`); with the environment variable `DEBUG` set, to
the terminal. How much is logged is set with the option `debug`.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    text +=
        "| name | in UCI | type | default | command line | meaning |\n|---|---|---|---|---|---|\n";
    for row in OPTIONS {
        write_row(&mut text, row).expect("a String takes everything");
    }
    text += GUARDS;
    for row in OPTIONS {
        let strictest = match row.guard {
            None => continue,
            Some(Guard::Value(value)) => format!("`{value}`"),
            Some(Guard::Link(_)) => "no link to the broker".into(),
            Some(Guard::Jobs) => {
                "set, and no key matches: no job of the broker or of a web session runs".into()
            }
        };
        writeln!(text, "| `{}` | {strictest} |", row.name).expect("a String takes everything");
    }
    text + TAIL
}

fn write_row(text: &mut String, row: &Row) -> std::fmt::Result {
    write!(text, "| `{}`", row.name)?;
    for alias in row.aliases {
        write!(text, " (`{alias}`)")?;
    }
    text.write_str(" |")?;
    let names = [row.name].into_iter().chain(row.aliases.iter().copied());
    for name in names.filter(|name| name.contains('-')) {
        write!(text, " `{}`", name.replace('-', "_"))?;
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
    writeln!(text, " | {help} |")
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
