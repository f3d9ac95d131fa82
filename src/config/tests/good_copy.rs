//! The last good copies of config.json and of the UCI package.

use std::fs::{self, Permissions};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use super::*;
use crate::process::crash::Crashes;

/// A device with config.json alone.
struct Device {
    dir: tempfile::TempDir,
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc/socketman")).unwrap();
        Device { dir }
    }

    fn inputs(&self) -> Inputs {
        Inputs::below(self.dir.path(), crate::tls::CHECKS)
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("etc/socketman/config.json")
    }

    fn copy(&self) -> std::path::PathBuf {
        let state = self.dir.path().join("etc/socketman/state");
        state.join(last_good::JSON)
    }

    /// The contents of the copy, without the name of its file.
    fn copied(&self) -> String {
        let copy = fs::read_to_string(self.copy()).unwrap();
        let (head, text) = copy.split_once('\n').unwrap();
        let file = self.file().display().to_string();
        assert_eq!(head, format!("{} {file}", file.len()));
        text.to_owned()
    }

    fn uci(&self, package: &str) -> std::path::PathBuf {
        let dir = self.inputs().uci.committed;
        fs::create_dir_all(&dir).unwrap();
        write_private(&dir.join("socketman"), package);
        dir.join("socketman")
    }

    /// Reads the files as an agent that starts, and keeps their copies.
    fn restart(&self) -> Loaded {
        let loaded = self.inputs().load(None);
        assert_eq!(loaded.keep_good_copies(), []);
        loaded
    }

    /// Writes config.json, reads it as an agent that starts, and keeps the copy.
    fn start(&self, json: &str) -> Loaded {
        write_private(&self.file(), json);
        self.restart()
    }
}

#[test]
fn a_truncated_or_empty_file_is_an_error_and_its_last_good_copy_is_used() {
    let device = Device::new();
    let whole = r#"{"topic": "t", "monitor": 20, "token": "hunter2"}"#;
    let good = device.start(whole);
    assert_eq!(good.errors, []);
    for broken in ["", "{", &whole[..20], "[]", "null", "\0\0\0\0"] {
        let loaded = device.start(broken);
        assert_eq!(loaded.config, good.config, "{broken}");
        assert_eq!(loaded.errors.len(), 1);
        let error = loaded.errors[0].to_string();
        let file = device.file().display().to_string();
        assert!(error.starts_with(&file), "{error}");
        assert!(error.ends_with("; its last good copy is used"), "{error}");
        assert_eq!(loaded.unreadable, Some(file), "for whoever would write it");
        assert!(!shown(&loaded).contains("hunter2"));
        assert_eq!(device.copied(), whole);
    }
    // The repaired file holds.
    let repaired = device.start(r#"{"topic": "new"}"#);
    assert_eq!(
        (&*repaired.config.broker.topic, repaired.errors.len()),
        ("new", 0)
    );
    assert_eq!(repaired.unreadable, None);
}

#[test]
fn a_file_that_was_taken_away_is_not_brought_back() {
    let device = Device::new();
    device.start(r#"{"topic": "t"}"#);
    fs::remove_file(device.file()).unwrap();
    let loaded = device.inputs().load(None);
    assert_eq!(loaded.config.broker.topic, "");
    assert_eq!(loaded.errors.len(), 1);
}

#[test]
fn the_copy_is_ours_alone_and_is_written_only_when_it_changes() {
    let device = Device::new();
    device.start(r#"{"topic": "a"}"#);
    let first = fs::metadata(device.copy()).unwrap();
    assert_eq!(first.mode() & 0o777, 0o600);
    device.start(r#"{"topic": "a"}"#);
    assert_eq!(fs::metadata(device.copy()).unwrap().ino(), first.ino());
    device.start(r#"{"topic": "b"}"#);
    assert_ne!(fs::metadata(device.copy()).unwrap().ino(), first.ino());
    assert_eq!(device.copied(), r#"{"topic": "b"}"#);
}

#[test]
fn a_copy_that_somebody_else_may_have_made_is_not_used() {
    let device = Device::new();
    device.start(r#"{"topic": "mine"}"#);
    write_private(&device.file(), "{");
    let topic = || device.inputs().load(None).config.broker.topic.clone();
    assert_eq!(topic(), "mine");

    fs::set_permissions(device.copy(), Permissions::from_mode(0o666)).unwrap();
    assert_eq!(topic(), "");

    let foreign = device.dir.path().join("foreign");
    fs::write(&foreign, r#"{"topic": "foreign"}"#).unwrap();
    fs::remove_file(device.copy()).unwrap();
    symlink(&foreign, device.copy()).unwrap();
    assert_eq!(topic(), "");
    // It is replaced and not followed when a copy is kept again.
    device.start(r#"{"topic": "again"}"#);
    assert!(fs::symlink_metadata(device.copy()).unwrap().is_file());
    assert_eq!(fs::read(&foreign).unwrap(), br#"{"topic": "foreign"}"#);
}

#[test]
fn what_was_read_before_stands_in_where_no_copy_can_be_kept() {
    let device = Device::new();
    write_private(&device.file(), r#"{"topic": "t"}"#);
    let state = device.copy();
    fs::write(state.parent().unwrap(), "in the way").unwrap();
    let before = device.inputs().load(None);
    let errors = before.keep_good_copies();
    assert_eq!(errors.len(), 1);
    let error = &errors[0].reason;
    assert!(
        error.starts_with("no copy of config.json can be kept: "),
        "{error}"
    );
    write_private(&device.file(), "");
    let loaded = device.inputs().load(Some(&before));
    assert_eq!(loaded.config.broker.topic, "t");
    assert_eq!(loaded.errors.len(), 1);
}

#[test]
fn a_file_that_ended_the_agent_twice_is_skipped_and_its_good_copy_stands_in() {
    let device = Device::new();
    let good = device.start(r#"{"topic": "good"}"#);
    let poison = r#"{"topic": "poison"}"#;
    write_private(&device.file(), poison);
    let after = |bytes: &[u8]| Inputs {
        crashes: Crashes::of("config", bytes),
        ..device.inputs()
    };
    let loaded = after(poison.as_bytes()).load(None);
    assert_eq!(loaded.config, good.config);
    let error = loaded.errors[0].to_string();
    let said = "handling it has ended the agent 2 times; it is skipped; its last good copy is used";
    assert!(error.ends_with(said), "{error}");
    assert_eq!(after(b"{}").load(None).config.broker.topic, "poison");

    // A copy of the same bytes is no better.
    device.start(poison);
    let loaded = after(poison.as_bytes()).load(None);
    assert_eq!(
        (loaded.config.broker.topic.as_str(), loaded.errors.len()),
        ("", 1)
    );
}

#[test]
fn a_uci_package_that_ended_the_agent_twice_is_skipped_and_nothing_else_is() {
    let device = Device::new();
    device.start(r#"{"topic": "json", "monitor": 20}"#);
    let package = "config socketman main\n\toption topic uci\n";
    device.uci(package);
    let mut inputs = device.inputs();
    let before = inputs.load(None);
    assert_eq!(before.config.broker.topic, "uci");
    inputs.crashes = Crashes::of("config", package.as_bytes());
    let loaded = inputs.load(None);
    assert_eq!(
        (&*loaded.config.broker.topic, loaded.errors.len()),
        ("json", 1)
    );
    let error = loaded.errors[0].to_string();
    assert!(error.contains("2 times; it is skipped; "), "{error}");
}

#[test]
fn a_uci_package_is_handled_for_as_long_as_its_options_are_taken() {
    let device = Device::new();
    let file = device.uci("config socketman main\n\toption topic uci\n");
    device.restart();
    let inputs = device.inputs();
    let state_dir = device.dir.path().join("etc/socketman/state");
    let kept = last_good::Kept {
        remembered: None,
        state_dir: &state_dir,
        name: last_good::UCI,
        of: &file,
    };
    let source = inputs.read_uci(&kept);
    let of_file = inputs.crashes.handled();
    assert_eq!(of_file.len(), 1);
    drop(source);
    assert_eq!(inputs.crashes.handled(), [""; 0]);

    // So is the copy in its place: the same bytes, under the same name.
    device.uci("config socketman main\n\toption topic 'x\n");
    let _source = inputs.read_uci(&kept);
    assert_eq!(inputs.crashes.handled(), of_file);
}

#[test]
fn a_uci_package_that_cannot_be_read_is_replaced_by_its_copy_after_a_restart_too() {
    let device = Device::new();
    device.start("{}");
    let whole = "config socketman main\n\toption topic uci\n\toption state_dir /etc/elsewhere\n";
    let file = device.uci(whole);
    let good = device.restart();
    for broken in [
        "config socketman main\n\toption topic 'x",
        "\0",
        "",
        "# cut\n",
    ] {
        device.uci(broken);
        let loaded = device.restart();
        assert_eq!(loaded.config, good.config, "{broken}");
        assert_eq!(loaded.errors.len(), 1);
        let error = loaded.errors[0].to_string();
        assert!(error.starts_with(&file.display().to_string()), "{error}");
        assert!(error.ends_with("; its last good copy is used"), "{error}");
        assert_eq!(loaded.unreadable, Some(file.display().to_string()));
    }
    // Without a copy that has more, an empty package is what it seems.
    device.uci("config socketman main\n");
    device.restart();
    fs::remove_file(file).unwrap();
    assert_eq!(device.restart().errors, []);
}

#[test]
fn a_copy_stands_in_for_the_file_it_was_made_of_alone() {
    let device = Device::new();
    device.start(r#"{"topic": "first", "mqtt_host": "a.example"}"#);
    let other = device.dir.path().join("etc/other.json");
    write_private(&other, "{\"topic\": \"second\",}");
    device.uci("config socketman main\n\toption config /etc/other.json\n");
    let loaded = device.restart();
    assert_eq!(
        (&*loaded.config.broker.topic, &*loaded.config.broker.host),
        ("", "")
    );
    assert!(loaded.config.closed.link().is_some());
    // Nor does what a running agent remembers.
    device.uci("config socketman main\n");
    let before = device.restart();
    assert_eq!(before.config.broker.topic, "first");
    device.uci("config socketman main\n\toption config /etc/other.json\n");
    let loaded = device.inputs().load(Some(&before));
    assert_eq!(loaded.config.broker.topic, "");
}

#[test]
fn a_copy_that_names_no_file_is_not_used_and_goes() {
    let device = Device::new();
    device.start(r#"{"topic": "t"}"#);
    write_private(&device.copy(), r#"{"topic": "of an older version"}"#);
    write_private(&device.file(), "{");
    let loaded = device.inputs().load(None);
    assert_eq!(loaded.config.broker.topic, "");
    let state = loaded.files.copy_dir;
    assert_eq!(
        last_good::orphan(&state, last_good::JSON),
        Some(device.copy())
    );
    last_good::forget(&state, last_good::JSON).unwrap();
    assert!(!device.copy().exists());
}

#[test]
fn an_unusable_name_of_config_json_keeps_the_last_good_one_or_closes_every_way() {
    let device = Device::new();
    let other = device.dir.path().join("etc/other.json");
    write_private(&other, "{\"topic\": \"named\"}");
    let bad = "config socketman main\n\toption config etc/other.json\n";
    device.uci(bad);
    let loaded = device.restart();
    assert!(loaded.config.closed.link().is_some() && loaded.config.closed.jobs().is_some());
    let said = loaded
        .errors
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>();
    let name = said
        .iter()
        .find(|said| said.contains(":2: option 'config'"));
    let name = name.unwrap_or_else(|| panic!("{said:?}"));
    assert!(
        name.contains("'etc/other.json' is not an absolute path"),
        "{name}"
    );

    device.uci("config socketman main\n\toption config /etc/other.json\n");
    assert_eq!(device.restart().config.broker.topic, "named");
    device.uci(bad);
    let loaded = device.restart();
    assert_eq!(
        (&*loaded.config.broker.topic, loaded.errors.len()),
        ("named", 1)
    );
    assert_eq!(loaded.config.closed, Closed::default());
    let unreadable = loaded.unreadable.unwrap();
    assert!(unreadable.contains("option 'config'"), "{unreadable}");
}

#[test]
fn a_copy_knows_whether_its_file_says_something_else_now_and_stays_with_whoever_goes_on_with_it() {
    let device = Device::new();
    let first = r#"{"topic": "t", "token": "hunter2"}"#;
    let loaded = device.start(first);
    let bytes = |loaded: &Loaded| {
        let [uci, json] = loaded.good_copies();
        assert!(uci.is_none());
        json.map(|copy| String::from_utf8(copy.bytes.to_vec()).unwrap())
    };
    assert!(loaded.is_usable());
    assert_eq!(bytes(&loaded).as_deref(), Some(first));
    let [_, copy] = loaded.good_copies();
    let copy = copy.unwrap();
    assert_eq!(copy.of, device.file());
    assert!(!copy.differs() && !loaded.differs_from_kept_copies());

    let second = r#"{"topic": "u", "token": "hunter3"}"#;
    write_private(&device.file(), second);
    assert!(copy.differs() && loaded.differs_from_kept_copies());
    let now = device.inputs().load(None);
    assert_eq!(bytes(&now).as_deref(), Some(second));
    // By the memory of the agent, and by the disk.
    for kept in [
        now.clone().with_copies_of(&loaded),
        now.clone().with_kept_copies(),
    ] {
        assert_eq!(bytes(&kept).as_deref(), Some(first));
        assert_eq!(kept.config.broker.topic, "u");
        assert!(!shown(&kept).contains("hunter") && !format!("{copy:?}").contains("hunter"));
    }
    // Settings that cannot be used stay so beside the copies of others.
    write_private(&device.file(), "{");
    let broken = device.inputs().load(None);
    assert!(!broken.is_usable());
    assert!(!broken.with_copies_of(&loaded).is_usable());
    fs::remove_file(device.file()).unwrap();
    assert!(copy.differs());
    // It need not be there beside a package.
    assert!(!device.inputs().load(None).is_usable());
    device.uci("config socketman main\n");
    assert!(device.inputs().load(None).is_usable());
}
