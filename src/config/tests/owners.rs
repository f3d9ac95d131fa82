//! Owner and mode of settings files.

use std::os::unix::fs::{chown, MetadataExt};

use super::*;

struct File {
    dir: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let file = File {
            dir: tempfile::tempdir().unwrap(),
        };
        write_private(&file.path(), text);
        file
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("config.json")
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(self.path(), Permissions::from_mode(mode)).unwrap();
    }

    fn inputs(&self) -> Inputs {
        inputs(&Settings::default(), &self.path())
    }
}

#[test]
fn a_file_that_others_may_write_says_nothing_until_it_is_mended() {
    let file = File::new(r#"{"topic": "t"}"#);
    for mode in [0o620, 0o602, 0o666, 0o777] {
        file.chmod(mode);
        let loaded = file.inputs().load(None);
        assert_eq!(loaded.config.broker.topic, "", "{mode:o}");
        assert!(loaded.config.closed.link().is_some() && loaded.config.closed.jobs().is_some());
        let error = &loaded.errors[0].reason;
        let said = "can be written by others: look at what it says, then chmod 600 it; ";
        assert!(error.starts_with(said), "{error}");
    }
    let mended = file.inputs().mend();
    assert_eq!(mended.len(), 1);
    let said = mended[0].to_string();
    let path = file.path().display().to_string();
    assert_eq!(
        said,
        format!("{path}: could be written by others: its mode is 600 now; look at what it says")
    );
    assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(file.inputs().load(None).config.broker.topic, "t");
    assert_eq!(file.inputs().mend(), []);
}

#[test]
fn a_file_of_another_user_says_nothing_and_is_not_mended() {
    let file = File::new(r#"{"topic": "t"}"#);
    // Only root can give it away.
    if chown(file.path(), Some(65534), None).is_err() {
        return;
    }
    file.chmod(0o666);
    let loaded = file.inputs().load(None);
    assert_eq!(loaded.config.broker.topic, "");
    let error = &loaded.errors[0].reason;
    let said = "belongs to user 65534: look at what it says, then chown root it; ";
    assert!(error.starts_with(said), "{error}");
    assert_eq!(file.inputs().mend(), []);
    assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o666);
}

#[test]
fn secrets_that_others_can_read_are_a_warning_and_other_settings_are_not() {
    for (text, warned) in [
        (r#"{"topic": "t", "token": ""}"#, false),
        (r#"{"password": "hunter2"}"#, true),
        (r#"{"stats_url": "https://u:hunter2@a.example/"}"#, true),
    ] {
        let file = File::new(text);
        file.chmod(0o644);
        let loaded = file.inputs().load(None);
        assert_eq!(loaded.errors, []);
        let said: Vec<_> = loaded.warnings.iter().map(Problem::to_string).collect();
        let path = file.path().display().to_string();
        let wanted = format!("{path}: others can read the secrets in it: chmod 600 it");
        assert_eq!(said.contains(&wanted), warned, "{text}: {said:?}");
        file.chmod(0o600);
        assert_eq!(file.inputs().load(None).warnings, [], "{text}");
    }
}
