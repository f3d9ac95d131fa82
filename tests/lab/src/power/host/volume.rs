//! A disk with a cache that loses its power: what was not flushed is there or not, sector by sector.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::trace::{Act, Trace};
use crate::power::board::Board;

/// Bytes of a sector, which is written whole or not at all.
pub const SECTOR: usize = 4096;

type Sector = Arc<[u8; SECTOR]>;

/// The bytes of a disk; a sector that was never written is zeros.
#[derive(Debug, Clone, Default)]
pub struct Image(HashMap<u64, Sector>);

impl Image {
    /// Reads what a file holds.
    pub fn of(bytes: &[u8]) -> Self {
        let mut image = Image::default();
        for (at, chunk) in bytes.chunks(SECTOR).enumerate() {
            if chunk.iter().any(|byte| *byte != 0) {
                let mut sector = [0; SECTOR];
                sector[..chunk.len()].copy_from_slice(chunk);
                image.0.insert(at as u64, Arc::new(sector));
            }
        }
        image
    }

    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        for (number, sector) in &self.0 {
            file.write_all_at(&sector[..], number * SECTOR as u64)?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct State {
    /// On the medium for certain.
    certain: Image,
    /// In the cache, oldest first.
    cached: Vec<(u64, Sector)>,
    /// The newest of each sector.
    newest: HashMap<u64, Sector>,
    /// Writes and flushes until the disk holds still.
    trap: Option<u64>,
    is_trapped: bool,
    trace: Trace,
}

/// A disk that several threads use.
#[derive(Debug)]
pub struct Volume {
    sectors: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// The words of the machine, which the trace counts.
    board: Option<Board>,
}

impl Volume {
    pub fn new(bytes: u64) -> Self {
        Volume {
            sectors: bytes / SECTOR as u64,
            state: Mutex::default(),
            changed: Condvar::new(),
            board: None,
        }
    }

    /// The same disk, which notes at each request how much is on `board`.
    pub fn beside(self, board: Board) -> Self {
        Volume {
            board: Some(board),
            ..self
        }
    }

    pub fn bytes(&self) -> u64 {
        self.sectors * SECTOR as u64
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another medium in.
    pub fn insert(&self, image: Image) {
        let mut state = self.state();
        *state = State {
            certain: image,
            ..State::default()
        };
        self.changed.notify_all();
    }

    /// Has the disk hold still before it has done so many writes and flushes more.
    pub fn hold_after(&self, requests: u64) {
        let mut state = self.state();
        state.trap = Some(requests);
    }

    /// Waits until the disk holds still; false if it does not come to that.
    pub fn is_held(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = self.state();
        while !state.is_trapped {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Has it go on.
    pub fn release(&self) {
        let mut state = self.state();
        (state.trap, state.is_trapped) = (None, false);
        self.changed.notify_all();
    }

    /// A write or a flush begins.
    fn begin(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        match &mut state.trap {
            Some(0) => {
                state.is_trapped = true;
                self.changed.notify_all();
                while state.is_trapped {
                    let waited = self.changed.wait(state);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
            Some(left) => *left -= 1,
            None => {}
        }
        state
    }

    /// Notes a request that is done and not answered yet.
    fn note(&self, state: &mut State, act: Act) {
        // Without the count the order of the requests is still there.
        let said = self.board.as_ref().and_then(|board| board.written().ok());
        state.trace.push(said.unwrap_or(0), act);
    }

    /// The last requests since the medium was put in.
    pub fn trace(&self) -> Trace {
        self.state().trace.clone()
    }

    /// Bytes from `offset` on; both are whole sectors.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        let state = self.state();
        for (at, chunk) in out.chunks_mut(SECTOR).enumerate() {
            let number = offset / SECTOR as u64 + at as u64;
            let newest = state.newest.get(&number);
            match newest.or_else(|| state.certain.0.get(&number)) {
                Some(sector) => chunk.copy_from_slice(&sector[..chunk.len()]),
                None => chunk.fill(0),
            }
        }
    }

    /// Takes bytes into the cache, or with `through` to the medium.
    pub fn write(&self, offset: u64, bytes: &[u8], through: bool) {
        let mut state = self.begin();
        for (at, chunk) in bytes.chunks_exact(SECTOR).enumerate() {
            let number = offset / SECTOR as u64 + at as u64;
            let mut sector = [0; SECTOR];
            sector.copy_from_slice(chunk);
            let sector = Arc::new(sector);
            if through {
                // Older ones of it in the cache are no more.
                state.cached.retain(|(other, _)| *other != number);
                state.newest.remove(&number);
                state.certain.0.insert(number, sector);
            } else {
                state.newest.insert(number, Arc::clone(&sector));
                state.cached.push((number, sector));
            }
        }
        let (first, sectors) = (offset / SECTOR as u64, (bytes.len() / SECTOR) as u64);
        let act = match through {
            true => Act::WriteThrough { first, sectors },
            false => Act::Write { first, sectors },
        };
        self.note(&mut state, act);
    }

    /// Takes zeros.
    pub fn clear(&self, offset: u64, len: u64, through: bool) {
        let zeros = vec![0; len as usize];
        self.write(offset, &zeros, through);
    }

    /// Everything in the cache goes to the medium.
    pub fn flush(&self) {
        let mut state = self.begin();
        let cached = std::mem::take(&mut state.cached);
        let act = Act::Flush {
            cached: cached.len(),
        };
        state.certain.0.extend(cached);
        state.newest.clear();
        self.note(&mut state, act);
    }

    /// The medium after the power went now: of the cache there is nothing, all, or each sector by chance.
    pub fn cut(&self, rng: &mut fastrand::Rng) -> Image {
        let mut state = self.state();
        let mut image = state.certain.clone();
        let chance = [0, 100, 50, 15, 85][rng.usize(..5)];
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for (number, sector) in &state.cached {
            if rng.u8(..100) < chance {
                image.0.insert(*number, Arc::clone(sector));
                kept.push(*number);
            } else {
                lost.push(*number);
            }
        }
        self.note(&mut state, Act::Cut { kept, lost });
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(volume: &Volume) -> u8 {
        let mut bytes = [0; SECTOR];
        volume.read(0, &mut bytes);
        bytes[0]
    }

    fn after_cut(volume: &Volume, seed: u64) -> u8 {
        let after = Volume::new(volume.bytes());
        after.insert(volume.cut(&mut fastrand::Rng::with_seed(seed)));
        first(&after)
    }

    #[test]
    fn what_was_not_flushed_survives_a_cut_or_does_not() {
        let volume = Volume::new(8 * SECTOR as u64);
        volume.write(0, &[1; SECTOR], false);
        volume.flush();
        volume.write(0, &[2; SECTOR], false);
        assert_eq!(first(&volume), 2);
        let mut found: Vec<u8> = (0..50).map(|seed| after_cut(&volume, seed)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [1, 2]);
        volume.flush();
        assert!((0..50).all(|seed| after_cut(&volume, seed) == 2));
    }

    #[test]
    fn what_is_written_through_is_certain_and_older_bytes_do_not_come_back() {
        let volume = Volume::new(8 * SECTOR as u64);
        volume.write(0, &[1; SECTOR], false);
        volume.write(0, &[2; SECTOR], true);
        assert_eq!(first(&volume), 2);
        assert!((0..50).all(|seed| after_cut(&volume, seed) == 2));
        volume.flush();
        assert_eq!(first(&volume), 2);
    }

    #[test]
    fn each_request_is_noted_with_the_words_that_were_there_before_its_answer() {
        let memory = tempfile::tempfile().unwrap();
        memory.set_len(256 << 20).unwrap();
        let mut words = Board::new(memory.try_clone().unwrap());
        let volume = Volume::new(8 * SECTOR as u64).beside(Board::new(memory));
        volume.write(0, &[1; 2 * SECTOR], false);
        words.write(b"one").unwrap();
        volume.write(5 * SECTOR as u64, &[1; SECTOR], true);
        volume.flush();
        words.write(b"three").unwrap();
        volume.clear(SECTOR as u64, SECTOR as u64, false);
        volume.cut(&mut fastrand::Rng::with_seed(1));
        let words = [(4, "one".to_owned()), (10, "three".to_owned())];
        let text = volume.trace().beside(&words);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[..6],
            [
                "0    write 0+2",
                "4  one",
                "4    write through 5+1",
                "4    flush of 2",
                "10  three",
                "10    write 1+1"
            ]
        );
        assert!(lines[6].starts_with("10    cut: kept ["), "{text}");
    }

    #[test]
    fn a_disk_holds_still_before_the_request_it_was_told() {
        let volume = Arc::new(Volume::new(8 * SECTOR as u64));
        volume.hold_after(1);
        let writer = Arc::clone(&volume);
        let thread = std::thread::spawn(move || {
            writer.write(0, &[1; SECTOR], true);
            writer.write(0, &[2; SECTOR], true);
        });
        assert!(volume.is_held(Duration::from_secs(10)));
        assert_eq!(first(&volume), 1);
        volume.release();
        thread.join().unwrap();
        assert_eq!(first(&volume), 2);
    }
}
