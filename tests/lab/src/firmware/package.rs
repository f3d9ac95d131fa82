//! Packages of the agent for the lab's package managers.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::tar::{archive, Content};

/// The architecture of the lab's router.
const ARCH: &str = "aarch64_cortex-a53";

/// Runs by `/bin/sh` before the files are replaced, as OpenWrt's `default_prerm` does.
const PRERM: &str = "#!/bin/sh\n\"$IPKG_INSTROOT/etc/init.d/socketman\" stop\n";

/// The same afterwards, as `default_postinst` does.
const POSTINST: &str = "#!/bin/sh\n\"$IPKG_INSTROOT/etc/init.d/socketman\" start\n";

/// The first four bytes of a package for apk 3 whose content is deflated.
const APK: &[u8] = b"ADBd";

/// A version of the agent: its number, and a program that says so.
#[derive(Debug, Clone)]
pub struct Version {
    pub number: String,
    pub program: PathBuf,
}

impl Version {
    /// The version that `program` is.
    pub fn of(program: &Path) -> Self {
        Version {
            number: env!("CARGO_PKG_VERSION").to_owned(),
            program: program.to_owned(),
        }
    }

    /// The same agent under a later number of as many characters, in a file in `dir`.
    ///
    /// # Errors
    ///
    /// The program cannot be read or copied.
    pub fn later(&self, dir: &Path) -> io::Result<Self> {
        let (stem, last) = self.number.split_at(self.number.len() - 1);
        let last: u8 = last.parse().unwrap_or(0);
        let number = format!("{stem}{}", (last + 1) % 10);
        let program = dir.join(format!("socketman-{number}"));
        if program.exists() {
            return Ok(Version { number, program });
        }
        let mut bytes = fs::read(&self.program)?;
        let (old, new) = (self.number.as_bytes(), number.as_bytes());
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], old) {
            bytes[at + found..at + found + old.len()].copy_from_slice(new);
            at += found + old.len();
        }
        let mut file = fs::OpenOptions::new();
        let mut file = file
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&program)?;
        file.write_all(&bytes)?;
        Ok(Version { number, program })
    }
}

/// Where `wanted` begins.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

/// The agent in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    Works,
    /// Ends at once with exit code 1.
    Exits,
    /// Runs and does nothing.
    Hangs,
}

/// A package of the agent.
#[derive(Debug, Clone)]
pub struct Package {
    pub version: Version,
    pub agent: Agent,
    /// The architecture it is for.
    pub arch: String,
}

impl Package {
    pub fn of(version: Version) -> Self {
        Package {
            version,
            agent: Agent::Works,
            arch: ARCH.to_owned(),
        }
    }

    pub fn with(self, agent: Agent) -> Self {
        Package { agent, ..self }
    }

    /// The version as the package manager knows it.
    pub fn number(&self) -> String {
        format!("{}-r1", self.version.number)
    }

    /// The package for opkg.
    ///
    /// # Errors
    ///
    /// A path is too long for an archive.
    pub fn ipk(&self) -> io::Result<Vec<u8>> {
        let (control, data) = (self.control()?, self.data()?);
        archive(&[
            ("./debian-binary", Content::File(b"2.0\n", 0o644)),
            ("./data.tar.gz", Content::File(&data, 0o644)),
            ("./control.tar.gz", Content::File(&control, 0o644)),
        ])
    }

    /// The package for apk: not as apk has it, but for its first bytes.
    ///
    /// # Errors
    ///
    /// A path is too long for an archive.
    pub fn apk(&self) -> io::Result<Vec<u8>> {
        Ok([APK, &self.ipk()?].concat())
    }

    fn control(&self) -> io::Result<Vec<u8>> {
        let control = self.control_file();
        archive(&[
            ("./control", Content::File(control.as_bytes(), 0o644)),
            ("./prerm", Content::File(PRERM.as_bytes(), 0o755)),
            ("./postinst", Content::File(POSTINST.as_bytes(), 0o755)),
        ])
    }

    pub(super) fn control_file(&self) -> String {
        format!(
            "Package: socketman\nVersion: {}\nDepends: libc, ca-bundle\nArchitecture: {}\n",
            self.number(),
            self.arch
        )
    }

    /// The scripts of an installed package, and their names.
    pub(super) fn scripts() -> [(&'static str, &'static str); 2] {
        [("prerm", PRERM), ("postinst", POSTINST)]
    }

    fn data(&self) -> io::Result<Vec<u8>> {
        let program = self.version.program.display().to_string();
        let agent = match self.agent {
            Agent::Works => Content::Link(&program),
            Agent::Exits => Content::File(b"#!/bin/sh\nexit 1\n", 0o755),
            Agent::Hangs => Content::File(b"#!/bin/sh\nexec sleep 86400\n", 0o755),
        };
        archive(&[
            ("./usr/", Content::Directory),
            ("./usr/sbin/", Content::Directory),
            ("./usr/sbin/socketman", agent),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_is_the_same_program_under_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let number = env!("CARGO_PKG_VERSION");
        let program = dir.path().join("agent");
        fs::write(&program, format!("socketman {number}, {number}\n")).unwrap();
        let later = Version::of(&program).later(dir.path()).unwrap();
        assert_ne!(later.number, number);
        let text = fs::read_to_string(later.program).unwrap();
        assert_eq!(text, format!("socketman {0}, {0}\n", later.number));
    }
}
