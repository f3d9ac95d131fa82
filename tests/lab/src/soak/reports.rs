//! The account of reports: each from the first to the last has come, always with the same bytes, or is declared lost.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Failure;

/// Reports that the API has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reports {
    /// Different ones.
    pub(super) came: usize,
    /// Repeats: the agent had not got the answer.
    pub(super) again: usize,
    pub(super) missing: u64,
    pub(super) declared: u64,
}

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reports delivered, {} of them once more; {} missing, {} declared lost",
            self.came, self.again, self.missing, self.declared
        )
    }
}

/// Settles the account of one boot, whose reports have numbers from 1 to `last`.
///
/// # Errors
///
/// A report came with other bytes the second time, or more are missing than were declared.
pub(super) fn settle(lines: &[String], last: u64) -> Result<Reports, Failure> {
    let mut came: BTreeMap<u64, &str> = BTreeMap::new();
    let (mut again, mut declared) = (0, 0);
    for line in lines {
        let report: Value = serde_json::from_str(line)?;
        let seq = report["device"]["seq"]
            .as_u64()
            .ok_or("a report without seq")?;
        match came.insert(seq, line) {
            Some(before) if before == line => again += 1,
            Some(_) => return Err(format!("report {seq} came again with other bytes").into()),
            None => {
                let gaps = report["gaps"].as_array().cloned().unwrap_or_default();
                declared += gaps
                    .iter()
                    .filter_map(|gap| gap["count"].as_u64())
                    .sum::<u64>();
            }
        }
    }
    let missing: Vec<u64> = (1..=last).filter(|seq| !came.contains_key(seq)).collect();
    if missing.len() as u64 > declared {
        return Err(
            format!("{declared} reports were declared lost, missing are {missing:?}").into(),
        );
    }
    Ok(Reports {
        came: came.len(),
        again,
        missing: missing.len() as u64,
        declared,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, lost: u64) -> String {
        let gaps = serde_json::json!([{"count": null, "reason": "power"}, {"count": lost}]);
        serde_json::json!({"device": {"seq": seq}, "gaps": gaps}).to_string()
    }

    #[test]
    fn a_report_is_missing_or_declared_or_there() {
        let lines = [line(1, 0), line(4, 2), line(4, 2), line(5, 0)];
        let settled = settle(&lines, 5).unwrap();
        let expected = Reports {
            came: 3,
            again: 1,
            missing: 2,
            declared: 2,
        };
        assert_eq!(settled, expected);
        let error = settle(&lines, 6).unwrap_err().to_string();
        assert_eq!(error, "2 reports were declared lost, missing are [2, 3, 6]");
        let lines = [line(1, 0), line(1, 1)];
        settle(&lines, 1).unwrap_err();
    }
}
