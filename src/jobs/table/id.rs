//! The id of a job that was reported some time ago, and what is left of its outcome: 18 bytes.

use super::key::Key;
use crate::jobs::outcome::{End, Outcome};

/// The end of a job, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Processed, and [`Id::exit`] is its exit code.
    Exited,
    /// Processed, and [`Id::exit`] is the signal that ended it.
    Killed,
    /// Processed with success without a command.
    Succeeded,
    /// Processed without success and without an exit code.
    Failed,
    Rejected,
    Interrupted,
}

const VERDICTS: [Verdict; 6] = [
    Verdict::Exited,
    Verdict::Killed,
    Verdict::Succeeded,
    Verdict::Failed,
    Verdict::Rejected,
    Verdict::Interrupted,
];

impl Verdict {
    /// The byte that stands for it in the ledger.
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        VERDICTS.get(usize::from(number)).copied()
    }
}

/// An id that may not run again, and what is left of its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    pub key: Key,
    /// When its result was taken: seconds for which agents had run.
    pub age: u32,
    /// Seconds since the epoch before which it may not go; 0 if it may.
    pub expires: u32,
    pub verdict: Verdict,
    pub exit: i32,
}

impl Id {
    pub(super) fn new(key: Key, age: u32, expires: u32, outcome: &Outcome) -> Self {
        let (verdict, exit) = match (outcome.end, outcome.exit_code, outcome.signal) {
            (End::Rejected, ..) => (Verdict::Rejected, 0),
            (End::Interrupted, ..) => (Verdict::Interrupted, 0),
            (End::Processed, Some(0), _) if !outcome.success => (Verdict::Failed, 0),
            (End::Processed, Some(code), _) => (Verdict::Exited, code),
            (End::Processed, None, Some(signal)) => (Verdict::Killed, signal),
            (End::Processed, None, None) if outcome.success => (Verdict::Succeeded, 0),
            (End::Processed, None, None) => (Verdict::Failed, 0),
        };
        Id {
            key,
            age,
            expires,
            verdict,
            exit,
        }
    }

    /// The rest of the outcome that is still known.
    pub(super) fn outcome(&self) -> Outcome {
        let end = match self.verdict {
            Verdict::Rejected => End::Rejected,
            Verdict::Interrupted => End::Interrupted,
            _ => End::Processed,
        };
        let reason = "this job ended some time ago; its output is not kept any more";
        Outcome {
            success: match self.verdict {
                Verdict::Exited => self.exit == 0,
                verdict => verdict == Verdict::Succeeded,
            },
            exit_code: (self.verdict == Verdict::Exited).then_some(self.exit),
            signal: (self.verdict == Verdict::Killed).then_some(self.exit),
            duration: None,
            truncated: true,
            ..Outcome::without_command(end, "", Some(reason.to_owned()))
        }
    }

    /// True if it may go: 24 h after its report, and no signature can bring it back.
    pub(super) fn may_go(&self, age: u32, keep: u32, floor: u64) -> bool {
        age.saturating_sub(self.age) >= keep && floor >= u64::from(self.expires)
    }
}

/// An [`Id`] without gaps.
#[repr(C, packed(2))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) key: Key,
    pub(super) age: u32,
    expires: u32,
    verdict: Verdict,
    /// Exit codes and signals of processes are below 256.
    exit: u8,
}

impl Kept {
    /// A value of no meaning, with every byte to be written.
    pub(super) const NONE: Kept = Kept {
        key: Key(u64::MAX),
        age: u32::MAX,
        expires: u32::MAX,
        verdict: Verdict::Interrupted,
        exit: u8::MAX,
    };

    pub(super) fn of(id: &Id) -> Self {
        Kept {
            key: id.key,
            age: id.age,
            expires: id.expires,
            verdict: id.verdict,
            exit: u8::try_from(id.exit).unwrap_or(u8::MAX),
        }
    }

    pub(super) fn id(self) -> Id {
        Id {
            key: self.key,
            age: self.age,
            expires: self.expires,
            verdict: self.verdict,
            exit: i32::from(self.exit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_takes_18_bytes_and_still_tells_how_its_job_ended() {
        assert_eq!(size_of::<Kept>(), 18);
        let mut outcome = Outcome::without_command(End::Processed, "", None);
        for (exit_code, signal, success) in [
            (Some(0), None, true),
            (Some(7), None, false),
            (None, Some(9), false),
            (None, None, true),
            (None, None, false),
        ] {
            (outcome.exit_code, outcome.signal) = (exit_code, signal);
            outcome.success = success;
            let id = Id::new(Key(1), 0, 0, &outcome);
            let told = Kept::of(&id).id().outcome();
            assert_eq!((told.exit_code, told.signal), (exit_code, signal));
            assert_eq!(told.success, success, "{exit_code:?} {signal:?}");
            assert!(told.truncated && told.duration.is_none());
        }
        for end in [End::Rejected, End::Interrupted] {
            outcome.end = end;
            assert_eq!(Id::new(Key(1), 0, 0, &outcome).outcome().end, end);
        }
    }
}
