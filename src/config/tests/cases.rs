//! Right and wrong values of every option. Those of files that have to be there are in `pem_files`.

use std::path::Path;
use std::time::Duration;

use crate::config::{ApiAuth, Config, PublicKey, Recover, UploadFormat};

/// A right value as JSON, and what holds of the configuration then.
pub(super) type Right = (&'static str, fn(&Config) -> bool);

/// An option, right values of it, and wrong ones as JSON with the reason.
pub(super) struct Case {
    pub(super) option: &'static str,
    pub(super) right: &'static [Right],
    pub(super) wrong: &'static [(&'static str, &'static str)],
}

pub(super) const CASES: &[Case] = &[
    Case {
        option: "username",
        right: &[
            (r#""ap-1 ü""#, |c| c.broker.username == "ap-1 ü"),
            ("1234", |c| c.broker.username == "1234"),
            (r#""""#, |c| c.broker.username.is_empty()),
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
        right: &[(r#""p\u0041ss #+/""#, |c| {
            c.broker.password.reveal() == "pAss #+/"
        })],
        wrong: &[
            ("null", "is null"),
            (r#"{"hunter2":1}"#, "is an object, one value is wanted"),
            (r#""hunter2\u0000""#, "holds a control character"),
        ],
    },
    Case {
        option: "topic",
        right: &[(r#""acme/west""#, |c| c.broker.topic == "acme/west")],
        wrong: &[
            (r#""a+b""#, "holds '+', which a topic may not"),
            (r##""#""##, "holds '#', which a topic may not"),
        ],
    },
    Case {
        option: "key",
        right: &[("12345678901234567890123", |c| {
            c.broker.key.reveal() == "12345678901234567890123"
        })],
        wrong: &[(r#""hunter2/x""#, "holds '/', which a topic may not")],
    },
    Case {
        option: "mqtt_host",
        right: &[
            (r#""broker.example.com""#, |c| {
                c.broker.host == "broker.example.com"
            }),
            (r#""192.0.2.1""#, |c| c.broker.host == "192.0.2.1"),
            (r#""2001:db8::1""#, |c| c.broker.host == "2001:db8::1"),
            (r#""fe80::1%br-lan""#, |c| c.broker.host == "fe80::1%br-lan"),
            (r#""my_broker.lan.""#, |c| c.broker.host == "my_broker.lan."),
            (r#""""#, |c| c.broker.host.is_empty()),
        ],
        wrong: &[
            (
                r#""a.example:1883""#,
                "'a.example:1883' is not a host name or an IP address",
            ),
            (r#""a..b""#, "'a..b' is not a host name or an IP address"),
            (r#""-x""#, "'-x' is not a host name or an IP address"),
            (r#"".""#, "'.' is not a host name or an IP address"),
            (r#""a b""#, "'a b' is not a host name or an IP address"),
        ],
    },
    Case {
        option: "port",
        right: &[
            ("1", |c| c.broker.port == 1),
            (r#""8443""#, |c| c.broker.port == 8443),
            (r#"" 65535 ""#, |c| c.broker.port == 65535),
            ("8883.0", |c| c.broker.port == 8883),
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
        option: "tls",
        right: &[
            (r##"1"##, |c| c.broker.tls),
            (r##""off""##, |c| !c.broker.tls),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "cacrt",
        right: &[(r##""""##, |c| c.broker.cacrt.is_none())],
        wrong: &[
            (r##""x.pem""##, r##"'x.pem' is not an absolute path"##),
            (r##"["/a"]"##, r##"is a list, one value is wanted"##),
        ],
    },
    Case {
        option: "tls_cert",
        right: &[(r##""""##, |c| c.broker.tls_cert.is_none())],
        wrong: &[
            (r##""x.pem""##, r##"'x.pem' is not an absolute path"##),
            (r##"["/a"]"##, r##"is a list, one value is wanted"##),
        ],
    },
    Case {
        option: "tls_key",
        right: &[(r##""""##, |c| c.broker.tls_key.is_none())],
        wrong: &[
            (
                r##""/etc/../k""##,
                r##"is not an absolute path without '..'"##,
            ),
            (r##"null"##, r##"is null"##),
        ],
    },
    Case {
        option: "qos",
        right: &[
            ("2", |c| c.broker.qos == 2),
            (r#""1""#, |c| c.broker.qos == 1),
        ],
        wrong: &[
            ("3", "3 is out of range (0-2)"),
            ("-1", "-1 is out of range (0-2)"),
        ],
    },
    Case {
        option: "status_retain",
        right: &[
            ("1", |c| c.broker.status_retain),
            ("false", |c| !c.broker.status_retain),
        ],
        wrong: &[("2", "'2' is neither 0 nor 1")],
    },
    Case {
        option: "keepalive",
        right: &[("5", |c| c.broker.keepalive == Duration::from_secs(5))],
        wrong: &[("4", "4 is out of range (5-3600 s)")],
    },
    Case {
        option: "disable_mqtt",
        right: &[
            ("1", |c| c.broker.disabled),
            (r#""1""#, |c| c.broker.disabled),
            ("true", |c| c.broker.disabled),
            (r#""true""#, |c| c.broker.disabled),
            (r#""ON""#, |c| c.broker.disabled),
            ("0", |c| !c.broker.disabled),
            ("false", |c| !c.broker.disabled),
        ],
        wrong: &[
            ("2", "'2' is neither 0 nor 1"),
            (r#""maybe""#, "'maybe' is neither 0 nor 1"),
        ],
    },
    Case {
        option: "api_url",
        right: &[
            (r##""https://x.example/a?b=c""##, |c| {
                c.rest.url.as_str() == "https://x.example/a?b=c"
            }),
            (r##""""##, |c| c.rest.url.is_empty()),
        ],
        wrong: &[(
            r##""ftp://hunter2@x.example/""##,
            r##"begins neither with http:// nor with https://"##,
        )],
    },
    Case {
        option: "stats_url",
        right: &[
            (r#""https://x.example/a?b=c""#, |c| {
                c.upload.url.as_str() == "https://x.example/a?b=c"
            }),
            (r#""http://[2001:db8::1]:8080/""#, |c| {
                c.upload.url.as_str() == "http://[2001:db8::1]:8080/"
            }),
            (r#""http://xn--bcher-kva.example/""#, |c| {
                c.upload.url.as_str() == "http://xn--bcher-kva.example/"
            }),
            (r#""""#, |c| c.upload.url.is_empty()),
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
                r#""http://bücher.example/""#,
                "is not a URL: invalid international domain name",
            ),
            // With capital letters beside what is not ASCII, the library panics in builds that check assertions.
            (
                "\"http://YYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY\u{feff}YYY:1/\"",
                "is not a URL: invalid international domain name",
            ),
            (
                r#""http://u@YYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY%EF%BB%BFYYY/""#,
                "is not a URL: invalid international domain name",
            ),
            (
                r#""http://x.example:hunter2/""#,
                "is not a URL: invalid port number",
            ),
        ],
    },
    Case {
        option: "backup_stats_url",
        right: &[
            (r##""https://x.example/a?b=c""##, |c| {
                c.upload.backup_url.as_str() == "https://x.example/a?b=c"
            }),
            (r##""""##, |c| c.upload.backup_url.is_empty()),
        ],
        wrong: &[(
            r##""ftp://hunter2@x.example/""##,
            r##"begins neither with http:// nor with https://"##,
        )],
    },
    Case {
        option: "token",
        right: &[(r#""a&b=c d""#, |c| c.api.token.reveal() == "a&b=c d")],
        wrong: &[("null", "is null")],
    },
    Case {
        option: "api_auth",
        right: &[
            (r##""query""##, |c| c.api.auth == ApiAuth::Query),
            (r##""bearer""##, |c| c.api.auth == ApiAuth::Bearer),
        ],
        wrong: &[
            (r##""Basic""##, r##"'Basic' is not one of query, bearer"##),
            (r##"1"##, r##"'1' is not one of query, bearer"##),
        ],
    },
    Case {
        option: "insecure",
        right: &[
            (r##"1"##, |c| c.api.insecure),
            (r##""off""##, |c| !c.api.insecure),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "rest",
        right: &[
            (r##"1"##, |c| c.rest.enabled),
            (r##""off""##, |c| !c.rest.enabled),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "mac",
        right: &[
            (r#""aa-BB-cc-DD-ee-FF""#, |c| {
                c.identity.mac == "aa-BB-cc-DD-ee-FF"
            }),
            (r#""02:00:00:00:00:01 ""#, |c| {
                c.identity.mac == "02:00:00:00:00:01"
            }),
            (r#""11:22:33:44:55:66""#, |c| {
                c.identity.mac == "11:22:33:44:55:66"
            }),
            ("112233445566", |c| c.identity.mac == "112233445566"),
            (r#""""#, |c| c.identity.mac.is_empty()),
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
            c.identity.mac_file == Path::new("/root-of-test/etc/my mac")
        })],
        wrong: &[
            (r#""""#, "is empty"),
            (r#""etc/mac""#, "'etc/mac' is not an absolute path"),
        ],
    },
    Case {
        option: "monitor",
        right: &[
            ("15", |c| c.collect.monitor == Duration::from_secs(15)),
            ("150", |c| c.collect.monitor == Duration::from_secs(150)),
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
        right: &[("300", |c| c.upload.heartbeat == Duration::from_secs(300))],
        wrong: &[("301", "301 is out of range (0-300 s)")],
    },
    Case {
        option: "scan",
        right: &[("0", |c| !c.collect.scan), (r#""yes""#, |c| c.collect.scan)],
        wrong: &[("[]", "is a list, one value is wanted")],
    },
    Case {
        option: "survey",
        right: &[
            (r##"1"##, |c| c.collect.survey),
            (r##""off""##, |c| !c.collect.survey),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "survey_interval",
        right: &[(r##"60"##, |c| {
            c.collect.survey_interval == Duration::from_secs(60)
        })],
        wrong: &[(r##"59"##, r##"59 is out of range (60-86400 s)"##)],
    },
    Case {
        option: "no-cache",
        right: &[
            (r##"1"##, |c| c.upload.no_cache),
            (r##""off""##, |c| !c.upload.no_cache),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "upload_format",
        right: &[
            (r##""ndjson""##, |c| c.upload.format == UploadFormat::Ndjson),
            (r##""multipart""##, |c| {
                c.upload.format == UploadFormat::Multipart
            }),
        ],
        wrong: &[(r##""""##, r##"'' is not one of multipart, ndjson"##)],
    },
    Case {
        option: "spool_dir",
        right: &[(r#""/tmp/spool""#, |c| {
            c.spool.dir == Path::new("/root-of-test/tmp/spool")
        })],
        wrong: &[
            (r#""/tmp/../etc""#, "'/tmp/../etc' holds '..'"),
            ("true", "is true or false, text is wanted"),
        ],
    },
    Case {
        option: "spool_max",
        right: &[
            ("16384", |c| c.spool.max == 16384),
            ("268435456", |c| c.spool.max == 268435456),
        ],
        wrong: &[("1", "1 is out of range (16384-268435456 bytes)")],
    },
    Case {
        option: "archive_dir",
        right: &[(r##""/overlay/a""##, |c| {
            c.spool.archive_dir.as_deref() == Some(Path::new("/root-of-test/overlay/a"))
        })],
        wrong: &[(r##""a""##, r##"'a' is not an absolute path"##)],
    },
    Case {
        option: "archive_max",
        right: &[(r##"65536"##, |c| c.spool.archive_max == 65536)],
        wrong: &[(
            r##"65535"##,
            r##"65535 is out of range (65536-1073741824 bytes)"##,
        )],
    },
    Case {
        option: "archive_daily",
        right: &[(r##""65536""##, |c| c.spool.archive_daily == 65536)],
        wrong: &[(r##""1M""##, r##"'1M' is not a whole number"##)],
    },
    Case {
        option: "spread",
        right: &[("0", |c| c.spread.is_zero())],
        wrong: &[("601", "601 is out of range (0-600 s)")],
    },
    Case {
        option: "no-ping",
        right: &[("1", |c| c.ping.off)],
        wrong: &[("1.0", "'1.0' is neither 0 nor 1")],
    },
    Case {
        option: "ping-interval",
        right: &[("30", |c| c.ping.interval == Duration::from_secs(30))],
        wrong: &[("29", "29 is out of range (30-86400 s)")],
    },
    Case {
        option: "health_url",
        right: &[
            (r##""dns.example""##, |c| c.health.host == "dns.example"),
            (r##""https://u:p@dns.example:8443/a@b?c""##, |c| {
                c.health.host == "dns.example"
            }),
            (r##""http://[2001:db8::1]:53""##, |c| {
                c.health.host == "2001:db8::1"
            }),
            (r##""""##, |c| c.health.host.is_empty()),
        ],
        wrong: &[
            (
                r##""dns.example:53""##,
                r##"'dns.example:53' is not a host name or an IP address"##,
            ),
            (
                r##""ftp://dns.example""##,
                r##"begins neither with http:// nor with https://"##,
            ),
        ],
    },
    Case {
        option: "health_port",
        right: &[(r##""443""##, |c| c.health.port == 443)],
        wrong: &[(r##"0"##, r##"0 is out of range (1-65535)"##)],
    },
    Case {
        option: "web_url",
        right: &[
            (r##""https://x.example/a?b=c""##, |c| {
                c.health.web_url.as_str() == "https://x.example/a?b=c"
            }),
            (r##""""##, |c| c.health.web_url.is_empty()),
        ],
        wrong: &[(
            r##""ftp://hunter2@x.example/""##,
            r##"begins neither with http:// nor with https://"##,
        )],
    },
    Case {
        option: "web_body",
        right: &[(r##""<html>ok""##, |c| c.health.web_body == "<html>ok")],
        wrong: &[(r##""a\u0007""##, r##"holds a control character"##)],
    },
    Case {
        option: "recover",
        right: &[
            (r##""interface""##, |c| {
                c.recovery.recover == Recover::Interface
            }),
            (r##""none""##, |c| c.recovery.recover == Recover::Nothing),
            (r##""full""##, |c| c.recovery.recover == Recover::Full),
        ],
        wrong: &[(
            r##""all""##,
            r##"'all' is not one of full, interface, none"##,
        )],
    },
    Case {
        option: "reboot",
        right: &[
            (r##"0"##, |c| c.recovery.reboot.is_zero()),
            (r##""300""##, |c| {
                c.recovery.reboot == Duration::from_secs(300)
            }),
        ],
        wrong: &[(r##"-1"##, r##"-1 is out of range (0-604800 s)"##)],
    },
    Case {
        option: "boot_log",
        right: &[
            (r##"true"##, |c| c.spool.boot_log),
            (r##""0""##, |c| !c.spool.boot_log),
        ],
        wrong: &[(r##""perhaps""##, r##"'perhaps' is neither 0 nor 1"##)],
    },
    Case {
        option: "init_url",
        right: &[(r##""https://x.example/init""##, |c| {
            c.provision.init_url.reveal() == "https://x.example/init"
        })],
        wrong: &[(
            r##""file:///hunter2""##,
            r##"begins neither with http:// nor with https://"##,
        )],
    },
    Case {
        option: "init_token",
        right: &[(r##""t""##, |c| c.provision.init_token.reveal() == "t")],
        wrong: &[(r##"null"##, r##"is null"##)],
    },
    Case {
        option: "boot_url",
        right: &[(r##""https://x.example/boot""##, |c| {
            c.provision.boot_url.reveal() == "https://x.example/boot"
        })],
        wrong: &[(
            r##""hunter2""##,
            r##"is not a URL: relative URL without a base"##,
        )],
    },
    Case {
        option: "boot_cmd",
        right: &[(r##""touch /tmp/x""##, |c| {
            c.provision.boot_cmd.reveal() == "touch /tmp/x"
        })],
        wrong: &[(r##"["hunter2"]"##, r##"is a list, one value is wanted"##)],
    },
    Case {
        option: "api_commands",
        right: &[
            (r##"1"##, |c| c.api.commands),
            (r##""off""##, |c| !c.api.commands),
        ],
        wrong: &[(r##""maybe""##, r##"'maybe' is neither 0 nor 1"##)],
    },
    Case {
        option: "job_timeout",
        right: &[("86400", |c| c.jobs.timeout == Duration::from_secs(86400))],
        wrong: &[("0", "0 is out of range (1-86400 s)")],
    },
    Case {
        option: "job_output_max",
        right: &[("1048576", |c| c.jobs.output_max == 1048576)],
        wrong: &[("1048577", "1048577 is out of range (0-1048576 bytes)")],
    },
    Case {
        option: "job_workers",
        right: &[("8", |c| c.jobs.workers == 8)],
        wrong: &[("9", "9 is out of range (1-8)")],
    },
    Case {
        option: "job_pubkey",
        right: &[
            (r##""AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""##, |c| {
                c.jobs.pubkey == [PublicKey([0; 32])]
            }),
            (
                r##"["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]"##,
                |c| c.jobs.pubkey.len() == 2,
            ),
            (
                r##"" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""##,
                |c| c.jobs.pubkey.len() == 2,
            ),
            (r##""""##, |c| c.jobs.pubkey.is_empty()),
            (r##"[]"##, |c| c.jobs.pubkey.is_empty()),
        ],
        wrong: &[
            (
                r##"["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAA"]"##,
                r##"key 2 is not the base64 of 32 bytes"##,
            ),
            (
                r##"["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", " "]"##,
                r##"key 2 is not the base64 of 32 bytes"##,
            ),
            (
                r##"[1]"##,
                r##"is a list with something else than text in it"##,
            ),
            (
                r##""not base64""##,
                r##"key 1 is not the base64 of 32 bytes"##,
            ),
        ],
    },
    Case {
        option: "web_jobs",
        right: &[("false", |c| !c.jobs.from_web)],
        wrong: &[("{}", "is an object, one value is wanted")],
    },
    Case {
        option: "rollback_timeout",
        right: &[(r##"30"##, |c| {
            c.jobs.rollback_timeout == Duration::from_secs(30)
        })],
        wrong: &[(r##"29"##, r##"29 is out of range (30-600 s)"##)],
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
