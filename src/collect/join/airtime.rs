//! Use of the radios' channels: hostapd's word, else the driver's survey. With it the radios
//! themselves, as far as the bus tells and nobody has looked at them yet.
//!
//! Drivers tell rubbish as well: a busy time above the measured one, numbers of 64 random bits, counters that
//! go back and forth. What cannot be true is left out.

use super::wireless::{Air, Cell};
use crate::collect::report::{ChannelUse, Radio};

/// Radios whose last figures are remembered.
const MAX_RADIOS: usize = 64;

/// No radio has measured for longer: 50 years, ms.
const MOST: u64 = 50 * 366 * 86_400_000;

/// The figures of the report before, by radio.
#[derive(Debug, Default)]
pub(crate) struct Airtimes(Vec<(String, ChannelUse)>);

impl Airtimes {
    /// `new` if it can be true after the value before; a counter that fell counts again from the
    /// next report on.
    fn plausible(&mut self, radio: &str, new: ChannelUse) -> Option<ChannelUse> {
        if new.busy > new.time || new.time == 0 || new.time > MOST {
            return None;
        }
        let Some((_, known)) = self.0.iter_mut().find(|(of, _)| of == radio) else {
            if self.0.len() >= MAX_RADIOS {
                self.0.clear();
            }
            self.0.push((radio.to_owned(), new));
            return Some(new);
        };
        let old = std::mem::replace(known, new);
        let fell = new.time < old.time || new.busy < old.busy;
        (!fell).then_some(new)
    }
}

/// The radios, as netifd has them configured or, where it is not there, as the networks name them;
/// `None` if nobody knows of any.
pub(crate) fn radios(air: &Air, cells: &[Cell<'_>], seen: &mut Airtimes) -> Option<Vec<Radio>> {
    let mut radios: Vec<Radio> = air.configured_radios().collect();
    for cell in cells {
        let Some(name) = cell.radio_name() else {
            continue;
        };
        let known = radios.iter().position(|radio| radio.name == name);
        let at = known.unwrap_or_else(|| {
            radios.push(Radio {
                name: name.to_owned(),
                ..Radio::default()
            });
            radios.len() - 1
        });
        let radio = &mut radios[at];
        radio.channel = radio.channel.or(cell.channel());
        radio.band = radio.band.take().or_else(|| cell.band());
        let of_cell = cell.on_air();
        radio.channel_use = radio.channel_use.or(of_cell.channel_use);
        radio.dfs = match radio.dfs {
            Some(dfs) if dfs.cac_active => Some(dfs),
            dfs => of_cell
                .dfs
                .filter(|of| of.cac_active)
                .or(dfs)
                .or(of_cell.dfs),
        };
    }
    for radio in &mut radios {
        let told = radio.channel_use;
        radio.channel_use = told.and_then(|told| seen.plausible(&radio.name, told));
        let there_is_radar = radio.band.as_deref() == Some("5g");
        radio.dfs = radio.dfs.filter(|_| there_is_radar);
    }
    (!radios.is_empty() || air.radios.is_some()).then_some(radios)
}

/// The radios as the part that watches over them knows them, with the use of their channels; as
/// collected until they were looked at.
pub(crate) fn join(collected: Option<Vec<Radio>>, watched: Option<&[Radio]>) -> Option<Vec<Radio>> {
    let Some(watched) = watched else {
        return collected;
    };
    let collected = collected.unwrap_or_default();
    let joined = watched.iter().cloned().map(|mut radio| {
        if let Some(same) = collected.iter().find(|one| one.name == radio.name) {
            radio.band = radio.band.or_else(|| same.band.clone());
            radio.channel = radio.channel.or(same.channel);
            radio.channel_use = same.channel_use;
        }
        radio
    });
    Some(joined.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(busy: u64, time: u64) -> ChannelUse {
        ChannelUse {
            utilization: None,
            busy,
            time,
        }
    }

    fn radio(name: &str, channel: Option<u32>, channel_use: Option<ChannelUse>) -> Radio {
        Radio {
            name: name.into(),
            channel,
            channel_use,
            ..Radio::default()
        }
    }

    #[test]
    fn the_use_of_channels_joins_the_radios_that_were_looked_at_by_name() {
        let told = [
            radio("radio0", Some(36), Some(of(1, 2))),
            radio("phy7", None, None),
        ];
        assert_eq!(join(Some(told.to_vec()), None).unwrap(), told);
        assert_eq!(join(None, None), None);
        let mut off = radio("radio1", None, None);
        off.verdict = Some("off");
        let mut ok = radio("radio0", Some(40), None);
        ok.verdict = Some("ok");
        let watched = [off.clone(), ok.clone()];
        assert_eq!(join(None, Some(&watched)).unwrap(), watched);
        let joined = join(Some(told.to_vec()), Some(&watched)).unwrap();
        ok.channel_use = Some(of(1, 2));
        assert_eq!(joined, [off, ok]);
    }

    #[test]
    fn figures_that_cannot_be_true_are_left_out() {
        let mut seen = Airtimes::default();
        let mut is_believed = |busy, time| seen.plausible("radio0", of(busy, time)).is_some();
        assert!(is_believed(10, 100));
        assert!(is_believed(10, 100), "a driver that is read twice");
        assert!(!is_believed(101, 100));
        assert!(!is_believed(0, 0));
        assert!(!is_believed(13_869_070_124_637_487_105, u64::MAX));
        assert!(is_believed(20, 200));
        // Set up again: the counters start over, and count from the second value on.
        assert!(!is_believed(1, 10));
        assert!(is_believed(2, 20));
    }
}
