//! Times of the same work.

use std::future::Future;
use std::time::Instant;

/// Times, ms.
#[derive(Debug)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) const fn new() -> Self {
        Times(Vec::new())
    }

    /// Does `work` and adds its time.
    pub(super) async fn add<E>(
        &mut self,
        work: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let began = Instant::now();
        work.await?;
        self.since(began);
        Ok(())
    }

    /// Adds the time since `began`.
    pub(super) fn since(&mut self, began: Instant) {
        self.push(began.elapsed().as_secs_f64() * 1e3);
    }

    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value below which this part of them lies; 0 of none.
    pub(super) fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted
            .get((last as f64 * part).round() as usize)
            .copied()
            .unwrap_or(0.0)
    }

    /// The one in the middle.
    pub(super) fn median(&self) -> f64 {
        self.at(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends_of_times() {
        let times = Times(vec![3.0, 1.0, 2.0]);
        assert_eq!([0.0, 0.5, 1.0].map(|part| times.at(part)), [1.0, 2.0, 3.0]);
        assert_eq!(Times::new().median(), 0.0);
    }
}
