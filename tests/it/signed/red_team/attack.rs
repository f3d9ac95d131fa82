//! Changes to a job that was signed.

use base64::prelude::{Engine, BASE64_STANDARD, BASE64_URL_SAFE};
use fastrand::Rng;

use super::order::Order;

/// Changes one thing of `order`; `other` is another signed job to take things from.
pub(super) fn change(order: &mut Order, other: &Order, random: &mut Rng) {
    match random.u8(..22) {
        0 => change_text(&mut order.id, random),
        1 => change_text(&mut order.device, random),
        2 => change_text(&mut order.kind, random),
        3 | 4 => change_text(&mut order.msg, random),
        5 => change_number(&mut order.timestamp, random),
        6 | 7 => change_number(&mut order.expires, random),
        8 => change_number(&mut order.timeout, random),
        9 => order.detach = [None, Some(false), Some(true)][random.usize(..3)],
        10 => order.live = [None, Some(false), Some(true)][random.usize(..3)],
        11 => shift(order, random),
        12 => swap(order, other, random),
        13 => both_times(order, random),
        14..=20 => change_sig(order, other, random),
        _ => respell(order, random),
    }
}

fn change_text(field: &mut Option<String>, random: &mut Rng) {
    let Some(text) = field else {
        *field = Some(["", "*", "ping", "x", "reboot"][random.usize(..5)].to_owned());
        return;
    };
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.usize(..=chars.len());
    let new = ['a', 'A', ' ', '\n', '\u{301}', ':', '0', '\u{7f}'][random.usize(..8)];
    match random.u8(..6) {
        0 => {
            *field = None;
            return;
        }
        1 => chars.clear(),
        2 if at < chars.len() => {
            chars.remove(at);
        }
        3 if at < chars.len() => chars[at] = new,
        _ => chars.insert(at, new),
    }
    *field = Some(chars.into_iter().collect());
}

fn change_number(field: &mut Option<u64>, random: &mut Rng) {
    let number = field.unwrap_or(0);
    *field = match random.u8(..8) {
        0 => None,
        1 => Some(0),
        2 => Some(u64::MAX),
        3 => Some(number.saturating_add(1)),
        4 => Some(number.saturating_sub(1)),
        5 => Some(number.saturating_mul(10)),
        6 => Some(number / 10),
        _ => Some(number.saturating_add(random.u64(..10 * 365 * 24 * 3600))),
    };
}

/// Both times by as much: the job lives as long as it did.
fn both_times(order: &mut Order, random: &mut Rng) {
    let by = random.u64(..10 * 365 * 24 * 3600);
    for field in [&mut order.timestamp, &mut order.expires] {
        *field = field.map(|time| time.saturating_add(by));
    }
}

/// Moves bytes from one field to its neighbour, with or without what stands between them when signed.
fn shift(order: &mut Order, random: &mut Rng) {
    let times = format!(
        "{}\n",
        order.timestamp.map(|n| n.to_string()).unwrap_or_default()
    );
    let between = ["", "\n", "0:\n", "1:", &times][random.usize(..5)];
    let Order {
        id,
        device,
        kind,
        msg,
        ..
    } = order;
    let (from, to) = match random.u8(..6) {
        0 => (id, device),
        1 => (device, id),
        2 => (kind, msg),
        3 => (msg, kind),
        4 => (id, msg),
        _ => (msg, id),
    };
    let (mut left, mut right) = (
        from.take().unwrap_or_default(),
        to.take().unwrap_or_default(),
    );
    if random.bool() {
        let start = (0..=left.len().min(12))
            .rev()
            .find(|n| left.is_char_boundary(left.len() - n));
        let moved = left.split_off(left.len() - start.unwrap_or(0));
        right = format!("{moved}{between}{right}");
    } else {
        let end = (0..=right.len().min(12))
            .rev()
            .find(|n| right.is_char_boundary(*n));
        let rest = right.split_off(end.unwrap_or(0));
        left = format!("{left}{between}{right}");
        right = rest;
    }
    (*from, *to) = (Some(left), Some(right));
}

/// Takes a field of another job.
fn swap(order: &mut Order, other: &Order, random: &mut Rng) {
    match random.u8(..8) {
        0 => order.id = other.id.clone(),
        1 => order.device = other.device.clone(),
        2 => order.timestamp = other.timestamp,
        3 => order.expires = other.expires,
        4 => order.kind = other.kind.clone(),
        5 => order.msg = other.msg.clone(),
        6 => order.timeout = other.timeout,
        _ => (order.timestamp, order.expires) = (other.timestamp, other.expires),
    }
}

/// The same signature in another spelling, a part of it, another one, or none.
fn change_sig(order: &mut Order, other: &Order, random: &mut Rng) {
    let sig = order.sig.take().unwrap_or_default();
    let bytes = BASE64_STANDARD.decode(&sig).unwrap_or_default();
    let mut flipped = bytes.clone();
    if let Some(byte) = flipped.get_mut(random.usize(..64)) {
        *byte ^= 1 << random.u8(..8);
    }
    let spare = |sig: &str| {
        let mut digits = sig.as_bytes().to_vec();
        if let Some(last) = digits.get_mut(85) {
            *last = if *last == b'A' { b'B' } else { b'A' };
        }
        String::from_utf8(digits).unwrap()
    };
    order.sig = match random.u8(..12) {
        0 => None,
        1 => Some(String::new()),
        2 => Some(sig.trim_end_matches('=').to_owned()),
        3 => Some(format!("{sig}=")),
        4 => Some(format!("{sig}\n")),
        5 => Some(BASE64_URL_SAFE.encode(&bytes)),
        6 => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        7 => Some(BASE64_STANDARD.encode(&bytes[..bytes.len().min(63)])),
        8 => Some(BASE64_STANDARD.encode([&bytes[..], &[0]].concat())),
        9 => Some(spare(&sig)),
        10 => Some(BASE64_STANDARD.encode(flipped)),
        _ => other.sig.clone(),
    };
}

/// Another spelling of what may mean the same.
fn respell(order: &mut Order, random: &mut Rng) {
    match random.u8(..5) {
        0 => order.device = order.device.as_ref().map(|text| text.to_uppercase()),
        1 => order.device = order.device.as_ref().map(|text| text.replace(':', "")),
        2 => order.device = order.device.as_ref().map(|text| text.replace(':', "-")),
        3 => {
            order.kind = match order.kind.as_deref() {
                None => Some(String::new()),
                Some("") => None,
                other => other.map(str::to_owned),
            }
        }
        _ => order.detach = order.detach.or(Some(false)),
    }
}
