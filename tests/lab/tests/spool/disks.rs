//! The two disks of a spool, which die or fail at a call that is counted over both.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use socketman::durable::Disk;
use socketman_lab::disk::{Error, Fault, SimDisk, When};

/// What is to happen, and how many calls there were.
#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    end: Option<End>,
    fault: Option<(u64, u64, Error)>,
    /// A fault has hit, or the end has come.
    happened: bool,
}

/// The end of the process, before the call of this number does more than to append some bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) at: u64,
    pub(crate) torn: usize,
}

/// What happens to both disks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate(Rc<RefCell<Plan>>);

impl Fate {
    pub(crate) fn calls(&self) -> u64 {
        self.0.borrow().calls
    }

    pub(crate) fn end(&self, end: End) {
        self.0.borrow_mut().end = Some(end);
    }

    /// Has `count` calls fail from call `from` on.
    pub(crate) fn fail(&self, from: u64, count: u64, error: Error) {
        self.0.borrow_mut().fault = Some((from, count, error));
    }

    pub(crate) fn heal(&self) {
        self.0.borrow_mut().fault = None;
    }

    pub(crate) fn has_ended(&self) -> bool {
        let plan = self.0.borrow();
        plan.happened && plan.end.is_some()
    }

    pub(crate) fn has_happened(&self) -> bool {
        self.0.borrow().happened
    }
}

/// A disk with a fate.
#[derive(Debug, Clone)]
pub(crate) struct Fated {
    pub(crate) disk: SimDisk,
    pub(crate) fate: Fate,
}

impl Fated {
    /// The disk for one more call; what is left to be done of `bytes` if it is the last.
    fn call(&self, bytes: &[u8]) -> io::Result<SimDisk> {
        let mut plan = self.fate.0.borrow_mut();
        let call = plan.calls;
        plan.calls += 1;
        if let Some(end) = plan.end.filter(|end| call >= end.at) {
            plan.happened = true;
            return Err(match call == end.at && !bytes.is_empty() {
                true => io::Error::other(Torn(end.torn.min(bytes.len()))),
                false => io::Error::other("dead"),
            });
        }
        let hit = |(from, count, _): &(u64, u64, Error)| (*from..from + count).contains(&call);
        if let Some((_, _, error)) = plan.fault.filter(hit) {
            plan.happened = true;
            self.disk.set_fault(Some(Fault {
                error,
                when: When::At(self.disk.calls()),
            }));
        }
        Ok(self.disk.clone())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0} bytes were written")]
struct Torn(usize);

impl Disk for Fated {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.call(&[])?.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.call(&[])?.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.call(&[])?.read(name, offset, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.call(&[])?.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        match self.call(bytes) {
            Ok(mut disk) => disk.append(name, bytes),
            Err(error) => {
                let torn = error.get_ref().and_then(|error| error.downcast_ref());
                if let Some(&Torn(len)) = torn {
                    self.disk.append(name, &bytes[..len])?;
                }
                Err(error)
            }
        }
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.call(&[])?.truncate(name, len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.call(&[])?.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.call(&[])?.remove(name)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.call(&[])?.sync(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.call(&[])?.sync_names()
    }
}
