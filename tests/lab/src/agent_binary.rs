//! The agent's executable: the one that SOCKETMAN_AGENT names, else built when cargo started us, else the one beside
//! our own.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Name of the agent's package and of its executable.
const NAME: &str = "socketman";

/// Name of the executable of the lab's package that is the agent with its heap counted.
const COUNTED: &str = "socketman-counted";

/// Names the executable to take: one for another processor, behind an emulator.
const GIVEN: &str = "SOCKETMAN_AGENT";

/// Why there is no agent to run.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    #[error("cannot tell where this program lies: {0}")]
    OwnPath(io::Error),
    #[error("{} is missing; build it with: cargo build -p {}", .0.display(), package(.0))]
    Missing(PathBuf),
    #[error("{program}: {error}")]
    Cargo { program: String, error: io::Error },
    #[error("building the agent failed; what cargo said stands above (profile {0})")]
    Build(String),
    #[error("cargo built the agent without saying where it is")]
    Nowhere,
}

/// Finds the agent: the one that `SOCKETMAN_AGENT` in the environment names, else it is built first if
/// cargo started us: `cargo run -p socketman-lab` alone does not. It is built with the profile we were
/// built with; cargo's words go to standard error. That happens once in a process, however often it is
/// asked for.
///
/// # Errors
///
/// It does not build, or without cargo: there is no `socketman` beside our executable.
pub async fn find() -> Result<PathBuf, BinaryError> {
    static FOUND: OnceCell<PathBuf> = OnceCell::const_new();
    FOUND.get_or_try_init(look).await.cloned()
}

async fn look() -> Result<PathBuf, BinaryError> {
    if let Some(given) = env::var_os(GIVEN) {
        return Ok(given.into());
    }
    let own = env::current_exe().map_err(BinaryError::OwnPath)?;
    match env::var_os("CARGO") {
        Some(cargo) => build(&cargo, NAME, profile(&own)).await,
        None => sibling(&own, NAME),
    }
}

/// Finds the agent with its heap counted, as [`find`] does; `SOCKETMAN_AGENT` is another one.
///
/// # Errors
///
/// It does not build, or without cargo: it is not beside our executable.
pub async fn find_counted() -> Result<PathBuf, BinaryError> {
    let own = env::current_exe().map_err(BinaryError::OwnPath)?;
    match env::var_os("CARGO") {
        Some(cargo) => build(&cargo, COUNTED, profile(&own)).await,
        None => sibling(&own, COUNTED),
    }
}

/// The package that an executable comes from.
fn package(executable: &Path) -> &'static str {
    match executable.ends_with(COUNTED) {
        true => "socketman-lab",
        false => NAME,
    }
}

/// The profile an executable at this path was built with: cargo names the directory after it, but
/// for the two that share `debug`. Tests lie one level deeper.
fn profile(own: &Path) -> &str {
    let dir = own.parent();
    let is_test = dir.is_some_and(|dir| dir.ends_with("deps"));
    let dir = if is_test {
        dir.and_then(Path::parent)
    } else {
        dir
    };
    match dir.and_then(Path::file_name).and_then(OsStr::to_str) {
        Some("debug") | None if is_test => "test",
        Some("debug") | None => "dev",
        Some(profile) => profile,
    }
}

fn sibling(own: &Path, name: &str) -> Result<PathBuf, BinaryError> {
    let path = own.with_file_name(name);
    match path.is_file() {
        true => Ok(path),
        false => Err(BinaryError::Missing(path)),
    }
}

/// Does cargo set this variable for the programs it runs? Those it reads itself are kept.
fn is_about_us(name: &OsStr) -> bool {
    const NAMES: [&str; 7] = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    const PREFIXES: [&str; 2] = ["CARGO_BIN_EXE_", "CARGO_PKG_"];
    name.to_str().is_some_and(|name| {
        NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// Cargo's message about an artefact.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
}

/// Asks for the agent in the way that reuses what was built for us: the same packages give every
/// dependency the same features.
fn request<'a>(name: &'a str, profile: &'a str) -> Vec<&'a str> {
    match profile {
        // An integration test of the agent's package brings its binary along.
        "test" => vec!["test", "--workspace", "--no-run", "--test", "wire"],
        profile => vec![
            "build",
            "-p",
            NAME,
            "-p",
            "socketman-lab",
            "--bin",
            name,
            "--profile",
            profile,
        ],
    }
}

async fn build(cargo: &OsStr, name: &str, profile: &str) -> Result<PathBuf, BinaryError> {
    let failed = |error| BinaryError::Cargo {
        program: cargo.to_string_lossy().into_owned(),
        error,
    };
    let mut command = Command::new(cargo);
    // What cargo told us of ourselves must not reach it again: build scripts that watch these
    // variables (ring's does) would run again, here and then in every other build.
    for (name, _) in env::vars_os().filter(|(name, _)| is_about_us(name)) {
        command.env_remove(name);
    }
    let output = command
        .args(request(name, profile))
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        // Not output(), which would keep cargo's words from standard error.
        .spawn()
        .map_err(failed)?
        .wait_with_output()
        .await
        .map_err(failed)?;
    if !output.status.success() {
        return Err(BinaryError::Build(profile.to_owned()));
    }
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok())
        .filter_map(|artifact| artifact.executable)
        .find(|path| path.file_name() == Some(name.as_ref()))
        .ok_or(BinaryError::Nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_tells_the_profile() {
        for (path, expected) in [
            ("/w/target/release/socketman-lab", "release"),
            ("/w/target/debug/socketman-lab", "dev"),
            ("/w/target/debug/deps/once-0a1b", "test"),
            ("/w/target/release/deps/once-0a1b", "release"),
            (
                "/w/target/x86_64-unknown-linux-musl/openwrt/socketman-lab",
                "openwrt",
            ),
        ] {
            assert_eq!(profile(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn without_cargo_the_agent_lies_beside_us_or_the_error_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("socketman-lab");
        let error = sibling(&own, NAME).unwrap_err().to_string();
        let expected = dir.path().join("socketman");
        assert_eq!(
            error,
            format!(
                "{} is missing; build it with: cargo build -p socketman",
                expected.display()
            )
        );
        std::fs::write(&expected, "").unwrap();
        assert_eq!(sibling(&own, NAME).unwrap(), expected);
    }
}
