//! THE table: every option once. The JSON reader and the command line are driven by it, and
//! docs/options.md is generated from it.

use std::time::Duration;

use super::kind::{Kind, Unit};
use super::Config;

/// Command line form of an option.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    /// A further long name the original knew.
    pub alias: Option<&'static str>,
    /// What the flag stands for when it takes no value of its own.
    pub means: Option<&'static str>,
    /// Help of the flag where that of the option would mislead.
    pub help: Option<&'static str>,
}

/// What holds when an option is set nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Written as a person would write it.
    Fixed(&'static str),
    /// Follows from another option, in words.
    Derived(&'static str),
}

/// One option.
pub struct Row {
    /// Key in config.json.
    pub name: &'static str,
    /// Further keys that mean the same.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub default: Preset,
    pub help: &'static str,
    pub flag: Option<Flag>,
}

impl Row {
    const fn new(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Row {
        Row {
            name,
            aliases: &[],
            kind,
            default: Preset::Fixed(default),
            help,
            flag: None,
        }
    }

    /// Can be given as `--long VALUE`.
    const fn flag(mut self, long: &'static str, short: char) -> Row {
        self.flag = Some(Flag {
            long,
            short: Some(short),
            alias: None,
            means: None,
            help: None,
        });
        self
    }

    /// Can be given as `--long`, which stands for the value `means`.
    const fn switch(mut self, long: &'static str, means: &'static str, help: &'static str) -> Row {
        self.flag = Some(Flag {
            long,
            short: None,
            alias: None,
            means: Some(means),
            help: Some(help),
        });
        self
    }

    const fn flag_alias(mut self, alias: &'static str) -> Row {
        if let Some(flag) = &mut self.flag {
            flag.alias = Some(alias);
        }
        self
    }

    const fn alias(mut self, aliases: &'static [&'static str]) -> Row {
        self.aliases = aliases;
        self
    }

    const fn derived(mut self, rule: &'static str) -> Row {
        self.default = Preset::Derived(rule);
        self
    }
}

/// The option with this name or alias.
pub fn find(key: &str) -> Option<&'static Row> {
    OPTIONS
        .iter()
        .find(|row| row.name == key || row.aliases.contains(&key))
}

type Set = fn(&mut Config, u64);

const fn whole(unit: Unit, min: u64, max: u64, set: Set) -> Kind {
    Kind::Whole {
        min,
        max,
        unit,
        set,
    }
}

const fn seconds(min: u64, max: u64, set: Set) -> Kind {
    whole(Unit::Seconds, min, max, set)
}

const fn bytes(min: u64, max: u64, set: Set) -> Kind {
    whole(Unit::Bytes, min, max, set)
}

const fn number(min: u64, max: u64, set: Set) -> Kind {
    whole(Unit::Plain, min, max, set)
}

/// Every option, in the order in which people meet them.
// The casts cannot cut anything off: the range of each row lies within its field's type.
pub static OPTIONS: &[Row] = &[
    Row::new(
        "username",
        Kind::Text(|c| &mut c.username),
        "",
        "user name at the MQTT broker",
    )
    .flag("username", 'u'),
    Row::new(
        "password",
        Kind::Secret(|c| &mut c.password),
        "",
        "password at the MQTT broker; on the command line every user can read it with ps, so prefer the file",
    )
    .flag("password", 'p'),
    Row::new(
        "topic",
        Kind::Topic(|c| &mut c.topic),
        "",
        "first part of the MQTT base topic <topic>/<key>/<mac>; + and # are refused",
    )
    .flag("topic", 't'),
    Row::new(
        "key",
        Kind::SecretLevel(|c| &mut c.key),
        "",
        "second part of the MQTT base topic; +, # and / are refused",
    )
    .flag("key", 'k')
    .flag_alias("psk"),
    Row::new(
        "mqtt_host",
        Kind::Host(|c| &mut c.mqtt_host),
        "",
        "MQTT broker, host name or IP address; empty = no MQTT",
    )
    .flag("host", 'H'),
    Row::new(
        "port",
        number(1, 65535, |c, n| c.port = n as u16),
        "1883",
        "port of the MQTT broker",
    )
    .flag("port", 'P'),
    Row::new(
        "qos",
        number(0, 2, |c, n| c.qos = n as u8),
        "0",
        "QoS of status and ping; jobs, results and delivery are always 1",
    )
    .flag("qos", 'q'),
    Row::new(
        "keepalive",
        seconds(5, 3600, |c, n| c.keepalive = Duration::from_secs(n)),
        "30",
        "MQTT keepalive",
    ),
    Row::new(
        "disable_mqtt",
        Kind::Bool(|c| &mut c.disable_mqtt),
        "0",
        "1 = no MQTT",
    ),
    Row::new(
        "stats_url",
        Kind::Url(|c| &mut c.stats_url),
        "",
        "where statistics are posted; empty = nowhere",
    )
    .flag("stats-url", 'f'),
    Row::new(
        "token",
        Kind::Secret(|c| &mut c.token),
        "",
        "API token, sent with every API request; on the command line every user can read it with ps, so prefer the file",
    )
    .flag("token", 'T'),
    Row::new(
        "mac",
        Kind::Mac(|c| &mut c.mac),
        "",
        "identity of the device, used as written; empty = mac_file, else the WAN device, else the first physical interface",
    )
    .flag("mac", 'm'),
    Row::new(
        "mac_file",
        Kind::Path(|c| &mut c.mac_file),
        "/etc/mac",
        "file whose first line is the identity",
    )
    .flag("mac-file", 'w'),
    Row::new(
        "monitor",
        seconds(15, 150, |c, n| c.monitor = Duration::from_secs(n)),
        "15",
        "how often to collect",
    ),
    Row::new(
        "heartbeat",
        seconds(0, 300, |c, n| c.heartbeat = Duration::from_secs(n)),
        "",
        "how often to deliver; a value that is not above monitor becomes 2 × monitor",
    )
    .alias(&["sleep"])
    .derived("max(60, 2 × monitor)")
    .flag("sleep", 's'),
    Row::new("scan", Kind::Bool(|c| &mut c.scan), "1", "collect Wi-Fi").switch(
        "noscan",
        "0",
        "do not collect Wi-Fi",
    ),
    Row::new(
        "spool_dir",
        Kind::Path(|c| &mut c.spool_dir),
        "/var/run/socketman/spool",
        "where reports wait for delivery, in RAM",
    ),
    Row::new(
        "spool_max",
        bytes(16 << 10, 256 << 20, |c, n| c.spool_max = n),
        "1048576",
        "how much of them is kept",
    ),
    Row::new(
        "spread",
        seconds(0, 600, |c, n| c.spread = Duration::from_secs(n)),
        "10",
        "the first attempt after a start or a lost session waits up to this long, so that a fleet does not come back at once",
    ),
    Row::new(
        "no-ping",
        Kind::Bool(|c| &mut c.no_ping),
        "0",
        "1 = no presence message",
    ),
    Row::new(
        "ping-interval",
        seconds(30, 86400, |c, n| c.ping_interval = Duration::from_secs(n)),
        "180",
        "how often the presence message is sent",
    ),
    Row::new(
        "job_timeout",
        seconds(1, 86400, |c, n| c.job_timeout = Duration::from_secs(n)),
        "300",
        "time a job has, and the most it can ask for",
    ),
    Row::new(
        "job_output_max",
        bytes(0, 1 << 20, |c, n| c.job_output_max = n as usize),
        "65536",
        "output kept per stream and job; the rest is dropped",
    ),
    Row::new(
        "job_workers",
        number(1, 8, |c, n| c.job_workers = n as usize),
        "2",
        "jobs that run at once",
    ),
    Row::new(
        "web_jobs",
        Kind::Bool(|c| &mut c.web_jobs),
        "1",
        "may LuCI and HTTP sessions run jobs",
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
