//! A device with settings, a network job that changes them, people who edit them, and a power that goes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use durable::Disk;
use socketman::guard::desk::Desk;
use socketman::guard::folder::{Access, Folder};
use socketman::guard::journal::{Journal, Phase, Ran};
use socketman_lab::disk::{Chooser, SimDisk};

use super::power::SimFolder;
use crate::powered::{Power, Powered};

/// Files with their bytes, mode and owner.
pub(super) type Files = BTreeMap<String, (Access, Vec<u8>)>;

fn access(mode: u32, gid: u32) -> Access {
    Access { mode, uid: 0, gid }
}

/// The changes of the job, and their verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Written in place, as a shell does; otherwise beside it and renamed, as uci does.
    pub(super) in_place: bool,
    pub(super) adds: bool,
    pub(super) removes: bool,
    pub(super) changes_mode: bool,
    /// Somebody edits a file that the job has changed, before it is decided.
    pub(super) edited: bool,
    /// The same of a file that the job has left alone.
    pub(super) edited_beside: bool,
    /// The device reaches everything it has to.
    pub(super) good: bool,
    /// There is no room left after the command.
    pub(super) full: bool,
    /// There is room for the journal and for nothing else, as long as the reserve is there.
    pub(super) nearly_full: bool,
}

/// The device.
pub(super) struct World {
    pub(super) power: Power,
    plan: Plan,
    own: SimDisk,
    config: SimDisk,
    conflict: SimDisk,
    old: Files,
    /// The command may have begun.
    begun: bool,
    /// The files if the change stays; `None` where the power went before they were certain.
    new: Option<Files>,
    /// Edits of other people, which are certain.
    edits: Files,
    /// The edit under way.
    editing: Option<(String, (Access, Vec<u8>))>,
    /// Decided for certain: true if the change was undone.
    decided: Option<bool>,
    boot: u32,
    /// The files as the programs have read them, at the boot or when they were told of a change.
    read: Files,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let old: Files = [
            ("dhcp", access(0o644, 0), &b"config dnsmasq\n"[..]),
            ("firewall", access(0o600, 0), b"config defaults\n"),
            ("network", access(0o640, 101), b"config interface 'lan'\n"),
            ("system", access(0o600, 0), b""),
        ]
        .map(|(name, access, bytes)| (name.to_owned(), (access, bytes.to_vec())))
        .into();
        let world = World {
            power: Power::default(),
            plan,
            own: SimDisk::new(),
            config: SimDisk::new(),
            conflict: SimDisk::new(),
            old: old.clone(),
            begun: false,
            new: None,
            edits: Files::new(),
            editing: None,
            decided: None,
            boot: 1,
            read: old.clone(),
        };
        let mut folder = world.folder();
        for (name, (access, bytes)) in &old {
            write_certain(&mut folder, name, *access, bytes).unwrap();
        }
        World {
            power: Power::default(),
            ..world
        }
    }

    fn folder(&self) -> SimFolder {
        SimFolder(self.power.of(&self.config))
    }

    fn desk(&self) -> Desk {
        let conflict = self.power.of(&self.conflict);
        let (own, is_tight) = (self.own.clone(), self.plan.full || self.plan.nearly_full);
        let conflicts = move || -> io::Result<Box<dyn Disk>> {
            // Its room is that of the reserve.
            let has_room = !is_tight || own.content("reserve").is_none();
            conflict.disk.set_capacity((!has_room).then_some(0));
            Ok(Box::new(conflict.clone()))
        };
        let own = Box::new(self.power.of(&self.own));
        let hold = Arc::new(|_: Option<&[u8]>| Ok(()));
        Desk::new(own, Box::new(self.folder()), Box::new(conflicts), hold)
    }

    /// The life of an agent, until it is done or the power goes.
    pub(super) fn live(&mut self) -> io::Result<()> {
        let mut desk = self.desk();
        let journal = desk.open()?;
        match journal {
            None if self.begun => assert!(self.decided.is_some(), "{:?}: no journal", self.plan),
            None => self.run_job(&mut desk)?,
            Some(mut journal) => {
                match journal.phase {
                    Phase::Armed => {
                        desk.changed_until_now(&mut journal)?;
                        self.judge(&mut desk, &mut journal)?;
                    }
                    Phase::Ended => self.judge(&mut desk, &mut journal)?,
                    Phase::Undoing => self.undo(&mut desk, &mut journal)?,
                    Phase::Undone | Phase::Rebooting => {
                        if !journal.has_booted(&self.boot.to_string()) {
                            self.tell()?;
                        }
                        desk.decide(&mut journal, true)?;
                        self.decided = Some(true);
                    }
                    Phase::Kept => self.decided = Some(false),
                    Phase::Reverted => self.decided = Some(true),
                }
                desk.forget()?;
            }
        }
        Ok(())
    }

    fn run_job(&mut self, desk: &mut Desk) -> io::Result<()> {
        let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
        journal.place.boot = self.boot.to_string();
        let armed = desk.arm(&mut journal);
        armed.map_err(|error| io::Error::other(error.to_string()))?;
        self.begun = true;
        self.command()?;
        self.tell()?;
        if self.plan.full {
            for disk in [&self.own, &self.config] {
                let names = disk.clone().list()?;
                let contents = names.iter().filter_map(|name| disk.content(name));
                disk.set_capacity(Some(contents.map(|bytes| bytes.len() as u64).sum()));
            }
            // The disks share their room: what one gives up the other has.
            self.config.set_capacity(None);
        }
        let ran = Ran {
            exit_code: Some(0),
            ..Ran::default()
        };
        desk.ended(&mut journal, Some(ran))?;
        self.new = Some(self.files());
        self.people_edit()?;
        self.judge(desk, &mut journal)?;
        desk.forget()
    }

    /// The command of the job; nothing of it is synced.
    fn command(&self) -> io::Result<()> {
        let mut folder = self.folder();
        let bytes = b"config interface 'wan'\n\toption proto 'none'\n";
        match self.plan.in_place {
            true => {
                folder.truncate("network", 0)?;
                folder.append("network", bytes)?;
            }
            false => {
                folder.create_as(".network.uci-a", access(0o640, 101))?;
                folder.append(".network.uci-a", bytes)?;
                folder.rename(".network.uci-a", "network")?;
            }
        }
        if self.plan.adds {
            folder.create_as("mwan3", access(0o644, 0))?;
            folder.append("mwan3", b"config globals\n")?;
        }
        if self.plan.removes {
            folder.remove("dhcp")?;
        }
        if self.plan.changes_mode {
            folder.create_as(".system", access(0o666, 0))?;
            folder.rename(".system", "system")?;
        }
        Ok(())
    }

    fn people_edit(&mut self) -> io::Result<()> {
        let both = [
            (self.plan.edited, "network"),
            (self.plan.edited_beside, "firewall"),
        ];
        for (_, name) in both.into_iter().filter(|(edited, _)| *edited) {
            let edit = (access(0o600, 7), format!("{name} by hand\n").into_bytes());
            self.editing = Some((name.to_owned(), edit.clone()));
            write_certain(&mut self.folder(), name, edit.0, &edit.1)?;
            self.read.insert(name.to_owned(), edit);
            self.edits.extend(self.editing.take());
        }
        Ok(())
    }

    fn judge(&mut self, desk: &mut Desk, journal: &mut Journal) -> io::Result<()> {
        if !self.plan.good {
            return self.undo(desk, journal);
        }
        desk.decide(journal, false)?;
        self.decided = Some(false);
        Ok(())
    }

    fn undo(&mut self, desk: &mut Desk, journal: &mut Journal) -> io::Result<()> {
        journal.back = Some(self.boot.to_string());
        let undone = desk.undo(journal)?;
        if !undone.failed.is_empty() {
            return Err(io::Error::other(undone.failed.join(", ")));
        }
        self.tell()?;
        desk.decide(journal, true)?;
        self.decided = Some(true);
        Ok(())
    }

    /// Services are told, and read the files, unless the power is cut first.
    fn tell(&mut self) -> io::Result<()> {
        self.power.call()?;
        self.read = self.files();
        Ok(())
    }

    /// The files as they are.
    pub(super) fn files(&self) -> Files {
        let power = Power::default();
        let disk = self.config.clone();
        let mut folder = SimFolder(Powered { disk, power });
        let names = folder.list().unwrap().into_iter();
        let seen = names.filter(|name| !name.starts_with('.'));
        let file = |name: String| {
            let access = folder.access(&name).unwrap().unwrap();
            let mut bytes = vec![0; folder.size(&name).unwrap() as usize];
            folder.read(&name, 0, &mut bytes).unwrap();
            (name, (access, bytes))
        };
        seen.map(file).collect()
    }

    /// The power goes and comes back, or the agent alone is killed.
    pub(super) fn cut_power(&mut self, chooser: &mut Chooser) {
        self.power = Power::default();
        if chooser.choose(4) > 0 {
            for disk in [&mut self.own, &mut self.config, &mut self.conflict] {
                *disk = disk.crash(chooser);
            }
            self.boot += 1;
            // Programs start before the agent.
            self.read = self.files();
        } else if let Some((name, edit)) = self.editing.take() {
            // A person goes on.
            let mut folder = self.folder();
            let _ = folder.remove(&format!(".{name}.edit"));
            write_certain(&mut folder, &name, edit.0, &edit.1).unwrap();
            self.power = Power::default();
            self.read.insert(name.clone(), edit.clone());
            self.edits.insert(name, edit);
        }
        if let Some((name, edit)) = self.editing.take() {
            // It may be there all the same.
            if self.files().get(&name) == Some(&edit) {
                self.edits.insert(name, edit);
            }
        }
    }

    /// The device starts until an agent has lived to the end, the power going once more at `again`.
    pub(super) fn settle(&mut self, chooser: &mut Chooser, again: Option<u64>) {
        if let Some(call) = again {
            self.power.cut_at(call);
        }
        // The way out may be another than before.
        self.plan.good = chooser.choose(2) == 1;
        let mut before = self.files();
        while let Err(error) = self.live() {
            assert!(self.power.is_out(), "{:?}: {error}", self.plan);
            self.cut_power(chooser);
            before = self.files();
        }
        // What is kept is what was there at the start.
        if self.new.is_none() && self.decided == Some(false) {
            self.new = Some(before);
        }
    }

    /// Whatever happened, the files are the old or the new ones, as decided, and the programs have read the old ones.
    pub(super) fn check(&self) {
        let plan = self.plan;
        let mut expected = match self.decided {
            Some(false) => self.new.clone().unwrap(),
            Some(true) | None => self.old.clone(),
        };
        for (name, edit) in &self.edits {
            match name.as_str() {
                // The job had changed it.
                "network" if self.decided == Some(true) => {
                    let kept = self.conflict.content(name);
                    assert_eq!(kept.as_ref(), Some(&edit.1), "{plan:?}: the edit of {name}");
                }
                _ => drop(expected.insert(name.clone(), edit.clone())),
            }
        }
        assert_eq!(self.files(), expected, "{plan:?}: {:?}", self.decided);
        if self.decided == Some(true) {
            assert_eq!(self.read, expected, "{plan:?}: the programs were not told");
        }
        let left = self.own.clone().list().unwrap();
        let ours = left.iter().filter(|name| !name.starts_with("reserve"));
        let ours: Vec<_> = ours.filter(|name| !name.ends_with(".new")).collect();
        assert_eq!(ours, Vec::<&String>::new(), "{plan:?}");
        let hidden = self.config.content(".socketman-undo");
        assert_eq!(hidden, None, "{plan:?}");
    }
}

/// Writes a file as careful programs do.
fn write_certain(
    folder: &mut SimFolder,
    name: &str,
    access: Access,
    bytes: &[u8],
) -> io::Result<()> {
    let fresh = format!(".{name}.edit");
    folder.create_as(&fresh, access)?;
    folder.append(&fresh, bytes)?;
    folder.sync(&fresh)?;
    folder.rename(&fresh, name)?;
    folder.sync_names()
}
