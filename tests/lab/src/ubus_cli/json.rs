//! JSON as the ubus tool writes and reads it.

use serde::Deserialize;
use ubus::blobmsg::Value;

/// The depth to which the tool's parser lets tables and arrays nest.
const MAX_DEPTH: usize = 32;

/// Deeper levels are not indented further.
const MAX_TABS: usize = 16;

/// `value` as text, a byte string because nothing makes sure that strings are UTF-8. With `indent`
/// on lines of their own, beginning with that many tabs; without, on one line without spaces.
pub fn format(value: &Value, indent: Option<usize>) -> Vec<u8> {
    let mut writer = Writer {
        out: Vec::new(),
        indent,
    };
    writer.value(value);
    writer.out
}

struct Writer {
    out: Vec<u8>,
    indent: Option<usize>,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Unspec => self.text("null"),
            Value::Int8(n) => self.text(if *n == 0 { "false" } else { "true" }),
            Value::Int16(n) => self.text(&n.to_string()),
            Value::Int32(n) => self.text(&n.to_string()),
            Value::Int64(n) => self.text(&n.to_string()),
            Value::Double(n) => self.text(&double(*n)),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.list(b"[]", items, |writer, item| writer.value(item));
            }
            Value::Table(members) => {
                self.list(b"{}", members, |writer, (name, value)| {
                    // The tool cannot tell a nameless member from an item.
                    if !name.is_empty() {
                        writer.string(name);
                        writer.text(if writer.indent.is_some() { ": " } else { ":" });
                    }
                    writer.value(value);
                });
            }
        }
    }

    fn list<T>(&mut self, brackets: &[u8; 2], items: &[T], write: impl Fn(&mut Self, &T)) {
        self.out.push(brackets[0]);
        self.indent = self.indent.map(|level| level + 1);
        self.separator();
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
                self.separator();
            }
            write(self, item);
        }
        self.indent = self.indent.map(|level| level.saturating_sub(1));
        self.separator();
        self.out.push(brackets[1]);
    }

    fn separator(&mut self) {
        if let Some(level) = self.indent {
            self.out.push(b'\n');
            self.out
                .extend(std::iter::repeat_n(b'\t', level.min(MAX_TABS)));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        // To a C program a string ends at its first NUL.
        for byte in text.iter().take_while(|byte| **byte != 0) {
            match byte {
                b'\x08' => self.text("\\b"),
                b'\n' => self.text("\\n"),
                b'\t' => self.text("\\t"),
                b'\r' => self.text("\\r"),
                b'"' | b'\\' => self.out.extend([b'\\', *byte]),
                0..b' ' => self.text(&format!("\\u{byte:04x}")),
                _ => self.out.push(*byte),
            }
        }
        self.out.push(b'"');
    }
}

/// As `%f` prints it.
fn double(n: f64) -> String {
    if n.is_nan() {
        let sign = if n.is_sign_negative() { "-" } else { "" };
        format!("{sign}nan")
    } else {
        format!("{n:.6}")
    }
}

/// Reads an object as the tool does: what follows it is ignored, of members with the same name the
/// last value counts, strings end at a NUL. `None` for anything else.
pub fn parse(text: &str) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Value::deserialize(&mut reader).ok()?;
    match value {
        Value::Table(_) => as_parsed(value, MAX_DEPTH),
        _ => None,
    }
}

fn as_parsed(value: Value, depth: usize) -> Option<Value> {
    let cut = |mut text: Vec<u8>| {
        text.truncate(text.iter().position(|b| *b == 0).unwrap_or(text.len()));
        text
    };
    Some(match value {
        Value::Table(members) => {
            let depth = depth.checked_sub(1)?;
            let mut kept: Vec<(Vec<u8>, Value)> = Vec::with_capacity(members.len());
            for (name, value) in members {
                let (name, value) = (cut(name), as_parsed(value, depth)?);
                match kept.iter_mut().find(|(have, _)| *have == name) {
                    Some((_, have)) => *have = value,
                    None => kept.push((name, value)),
                }
            }
            Value::Table(kept)
        }
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            let items = items.into_iter().map(|item| as_parsed(item, depth));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Value::String(text) => Value::String(cut(text)),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value, indent: Option<usize>) -> String {
        String::from_utf8(format(value, indent)).unwrap()
    }

    #[test]
    fn empty_lists_have_an_empty_line_inside() {
        let value = parse(r#"{"t":{},"a":[]}"#).unwrap();
        assert_eq!(
            shown(&value, Some(0)),
            "{\n\t\"t\": {\n\t\t\n\t},\n\t\"a\": [\n\t\t\n\t]\n}"
        );
        assert_eq!(shown(&value, None), r#"{"t":{},"a":[]}"#);
    }

    #[test]
    fn every_type_has_its_form() {
        let value = Value::Table(vec![
            (b"n".to_vec(), Value::Unspec),
            (b"b".to_vec(), Value::Int8(2)),
            (b"s".to_vec(), Value::Int16(-1)),
            (b"l".to_vec(), Value::Int64(i64::MIN)),
            (b"d".to_vec(), Value::Double(-0.5)),
            (b"e".to_vec(), Value::Double(1e20)),
            (b"i".to_vec(), Value::Double(f64::INFINITY)),
            (b"t".to_vec(), Value::String(b"\x01\t\"/\x7f".to_vec())),
        ]);
        assert_eq!(
            shown(&value, None),
            "{\"n\":null,\"b\":true,\"s\":-1,\"l\":-9223372036854775808,\"d\":-0.500000,\
             \"e\":100000000000000000000.000000,\"i\":inf,\"t\":\"\\u0001\\t\\\"/\x7f\"}"
        );
    }

    #[test]
    fn indentation_stops_growing() {
        let mut value = Value::Table(vec![]);
        for _ in 0..20 {
            value = Value::Array(vec![value]);
        }
        let text = shown(&value, Some(0));
        let deepest = text
            .lines()
            .map(|l| l.bytes().filter(|b| *b == b'\t').count());
        assert_eq!(deepest.max(), Some(MAX_TABS));
    }

    #[test]
    fn what_is_read_is_what_the_tool_would_read() {
        let text = |json: &str| parse(json).map(|value| shown(&value, None));
        assert_eq!(text(r#"{"a":1,"a":2} x"#).as_deref(), Some(r#"{"a":2}"#));
        assert_eq!(text(r#"{"a":"x\u0000y"}"#).as_deref(), Some(r#"{"a":"x"}"#));
        assert_eq!(text("[]"), None);
        assert_eq!(text("5"), None);
        assert_eq!(text(""), None);
        assert_eq!(text("{"), None);
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(31)).is_some());
        assert!(parse(&nested(32)).is_none());
    }
}
