//! The codec against traffic recorded between unmodified programs, and against damaged traffic.
#![allow(clippy::unwrap_used, clippy::panic)] // Also in the functions around the tests.

mod damage;
mod expected;
mod recorded;
#[path = "../recording/mod.rs"]
#[allow(dead_code)]
mod recording;
mod vectors;

use recording::{scenario, scenarios, Line};
use ubus::blobmsg::Value;

fn frames() -> impl Iterator<Item = Line> {
    scenarios()
        .into_iter()
        .flat_map(|name| scenario(&name))
        .filter(Line::is_frame)
}

/// Bit by bit: a NaN is itself, and -0 is not 0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Table(a), Value::Table(b)) => {
            let pairs = a.iter().zip(b);
            a.len() == b.len()
                && pairs
                    .into_iter()
                    .all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        (a, b) => a == b,
    }
}
