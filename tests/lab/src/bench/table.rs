//! Figures with their bounds.

use serde::Serialize;

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    /// The value is to be at most this; `None` for one that others are compared with.
    bound: Option<f64>,
    /// Value to bound.
    ratio: Option<f64>,
    ok: bool,
    /// A run fails if this one is over its bound.
    #[serde(skip)]
    decides: bool,
}

/// All figures of a run. Each is printed as soon as it is known.
#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A figure without a bound.
    pub(super) fn plain(&mut self, name: &str, value: f64, unit: &'static str) {
        self.add(name, value, unit, None, false);
    }

    /// A figure that is at most `bound`.
    pub(super) fn bounded(&mut self, name: &str, value: f64, unit: &'static str, bound: f64) {
        self.add(name, value, unit, Some(bound), true);
    }

    /// A figure that misses its `bound` for a known reason: it is shown, and fails no run.
    pub(super) fn wanted(&mut self, name: &str, value: f64, unit: &'static str, bound: f64) {
        self.add(name, value, unit, Some(bound), false);
    }

    /// A figure as a multiple of `floor`: at most `bound` times.
    pub(super) fn times(&mut self, name: &str, value: f64, floor: f64, bound: f64) {
        self.add(name, value / floor, "times", Some(bound), true);
    }

    fn add(
        &mut self,
        name: &str,
        value: f64,
        unit: &'static str,
        bound: Option<f64>,
        decides: bool,
    ) {
        let row = Row {
            name: name.to_owned(),
            value,
            unit,
            bound,
            ratio: bound.map(|bound| value / bound),
            ok: bound.is_none_or(|bound| value <= bound),
            decides,
        };
        if self.rows.is_empty() {
            println!(
                "{:<64} {:>12} {:<6} {:>10} {:>6}",
                "figure", "value", "", "bound", "ratio"
            );
        }
        println!("{row}");
        self.rows.push(row);
    }

    pub(super) fn keeps_bounds(&self) -> bool {
        self.rows.iter().all(|row| row.ok || !row.decides)
    }

    pub(super) fn json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row {
            name, value, unit, ..
        } = self;
        write!(f, "{name:<64} {value:>12.2} {unit:<6}")?;
        if let (Some(bound), Some(ratio)) = (self.bound, self.ratio) {
            write!(f, " {bound:>10.2} {ratio:>6.2}")?;
        }
        match self.ok {
            true => Ok(()),
            false => write!(f, "  OVER"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_bound_is_told() {
        let mut table = Table::default();
        table.plain("floor", 2.0, "ms");
        table.times("job / floor", 3.0, 2.0, 1.5);
        table.wanted("wish", 2.0, "MB", 1.0);
        assert!(table.keeps_bounds());
        table.bounded("size", 4.0, "MB", 3.2);
        assert!(!table.keeps_bounds());
        let json: serde_json::Value = serde_json::from_slice(&table.json().unwrap()).unwrap();
        let size = serde_json::json!(
            {"name": "size", "value": 4.0, "unit": "MB", "bound": 3.2, "ratio": 1.25, "ok": false}
        );
        assert_eq!(json["rows"][3], size);
        assert_eq!(json["rows"][0]["bound"], serde_json::Value::Null);
    }
}
