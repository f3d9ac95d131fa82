//! A device that is upgraded, on three disks that fail together: state_dir, its `upgrade`, and its `keep`.

use socketman::upgrade::record::{Event, Packages, Phase, Record};
use socketman::upgrade::store::{self, Alive};
use socketman_lab::disk::{Chooser, SimDisk};

use crate::cuts;
use crate::powered::{Power, Powered};

const LEDGER: &[u8] = b"the ledger of jobs, with a job that was started";
const UNDO: &[u8] = b"the package of the version before";

/// The software of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Old,
    /// A package manager that was cut.
    Half,
    New,
}

/// A course of events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) is_image: bool,
    /// The package before is there.
    pub(super) has_undo: bool,
    /// The image boots the release that was wanted, the package manager ends well.
    pub(super) installs: bool,
    /// The new software reaches broker and API.
    pub(super) lives: bool,
}

const fn scene(is_image: bool, has_undo: bool, installs: bool, lives: bool) -> Scene {
    Scene {
        is_image,
        has_undo,
        installs,
        lives,
    }
}

pub(super) const SCENES: [Scene; 9] = [
    scene(true, false, true, true),
    scene(true, false, true, false),
    scene(true, false, false, true),
    scene(false, true, true, true),
    scene(false, true, true, false),
    scene(false, true, false, true),
    scene(false, false, true, true),
    scene(false, false, true, false),
    scene(false, false, false, true),
];

/// The device, between two power cuts.
pub(super) struct Device {
    scene: Scene,
    state: SimDisk,
    own: SimDisk,
    keep: SimDisk,
    power: Power,
    boot: u32,
    runs: Runs,
    /// sysupgrade or the package manager has begun.
    begun: bool,
    /// Outcomes in the ledger of jobs.
    told: Vec<Phase>,
}

/// The power is gone.
struct Dark;

impl From<store::Error> for Dark {
    fn from(_: store::Error) -> Self {
        Dark
    }
}

impl cuts::Device for Device {
    type Scene = Scene;

    /// A device whose ledger is certain.
    fn new(scene: Scene) -> Self {
        let mut state = SimDisk::new();
        durable::replace(&mut state, store::JOBS, LEDGER).unwrap();
        Device {
            scene,
            state,
            own: SimDisk::new(),
            keep: SimDisk::new(),
            power: Power::default(),
            boot: 1,
            runs: Runs::Old,
            begun: false,
            told: Vec::new(),
        }
    }

    fn calls(&self) -> u64 {
        self.power.calls()
    }

    fn cut_power_at(&mut self, call: u64) {
        self.power.cut_at(call);
    }

    /// Lives until the outcome is reported and nothing of the upgrade is left, or the power goes.
    fn live_on(&mut self) {
        // A flash ends with a boot.
        while let Ok(false) = self.live() {
            self.boot += 1;
        }
    }

    fn crash(&self, chooser: &mut Chooser) -> Device {
        Device {
            scene: self.scene,
            state: self.state.crash(chooser),
            own: self.own.crash(chooser),
            keep: self.keep.crash(chooser),
            power: Power::default(),
            boot: self.boot + 1,
            runs: self.runs,
            begun: self.begun,
            told: self.told.clone(),
        }
    }

    /// Lives without a fault, and has told one outcome that is true.
    fn recover(mut self) {
        self.live_on();
        let scene = self.scene;
        let [outcome] = self.told[..] else {
            panic!("{scene:?}: {:?}", self.told);
        };
        match outcome {
            Phase::Success => {
                assert!(scene.lives && scene.installs, "{scene:?}");
                assert_eq!(self.runs, Runs::New, "{scene:?}");
            }
            Phase::Undone => assert_eq!(self.runs, Runs::Old, "{scene:?}"),
            Phase::Interrupted => {
                assert!(!self.begun && self.runs == Runs::Old, "{scene:?}");
            }
            _ => assert!(
                scene.is_image || !scene.has_undo,
                "{scene:?}: there was a package to go back to"
            ),
        }
        let mut left = durable::Disk::list(&mut self.own).unwrap();
        left.extend(durable::Disk::list(&mut self.keep).unwrap());
        assert_eq!(left, [""; 0], "{scene:?}");
    }
}

impl Device {
    /// False if the device restarts.
    fn live(&mut self) -> Result<bool, Dark> {
        let (mut own, mut keep) = (self.power.of(&self.own), self.power.of(&self.keep));
        let mut state = self.power.of(&self.state);
        let found = match self.scene.is_image {
            true => store::read(&mut keep, store::KEPT)?,
            false => store::read(&mut own, store::RECORD)?,
        };
        let record = match found {
            Some(_) if !self.told.is_empty() => None,
            Some(record) => Some(record),
            None if !self.told.is_empty() => None,
            // A job that was started, and of which nothing is known.
            None if self.boot > 1 => {
                assert!(!self.begun, "{:?}: nobody knows of it", self.scene);
                self.told.push(Phase::Interrupted);
                None
            }
            None => {
                let is_up = self.begin(&mut state, &mut own, &mut keep)?;
                if !is_up {
                    return Ok(false);
                }
                store::read(&mut own, store::RECORD)?
            }
        };
        if let Some(record) = record {
            let record = match self.scene.is_image {
                true => self.after_flash(record, &mut state, &mut keep)?,
                false => self.install(record, &mut own)?,
            };
            assert!(record.phase.is_decided(), "{record:?}");
            self.told.push(record.phase);
        }
        match self.scene.is_image {
            true => store::clear(&mut keep, store::KEPT, store::KEPT_FILES),
            false => store::clear(&mut own, store::RECORD, store::FILES),
        }
        .map_err(|_| Dark)?;
        Ok(true)
    }

    fn record(&self, phase: Phase) -> Record {
        let packages = Packages {
            undo: self.scene.has_undo.then(|| "undo.ipk".to_owned()),
            ..Packages::default()
        };
        Record {
            phase,
            key: "63f7f2ef43cc92ee".to_owned(),
            id: "upgrade-1".to_owned(),
            boot: self.boot.to_string(),
            macs: Vec::new(),
            wanted: Some("new".to_owned()),
            before: "old".to_owned(),
            code: 9,
            broker: true,
            packages: (!self.scene.is_image).then_some(packages),
            output: String::new(),
            reason: None,
        }
    }

    /// Up to the point of no return, and over it for an image.
    fn begin(
        &mut self,
        state: &mut Powered,
        own: &mut Powered,
        keep: &mut Powered,
    ) -> Result<bool, Dark> {
        if self.scene.is_image {
            store::clear(keep, store::KEPT, store::KEPT_FILES).map_err(|_| Dark)?;
            store::keep_ledger(state, keep).map_err(|_| Dark)?;
            store::write(keep, store::KEPT, &self.record(Phase::Flashing))?;
            self.begun = true;
            if self.scene.installs {
                self.runs = Runs::New;
                // All but what sysupgrade keeps.
                self.state = SimDisk::new();
                self.own = SimDisk::new();
            }
            return Ok(false);
        }
        store::clear(own, store::RECORD, store::FILES).map_err(|_| Dark)?;
        if self.scene.has_undo {
            durable::replace(own, "undo.ipk", UNDO).map_err(|_| Dark)?;
        }
        let ready = self.record(Phase::Ready);
        store::write(own, store::RECORD, &ready)?;
        Ok(true)
    }

    fn after_flash(
        &mut self,
        mut record: Record,
        state: &mut Powered,
        keep: &mut Powered,
    ) -> Result<Record, Dark> {
        if record.boot != self.boot.to_string() {
            store::bring_ledger_back(state, keep).map_err(|_| Dark)?;
        }
        let ledger = self.state.content(store::JOBS);
        assert_eq!(ledger.as_deref(), Some(LEDGER), "{:?}", self.scene);
        while !record.phase.is_decided() {
            let event = match record.phase {
                Phase::Flashing if self.runs == Runs::New => Event::Booted("new r2".to_owned()),
                Phase::Flashing => Event::Booted("old r1".to_owned()),
                _ if self.scene.lives => Event::Alive,
                _ => Event::Late("no".to_owned()),
            };
            record = record.after(event);
            store::write(keep, store::KEPT, &record)?;
        }
        Ok(record)
    }

    /// The watcher, and the new agent beside it.
    fn install(&mut self, mut record: Record, own: &mut Powered) -> Result<Record, Dark> {
        let is_resumed = record.boot != self.boot.to_string();
        if is_resumed {
            record = record.after(Event::Cut);
            store::write(own, store::RECORD, &record)?;
        }
        while !record.phase.is_decided() {
            let event = match record.phase {
                Phase::Ready => Event::Begins,
                Phase::Installing => {
                    assert!(!is_resumed, "nobody installs a second time");
                    (self.begun, self.runs) = (true, Runs::Half);
                    // The package manager has a disk of its own, which the power leaves as it is.
                    durable::Disk::list(own).map_err(|_| Dark)?;
                    match self.scene.installs {
                        true => {
                            self.runs = Runs::New;
                            Event::Installed
                        }
                        false => Event::NotInstalled("no".to_owned()),
                    }
                }
                Phase::Trial if self.scene.lives => {
                    let alive = Alive {
                        key: record.key.clone(),
                        program: "hash".to_owned(),
                        version: "new".to_owned(),
                    };
                    store::write_alive(own, &alive)?;
                    match store::read_alive(own).is_some_and(|read| read == alive) {
                        true => Event::Alive,
                        false => return Err(Dark),
                    }
                }
                Phase::Trial => Event::Late("no".to_owned()),
                _ => {
                    let undo = durable::read_whole(own, "undo.ipk", 1 << 20);
                    let undo = undo.map_err(|_| Dark)?;
                    assert_eq!(undo, UNDO, "{:?}", self.scene);
                    self.runs = Runs::Half;
                    durable::Disk::list(own).map_err(|_| Dark)?;
                    self.runs = Runs::Old;
                    Event::Installed
                }
            };
            record = record.after(event);
            store::write(own, store::RECORD, &record)?;
        }
        Ok(record)
    }
}
