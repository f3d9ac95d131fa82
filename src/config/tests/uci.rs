//! UCI as a source: the same options, the same judgement, and what comes before what.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cases::CASES;
use super::*;
use crate::process::file::under;

/// A device's files in a directory of their own.
struct Device(tempfile::TempDir);

impl Device {
    fn new() -> Self {
        Device(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        under(self.0.path(), Path::new(path))
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_private(&path, bytes);
        path
    }

    fn uci(&self, package: impl AsRef<[u8]>) -> PathBuf {
        self.write("/etc/config/socketman", package)
    }

    fn json(&self, text: &str) -> PathBuf {
        self.write(DEFAULT_FILE, text)
    }

    fn inputs(&self, cli: &[(&str, &str)]) -> Inputs {
        Inputs {
            command_line: settings(cli),
            ..Inputs::below(self.0.path(), crate::tls::CHECKS)
        }
    }

    fn load(&self) -> Loaded {
        self.inputs(&[]).load(None)
    }

    fn defaults(&self) -> Config {
        Config::defaults(self.0.path(), Pace::REAL)
    }
}

/// The options as a section `main`.
fn main_section(options: &str) -> String {
    format!("config socketman 'main'\n{options}")
}

/// A JSON value as a UCI command, if UCI can say it: it has texts only, and an empty one is none.
fn as_uci(option: &str, json: &str) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let name = option.replace('-', "_");
    match serde_json::from_str(json).ok()? {
        Value::String(text) if !text.is_empty() && !text.contains('\0') => {
            Some(format!("\toption {name} {}\n", quoted(&text)))
        }
        Value::Number(_) => Some(format!("\toption {name} {json}\n")),
        Value::Array(items) if !items.is_empty() => {
            let item = |item: &Value| Some(format!("\tlist {name} {}\n", quoted(item.as_str()?)));
            items.iter().map(item).collect()
        }
        _ => None,
    }
}

fn reasons(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn a_right_value_means_the_same_in_uci() {
    let device = Device::new();
    let mut said = 0;
    for case in CASES {
        for (json, _) in case.right {
            let Some(command) = as_uci(case.option, json) else {
                continue;
            };
            device.uci(main_section(&command));
            let from_uci = device.load();
            assert_eq!(from_uci.errors, [], "{command}");
            assert_eq!(source(&from_uci, case.option), Source::Uci, "{command}");

            device.uci(main_section(""));
            device.json(&format!("{{\"{}\": {json}}}", case.option));
            let from_json = device.load();
            assert_eq!(from_uci.config, from_json.config, "{command}");
            let pairs = from_uci.options.iter().zip(&from_json.options);
            assert!(pairs.clone().all(|(a, b)| a.is_same(b)), "{command}");
            device.json("{}");
            said += 1;
        }
    }
    assert!(said > CASES.len());
}

#[test]
fn a_wrong_value_in_uci_is_reported_with_line_and_reason_and_leaves_the_default() {
    let device = Device::new();
    let file = device.uci("");
    let judge = |option: &str, commands: &[u8], line: usize, reason: &str| {
        let package = [b"config socketman 'main'\n\n" as &[u8], commands].concat();
        device.uci(package);
        let loaded = device.load();
        let expected = Problem {
            option: Some(option.into()),
            source: file.display().to_string(),
            line: Some(line),
            reason: told(option, reason),
        };
        assert_eq!(loaded.errors, [expected]);
        assert_held(&loaded, device.defaults(), &[option]);
        let source = source(&loaded, option);
        assert!(matches!(source, Source::Default | Source::Closed));
        assert!(!shown(&loaded).contains("hunter2"), "{option}");
    };
    for case in CASES {
        let name = case.option.replace('-', "_");
        let broken = [format!("\toption {name} 'hunter2").as_bytes(), b"\xff'\n"].concat();
        judge(case.option, &broken, 3, "is not UTF-8");
        let is_list = matches!(
            crate::config::options::find(case.option).unwrap().kind,
            Kind::Keys(_)
        );
        if !is_list {
            let list = format!("\tlist {name} 'hunter2'\n\tlist {name} 'b'\n");
            judge(
                case.option,
                list.as_bytes(),
                4,
                "is a list, one value is wanted",
            );
        }
        for (json, reason) in case.wrong {
            if let Some(command) = as_uci(case.option, json) {
                let line = 2 + command.matches('\t').count();
                judge(case.option, command.as_bytes(), line, reason);
            }
        }
    }
}

#[test]
fn all_options_wrong_at_once_in_uci_are_one_error_each_and_the_defaults() {
    let device = Device::new();
    let mut package = b"config socketman 'main'\n".to_vec();
    for case in CASES {
        package.extend(format!("\toption {} '", case.option.replace('-', "_")).bytes());
        package.extend(b"\xff'\n");
    }
    package.extend(b"\toption enabled '\xff'\n");
    device.uci(package);
    let loaded = device.load();
    let found: Vec<_> = loaded
        .errors
        .iter()
        .map(|e| (e.option.as_deref().unwrap(), e.line.unwrap()))
        .collect();
    let names = CASES.iter().map(|case| case.option);
    let expected: Vec<_> = names.chain(["enabled"]).zip(2..).collect();
    assert_eq!(found, expected);
    assert_held(&loaded, device.defaults(), &guards());
}

#[test]
fn command_line_precedes_uci_which_precedes_the_file() {
    let device = Device::new();
    device.json(r#"{"topic": "file", "key": "file", "username": "file", "qos": 1, "sleep": 90}"#);
    let uci = device.uci(main_section(
        "\toption enabled 1\n\toption topic uci\n\toption key uci\n\toption qos 7\n",
    ));
    let loaded = device.inputs(&[("topic", "line")]).load(None);
    let config = &loaded.config;
    let texts = (
        config.broker.topic.as_str(),
        config.broker.key.reveal(),
        config.broker.username.as_str(),
    );
    assert_eq!(texts, ("line", "uci", "file"));
    // The source that counts said something wrong: the default.
    assert_eq!(config.broker.qos, 0);
    let errors = [format!(
        "{}:5: option 'qos': 7 is out of range (0-2)",
        uci.display()
    )];
    assert_eq!(reasons(&loaded.errors), errors);
    assert_eq!(loaded.warnings, []);
    let sources = ["topic", "key", "username", "qos", "heartbeat"].map(|n| source(&loaded, n));
    use Source::*;
    assert_eq!(sources, [CommandLine, Uci, File, Default, File]);
    // An option without a value is one that is not set.
    device.uci(main_section("\toption topic ''\n"));
    assert_eq!(device.load().config.broker.topic, "file");
}

#[test]
fn names_in_uci_have_underscores_and_aliases_count() {
    let device = Device::new();
    device.uci(main_section(
        "\toption no_ping 1\n\toption ping_interval 60\n\toption no_cache yes\n\
         \toption backup_url http://b.example/\n\toption sleep 70\n\toption heartbeat 80\n",
    ));
    let loaded = device.load();
    let config = &loaded.config;
    assert!(config.ping.off && config.upload.no_cache);
    assert_eq!(config.ping.interval.as_secs(), 60);
    assert_eq!(config.upload.backup_url.as_str(), "http://b.example/");
    assert_eq!(config.upload.heartbeat.as_secs(), 80);
    assert_eq!(loaded.errors, []);
    let warnings = loaded.warnings.iter().filter(|w| w.line.is_some());
    let twice: Vec<_> = warnings.map(|w| (w.line.unwrap(), &*w.reason)).collect();
    assert_eq!(twice, [(7, "is given twice, the last one holds")]);
}

#[test]
fn what_uci_has_beside_the_options_is_a_warning_with_its_line() {
    let device = Device::new();
    device.uci(
        "config socketman\n\toption topic a\nconfig socketman main\n\toption topik b\n\
         config watch w\n\toption x y\n",
    );
    let loaded = device.load();
    assert_eq!(loaded.errors, []);
    assert_eq!(*loaded.config, device.defaults());
    let lines: Vec<_> = loaded.warnings.iter().map(|w| w.line.unwrap()).collect();
    assert_eq!(lines, [1, 5, 4]);
    let said = reasons(&loaded.warnings);
    assert!(
        said[1].contains("section 'w' of type 'watch' has no effect"),
        "{said:?}"
    );
    assert!(
        said[2].ends_with("option 'topik': is not known"),
        "{said:?}"
    );

    device.uci("config other 'main'\n\toption topic a\n");
    let loaded = device.load();
    assert_eq!(loaded.config.broker.topic, "");
    assert_eq!(loaded.warnings.len(), 1);
    // Nothing says that UCI is enough.
    assert_eq!(loaded.errors.len(), 1);
}

#[test]
fn a_package_that_cannot_be_read_is_an_error_with_its_line_and_the_rest_stands() {
    let device = Device::new();
    device.json(r#"{"topic": "file"}"#);
    let file = device.uci(main_section("\toption topic 'uci'\n"));
    let before = device.load();
    for (bytes, line, reason) in [
        (
            &b"config socketman 'main'\n\toption topic 'uci\n"[..],
            2,
            "EOF with unterminated '",
        ),
        (
            b"config socketman 'main'\n\toptoin topic 'uci'\n",
            2,
            "invalid command",
        ),
        (b"\0", 1, "holds a NUL byte"),
    ] {
        device.uci(bytes);
        let path = file.display();
        let loaded = device.load();
        assert_eq!(loaded.config.broker.topic, "file");
        assert_eq!(
            reasons(&loaded.errors),
            [format!("{path}:{line}: {reason}; until this is mended there is no link to the broker and no job but root's own runs")]
        );
        let loaded = device.inputs(&[]).load(Some(&before));
        assert_eq!(loaded.config.broker.topic, "uci");
        let said = format!("{path}:{line}: {reason}; its last good copy is used");
        assert_eq!(reasons(&loaded.errors), [said]);
    }
    // A file that was taken away was meant to go.
    fs::remove_file(file).unwrap();
    assert_eq!(
        device.inputs(&[]).load(Some(&before)).config.broker.topic,
        "file"
    );
}

#[test]
fn uci_names_the_file_unless_the_command_line_does_and_makes_the_usual_one_optional() {
    let device = Device::new();
    device.json(r#"{"topic": "usual"}"#);
    let other = device.write("/etc/other.json", r#"{"topic": "other"}"#);
    device.uci(main_section("\toption config '/etc/other.json'\n"));
    let loaded = device.load();
    assert_eq!(
        (&*loaded.config.broker.topic, &loaded.files.json),
        ("other", &other)
    );
    let mut inputs = device.inputs(&[]);
    inputs.file = Some(device.path(DEFAULT_FILE));
    assert_eq!(inputs.load(None).config.broker.topic, "usual");

    fs::remove_file(&other).unwrap();
    let missing = format!(
        "{}: No such file or directory (os error 2)",
        other.display()
    );
    assert_eq!(reasons(&device.load().errors), [missing]);
    fs::remove_file(device.path(DEFAULT_FILE)).unwrap();
    assert_eq!(inputs.load(None).errors.len(), 1);
    device.uci(main_section(""));
    assert_eq!(device.load().errors, []);
}

#[test]
fn a_package_in_var_run_replaces_the_committed_one() {
    let device = Device::new();
    device.uci(main_section("\toption topic committed\n\toption key k\n"));
    let file = device.write(
        "/var/run/uci/socketman",
        main_section("\toption topic now\n"),
    );
    let loaded = device.load();
    assert_eq!(
        (
            &*loaded.config.broker.topic,
            loaded.config.broker.key.reveal()
        ),
        ("now", "")
    );
    assert_eq!(loaded.source_of("topic"), file.display().to_string());
}

#[test]
fn what_an_option_came_to_is_shown_in_one_form_and_without_secrets() {
    let device = Device::new();
    let key = "A".repeat(43) + "=";
    device.uci(main_section(&format!(
        "\toption tls yes\n\toption monitor 20.0\n\toption heartbeat 5\n\toption password hunter2\n\
         \toption stats_url 'https://u:hunter2@x.example/a?t=hunter2'\n\
         \toption health_url 'http://y.example/z'\n\tlist job_pubkey '{key}'\n\
         \tlist job_pubkey ' {key} '\n\toption spool_dir /tmp/s\n"
    )));
    let loaded = device.load();
    assert_eq!(loaded.errors, []);
    for (name, value) in [
        ("tls", "1"),
        ("port", "8883"),
        ("monitor", "20"),
        ("heartbeat", "40"),
        ("password", "***"),
        ("token", ""),
        ("stats_url", "https://x.example/a"),
        ("health_url", "y.example"),
        ("job_pubkey", &format!("{key} {key}")),
        ("web_jobs", "0"),
        ("spool_dir", "/tmp/s"),
        ("qos", "0"),
        ("reboot", "600"),
    ] {
        let chosen = loaded.options.iter().find(|chosen| chosen.row.name == name);
        assert_eq!(chosen.unwrap().shown(), value, "{name}");
    }
    assert!(!shown(&loaded).contains("hunter2"));
    assert_eq!(loaded.source_of("token"), "default");
}

#[test]
fn what_changed_is_known_by_name_secrets_included() {
    let device = Device::new();
    let load = |options: &str| {
        device.uci(main_section(options));
        device.load()
    };
    let before = load("\toption token a\n\toption debug 0\n");
    let now = load("\toption token b\n\toption debug off\n\toption tls 1\n");
    assert_eq!(now.changed_since(&before), ["port", "tls", "token"]);
    let url = load("\toption stats_url 'http://x.example/?a'\n");
    let query = load("\toption stats_url 'http://x.example/?b'\n");
    assert_eq!(query.changed_since(&url), ["stats_url"]);
}
