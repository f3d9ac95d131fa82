//! A device that takes settings of an init server, on two disks that fail together: its state directory, and the
//! directory of config.json.

use durable::Disk;
use socketman::provision::store::{Store, StoreError};
use socketman::provision::{Hash, Phase, Reached, Record};
use socketman_lab::disk::{Chooser, SimDisk};

use crate::cuts;
use crate::powered::Power;

pub(super) const FILE: &str = "config.json";

/// The certificates that the settings before name, from an earlier contact.
const OLD_CA: &[u8] = b"-- old CA --\n";
const NEW_CA: &[u8] = b"-- new CA, which is longer than the old one --\n";

/// A course of events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// There is a config.json before.
    pub(super) has_old: bool,
    /// The settings before reach broker and API.
    pub(super) old_works: bool,
    /// Settings of the init server do.
    pub(super) new_works: bool,
}

pub(super) const SCENES: [Scene; 6] = [
    scene(true, true, true),
    scene(true, true, false),
    scene(true, false, true),
    scene(true, false, false),
    scene(false, false, true),
    scene(false, true, false),
];

const fn scene(has_old: bool, old_works: bool, new_works: bool) -> Scene {
    Scene {
        has_old,
        old_works,
        new_works,
    }
}

/// The device, between two power cuts.
pub(super) struct Device {
    pub(super) scene: Scene,
    pub(super) state: SimDisk,
    pub(super) settings: SimDisk,
    power: Power,
    old: Option<Vec<u8>>,
    new: Vec<u8>,
}

fn ca_name(pem: &[u8]) -> String {
    format!("ca-{}.pem", Hash::of(pem).short())
}

fn config(token: &str, pem: &[u8]) -> Vec<u8> {
    let ca = ca_name(pem);
    format!("{{\"token\": \"{token}\", \"cacrt\": \"/etc/socketman/state/provision/{ca}\"}}\n")
        .into_bytes()
}

impl cuts::Device for Device {
    type Scene = Scene;

    /// A device whose settings before are certain.
    fn new(scene: Scene) -> Self {
        let old = scene.has_old.then(|| config("old", OLD_CA));
        let (mut state, mut settings) = (SimDisk::new(), SimDisk::new());
        if let Some(old) = &old {
            let mut store = Store {
                state: &mut state,
                settings: &mut settings,
                file: FILE,
            };
            store.keep_ca(OLD_CA).unwrap();
            durable::replace(&mut settings, FILE, old).unwrap();
        }
        Device {
            scene,
            state,
            settings,
            power: Power::default(),
            old,
            new: config("new", NEW_CA),
        }
    }

    fn calls(&self) -> u64 {
        self.power.calls()
    }

    fn cut_power_at(&mut self, call: u64) {
        self.power.cut_at(call);
    }

    fn live_on(&mut self) {
        // An error in the last moment before a cut helps nobody.
        drop(self.live());
    }

    fn crash(&self, chooser: &mut Chooser) -> Device {
        let device = Device {
            scene: self.scene,
            state: self.state.crash(chooser),
            settings: self.settings.crash(chooser),
            power: Power::default(),
            old: self.old.clone(),
            new: self.new.clone(),
        };
        device.check();
        device
    }

    /// Lives without a fault, and ends with settings that reach a server, if there are any.
    fn recover(mut self) {
        self.live()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.scene));
        self.check();
        let is_new = self.settings.content(FILE).as_deref() == Some(&self.new);
        let keeps_new = self.scene.new_works || !self.scene.old_works;
        assert_eq!(is_new, keeps_new, "{:?}", self.scene);
        if !self.scene.new_works && !self.scene.old_works {
            return;
        }
        // Nothing is left that nobody needs.
        let mut left = self.state.list().unwrap();
        left.sort();
        let pem = match is_new {
            true => Some(NEW_CA),
            false => self.old.is_some().then_some(OLD_CA),
        };
        let mut expected: Vec<String> = pem.map(ca_name).into_iter().collect();
        expected.push("record".to_owned());
        left.retain(|name| !name.ends_with(".new"));
        assert_eq!(left, expected, "{:?}", self.scene);
        assert_eq!(self.settings.content("config.json.new"), None);
    }
}

impl Device {
    /// Lives until the settings are settled: goes on with what it finds, asks the init server unless its settings
    /// failed, and tries what it gives.
    pub(super) fn live(&mut self) -> Result<(), StoreError> {
        let (mut state, mut settings) = (self.power.of(&self.state), self.power.of(&self.settings));
        let mut store = Store {
            state: &mut state,
            settings: &mut settings,
            file: FILE,
        };
        let mut record = match store.resume()? {
            Some(record) if record.phase == Phase::Trial => record,
            Some(record) if record.error.is_some() || record.phase == Phase::Done => return Ok(()),
            _ => {
                let before = store.current()?;
                store.keep_ca(NEW_CA)?;
                let record = self.record(before.as_deref());
                store.begin(&record, before.as_deref(), &self.new)?;
                record
            }
        };
        if self.scene.new_works {
            record.phase = Phase::Done;
        } else if record.reached.any() && store.restore(&record)? {
            record.phase = Phase::Undone;
            record.error = Some("nothing was reached".to_owned());
        } else {
            // It stays on trial, and is asked for again in an hour.
            return Ok(());
        }
        store.settle(&record)
    }

    fn record(&self, before: Option<&[u8]>) -> Record {
        Record {
            phase: Phase::Trial,
            server: "init.example".to_owned(),
            at: 1_700_000_000,
            before: before.map(Hash::of),
            after: Hash::of(&self.new),
            reached: Reached {
                broker: self.scene.old_works,
                api: false,
            },
            refused: vec!["job_pubkey".to_owned()],
            error: None,
        }
    }

    /// The old or the new settings are there, whole, and with the certificates they name.
    pub(super) fn check(&self) {
        let content = self.settings.content(FILE);
        let pem = match &content {
            content if *content == self.old => self.old.is_some().then_some(OLD_CA),
            Some(content) if *content == self.new => Some(NEW_CA),
            other => panic!("{:?}: {other:?}", self.scene),
        };
        if let Some(pem) = pem {
            let ca = self.state.content(&ca_name(pem));
            assert_eq!(ca.as_deref(), Some(pem), "{:?}", self.scene);
        }
    }
}
