//! The whole way from file and command line to a [`Config`].

mod cases;
mod document;
mod exposure;
mod good_copy;
mod guards;
mod options;
mod owners;
mod pem_files;
mod uci;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::process::file::under;

fn load_bytes(cli: &Settings, bytes: &[u8]) -> (Loaded, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    write_private(&file, bytes);
    (inputs(cli, &file).load(None), file.display().to_string())
}

/// A command line and this config.json, with no UCI package.
fn inputs(cli: &Settings, file: &Path) -> Inputs {
    Inputs {
        command_line: cli.clone(),
        file: Some(file.to_owned()),
        ..Inputs::below(Path::new("/root-of-test"), crate::tls::CHECKS)
    }
}

/// Writes a settings file as an operator should: only its owner may read it.
pub(in crate::config) fn write_private(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// The reason in the error about a value of `option` that is wrong for `reason`, without a last good value.
fn told(option: &str, reason: &str) -> String {
    match crate::config::options::find(option).unwrap().guard {
        Some(guard) => format!("{reason}; {}", guard.effect()),
        None => reason.to_owned(),
    }
}

/// Asserts that `loaded` has `defaults`, but for `held`, which are at their strictest.
fn assert_held(loaded: &Loaded, mut defaults: Config, held: &[&str]) {
    let rows: Vec<_> = held
        .iter()
        .filter_map(|name| crate::config::options::find(name))
        .collect();
    let root = Path::new("/");
    for row in &rows {
        match row.guard {
            Some(Guard::Value(strictest)) => {
                let strictest = Written::Text(strictest);
                row.kind.store(strictest, &mut defaults, root).unwrap();
            }
            Some(Guard::Jobs) => defaults.jobs.from_web = false,
            Some(Guard::Link(_)) | None => {}
        }
    }
    defaults.broker.port = settle::default_port(defaults.broker.tls);
    let config = (*loaded.config)
        .clone()
        .with(|config| config.closed = Closed::default());
    assert_eq!(config, defaults);
    let any = |is: fn(Guard) -> bool| rows.iter().any(|row| row.guard.is_some_and(is));
    let closed = &loaded.config.closed;
    let link = any(|guard| matches!(guard, Guard::Link(_)));
    assert_eq!(closed.link().is_some(), link, "{held:?}");
    let jobs = any(|guard| guard == Guard::Jobs);
    assert_eq!(closed.jobs().is_some(), jobs, "{held:?}");
    for chosen in &loaded.options {
        let is_held = held.contains(&chosen.row.name) && chosen.row.guard.is_some();
        assert_eq!(chosen.is_closed(), is_held, "{chosen:?}");
    }
}

/// Every option that guards.
fn guards() -> Vec<&'static str> {
    let guards = OPTIONS.iter().filter(|row| row.guard.is_some());
    guards.map(|row| row.name).collect()
}

fn source(loaded: &Loaded, name: &str) -> Source {
    let chosen = loaded.options.iter().find(|chosen| chosen.row.name == name);
    chosen.unwrap().source
}

fn load_json(text: &str) -> Loaded {
    load_bytes(&Settings::default(), text.as_bytes()).0
}

fn defaults() -> Config {
    Config::defaults(Path::new("/root-of-test"), Pace::REAL)
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in pairs {
        assert!(settings.set(name, *value), "{name}");
    }
    settings
}

/// Everything a person could get to see of it.
fn shown(loaded: &Loaded) -> String {
    let mut shown = format!("{loaded:?}");
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        shown += &format!("\n{problem}\n{}", serde_json::to_string(problem).unwrap());
    }
    shown
}

#[test]
fn a_file_of_the_original_is_accepted() {
    // Every key its reader knew, as text, as number or as bool, whichever people used.
    let loaded = load_json(
        r#"{"username": "u", "password": "p", "topic": "t", "key": 12, "port": "8443", "debug": 1,
            "mqtt_host": "mqtt.example.com", "stats_url": "https://api.example.com/stats",
            "backup_stats_url": "https://b.example.com", "api_url": "https://api.example.com",
            "token": "x", "mac": "11:22:33:44:55:66", "mac_file": "/etc/mac", "sleep": "90",
            "monitor": 20, "qos": 1, "scan": 1, "survey": "1", "no-ping": 1, "no-cache": "0",
            "ping-interval": 60, "disable_mqtt": 0, "tls": 1, "cacrt": "", "rest": 1,
            "insecure": 0, "reboot": 600, "health_url": "http://h.example/", "health_port": "53",
            "boot_url": "https://boot.example/", "boot_cmd": "logger hello"}"#,
    );
    assert_eq!(loaded.errors, []);
    assert_eq!(loaded.warnings, []);
    let config = &loaded.config;
    assert_eq!(config.upload.heartbeat, Duration::from_secs(90));
    assert_eq!(
        (config.broker.port, config.broker.key.reveal()),
        (8443, "12")
    );
    assert!(
        config.debug
            && config.broker.tls
            && config.collect.survey
            && config.rest.enabled
            && config.ping.off
    );
    assert!(!config.upload.no_cache && !config.api.insecure && !config.broker.disabled);
    let backup = load_json(r#"{"backup_url": "https://b.example.com"}"#);
    let backups = [&loaded, &backup].map(|loaded| loaded.config.upload.backup_url.as_str());
    assert_eq!(backups, ["https://b.example.com"; 2]);
}

#[test]
fn unknown_and_repeated_keys_are_warnings_without_their_values_and_bounded() {
    let loaded = load_json(
        "{\"pasword\": \"hunter2\",\n\"a\\u001b[2J\": 1, \"sleep\": 70, \"heartbeat\": 80}",
    );
    let warnings: Vec<_> = loaded
        .warnings
        .iter()
        .map(|w| {
            (
                w.option.as_deref().unwrap(),
                w.line.unwrap(),
                w.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        warnings,
        [
            ("pasword", 1, "is not known"),
            ("a\\u{1b}[2J", 2, "is not known"),
            ("heartbeat", 2, "is given twice, the last one holds"),
        ]
    );
    assert_eq!(loaded.config.upload.heartbeat, Duration::from_secs(80));
    assert_eq!(loaded.errors, []);
    assert!(!shown(&loaded).contains("hunter2"));

    let flood: Vec<_> = (0..20_000).map(|n| format!("\"x{n}\":[[[]]]")).collect();
    let loaded = load_json(&format!("{{{}}}", flood.join(",\n")));
    assert_eq!(loaded.warnings.len(), MAX_PROBLEMS + 1);
    assert_eq!(loaded.warnings[63].line, Some(64));
    let last = format!("{} more like these", 20_000 - MAX_PROBLEMS);
    assert_eq!(loaded.warnings[MAX_PROBLEMS].reason, last);
}

#[test]
fn delivery_is_rarer_than_collection() {
    let cases: &[(&str, u64, Option<&str>)] = &[
        ("{}", 60, None),
        (r#"{"monitor": 20}"#, 60, None),
        (r#"{"monitor": 150}"#, 300, None),
        (r#"{"monitor": 20, "sleep": 21}"#, 21, None),
        (
            r#"{"monitor": 20, "sleep": 20}"#,
            40,
            Some("20 s is not above monitor (20 s), 40 s is used"),
        ),
        (
            r#"{"sleep": 0}"#,
            30,
            Some("0 s is not above monitor (15 s), 30 s is used"),
        ),
        (
            r#"{"heartbeat": 60, "monitor": 150}"#,
            300,
            Some("60 s is not above monitor (150 s), 300 s is used"),
        ),
    ];
    for (json, heartbeat, warning) in cases {
        let loaded = load_json(json);
        assert_eq!(
            loaded.config.upload.heartbeat.as_secs(),
            *heartbeat,
            "{json}"
        );
        let found: Vec<_> = loaded.warnings.iter().map(|w| w.reason.as_str()).collect();
        assert_eq!(found, warning.iter().copied().collect::<Vec<_>>(), "{json}");
    }
    // A wrong value is no value: the default follows monitor.
    let loaded = load_json(r#"{"heartbeat": "x", "monitor": 100}"#);
    assert_eq!(loaded.config.upload.heartbeat.as_secs(), 200);
}

#[test]
fn the_command_line_precedes_the_file_which_precedes_the_default() {
    let cli = settings(&[
        ("port", "8443"),
        ("scan", "0"),
        ("qos", "9"),
        ("heartbeat", "10"),
    ]);
    let file = br#"{"port": 99999, "qos": 1, "topic": "t", "scan": true, "sleep": 90}"#;
    let (loaded, file) = load_bytes(&cli, file);
    let config = &loaded.config;
    assert_eq!((config.broker.port, config.collect.scan), (8443, false));
    assert_eq!(config.broker.topic, "t");
    // The source that counts said something wrong: the default.
    assert_eq!(config.broker.qos, 0);
    assert_eq!(config.upload.heartbeat.as_secs(), 30);
    let errors: Vec<_> = loaded.errors.iter().map(Problem::to_string).collect();
    assert_eq!(
        errors,
        [
            format!("{file}:1: option 'port': 99999 is out of range (1-65535)"),
            "command line: option 'qos': 9 is out of range (0-2)".into(),
        ]
    );
    assert_eq!(
        loaded.warnings[0].to_string(),
        "command line: option 'heartbeat': 10 s is not above monitor (15 s), 30 s is used"
    );
    let source = |name| source(&loaded, name);
    assert_eq!(source("port"), Source::CommandLine);
    assert_eq!(source("topic"), Source::File);
    assert_eq!(source("qos"), Source::Default);
    assert_eq!(source("key"), Source::Default);
}

#[test]
fn secrets_and_query_strings_are_never_shown() {
    for row in OPTIONS.iter().filter(|row| row.kind.is_secret()) {
        let value = match row.kind {
            Kind::SecretUrl(_) => "https://x.example/hunter2",
            Kind::SecretPath(_) => "/etc/hunter2",
            _ => "hunter2",
        };
        let good = format!("{{\"{}\": \"{value}\"}}", row.name);
        let cli = settings(&[(row.name, value)]);
        let (loaded, _) = load_bytes(&cli, good.as_bytes());
        // A file that an option names is not there.
        assert!(loaded.errors.is_empty() || row.guard.is_some());
        let shown = shown(&loaded) + &format!("{cli:?}{:#?}", loaded.config);
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let url = "https://me:hunter2@x.example/a?token=hunter2#hunter2";
    let cli = settings(&[("stats_url", url)]);
    let (loaded, _) = load_bytes(&cli, b"{}");
    assert_eq!(loaded.config.upload.url.as_str(), url);
    let shown = shown(&loaded) + &format!("{cli:?}");
    assert!(shown.contains("https://x.example/a") && !shown.contains("hunter2"));
}

#[test]
fn a_url_is_shown_as_its_parser_understands_it_without_what_may_be_secret() {
    for (url, shown) in [
        ("", ""),
        ("https://a.example/b?c", "https://a.example/b"),
        ("https://u:p@a.example", "https://a.example/"),
        ("https://a.example/u@v", "https://a.example/u@v"),
        ("https://a.example?x=/@y", "https://a.example/"),
        ("http://a.example:8080/b#c", "http://a.example:8080/b"),
        // One slash or three, or a backslash: the parser finds a login, so none is shown.
        ("http:/u:hunter2@h", "http://h/"),
        ("http:///u:hunter2@h/", "http://h/"),
        ("https:u:hunter2@h", "https://h/"),
        ("http://a\\@evil/", "http://a/@evil/"),
        ("http://a\\b:hunter2@evil/?x", "http://a/b:hunter2@evil/"),
        ("HTTP://A.EXAMPLE/\u{202e}x", "http://a.example/%E2%80%AEx"),
        ("u:hunter2@a.example", "(no http URL)"),
        ("mqtt://u:hunter2@a.example", "(no http URL)"),
        ("//u:hunter2@a.example/", "(no http URL)"),
        ("/login?next=hunter2", "/login"),
        ("login", "(no http URL)"),
    ] {
        assert_eq!(shown_url(url), shown, "{url}");
    }
}

#[test]
fn a_host_that_is_no_host_but_may_hold_a_password_is_not_quoted() {
    for option in ["mqtt_host", "health_url"] {
        for value in [
            "https:u:hunter2@host:x",
            "u:hunter2@host",
            "mqtt://u:hunter2@host",
            "mqtt:u:hunter2@host",
            "host/?token=hunter2",
            "https://u:hunter2@ho st/",
        ] {
            let text = serde_json::json!({ option: value }).to_string();
            let loaded = load_json(&text);
            assert_eq!(loaded.errors.len(), 1, "{option}: {value}");
            assert!(!shown(&loaded).contains("hunter2"), "{option}: {value}");
        }
    }
    for (value, host) in [
        ("https:u:hunter2@host", "host"),
        ("http://[2001:db8::1]:80/x", "2001:db8::1"),
        ("http://a\\\\@evil/", "a"),
        ("fe80::1", "fe80::1"),
        ("HTTP://A.example", "a.example"),
    ] {
        let loaded = load_json(&format!("{{\"health_url\": \"{value}\"}}"));
        assert_eq!(loaded.errors, [], "{value}");
        assert_eq!(loaded.config.health.host, host);
    }
}

#[test]
fn paths_lie_below_the_root_and_defaults_are_the_devices() {
    assert_eq!(
        under(Path::new("/"), Path::new("/etc/mac")),
        Path::new("/etc/mac")
    );
    assert_eq!(
        under(Path::new("/r"), Path::new("/etc/mac")),
        Path::new("/r/etc/mac")
    );
    assert_eq!(under(Path::new("r"), Path::new("etc")), Path::new("r/etc"));

    let config = Config::default();
    assert_eq!(config.identity.mac_file, Path::new("/etc/mac"));
    assert_eq!(config.state_dir, Path::new("/etc/socketman/state"));
    assert_eq!(config.spool.dir, Path::new("/var/run/socketman/spool"));
    assert_eq!((config.broker.port, config.spool.max), (1883, 1 << 20));
    assert_eq!(config.upload.heartbeat.as_secs(), 60);
    assert!(config.collect.scan && config.jobs.from_web && !config.debug);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        load_bytes(&Settings::default(), &bytes);
    }

    #[test]
    fn no_value_of_a_secret_option_is_ever_shown(
        at in 0..OPTIONS.len(),
        prefix in "[ -~]{0,8}",
        suffix in "\\PC{0,8}|[\\x00-\\x1f]",
    ) {
        let row = &OPTIONS[at];
        let value = format!("{prefix}hunter2{suffix}");
        let text = serde_json::json!({ row.name: value }).to_string();
        let (loaded, _) = load_bytes(&settings(&[(row.name, &value)]), text.as_bytes());
        if row.kind.is_secret() {
            proptest::prop_assert!(!shown(&loaded).contains("hunter2"));
        }
    }
}
