//! Ends of texts that others wrote.

/// The kernel's last words that a report takes, bytes.
pub(super) const WORDS_MAX: usize = 4 << 10;

/// The last `max` bytes of `text` at most, from the beginning of a line if there is one.
pub(super) fn tail(text: &str, max: usize) -> &str {
    let text = text.trim_end();
    if text.len() <= max {
        return text;
    }
    let mut from = text.len() - max;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let cut = &text[from..];
    match cut.split_once('\n') {
        Some((_, lines)) if !lines.is_empty() => lines,
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_whole_lines_and_never_splits_a_character() {
        assert_eq!(tail("one\ntwo\nthree\n", 100), "one\ntwo\nthree");
        assert_eq!(tail("one\ntwo\nthree\n", 10), "two\nthree");
        assert_eq!(tail("one\ntwo\nthree\n", 9), "three");
        assert_eq!(tail("ääää", 5), "ää");
        assert_eq!(tail("long line without an end", 3), "end");
        for max in 0..12 {
            assert!(tail("a\näö\n\u{1f4a5}\n", max).len() <= max);
        }
    }
}
