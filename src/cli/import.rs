//! `socketman import FILE`: takes over the settings of the original.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::check::append_facts;
use super::words::{count, safe};
use super::ImportArgs;
use crate::config::reload::Facts;
use crate::config::{import, ImportError, Imported};

/// Copies the file to where the agent reads config.json, and prints what was taken over and what is
/// wrong with the settings now. Changes nothing that is there already.
///
/// # Errors
///
/// Nothing was taken over.
pub fn run(args: &ImportArgs) -> Result<ExitCode, ImportError> {
    let inputs = args.inputs();
    let to = inputs.load(None).files.json;
    let imported = import(&args.from, &to)?;
    let mut text = told(args, &to.display().to_string(), &imported);
    append_facts(&mut text, &Facts::found(&inputs.load(None), inputs.checks));
    text +=
        "\nNothing runs yet unless the service is enabled: uci set socketman.main.enabled='1'; \
             uci commit socketman; /etc/init.d/socketman restart\n";
    // The settings are in place whether or not somebody reads this.
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(_) => Ok(ExitCode::FAILURE),
    }
}

fn told(args: &ImportArgs, to: &str, imported: &Imported) -> String {
    let from = safe(&args.from.display().to_string());
    let mut text = format!(
        "{from} is copied to {} (mode 600), and stays as it is\n",
        safe(to)
    );
    for (what, keys) in [
        ("taken over", &imported.known),
        ("not known and without effect", &imported.unknown),
    ] {
        if !keys.is_empty() {
            let keys: Vec<_> = keys.iter().map(|key| safe(key)).collect();
            let number = count(keys.len() as u64, "setting");
            // A String takes everything.
            let _ = writeln!(text, "{number} {what}: {}", keys.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::cli::{parse, Command};

    const SETTINGS: &str = r#"{"mqtt_host": "broker.example.net", "token": "hunter2", "x": 1}"#;

    fn args(root: &Path, from: &Path) -> ImportArgs {
        let line = ["socketman", "import", "--root"].map(Into::into);
        let line = line.into_iter().chain([root.into(), from.into()]);
        match parse(line) {
            Ok(Command::Import(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    /// A root with a file of the original, and where its settings go.
    fn device() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        let from = root.path().join("etc/config.json");
        fs::write(&from, SETTINGS).unwrap();
        let to = root.path().join("etc/socketman/config.json");
        (root, from, to)
    }

    #[test]
    fn settings_are_copied_for_their_owner_alone_and_what_happened_is_said() {
        let (root, from, to) = device();
        let args = args(root.path(), &from);
        run(&args).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), SETTINGS);
        assert_eq!(fs::read_to_string(&from).unwrap(), SETTINGS);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&to), 0o600);
        assert_eq!(mode(to.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
        let imported = Imported {
            known: vec!["mqtt_host".into(), "token".into()],
            unknown: vec!["x\u{1b}".into()],
        };
        let said = told(&args, "TO", &imported);
        assert!(
            said.contains("2 settings taken over: mqtt_host, token\n"),
            "{said}"
        );
        assert!(
            said.contains("1 setting not known and without effect: x\\u{1b}\n"),
            "{said}"
        );
        assert!(!said.contains("hunter2"));
        assert_eq!(
            args.inputs().load(None).config.broker.host,
            "broker.example.net"
        );
    }

    #[test]
    fn settings_that_are_there_stay_as_they_are() {
        let (root, from, to) = device();
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(&to, "{}").unwrap();
        let error = run(&args(root.path(), &from)).unwrap_err().to_string();
        assert!(error.ends_with("config.json is there already"), "{error}");
        assert_eq!(fs::read_to_string(&to).unwrap(), "{}");

        // A link that leads nowhere is something too.
        fs::remove_file(&to).unwrap();
        std::os::unix::fs::symlink("/nowhere/x", &to).unwrap();
        run(&args(root.path(), &from)).unwrap_err();
        assert!(fs::symlink_metadata(&to).unwrap().is_symlink());
    }

    #[test]
    fn files_that_are_not_the_originals_are_refused_and_nothing_is_made() {
        let (root, from, to) = device();
        for (text, reason) in [
            (
                r#"{"server": "of another program"}"#,
                "holds no setting of SocketMan",
            ),
            ("{", "ends in the middle (line 1, column 1)"),
        ] {
            fs::write(&from, text).unwrap();
            let error = run(&args(root.path(), &from)).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{error}");
        }
        let missing = root.path().join("missing");
        run(&args(root.path(), &missing)).unwrap_err();
        assert!(!to.exists() && !to.parent().unwrap().exists());
    }

    #[test]
    fn a_file_in_the_way_of_our_directory_is_left_alone_with_a_word_on_what_to_do() {
        let (root, from, to) = device();
        let file = to.parent().unwrap();
        fs::rename(from, file).unwrap();
        let error = run(&args(root.path(), file)).unwrap_err().to_string();
        let file = file.display();
        assert_eq!(
            error,
            format!("{file} is a file, where a directory has to be: mv {file} {file}.json, then import {file}.json")
        );
        let aside = root.path().join("etc/socketman.json");
        fs::rename(to.parent().unwrap(), &aside).unwrap();
        run(&args(root.path(), &aside)).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), SETTINGS);
    }
}
