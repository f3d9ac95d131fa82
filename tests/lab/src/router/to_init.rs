//! The orders of the bus and of the router's scripts that concern the device as a whole.

use std::path::PathBuf;

use super::scripts::Asked;

/// An order to init, procd in OpenWrt.
#[derive(Debug)]
pub enum ToInit {
    Reboot,
    /// By `/etc/init.d/socketman`.
    Agent(Verb),
    /// By `sysupgrade`, which has looked at the image.
    Flash(Flash),
}

/// An order to the agent's init script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "start" => Some(Verb::Start),
            "stop" => Some(Verb::Stop),
            "restart" => Some(Verb::Restart),
            _ => None,
        }
    }
}

/// The hand-over of `sysupgrade` to init: `ubus call system sysupgrade`.
#[derive(Debug)]
pub struct Flash {
    pub image: PathBuf,
    /// The archive of the settings that are kept; without, none are.
    pub settings: Option<PathBuf>,
    /// Lets the script see that the bus has gone, if it lives that long.
    asked: Asked,
}

impl Flash {
    /// Reads the words after `sysupgrade`: the image, and the archive if there is one.
    pub(super) fn read(words: &[&str], asked: Asked) -> Result<Self, Asked> {
        match words {
            [image, rest @ ..] if rest.len() < 2 => Ok(Flash {
                image: image.into(),
                settings: rest.first().map(PathBuf::from),
                asked,
            }),
            _ => Err(asked),
        }
    }

    /// Ends the script's call as that of a program whose bus has ended.
    pub fn bus_ended(self) {
        self.asked.answer(1);
    }
}
