//! `socketman check`: what the settings come to, and what is wrong with them.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::words::{count, safe};
use super::AgentArgs;
use crate::config::{Loaded, Problem};

/// Prints every option with its value and source, then errors and warnings. Asks nobody and changes
/// nothing. Exit code 1 if there is an error.
pub fn run(args: &AgentArgs) -> io::Result<ExitCode> {
    let loaded = args.inputs().load(None);
    io::stdout().write_all(text(&loaded).as_bytes())?;
    Ok(match loaded.errors.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn text(loaded: &Loaded) -> String {
    let mut text = String::new();
    for chosen in &loaded.options {
        let (name, value) = (chosen.row.name, safe(&chosen.shown()));
        let source = safe(&loaded.files.name_of(chosen.source));
        let line = format!("{name:<17} {value:<30} {source}");
        text += &line;
        text.push('\n');
    }
    for (noun, problems) in [("error", &loaded.errors), ("warning", &loaded.warnings)] {
        append(&mut text, noun, problems);
    }
    text
}

fn append(text: &mut String, noun: &str, problems: &[Problem]) {
    let number = count(problems.len() as u64, noun);
    // A String takes everything.
    let _ = writeln!(text, "\n{number}");
    for problem in problems {
        let _ = writeln!(text, "  {}", safe(&problem.to_string()));
    }
}
