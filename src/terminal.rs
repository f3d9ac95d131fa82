//! Text from outside on its way to a terminal, a log or a person.
//!
//! A peer chooses SSIDs, host names, the words of an answer. Some characters in them would drive the
//! terminal they are shown on, turn the text beside them around or forge a line.

/// True if a character is not sent as it is: C0, DEL and C1 controls, the ends of lines and paragraphs
/// of Unicode, and characters that change the direction of text.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text on one line that does nothing but stand there: what [`is_unsafe`] is escaped, `\n`, `\u{9b}`.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unsafe(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    safe
}

/// JSON that is the same to every reader and has no unsafe character, but for the ends of its lines.
pub fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Within a string JSON has no raw end of line.
        if c == '\n' || !is_unsafe(c) {
            safe.push(c);
        } else {
            // All of them are in the first plane, where one number is enough.
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    safe
}

/// For tests: text that does harm in every way at once, and on a line of its own.
#[cfg(test)]
pub(crate) const HOSTILE: &str = "x\u{9b}2J\u{7f}\u{202e}\u{2067}\u{61c}\u{1b}[2J\r\nFORGED";

/// For tests: what is shown does no harm, and `HOSTILE` stands in it as often as it should.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_harmless(shown: &str, times: usize) {
    let bad: Vec<char> = shown
        .chars()
        .filter(|c| is_unsafe(*c) && *c != '\n')
        .collect();
    assert!(bad.is_empty(), "{bad:?} in {shown:?}");
    assert!(!shown.contains("\nFORGED"), "{shown}");
    assert_eq!(shown.matches("FORGED").count(), times, "{shown}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(
            safe(HOSTILE),
            "x\\u{9b}2J\\u{7f}\\u{202e}\\u{2067}\\u{61c}\\u{1b}[2J\\r\\nFORGED"
        );
        let all = (0..=0x1f_u32).chain(0x7f..=0x9f);
        let bidi = [
            0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e,
        ];
        let isolates = 0x2066..=0x2069;
        for code in all.chain(bidi).chain(isolates).chain([0x2028, 0x2029]) {
            assert!(is_unsafe(char::from_u32(code).unwrap()), "{code:x}");
        }
        for text in ["äöü Ω 日本 🙂", "\\ \"quoted\"", "a\u{a0}b"] {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn json_stays_the_same_to_who_reads_it() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "ä"], "n": 1 });
        let json = safe_json(&serde_json::to_string_pretty(&value).unwrap());
        assert_harmless(&json, 2);
        assert!(
            json.contains(r"\u009b2J\u007f\u202e\u2067\u061c\u001b"),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap(),
            value
        );
    }
}
