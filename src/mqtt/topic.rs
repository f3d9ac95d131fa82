//! The topics of one device.

use crate::identity::Identity;

/// Longest topic MQTT can carry, bytes.
const TOPIC_MAX: usize = u16::MAX as usize;

/// The topics cannot be made of these settings. Values are not shown: the key is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("option '{0}' is empty, no topic can be made of it")]
    Empty(&'static str),
    #[error("option '{0}' has a character that a topic may not have ({1})")]
    Character(&'static str, &'static str),
    #[error("options 'topic', 'key' and 'mac' make a topic over 65535 bytes")]
    TooLong,
}

/// Topics and client id of a device; `<base>` is `<topic>/<key>/<mac>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Topics {
    /// `sub/<base>`: jobs.
    pub jobs: String,
    /// `pub/<base>`: results.
    pub results: String,
    /// `delivery/<base>`: accepted jobs.
    pub delivery: String,
    /// `live/<base>`: output of running jobs.
    pub live: String,
    /// `status/<base>`: presence.
    pub status: String,
    /// `socketman` and the MAC's 12 hex digits.
    pub client_id: String,
}

impl Topics {
    /// Topics for the options `topic` and `key` and for the device's identity, exactly as configured.
    pub fn new(topic: &str, key: &str, identity: &Identity) -> Result<Self, TopicError> {
        check("topic", topic, true)?;
        check("key", key, false)?;
        let of = |name: &str| format!("{name}/{topic}/{key}/{identity}");
        let topics = Topics {
            jobs: of("sub"),
            results: of("pub"),
            delivery: of("delivery"),
            live: of("live"),
            status: of("status"),
            client_id: format!("socketman{}", identity.digits()),
        };
        if topics.delivery.len() > TOPIC_MAX {
            return Err(TopicError::TooLong);
        }
        Ok(topics)
    }
}

fn check(option: &'static str, value: &str, levels: bool) -> Result<(), TopicError> {
    if value.is_empty() {
        return Err(TopicError::Empty(option));
    }
    for c in value.chars() {
        let refused = match c {
            '+' => "'+'",
            '#' => "'#'",
            '/' if !levels => "'/'",
            '\0'..='\u{1f}' => "a control character",
            _ => continue,
        };
        return Err(TopicError::Character(option, refused));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_stands_in_topics_as_configured_and_in_the_client_id_as_digits() {
        let mac = "AA-BB-CC-00-11-2f".parse().unwrap();
        let topics = Topics::new("fleet/a", "k1", &mac).unwrap();
        assert_eq!(topics.jobs, "sub/fleet/a/k1/AA-BB-CC-00-11-2f");
        assert_eq!(topics.results, "pub/fleet/a/k1/AA-BB-CC-00-11-2f");
        assert_eq!(topics.delivery, "delivery/fleet/a/k1/AA-BB-CC-00-11-2f");
        assert_eq!(topics.live, "live/fleet/a/k1/AA-BB-CC-00-11-2f");
        assert_eq!(topics.status, "status/fleet/a/k1/AA-BB-CC-00-11-2f");
        assert_eq!(topics.client_id, "socketmanaabbcc00112f");
    }

    #[test]
    fn settings_that_would_widen_or_break_a_topic_are_refused() {
        let mac = "aa:bb:cc:00:11:22".parse().unwrap();
        for bad in ["a+", "#", "a\u{1}b", "a\0", "a\nb", ""] {
            assert!(Topics::new(bad, "k", &mac).is_err(), "{bad:?}");
            assert!(Topics::new("t", bad, &mac).is_err(), "{bad:?}");
        }
        assert!(Topics::new("t", "a/b", &mac).is_err());
        assert_eq!(
            Topics::new(&"t".repeat(70_000), "k", &mac).err(),
            Some(TopicError::TooLong)
        );
    }

    #[test]
    fn an_error_does_not_show_the_key() {
        let mac = "aa:bb:cc:00:11:22".parse().unwrap();
        let error = Topics::new("t", "hush+", &mac).err().unwrap();
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
