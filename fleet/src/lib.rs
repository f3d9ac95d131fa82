//! The operator's side of signed jobs.
//!
//! ```text
//! socketman-fleet keygen FILE                 FILE: private key; FILE.pub: for option job_pubkey
//! socketman-fleet sign --key FILE < job.json  the job with its signature
//! ```
//!
//! A job is read, and its signature checked in the end, with the agent's own code: what this refuses to
//! sign no device would run.

pub mod key;
mod keygen;
mod sign;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

pub use key::{Key, KeyError};
pub use keygen::{keygen, KeygenError};
pub use sign::{sign, SignError};

/// Keys and signatures for fleets of SocketMan devices
#[derive(Debug, Parser)]
#[command(name = "socketman-fleet", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The task.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key pair: the private key in FILE, the public one in FILE.pub
    Keygen {
        /// Neither it nor FILE.pub may be there
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read a job from stdin and print it with its signature
    Sign {
        /// Private key, as keygen or `openssl genpkey -algorithm ed25519` makes it
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The job expires so many seconds from now, 7 days at most; for a job without 'expires'
        #[arg(long, value_name = "SECONDS",
              value_parser = clap::value_parser!(u64).range(1..=socketman::jobs::signature::LIFE_MAX))]
        expires_in: Option<u64>,
    },
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(transparent)]
    Keygen(#[from] KeygenError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("output: {0}")]
    Output(std::io::Error),
}

/// Understands the arguments, the name of the program first.
///
/// # Errors
///
/// The arguments make no sense, or help was asked for.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    Cli::try_parse_from(args).map(|cli| cli.command)
}

impl Command {
    /// Does it, with a job from `input` and what it has to say to `output`.
    ///
    /// # Errors
    ///
    /// The command failed and had no effect.
    pub fn run(&self, input: impl Read, output: &mut impl Write) -> Result<(), FleetError> {
        let text = match self {
            Command::Keygen { file } => {
                let public = keygen(file)?;
                format!(
                    "{}: the private key; keep it away from broker and API\n\
                     {}: the public key, for option job_pubkey: {public}\n",
                    file.display(),
                    key::public_file(file).display(),
                )
            }
            Command::Sign { key, expires_in } => {
                let key = Key::read(key)?;
                let signed = sign(&key, input, *expires_in, now())?;
                signed + "\n"
            }
        };
        let written = output.write_all(text.as_bytes());
        written
            .and_then(|()| output.flush())
            .map_err(FleetError::Output)
    }
}

/// Seconds since the epoch by this computer's clock.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, clap::Error> {
        parse(["socketman-fleet"].iter().chain(args).map(OsString::from))
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            &[][..],
            &["keygen"],
            &["sign"],
            &["sign", "--key"],
            &["sign", "--key", "k", "--expires-in", "0"],
            &["sign", "--key", "k", "--expires-in", "604801"],
            &["sign", "--key", "k", "--expires-in", "-1"],
            &["frobnicate"],
        ] {
            assert_eq!(parsed(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
        assert_eq!(parsed(&["--help"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn a_key_that_was_made_signs_and_the_errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("op.key");
        let name = file.to_str().unwrap();
        let keygen = parsed(&["keygen", name]).unwrap();
        let mut said = Vec::new();
        keygen.run(&b""[..], &mut said).unwrap();
        let public = std::fs::read_to_string(dir.path().join("op.key.pub")).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(public.trim()), "{said}");
        let again = keygen.run(&b""[..], &mut Vec::new()).unwrap_err();
        assert!(again.to_string().starts_with(name), "{again}");

        let sign = parsed(&["sign", "--key", name, "--expires-in", "60"]).unwrap();
        let job = br#"{"id": "a", "device": "*", "meta": {"msg": "true"}}"#;
        let mut signed = Vec::new();
        sign.run(&job[..], &mut signed).unwrap();
        assert_eq!(signed.last(), Some(&b'\n'));
        let job = socketman::jobs::message::parse(&signed).unwrap();
        assert!(job.sig.is_some());
        assert!(now() - job.timestamp.unwrap() < 60);
        assert_eq!(job.expires.unwrap() - job.timestamp.unwrap(), 60);
    }
}
