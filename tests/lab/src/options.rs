//! Options of the lab.

use std::path::PathBuf;

use clap::Args;

/// Without `--once`: as on a router.
pub const INTERACTIVE_SCALE: u32 = 1;

/// With `--once`: a heartbeat of the agent, 60 s, passes in 2.
pub const ONCE_SCALE: u32 = 30;

/// The options of a lab.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Directory of the lab, kept afterwards; what an earlier lab left there is removed
    /// [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Stations that use the router's Wi-Fi
    #[arg(long, value_name = "N", default_value_t = Options::default().stations, value_parser = stations)]
    pub stations: usize,
    /// Which router it is: the same number, the same stations
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    pub seed: u64,
    /// Port of the API on 127.0.0.1 [default: any]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub http: u16,
    /// Port of the MQTT broker on 127.0.0.1 [default: any]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub mqtt: u16,
    /// Use this broker instead of the embedded one; the agent reaches it through a port of the lab,
    /// so that it can be taken away
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// Bytes of the file system that holds the router's /etc; None for that of the lab's directory
    #[arg(skip)]
    pub etc_size: Option<u64>,
    /// Make the agent's intervals pass this many times faster than on a router [default: 1, with --once 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub time_scale: Option<u32>,
}

/// The options of a lab that was given none.
impl Default for Options {
    fn default() -> Self {
        Options {
            dir: None,
            stations: 6,
            seed: 1,
            http: 0,
            mqtt: 0,
            broker: None,
            etc_size: None,
            time_scale: None,
        }
    }
}

/// More stations than this no radio has, and the bus carries them in one message.
pub const STATIONS_MAX: usize = 1000;

/// Reads how many stations there are to be.
pub fn stations(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= STATIONS_MAX => Ok(count),
        Ok(_) => Err(format!("at most {STATIONS_MAX}")),
        Err(_) => Err("is not a number".to_owned()),
    }
}
