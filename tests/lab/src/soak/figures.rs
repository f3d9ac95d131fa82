//! The figures of a soak.

use std::fmt;

use super::sample::Sample;

/// The live heap after each round is as much larger than the least since the first minutes at most, bytes.
const HEAP_WITHIN: u64 = 16 * 1024;

/// The same within the first minutes, when the newest 128 jobs, which keep up to 4 KiB of output each, are still becoming
/// more, and so do ids and history.
const HEAP_WITHIN_AT_FIRST: u64 = 256 * 1024;

/// Descriptors more than the fewest before: at one rest a connection or a probe is there all the time, at another it is not.
const DESCRIPTORS_WITHIN: u64 = 1;

/// Seconds from which on a slope says something: the end of the first minutes.
const SLOPE_FROM: u64 = 600;

/// Threads of the agent at most.
const THREADS: u64 = 4;

/// The needs of the agent at rest after each round.
#[derive(Debug, Default)]
pub struct Figures {
    /// Seconds since the start, and what was seen then.
    pub(super) rests: Vec<(u64, Sample)>,
}

impl Figures {
    /// The rests after which it needed more than it may.
    pub fn wrong(&self) -> Vec<String> {
        let Some((_, warm)) = self.rests.first() else {
            return vec!["no rest".to_owned()];
        };
        let mut wrong = Vec::new();
        let (mut least, mut fewest) = (warm.heap, warm.descriptors);
        let mut within = HEAP_WITHIN_AT_FIRST;
        for (at, seen) in &self.rests {
            if within == HEAP_WITHIN_AT_FIRST && *at >= SLOPE_FROM {
                (least, within) = (seen.heap, HEAP_WITHIN);
            }
            least = least.min(seen.heap);
            fewest = fewest.min(seen.descriptors);
            if seen.heap > least + within {
                let now = seen.heap;
                wrong.push(format!(
                    "{now} bytes of live heap after {at} s, {least} before"
                ));
            }
            if seen.descriptors > fewest + DESCRIPTORS_WITHIN {
                let now = seen.descriptors;
                wrong.push(format!("{now} descriptors after {at} s, {fewest} before"));
            }
            if seen.threads > THREADS {
                wrong.push(format!("{} threads after {at} s", seen.threads));
            }
        }
        wrong
    }

    /// Growth of anonymous memory after the first round, KiB an hour: the slope of the line that lies closest to all rests.
    fn slope(&self) -> Option<f64> {
        let count = self.rests.len() as f64;
        let mean =
            |of: &dyn Fn(&(u64, Sample)) -> f64| self.rests.iter().map(of).sum::<f64>() / count;
        let at = mean(&|(at, _)| *at as f64);
        let anonymous = mean(&|(_, seen)| seen.anonymous as f64);
        let moment = mean(&|(t, seen)| (*t as f64 - at) * (seen.anonymous as f64 - anonymous));
        let spread = mean(&|(t, _)| (*t as f64 - at).powi(2));
        (spread > 0.0).then(|| moment / spread * 3600.0)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([.., (last, now)], Some((_, warm))) = (&*self.rests, self.rests.first()) {
            write!(f, "RssAnon: {} to {} KiB", warm.anonymous, now.anonymous)?;
            if let Some(slope) = self.slope().filter(|_| *last >= SLOPE_FROM) {
                write!(f, ", {slope:+.0} an hour")?;
            }
            write!(f, "; ")?;
        }
        match self.wrong().as_slice() {
            [] => write!(
                f,
                "heap, descriptors and threads are as after the first round"
            ),
            wrong => write!(f, "WRONG: {}", wrong.join("; ")),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} bytes of live heap, {:>5} KiB RssAnon, {} descriptors, {} threads",
            self.heap, self.anonymous, self.descriptors, self.threads
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_what_may_be_is_told() {
        let rest = Sample {
            heap: 300_000,
            anonymous: 1500,
            descriptors: 20,
            threads: 3,
        };
        let more = |heap, descriptors, threads, anonymous| Sample {
            heap: rest.heap + heap,
            descriptors: rest.descriptors + descriptors,
            threads: rest.threads + threads,
            anonymous: rest.anonymous + anonymous,
        };
        let mut figures = Figures::default();
        assert_eq!(figures.wrong(), ["no rest"]);
        figures.rests = vec![
            (60, rest),
            (120, more(HEAP_WITHIN_AT_FIRST, 1, 1, 0)),
            (660, more(HEAP_WITHIN_AT_FIRST, 1, 1, 2)),
            (1260, rest),
            (1860, more(HEAP_WITHIN, 1, 1, 4)),
            (3660, more(0, 0, 0, 8)),
        ];
        assert!(figures.wrong().is_empty());
        assert!(
            figures
                .to_string()
                .starts_with("RssAnon: 1500 to 1508 KiB, +"),
            "{figures}"
        );
        figures.rests[1].1 = more(HEAP_WITHIN_AT_FIRST + 1, 1, 1, 0);
        figures.rests[4].1 = more(HEAP_WITHIN + 1, 2, 2, 0);
        let wrong = [
            "562145 bytes of live heap after 120 s, 300000 before",
            "316385 bytes of live heap after 1860 s, 300000 before",
            "22 descriptors after 1860 s, 20 before",
            "5 threads after 1860 s",
        ];
        assert_eq!(figures.wrong(), wrong);
    }
}
