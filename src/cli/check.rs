//! `socketman check`: what the settings come to, and what is wrong with them.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::words::{count, safe};
use super::AgentArgs;
use crate::config::reload::Facts;
use crate::config::{Loaded, Problem};

/// Prints every option with its value and source, then errors and warnings. Asks nobody and changes
/// nothing. Exit code 1 if there is an error.
pub fn run(args: &AgentArgs) -> io::Result<ExitCode> {
    let inputs = args.inputs();
    let loaded = inputs.load(None);
    let facts = Facts::found(&loaded, inputs.checks);
    io::stdout().write_all(text(&loaded, &facts).as_bytes())?;
    Ok(match facts.errors.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn text(loaded: &Loaded, facts: &Facts) -> String {
    let mut text = String::new();
    for chosen in &loaded.options {
        let name = chosen.row.name;
        let value = match safe(&chosen.shown()) {
            none if none.is_empty() && chosen.is_closed() => "closed".to_owned(),
            value => value,
        };
        let source = safe(&loaded.files.name_of(chosen.source));
        let line = format!("{name:<17} {value:<30} {source}");
        text += &line;
        text.push('\n');
    }
    append_facts(&mut text, facts);
    text
}

/// Adds what is wrong, errors first.
pub(super) fn append_facts(text: &mut String, facts: &Facts) {
    for (noun, problems) in [("error", &facts.errors), ("warning", &facts.warnings)] {
        append(text, noun, problems);
    }
}

fn append(text: &mut String, noun: &str, problems: &[Problem]) {
    let number = count(problems.len() as u64, noun);
    // A String takes everything.
    let _ = writeln!(text, "\n{number}");
    for problem in problems {
        let _ = writeln!(text, "  {}", safe(&problem.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::cli::{parse, Command};
    use crate::terminal;

    /// The text printed for the device whose files lie below `root`.
    fn checked(root: &Path, more: &[&str]) -> String {
        let root = root.to_str().unwrap();
        let args = [&["socketman", "check", "--root", root], more].concat();
        match parse(args.into_iter().map(Into::into)) {
            Ok(Command::Check(args)) => {
                let inputs = args.inputs();
                let loaded = inputs.load(None);
                text(&loaded, &Facts::found(&loaded, inputs.checks))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_option_is_shown_with_its_source_and_what_is_wrong_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let json = file(
            "etc/socketman/config.json",
            "{\"token\": \"hunter2\", \"topic\": \"t\"}",
        );
        let uci = file(
            "etc/config/socketman",
            "config socketman main\n\toption qos 5\n\toption topik x\n\toption topic uci\n",
        );
        let said = checked(root.path(), &["--port", "8883"]);
        let line = |name: &str, value: &str, source: &str| {
            let line = format!("{name:<17} {value:<30} {source}\n");
            assert!(said.contains(&line), "{line}{said}");
        };
        line("token", "***", &json);
        line("topic", "uci", &uci);
        line("port", "8883", "command line");
        line("key", "", "default");
        line("monitor", "15", "default");
        let end = format!(
            "\n1 error\n  {uci}:2: option 'qos': 5 is out of range (0-2)\n\
             \n1 warning\n  {uci}:3: option 'topik': is not known\n"
        );
        assert!(said.ends_with(&end), "{said}");
        assert!(!said.contains("hunter2"));
        for row in crate::config::OPTIONS {
            assert!(said
                .lines()
                .any(|line| line.split(' ').next() == Some(row.name)));
        }
    }

    #[test]
    fn an_option_that_is_held_closed_is_shown_as_that() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("config.json");
        fs::write(&file, r#"{"cacrt": "ca2.pem", "web_jobs": "flase"}"#).unwrap();
        let said = checked(root.path(), &["--config", file.to_str().unwrap()]);
        for (name, value) in [("cacrt", "closed"), ("web_jobs", "0")] {
            let line = format!("{name:<17} {value:<30} strictest value\n");
            assert!(said.contains(&line), "{line}{said}");
            assert!(said.contains(&format!("option '{name}': ")), "{said}");
        }
    }

    #[test]
    fn a_value_cannot_drive_the_terminal() {
        let root = tempfile::tempdir().unwrap();
        let said = checked(root.path(), &["--topic", "\u{9b}2J", "-u", "a\u{1b}[2J"]);
        assert!(!said.contains(['\u{9b}', '\u{1b}']), "{said}");
        let said = checked(
            root.path(),
            &["--topic", terminal::HOSTILE, "-P", terminal::HOSTILE],
        );
        terminal::assert_harmless(&said, said.matches("FORGED").count());
        assert!(said.contains("FORGED"), "{said}");
    }
}
