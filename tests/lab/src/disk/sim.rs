//! The simulated disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable::{Disk, Usage};

use super::chooser::Chooser;
use super::fault::{Call, Error, Fault};
use super::file::File;
use super::names::{Id, Names};

/// A disk in memory. Its clones are the same disk, so that a test keeps one while something else
/// works on the other.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: Names,
    files: BTreeMap<Id, File>,
    next_id: Id,
    fault: Option<Fault>,
    /// From this call on there is no power.
    power_cut: Option<u64>,
    /// Bytes that all files may have together.
    capacity: Option<u64>,
    calls: u64,
    written: Usage,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that fails holding it has a message of its own.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Bytes appended and syncs so far.
    pub fn written(&self) -> Usage {
        self.state().written
    }

    /// Makes calls fail, or none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Lets all files together have this many bytes; an append takes what still fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Cuts the power before call number `call` does anything: it and all after it fail.
    pub fn cut_power_at(&self, call: u64) {
        self.state().power_cut = Some(call);
    }

    /// True if a call came after the power was cut.
    pub fn is_dead(&self) -> bool {
        let state = self.state();
        state.power_cut.is_some_and(|cut| state.calls > cut)
    }

    /// True if there are bytes whose sync has failed and that were not written again since, in any
    /// file that a power cut may leave.
    pub fn is_doubtful(&self) -> bool {
        self.state().files.values().any(File::is_doubtful)
    }

    /// Contents of `name` as a reader sees them; `None` if there is no such file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(name)?;
        state.files.get(&id).map(|file| file.content().to_vec())
    }

    /// Changes the bytes of a file on the medium itself. False if there is no such file.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.state();
        let Ok(file) = state.file(name) else {
            return false;
        };
        file.damage(change);
        true
    }

    /// The number of outcomes of a power cut now: the crashes of this disk under [`Chooser::all`].
    pub fn outcomes(&self) -> u64 {
        let state = self.state();
        let mut sum = 0u64;
        Chooser::all(|chooser| {
            let names = state.names.crash(chooser);
            let files = names.now().values().filter_map(|id| state.files.get(id));
            let product = files.fold(1u64, |product, file| {
                product.saturating_mul(file.outcomes())
            });
            sum = sum.saturating_add(product);
        });
        sum
    }

    /// A disk that this one may be after a power cut now. It works, and has counted nothing yet.
    pub fn crash(&self, chooser: &mut Chooser) -> SimDisk {
        let state = self.state();
        let names = state.names.crash(chooser);
        let left = names.now().values();
        let files = left
            .filter_map(|id| Some((*id, state.files.get(id)?.crash(chooser))))
            .collect();
        SimDisk(Arc::new(Mutex::new(State {
            names,
            files,
            next_id: state.next_id,
            capacity: state.capacity,
            ..State::default()
        })))
    }

    /// Another disk that is as this one is now, with the same to lose in a power cut. It does what it is
    /// told.
    pub fn fork(&self) -> SimDisk {
        let state = self.state();
        SimDisk(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            files: state.files.clone(),
            next_id: state.next_id,
            capacity: state.capacity,
            ..State::default()
        })))
    }

    /// Counts a call, which may have to fail.
    fn call(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        let number = state.calls;
        state.calls += 1;
        if state.power_cut.is_some_and(|cut| number >= cut) {
            return Err(Error::Io.into());
        }
        match state.fault {
            Some(fault) if fault.hits(call, number) => Err(fault.error.into()),
            _ => Ok(state),
        }
    }
}

impl State {
    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let id = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let file = self.files.get_mut(&id);
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Bytes that still fit.
    fn room(&self) -> usize {
        let Some(capacity) = self.capacity else {
            return usize::MAX;
        };
        let ids = self.names.now().values();
        let files = ids.filter_map(|id| self.files.get(id));
        let used: usize = files.map(|file| file.content().len()).sum();
        (capacity as usize).saturating_sub(used)
    }

    /// Forgets files that no name can lead to any more.
    fn forget(&mut self) {
        let names = &self.names;
        self.files.retain(|id, _| names.can_have(*id));
    }
}

impl Disk for SimDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let state = self.call(Call::List)?;
        Ok(state.names.now().keys().cloned().collect())
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.call(Call::Size)?.file(name)?.content().len() as u64)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.call(Call::Read)?;
        let content = state.file(name)?.content();
        let bytes = content.get(offset as usize..).unwrap_or_default();
        let len = bytes.len().min(buf.len());
        buf[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.call(Call::Create)?;
        if state.names.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.next_id;
        state.next_id += 1;
        state.files.insert(id, File::default());
        state.names.create(name, id);
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.call(Call::Append)?;
        let taken = bytes.len().min(state.room());
        let file = state.file(name)?;
        if taken == 0 && !bytes.is_empty() {
            return Err(Error::NoSpace.into());
        }
        file.append(&bytes[..taken]);
        state.written.bytes += taken as u64;
        Ok(taken)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut state = self.call(Call::Truncate)?;
        let file = state.file(name)?;
        if len > file.content().len() as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.truncate(len as usize);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call(Call::Rename)?;
        state.file(from)?;
        state.names.rename(from, to);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.call(Call::Remove)?;
        state.file(name)?;
        state.names.remove(name);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        match self.call(Call::Sync) {
            Ok(mut state) => {
                state.file(name)?.sync();
                state.written.syncs += 1;
                Ok(())
            }
            Err(error) => {
                let mut state = self.state();
                let without_power = state.power_cut.is_some_and(|cut| state.calls > cut);
                if !without_power {
                    state.file(name)?.fail_sync();
                    state.written.syncs += 1;
                }
                Err(error)
            }
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut state = self.call(Call::SyncNames)?;
        state.names.sync();
        state.forget();
        state.written.syncs += 1;
        Ok(())
    }
}
