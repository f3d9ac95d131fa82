//! The whole way from file and command line to a [`Config`].

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;

/// An option, right values of it as JSON with what they become, and wrong ones with the reason.
struct Case {
    option: &'static str,
    right: &'static [(&'static str, fn(&Config) -> bool)],
    wrong: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        option: "username",
        right: &[
            (r#""ap-1 ü""#, |c| c.username == "ap-1 ü"),
            ("1234", |c| c.username == "1234"),
            (r#""""#, |c| c.username.is_empty()),
        ],
        wrong: &[
            ("null", "is null"),
            ("true", "is true or false, text is wanted"),
            (r#"["x"]"#, "is a list, one value is wanted"),
            (r#""a\nb""#, "holds a control character"),
            (r#""\ud800""#, "is not a valid JSON string"),
        ],
    },
    Case {
        option: "password",
        right: &[(r#""p\u0041ss #+/""#, |c| c.password.reveal() == "pAss #+/")],
        wrong: &[
            ("null", "is null"),
            (r#"{"hunter2":1}"#, "is an object, one value is wanted"),
            (r#""hunter2\u0000""#, "holds a control character"),
        ],
    },
    Case {
        option: "topic",
        right: &[(r#""acme/west""#, |c| c.topic == "acme/west")],
        wrong: &[
            (r#""a+b""#, "holds '+', which a topic may not"),
            (r##""#""##, "holds '#', which a topic may not"),
        ],
    },
    Case {
        option: "key",
        right: &[("12345678901234567890123", |c| {
            c.key.reveal() == "12345678901234567890123"
        })],
        wrong: &[(r#""hunter2/x""#, "holds '/', which a topic may not")],
    },
    Case {
        option: "mqtt_host",
        right: &[
            (r#""broker.example.com""#, |c| {
                c.mqtt_host == "broker.example.com"
            }),
            (r#""192.0.2.1""#, |c| c.mqtt_host == "192.0.2.1"),
            (r#""2001:db8::1""#, |c| c.mqtt_host == "2001:db8::1"),
            (r#""fe80::1%br-lan""#, |c| c.mqtt_host == "fe80::1%br-lan"),
            (r#""my_broker.lan.""#, |c| c.mqtt_host == "my_broker.lan."),
            (r#""""#, |c| c.mqtt_host.is_empty()),
        ],
        wrong: &[
            (
                r#""a.example:1883""#,
                "'a.example:1883' is not a host name or an IP address",
            ),
            (r#""a..b""#, "'a..b' is not a host name or an IP address"),
            (r#""-x""#, "'-x' is not a host name or an IP address"),
            (r#"".""#, "'.' is not a host name or an IP address"),
            (r#"" ""#, "' ' is not a host name or an IP address"),
        ],
    },
    Case {
        option: "port",
        right: &[
            ("1", |c| c.port == 1),
            (r#""8443""#, |c| c.port == 8443),
            (r#"" 65535 ""#, |c| c.port == 65535),
            ("8883.0", |c| c.port == 8883),
        ],
        wrong: &[
            ("0", "0 is out of range (1-65535)"),
            ("65536", "65536 is out of range (1-65535)"),
            (r#""""#, "'' is not a whole number"),
            ("1e3", "'1e3' is not a whole number"),
            ("1883.5", "'1883.5' is not a whole number"),
            (r#""1883.""#, "'1883.' is not a whole number"),
            ("false", "'false' is not a whole number"),
        ],
    },
    Case {
        option: "qos",
        right: &[("2", |c| c.qos == 2), (r#""1""#, |c| c.qos == 1)],
        wrong: &[
            ("3", "3 is out of range (0-2)"),
            ("-1", "-1 is out of range (0-2)"),
        ],
    },
    Case {
        option: "keepalive",
        right: &[("5", |c| c.keepalive == Duration::from_secs(5))],
        wrong: &[("4", "4 is out of range (5-3600 s)")],
    },
    Case {
        option: "disable_mqtt",
        right: &[
            ("1", |c| c.disable_mqtt),
            (r#""1""#, |c| c.disable_mqtt),
            ("true", |c| c.disable_mqtt),
            (r#""true""#, |c| c.disable_mqtt),
            (r#""ON""#, |c| c.disable_mqtt),
            ("0", |c| !c.disable_mqtt),
            ("false", |c| !c.disable_mqtt),
        ],
        wrong: &[
            ("2", "'2' is neither 0 nor 1"),
            (r#""maybe""#, "'maybe' is neither 0 nor 1"),
        ],
    },
    Case {
        option: "stats_url",
        right: &[
            (r#""https://x.example/a?b=c""#, |c| {
                c.stats_url == "https://x.example/a?b=c"
            }),
            (r#""http://[2001:db8::1]:8080/""#, |c| {
                c.stats_url == "http://[2001:db8::1]:8080/"
            }),
            (r#""""#, |c| c.stats_url.is_empty()),
        ],
        wrong: &[
            (
                r#""x.example/stats?token=hunter2""#,
                "is not a URL: relative URL without a base",
            ),
            (
                r#""ftp://hunter2@x.example/""#,
                "begins neither with http:// nor with https://",
            ),
            (r#""http://""#, "is not a URL: empty host"),
            (
                r#""http://x.example:hunter2/""#,
                "is not a URL: invalid port number",
            ),
        ],
    },
    Case {
        option: "token",
        right: &[(r#""a&b=c d""#, |c| c.token.reveal() == "a&b=c d")],
        wrong: &[("null", "is null")],
    },
    Case {
        option: "mac",
        right: &[
            (r#""aa-BB-cc-DD-ee-FF""#, |c| c.mac == "aa-BB-cc-DD-ee-FF"),
            (r#""11:22:33:44:55:66""#, |c| c.mac == "11:22:33:44:55:66"),
            ("112233445566", |c| c.mac == "112233445566"),
            (r#""""#, |c| c.mac.is_empty()),
        ],
        wrong: &[
            (
                r#""11:22:33:44:55""#,
                "'11:22:33:44:55' is not a MAC address",
            ),
            (
                r#""11:22-33:44-55:66""#,
                "'11:22-33:44-55:66' is not a MAC address",
            ),
            (
                r#""11/22/33/44/55/66""#,
                "'11/22/33/44/55/66' is not a MAC address",
            ),
            (
                r#""gg:22:33:44:55:66""#,
                "'gg:22:33:44:55:66' is not a MAC address",
            ),
        ],
    },
    Case {
        option: "mac_file",
        right: &[(r#""/etc/my mac""#, |c| {
            c.mac_file == Path::new("/root-of-test/etc/my mac")
        })],
        wrong: &[
            (r#""""#, "is empty"),
            (r#""etc/mac""#, "'etc/mac' is not an absolute path"),
        ],
    },
    Case {
        option: "monitor",
        right: &[
            ("15", |c| c.monitor == Duration::from_secs(15)),
            ("150", |c| c.monitor == Duration::from_secs(150)),
        ],
        wrong: &[
            ("14", "14 is out of range (15-150 s)"),
            ("151", "151 is out of range (15-150 s)"),
            (r#""abc""#, "'abc' is not a whole number"),
            (
                "99999999999999999999",
                "99999999999999999999 is out of range (15-150 s)",
            ),
        ],
    },
    Case {
        option: "heartbeat",
        right: &[("300", |c| c.heartbeat == Duration::from_secs(300))],
        wrong: &[("301", "301 is out of range (0-300 s)")],
    },
    Case {
        option: "scan",
        right: &[("0", |c| !c.scan), (r#""yes""#, |c| c.scan)],
        wrong: &[("[]", "is a list, one value is wanted")],
    },
    Case {
        option: "spool_dir",
        right: &[(r#""/tmp/spool""#, |c| {
            c.spool_dir == Path::new("/root-of-test/tmp/spool")
        })],
        wrong: &[
            (r#""/tmp/../etc""#, "'/tmp/../etc' holds '..'"),
            ("true", "is true or false, text is wanted"),
        ],
    },
    Case {
        option: "spool_max",
        right: &[
            ("16384", |c| c.spool_max == 16384),
            ("268435456", |c| c.spool_max == 268435456),
        ],
        wrong: &[("1", "1 is out of range (16384-268435456 bytes)")],
    },
    Case {
        option: "spread",
        right: &[("0", |c| c.spread.is_zero())],
        wrong: &[("601", "601 is out of range (0-600 s)")],
    },
    Case {
        option: "no-ping",
        right: &[("1", |c| c.no_ping)],
        wrong: &[("1.0", "'1.0' is neither 0 nor 1")],
    },
    Case {
        option: "ping-interval",
        right: &[("30", |c| c.ping_interval == Duration::from_secs(30))],
        wrong: &[("29", "29 is out of range (30-86400 s)")],
    },
    Case {
        option: "job_timeout",
        right: &[("86400", |c| c.job_timeout == Duration::from_secs(86400))],
        wrong: &[("0", "0 is out of range (1-86400 s)")],
    },
    Case {
        option: "job_output_max",
        right: &[("1048576", |c| c.job_output_max == 1048576)],
        wrong: &[("1048577", "1048577 is out of range (0-1048576 bytes)")],
    },
    Case {
        option: "job_workers",
        right: &[("8", |c| c.job_workers == 8)],
        wrong: &[("9", "9 is out of range (1-8)")],
    },
    Case {
        option: "web_jobs",
        right: &[("false", |c| !c.web_jobs)],
        wrong: &[("{}", "is an object, one value is wanted")],
    },
    Case {
        option: "state_dir",
        right: &[(r#""/etc/x""#, |c| {
            c.state_dir == Path::new("/root-of-test/etc/x")
        })],
        wrong: &[(r#""/etc/\u001b[2J""#, "holds a control character")],
    },
    Case {
        option: "debug",
        right: &[("1", |c| c.debug)],
        wrong: &[(r#""""#, "'' is neither 0 nor 1")],
    },
];

fn load_bytes(cli: &Settings, bytes: &[u8]) -> (Loaded, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    fs::write(&file, bytes).unwrap();
    let loaded = load(cli, &file, Path::new("/root-of-test"), Pace::REAL);
    (loaded, file.display().to_string())
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
fn every_option_has_its_cases_in_the_order_of_the_table() {
    let names: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
    let cases: Vec<_> = CASES.iter().map(|case| case.option).collect();
    assert_eq!(names, cases);
}

#[test]
fn names_and_flags_of_the_table_are_unique() {
    let mut keys: Vec<_> = OPTIONS
        .iter()
        .flat_map(|row| row.aliases.iter().chain([&row.name]))
        .collect();
    let total = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), total);
}

#[test]
fn a_right_value_reaches_its_field_alone() {
    for case in CASES {
        for (json, holds) in case.right {
            let loaded = load_json(&format!("{{\"{}\": {json}}}", case.option));
            let name = case.option;
            assert_eq!(loaded.errors, [], "{name}: {json}");
            assert_eq!(loaded.warnings, [], "{name}: {json}");
            assert!(holds(&loaded.config), "{name}: {json}");
            // With its default put back, nothing else differs.
            let mut config = (*loaded.config).clone();
            let row = options::find(name).unwrap();
            config.reset(row, Path::new("/root-of-test"));
            config.heartbeat = defaults().heartbeat;
            assert_eq!(config, defaults(), "{name}: {json}");
            let set: Vec<_> = loaded
                .sources
                .iter()
                .filter(|(_, source)| *source == Source::File)
                .collect();
            assert_eq!(set, [&(name, Source::File)]);
        }
    }
}

#[test]
fn a_wrong_value_is_reported_with_line_and_reason_and_leaves_the_default() {
    for case in CASES {
        for (json, reason) in case.wrong {
            let text = format!("{{\n\n  \"{}\":\n {json}}}", case.option);
            let (loaded, file) = load_bytes(&Settings::default(), text.as_bytes());
            let expected = Problem {
                option: Some(case.option.into()),
                source: file,
                line: Some(4),
                reason: (*reason).into(),
            };
            assert_eq!(loaded.errors, [expected], "{json}");
            assert_eq!(*loaded.config, defaults(), "{json}");
            assert!(loaded.sources.iter().all(|(_, s)| *s == Source::Default));
            assert!(!shown(&loaded).contains("hunter2"), "{json}");
        }
    }
}

#[test]
fn all_options_wrong_at_once_are_one_error_each_and_the_defaults() {
    let pairs: Vec<_> = CASES
        .iter()
        .map(|case| format!("\"{}\": {}", case.option, case.wrong[0].0))
        .collect();
    let loaded = load_json(&format!("{{{}}}", pairs.join(",\n")));
    let found: Vec<_> = loaded
        .errors
        .iter()
        .map(|e| {
            (
                e.option.as_deref().unwrap(),
                e.line.unwrap(),
                e.reason.as_str(),
            )
        })
        .collect();
    let expected: Vec<_> = CASES
        .iter()
        .zip(1..)
        .map(|(case, line)| (case.option, line, case.wrong[0].1))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(*loaded.config, defaults());
}

#[test]
fn a_wrong_option_does_not_touch_the_ones_beside_it() {
    let loaded = load_json(r#"{"username": null, "port": "8443", "monitor": "x", "topic": "t"}"#);
    let bad: Vec<_> = loaded.errors.iter().map(|e| e.option.as_deref()).collect();
    assert_eq!(bad, [Some("username"), Some("monitor")]);
    assert_eq!(loaded.config.port, 8443);
    assert_eq!(loaded.config.topic, "t");
    assert_eq!(loaded.config.monitor, Duration::from_secs(15));
}

#[test]
fn a_file_that_says_nothing_names_file_line_and_column_and_leaves_the_defaults() {
    let big = vec![b' '; json::MAX_FILE as usize + 1];
    let deep = "[".repeat(100_000);
    let cases: &[(&[u8], Option<usize>, &str)] = &[
        (b"", Some(1), "is empty (line 1, column 1)"),
        (b" \n", Some(1), "is empty (line 1, column 1)"),
        (b"[]", Some(1), "is not a JSON object (line 1, column 1)"),
        (
            b"\"hunter2\"",
            Some(1),
            "is not a JSON object (line 1, column 9)",
        ),
        (b"null", Some(1), "is not a JSON object (line 1, column 4)"),
        (
            b"{\n \"token\": \"hunter2\",\n \"po",
            Some(3),
            "ends in the middle (line 3, column 4)",
        ),
        (
            b"{\"port\": 1883",
            Some(1),
            "ends in the middle (line 1, column 13)",
        ),
        (
            b"{\"token\": hunter2}",
            Some(1),
            "is not JSON: expected value (line 1, column 11)",
        ),
        (
            b"{\"port\": 1}\n{}",
            Some(2),
            "is not JSON: trailing characters (line 2, column 1)",
        ),
        (
            b"{\"port\": 1,}",
            Some(1),
            "is not JSON: trailing comma (line 1, column 12)",
        ),
        (
            b"\xef\xbb\xbf{}",
            Some(1),
            "begins with a byte order mark (line 1, column 1), save it as UTF-8 without one",
        ),
        (
            b"{\n\"a\": \"\xff\"}",
            Some(2),
            "is not UTF-8 (line 2, column 7)",
        ),
        (
            deep.as_bytes(),
            Some(1),
            "is not a JSON object (line 1, column 1)",
        ),
        (&big, None, "is larger than 1048576 bytes"),
    ];
    for (bytes, line, reason) in cases {
        let (loaded, file) = load_bytes(&Settings::default(), bytes);
        let expected = Problem {
            option: None,
            source: file,
            line: *line,
            reason: (*reason).into(),
        };
        assert_eq!(loaded.errors, [expected]);
        assert_eq!(*loaded.config, defaults());
        assert!(!shown(&loaded).contains("hunter2"));
    }
}

#[test]
fn every_prefix_of_a_file_gives_the_defaults_and_an_error() {
    let whole = br#"{"username": "u", "port": "8443", "debug": 1}"#;
    for len in 0..whole.len() {
        let (loaded, _) = load_bytes(&Settings::default(), &whole[..len]);
        assert_eq!(loaded.errors.len(), 1, "{len}");
        assert_eq!(*loaded.config, defaults(), "{len}");
    }
    assert_eq!(load_bytes(&Settings::default(), whole).0.errors, []);
}

#[test]
fn a_missing_file_a_directory_and_a_fifo_are_errors_that_do_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (path, reason) in [
        (
            dir.path().join("missing"),
            "No such file or directory (os error 2)",
        ),
        (dir.path().to_owned(), "is not a regular file"),
        (fifo, "is not a regular file"),
    ] {
        let loaded = load(&Settings::default(), &path, Path::new("/"), Pace::REAL);
        let shown: Vec<_> = loaded.errors.iter().map(Problem::to_string).collect();
        assert_eq!(shown, [format!("{}: {reason}", path.display())]);
        assert_eq!(*loaded.config, Config::default());
    }
}

#[test]
fn a_token_of_300_characters_works_and_one_of_5000_is_refused_unseen() {
    let token = "t".repeat(300);
    let loaded = load_json(&format!("{{\"token\": \"{token}\"}}"));
    assert_eq!(loaded.config.token.reveal(), token);
    assert_eq!(loaded.errors, []);

    let loaded = load_json(&format!("{{\"token\": \"{}\"}}", "hunter2".repeat(1000)));
    assert!(loaded.config.token.is_empty());
    assert_eq!(loaded.errors[0].reason, "is longer than 4096 bytes");
    assert!(!shown(&loaded).contains("hunter2"));
}

#[test]
fn a_file_of_the_original_is_accepted() {
    let loaded = load_json(
        r#"{"username": "u", "password": "p", "topic": "t", "key": "k", "port": 8443, "debug": 1,
            "mqtt_host": "mqtt.example.com", "stats_url": "https://api.example.com/stats",
            "token": "x", "mac_file": "/etc/mac", "sleep": 90, "monitor": 20, "qos": 1,
            "scan": 1, "no-ping": 1, "ping-interval": 60, "disable_mqtt": 0}"#,
    );
    assert_eq!((loaded.errors.len(), loaded.warnings.len()), (0, 0));
    assert_eq!(loaded.config.heartbeat, Duration::from_secs(90));
    assert!(loaded.config.debug);
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
    assert_eq!(loaded.config.heartbeat, Duration::from_secs(80));
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
        assert_eq!(loaded.config.heartbeat.as_secs(), *heartbeat, "{json}");
        let found: Vec<_> = loaded.warnings.iter().map(|w| w.reason.as_str()).collect();
        assert_eq!(found, warning.iter().copied().collect::<Vec<_>>(), "{json}");
    }
    // A wrong value is no value: the default follows monitor.
    let loaded = load_json(r#"{"heartbeat": "x", "monitor": 100}"#);
    assert_eq!(loaded.config.heartbeat.as_secs(), 200);
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
    assert_eq!((config.port, config.scan), (8443, false));
    assert_eq!(config.topic, "t");
    // The source that counts said something wrong: the default.
    assert_eq!(config.qos, 0);
    assert_eq!(config.heartbeat.as_secs(), 30);
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
    let source = |name| loaded.sources.iter().find(|(n, _)| *n == name).unwrap().1;
    assert_eq!(source("port"), Source::CommandLine);
    assert_eq!(source("topic"), Source::File);
    assert_eq!(source("qos"), Source::Default);
    assert_eq!(source("key"), Source::Default);
}

#[test]
fn secrets_and_query_strings_are_never_shown() {
    for row in OPTIONS.iter().filter(|row| row.kind.is_secret()) {
        let good = format!("{{\"{}\": \"hunter2\"}}", row.name);
        let cli = settings(&[(row.name, "hunter2")]);
        let (loaded, _) = load_bytes(&cli, good.as_bytes());
        assert_eq!(loaded.errors, []);
        let shown = shown(&loaded) + &format!("{cli:?}{:#?}", loaded.config);
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let url = "https://me:hunter2@x.example/a?token=hunter2#hunter2";
    let cli = settings(&[("stats_url", url)]);
    let (loaded, _) = load_bytes(&cli, b"{}");
    assert_eq!(loaded.config.stats_url, url);
    let shown = shown(&loaded) + &format!("{cli:?}");
    assert!(shown.contains("https://x.example/a") && !shown.contains("hunter2"));
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    for (url, shown) in [
        ("", ""),
        ("https://a.example/b?c", "https://a.example/b"),
        ("https://u:p@a.example", "https://a.example"),
        ("https://a.example/u@v", "https://a.example/u@v"),
        ("https://a.example?x=/@y", "https://a.example"),
        ("u:p@a.example", "a.example"),
    ] {
        assert_eq!(shown_url(url), shown, "{url}");
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
    assert_eq!(config.mac_file, Path::new("/etc/mac"));
    assert_eq!(config.state_dir, Path::new("/etc/socketman/state"));
    assert_eq!(config.spool_dir, Path::new("/var/run/socketman/spool"));
    assert_eq!((config.port, config.spool_max), (1883, 1 << 20));
    assert_eq!(config.heartbeat.as_secs(), 60);
    assert!(config.scan && config.web_jobs && !config.debug);
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
