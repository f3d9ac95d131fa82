//! A row of the table of options.

use super::kind::Kind;
use super::pem::Pem;

/// Command line form of an option.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    /// A further long name the original knew.
    pub alias: Option<&'static str>,
    /// Value that the flag stands for when it takes none of its own.
    pub means: Option<&'static str>,
    /// Help of the flag where that of the option would mislead.
    pub help: Option<&'static str>,
}

/// The value of an option that is set nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Written as a person would write it.
    Fixed(&'static str),
    /// Follows from another option, in words.
    Derived(&'static str),
}

/// The effect of a value that cannot be used, for an option that guards a way into the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The strictest value.
    Value(&'static str),
    /// There is no link to the broker. A file that the option names has to hold this.
    Link(Pem),
    /// No job of the broker, of HTTP or of a web session runs.
    Jobs,
}

impl Guard {
    /// The effect in words, as the end of an error.
    pub fn effect(self) -> String {
        match self {
            Guard::Value(value) => {
                format!("until this is mended {value} holds, the strictest value")
            }
            Guard::Link(_) => "until this is mended there is no link to the broker".into(),
            Guard::Jobs => {
                "until this is mended no job of the broker or of a web session runs".into()
            }
        }
    }
}

/// An option.
pub struct Row {
    /// Key in config.json.
    pub name: &'static str,
    /// Further keys that mean the same.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub default: Preset,
    pub help: &'static str,
    pub flag: Option<Flag>,
    /// Set if it guards a way into the device; other options fall back to their default.
    pub guard: Option<Guard>,
}

impl Row {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Row {
        Row {
            name,
            aliases: &[],
            kind,
            default: Preset::Fixed(default),
            help,
            flag: None,
            guard: None,
        }
    }

    /// Can be given as `--long VALUE`.
    pub(super) const fn flag(mut self, long: &'static str, short: char) -> Row {
        self.flag = Some(Flag {
            long,
            short: Some(short),
            alias: None,
            means: None,
            help: None,
        });
        self
    }

    /// Can be given as `--long`, which stands for the value `means`.
    pub(super) const fn switch(
        mut self,
        long: &'static str,
        means: &'static str,
        help: &'static str,
    ) -> Row {
        self.flag = Some(Flag {
            long,
            short: None,
            alias: None,
            means: Some(means),
            help: Some(help),
        });
        self
    }

    pub(super) const fn flag_alias(mut self, alias: &'static str) -> Row {
        if let Some(flag) = &mut self.flag {
            flag.alias = Some(alias);
        }
        self
    }

    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Row {
        self.aliases = aliases;
        self
    }

    pub(super) const fn derived(mut self, rule: &'static str) -> Row {
        self.default = Preset::Derived(rule);
        self
    }

    /// A value that cannot be used closes the way the option guards.
    pub(super) const fn guards(mut self, guard: Guard) -> Row {
        self.guard = Some(guard);
        self
    }
}
