//! The name of a segment's file.
//!
//! A segment holds reports of one boot whose seq rises. Its name is
//!
//! ```text
//! <ordinal, 16 digits>.<boot id>.reports
//! ```
//!
//! and `.thin` in the place of `.reports` while it is rewritten.

use std::fmt;
use std::sync::Arc;

/// The longest boot id a name can hold.
const BOOT_ID_MAX: usize = 64;

/// A boot id that can stand in a file name: letters, digits and `-`.
pub(crate) fn is_boot_id(text: &str) -> bool {
    (1..=BOOT_ID_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The name of a segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) ordinal: u64,
    pub(crate) boot: Arc<str>,
}

impl Name {
    /// Reads a file name; `None` if it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('.');
        let (ordinal, boot) = (fields.next()?, fields.next()?);
        let ours = fields.eq(["reports"]) && is_boot_id(boot);
        let digits = ordinal.len() == 16 && ordinal.bytes().all(|b| b.is_ascii_digit());
        (ours && digits).then_some(Name {
            ordinal: ordinal.parse().ok()?,
            boot: boot.into(),
        })
    }

    /// The name of the file once it is set aside.
    pub(crate) fn aside(&self) -> String {
        format!("{:016}.{}.aside", self.ordinal, self.boot)
    }

    /// True if a file of ours of this name was set aside.
    pub(crate) fn is_set_aside(text: &str) -> bool {
        text.strip_suffix(".aside")
            .is_some_and(|name| Name::parse(&format!("{name}.reports")).is_some())
    }

    /// True for a file of ours that was being written when the agent or the power went.
    pub(crate) fn is_unfinished(text: &str) -> bool {
        let whole = match text.strip_suffix(".thin") {
            Some(name) => format!("{name}.reports"),
            None => match text.strip_suffix(".new") {
                Some(name) => name.to_owned(),
                None => return false,
            },
        };
        Name::parse(&whole).is_some()
    }

    /// The name of the file while it is rewritten.
    pub(crate) fn thin(&self) -> String {
        format!("{:016}.{}.thin", self.ordinal, self.boot)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}.{}.reports", self.ordinal, self.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written_and_others_are_refused() {
        const NAME: &str = "0000000000000012.6f1c-0a.reports";
        let name = Name::parse(NAME).unwrap();
        assert_eq!((name.ordinal, &*name.boot), (12, "6f1c-0a"));
        assert_eq!(name.to_string(), NAME);
        for (text, unfinished) in [
            ("0000000000000012.6f1c-0a.thin", true),
            ("0000000000000012.6f1c-0a.reports.new", true),
            (NAME, false),
            // Of another store in the same directory.
            ("floor.new", false),
            ("jobs.thin", false),
        ] {
            assert_eq!(Name::is_unfinished(text), unfinished, "{text}");
        }
        let highest = "9999999999999999.6f1c.reports";
        assert_eq!(Name::parse(highest).unwrap().to_string(), highest);
        for text in [
            "",
            "notes.txt",
            "12.6f1c.reports",
            "0000000000000012..reports",
            "0000000000000012.6f1c.reports.new",
            "0000000000000012.6f1c.thin",
            "0000000000000012.6f_1c.reports",
            "+000000000000012.6f1c.reports",
            "99999999999999999.6f1c.reports",
        ] {
            assert!(Name::parse(text).is_none(), "{text}");
        }
    }
}
