//! A job as the attacker sees it: fields to change, and ways to write them.

use fastrand::Rng;
use serde_json::Value;

/// A job's fields; `None` = the key is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: Option<String>,
    pub(super) device: Option<String>,
    pub(super) timestamp: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) kind: Option<String>,
    pub(super) timeout: Option<u64>,
    pub(super) detach: Option<bool>,
    pub(super) live: Option<bool>,
    pub(super) msg: Option<String>,
    pub(super) sig: Option<String>,
}

/// The encoding of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Plain,
    /// White space, escapes, unknown keys: the same job.
    Odd,
    /// Encodings that every reader must refuse.
    Bad(Bad),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// A second `id` or `msg` follows.
    Twice,
    /// Numbers as floats, with exponents or as strings.
    Numbers,
    /// Bytes follow the object.
    Trailing,
    /// `detach` as a number.
    Flag,
    /// UTF-16, or a byte order mark.
    Encoding,
}

const BAD: [Bad; 5] = [
    Bad::Twice,
    Bad::Numbers,
    Bad::Trailing,
    Bad::Flag,
    Bad::Encoding,
];

impl Spelling {
    pub(super) fn any(random: &mut Rng) -> Self {
        match random.u8(..) {
            0..=159 => Spelling::Plain,
            160..=223 => Spelling::Odd,
            _ => Spelling::Bad(BAD[random.usize(..BAD.len())]),
        }
    }
}

impl Order {
    /// The fields that count for what runs, without the difference of absent and empty.
    pub(super) fn meaning(&self) -> String {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let number = |field: Option<u64>| field.map(|n| n.to_string()).unwrap_or_default();
        let detach = match self.detach {
            Some(true) => "1",
            _ => "",
        };
        // Written here once more, from the contract.
        let mut signed = "socketman-job-v1\n".to_owned();
        for field in [
            text(&self.id),
            text(&self.device),
            number(self.timestamp),
            number(self.expires),
            text(&self.kind),
            number(self.timeout),
            detach.to_owned(),
            text(&self.msg),
        ] {
            signed += &format!("{}:{field}\n", field.len());
        }
        signed
    }

    /// The bytes on the wire.
    pub(super) fn payload(&self, spelling: Spelling) -> Vec<u8> {
        let odd = spelling == Spelling::Odd;
        let bad = match spelling {
            Spelling::Bad(bad) => Some(bad),
            _ => None,
        };
        let text = |text: &String| match odd {
            true => escaped(text),
            false => Value::from(text.as_str()).to_string(),
        };
        let number = |number: &u64| match bad {
            Some(Bad::Numbers) => [
                format!("{number}.0"),
                format!("{number}e0"),
                format!("\"{number}\""),
            ][(*number % 3) as usize]
                .clone(),
            _ => number.to_string(),
        };
        let flag = |flag: &bool| flag.to_string();
        let mut meta = Vec::new();
        let mut top = Vec::new();
        push(&mut top, "id", self.id.as_ref().map(text));
        push(&mut top, "device", self.device.as_ref().map(text));
        push(&mut top, "timestamp", self.timestamp.as_ref().map(number));
        push(&mut top, "expires", self.expires.as_ref().map(number));
        push(&mut top, "sig", self.sig.as_ref().map(text));
        push(&mut meta, "type", self.kind.as_ref().map(text));
        push(&mut meta, "timeout", self.timeout.as_ref().map(number));
        push(&mut meta, "detach", self.detach.as_ref().map(flag));
        push(&mut meta, "live", self.live.as_ref().map(flag));
        push(&mut meta, "msg", self.msg.as_ref().map(text));
        if odd {
            top.insert(0, r#""x":[{"id":"y","meta":{"msg":"z"}}]"#.to_owned());
            meta.insert(0, r#""sig":null,"Msg":7"#.to_owned());
        }
        match bad {
            Some(Bad::Twice) => meta.push(r#""msg":"reboot","msg":"reboot""#.to_owned()),
            Some(Bad::Flag) => meta.push(r#""live":1"#.to_owned()),
            _ => {}
        }
        top.push(format!("\"meta\":{{{}}}", meta.join(",")));
        let space = if odd { " \n\t" } else { "" };
        let mut payload = format!("{space}{{{}}}{space}", top.join(&format!(",{space}")));
        match bad {
            Some(Bad::Trailing) => payload += "{}",
            Some(Bad::Encoding) => payload.insert(0, '\u{feff}'),
            _ => {}
        }
        payload.into_bytes()
    }
}

fn push(object: &mut Vec<String>, key: &str, value: Option<String>) {
    object.extend(value.map(|value| format!("\"{key}\":{value}")));
}

/// Every character as escapes of JSON.
fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}
