//! THE table: every option once. The readers of config.json, UCI and the command line are driven by it,
//! and docs/options.md is generated from it.

use std::time::Duration;

use super::kind::{bytes, number, seconds, Kind};
use super::pem::Pem;
use super::row::{Guard, Row};
use super::{ApiAuth, Recover, UploadFormat};

/// The option with this name or alias.
pub fn find(key: &str) -> Option<&'static Row> {
    OPTIONS
        .iter()
        .find(|row| row.name == key || row.aliases.contains(&key))
}

/// Every option, in the order in which people meet them.
// The casts cannot cut anything off: the range of each row lies within its field's type.
pub static OPTIONS: &[Row] = &[
    Row::new(
        "username",
        Kind::Text(|c| &mut c.broker.username),
        "",
        "user name at the MQTT broker",
    )
    .flag("username", 'u'),
    Row::new(
        "password",
        Kind::Secret(|c| &mut c.broker.password),
        "",
        "password at the MQTT broker; on the command line every user can read it with ps, so prefer the file",
    )
    .flag("password", 'p'),
    Row::new(
        "topic",
        Kind::Topic(|c| &mut c.broker.topic),
        "",
        "first part of the MQTT base topic <topic>/<key>/<mac>; + and # are refused",
    )
    .flag("topic", 't'),
    Row::new(
        "key",
        Kind::SecretLevel(|c| &mut c.broker.key),
        "",
        "second part of the MQTT base topic; +, # and / are refused",
    )
    .flag("key", 'k')
    .flag_alias("psk"),
    Row::new(
        "mqtt_host",
        Kind::Host(|c| &mut c.broker.host),
        "",
        "MQTT broker, host name or IP address; empty = no MQTT",
    )
    .flag("host", 'H'),
    Row::new(
        "port",
        number(1, 65535, |c, n| c.broker.port = n as u16),
        "",
        "port of the MQTT broker",
    )
    .derived("1883, or 8883 with tls")
    .flag("port", 'P'),
    Row::new(
        "tls",
        Kind::Bool(|c| &mut c.broker.tls),
        "0",
        "MQTT over TLS; the broker's certificate is verified",
    )
    .guards(Guard::Value("1"))
    .switch("tls", "1", "MQTT over TLS"),
    Row::new(
        "cacrt",
        Kind::OptionalPath(|c| &mut c.broker.cacrt),
        "",
        "CA certificates the broker is verified with, or the broker's very own (PEM); empty = those of the system",
    )
    .guards(Guard::Link(Pem::Authorities)),
    Row::new(
        "tls_cert",
        Kind::OptionalPath(|c| &mut c.broker.tls_cert),
        "",
        "certificate shown to the broker (PEM); needs tls_key",
    )
    .guards(Guard::Link(Pem::Certificate)),
    Row::new(
        "tls_key",
        Kind::SecretPath(|c| &mut c.broker.tls_key),
        "",
        "private key of tls_cert (PEM, without a passphrase)",
    )
    .guards(Guard::Link(Pem::Key)),
    Row::new(
        "qos",
        number(0, 2, |c, n| c.broker.qos = n as u8),
        "0",
        "QoS of status and ping; jobs, results and delivery are always 1",
    )
    .flag("qos", 'q'),
    Row::new(
        "status_retain",
        Kind::Bool(|c| &mut c.broker.status_retain),
        "0",
        "the broker keeps CONNECT and the last will (at QoS 1), so that one subscription shows the whole fleet",
    ),
    Row::new(
        "keepalive",
        seconds(5, 3600, |c, n| c.broker.keepalive = Duration::from_secs(n)),
        "30",
        "MQTT keepalive",
    ),
    Row::new(
        "disable_mqtt",
        Kind::Bool(|c| &mut c.broker.disabled),
        "0",
        "1 = no MQTT",
    )
    .guards(Guard::Value("1")),
    Row::new(
        "api_url",
        Kind::Url(|c| &mut c.rest.url),
        "",
        "API for results of jobs and pings, with rest",
    )
    .flag("api-url", 'a'),
    Row::new(
        "stats_url",
        Kind::Url(|c| &mut c.upload.url),
        "",
        "where statistics are posted; empty = nowhere",
    )
    .flag("stats-url", 'f'),
    Row::new(
        "backup_stats_url",
        Kind::Url(|c| &mut c.upload.backup_url),
        "",
        "where they are posted while stats_url fails",
    )
    .alias(&["backup_url"]),
    Row::new(
        "token",
        Kind::Secret(|c| &mut c.api.token),
        "",
        "API token, sent with every API request; on the command line every user can read it with ps, so prefer the file",
    )
    .flag("token", 'T'),
    Row::new(
        "api_auth",
        Kind::Choice {
            names: &["query", "bearer"],
            set: |c, at| c.api.auth = [ApiAuth::Query, ApiAuth::Bearer][at],
        },
        "query",
        "how the token is sent: in the query, or as an Authorization header",
    ),
    Row::new(
        "insecure",
        Kind::Bool(|c| &mut c.api.insecure),
        "0",
        "1 = do not verify the certificate of the API; who is on the path can then read and change everything",
    )
    .guards(Guard::Value("0")),
    Row::new(
        "rest",
        Kind::Bool(|c| &mut c.rest.enabled),
        "0",
        "1 = results of jobs and pings go to api_url",
    ),
    Row::new(
        "mac",
        Kind::Mac(|c| &mut c.identity.mac),
        "",
        "identity of the device, used as written; empty = mac_file, else an address of the hardware, chosen once and remembered",
    )
    .flag("mac", 'm'),
    Row::new(
        "mac_file",
        Kind::Path(|c| &mut c.identity.mac_file),
        "/etc/mac",
        "file whose first line is the identity",
    )
    .flag("mac-file", 'w'),
    Row::new(
        "monitor",
        seconds(15, 150, |c, n| c.collect.monitor = Duration::from_secs(n)),
        "15",
        "how often to collect",
    ),
    Row::new(
        "heartbeat",
        seconds(0, 300, |c, n| c.upload.heartbeat = Duration::from_secs(n)),
        "",
        "how often to deliver; a value that is not above monitor becomes 2 × monitor",
    )
    .alias(&["sleep"])
    .derived("max(60, 2 × monitor)")
    .flag("sleep", 's'),
    Row::new("scan", Kind::Bool(|c| &mut c.collect.scan), "1", "collect Wi-Fi").switch(
        "noscan",
        "0",
        "do not collect Wi-Fi",
    ),
    Row::new(
        "survey",
        Kind::Bool(|c| &mut c.collect.survey),
        "0",
        "include a scan of the neighbouring networks; radios leave their channel for it",
    )
    .switch("nosurvey", "0", "do not scan for neighbouring networks"),
    Row::new(
        "survey_interval",
        seconds(60, 86400, |c, n| c.collect.survey_interval = Duration::from_secs(n)),
        "3600",
        "how often to scan",
    ),
    Row::new(
        "no-cache",
        Kind::Bool(|c| &mut c.upload.no_cache),
        "0",
        "1 = post each report at once as plain JSON and keep nothing",
    ),
    Row::new(
        "upload_format",
        Kind::Choice {
            names: &["multipart", "ndjson"],
            set: |c, at| {
                c.upload.format = [UploadFormat::Multipart, UploadFormat::Ndjson][at];
            },
        },
        "multipart",
        "body of a delivery: a form with one gzip file, or gzip as it is",
    ),
    Row::new(
        "spool_dir",
        Kind::Path(|c| &mut c.spool.dir),
        "/var/run/socketman/spool",
        "where reports wait for delivery, in RAM",
    ),
    Row::new(
        "spool_max",
        bytes(16 << 10, 256 << 20, |c, n| c.spool.max = n),
        "1048576",
        "how much of them is kept",
    ),
    Row::new(
        "archive_dir",
        Kind::OptionalPath(|c| &mut c.spool.archive_dir),
        "",
        "where reports are kept on flash in a long outage; empty = nowhere",
    ),
    Row::new(
        "archive_max",
        bytes(64 << 10, 1 << 30, |c, n| c.spool.archive_max = n),
        "2097152",
        "how much of them is kept",
    ),
    Row::new(
        "archive_daily",
        bytes(64 << 10, 1 << 30, |c, n| c.spool.archive_daily = n),
        "1048576",
        "how much of them is written in a day at most",
    ),
    Row::new(
        "spread",
        seconds(0, 600, |c, n| c.spread = Duration::from_secs(n)),
        "10",
        "the first attempt after a start or a lost session waits up to this long, so that a fleet does not come back at once; from a heartbeat on, a backlog leaves in turns",
    ),
    Row::new(
        "no-ping",
        Kind::Bool(|c| &mut c.ping.off),
        "0",
        "1 = no presence message",
    ),
    Row::new(
        "ping-interval",
        seconds(30, 86400, |c, n| c.ping.interval = Duration::from_secs(n)),
        "180",
        "how often the presence message is sent",
    ),
    Row::new(
        "health_url",
        Kind::HostOfUrl(|c| &mut c.health.host),
        "one.one.one.one",
        "name to resolve and host to reach; of a URL the host is taken; empty = no such check",
    ),
    Row::new(
        "health_port",
        number(1, 65535, |c, n| c.health.port = n as u16),
        "53",
        "TCP port to reach there",
    ),
    Row::new(
        "web_url",
        Kind::Url(|c| &mut c.health.web_url),
        "http://connectivitycheck.gstatic.com/generate_204",
        "web check: 204 is wanted, or 200 with a body that starts with web_body; empty = no such check",
    ),
    Row::new(
        "web_body",
        Kind::Text(|c| &mut c.health.web_body),
        "",
        "how the body of a 200 from web_url starts; empty = only 204 will do",
    ),
    Row::new(
        "recover",
        Kind::Choice {
            names: &["full", "interface", "none"],
            set: |c, at| c.recovery.recover = [Recover::Full, Recover::Interface, Recover::Nothing][at],
        },
        "full",
        "how far recovery may go: full = up to a reboot, interface = the WAN interface and the resolver, none = nothing (docs/recovery.md)",
    ),
    Row::new(
        "reboot",
        seconds(0, 86400 * 7, |c, n| c.recovery.reboot = Duration::from_secs(n)),
        "600",
        "reboot after this long offline, once in an outage and three times in 24 h at most; 0 = never; 1-299 become 300",
    ),
    Row::new(
        "boot_log",
        Kind::Bool(|c| &mut c.spool.boot_log),
        "0",
        "1 = the last lines of the system log (16 KiB at most, which may hold secrets of other programs) go to flash when the device goes offline and before it is rebooted, and into the first report of the next boot; needs archive_dir",
    ),
    Row::new(
        "init_url",
        Kind::SecretUrl(|c| &mut c.provision.init_url),
        "",
        "init server, asked for settings while there is neither username nor password nor token; https, or with insecure http (docs/provisioning.md)",
    )
    .flag("init", 'b'),
    Row::new(
        "init_token",
        Kind::Secret(|c| &mut c.provision.init_token),
        "",
        "Authorization header of the requests to init_url",
    ),
    Row::new(
        "boot_url",
        Kind::SecretUrl(|c| &mut c.provision.boot_url),
        "",
        "called with token and mac once after each start of the device, until it answers 2xx",
    ),
    Row::new(
        "boot_cmd",
        Kind::Secret(|c| &mut c.provision.boot_cmd),
        "",
        "command that runs once after each start of the device, as a job",
    ),
    Row::new(
        "api_commands",
        Kind::Bool(|c| &mut c.api.commands),
        "0",
        "1 = run commands found in answers of the API, over https that is verified or with insecure; off while job_pubkey is set (docs/jobs.md)",
    )
    .guards(Guard::Value("0")),
    Row::new(
        "job_timeout",
        seconds(1, 86400, |c, n| c.jobs.timeout = Duration::from_secs(n)),
        "300",
        "time a job has, and the most it can ask for",
    ),
    Row::new(
        "job_output_max",
        bytes(0, 1 << 20, |c, n| c.jobs.output_max = n as usize),
        "65536",
        "output kept per stream and job; the rest is dropped",
    ),
    Row::new(
        "job_workers",
        number(1, 8, |c, n| c.jobs.workers = n as usize),
        "2",
        "jobs that run at once",
    ),
    Row::new(
        "job_pubkey",
        Kind::Keys(|c| &mut c.jobs.pubkey),
        "",
        "public keys (Ed25519, base64), 16 at most; if set, only jobs signed with one of them run (docs/jobs.md)",
    )
    .guards(Guard::Jobs),
    Row::new(
        "web_jobs",
        Kind::Bool(|c| &mut c.jobs.from_web),
        "1",
        "may LuCI and HTTP sessions run jobs; 0 while job_pubkey is set",
    )
    .guards(Guard::Value("0")),
    Row::new(
        "rollback_timeout",
        seconds(30, 600, |c, n| c.jobs.rollback_timeout = Duration::from_secs(n)),
        "120",
        "time after a network job in which the device has to be reachable again, else the change is undone",
    ),
    Row::new(
        "state_dir",
        Kind::Path(|c| &mut c.state_dir),
        "/etc/socketman/state",
        "small durable state",
    ),
    Row::new(
        "debug",
        Kind::Bool(|c| &mut c.debug),
        "0",
        "log what the agent does in detail",
    )
    .switch("debug", "1", "log what the agent does in detail"),
];
