//! The packaged program and its package.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::table::Table;
use super::Failure;

/// Names the program to take.
const GIVEN: &str = "SOCKETMAN_AGENT";

/// Names a directory with packages that hold it.
const PACKAGES: &str = "SOCKETMAN_PACKAGES";

/// The project.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The agent as the package has it: the program that `SOCKETMAN_AGENT` names, else built below the directory where
/// cargo built us.
pub(super) fn program() -> Result<PathBuf, Failure> {
    if let Some(given) = env::var_os(GIVEN) {
        return Ok(fs::canonicalize(given)?);
    }
    let own = env::current_exe()?;
    let target = own
        .ancestors()
        .nth(2)
        .ok_or("this program has no directory")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--profile",
        "openwrt",
        "-p",
        "socketman",
        "--target-dir",
    ]);
    let status = build.arg(target).current_dir(PROJECT).status()?;
    match status.success() {
        true => Ok(target.join("openwrt/socketman")),
        false => Err("the agent does not build".into()),
    }
}

/// Bytes of the program and of its package; `tests/run` stops at ceilings of its own.
pub(super) fn size(program: &Path, table: &mut Table) -> Result<(), Failure> {
    let megabytes = |path: &Path| fs::metadata(path).map(|of| of.len() as f64 / 1e6);
    table.wanted("size, x86-64, stripped", megabytes(program)?, "MB", 3.5);
    let dir = tempfile::tempdir()?;
    let package = match env::var_os(PACKAGES) {
        Some(packages) => find(Path::new(&packages))?,
        None => {
            let mut build = Command::new(Path::new(PROJECT).join("tests/package/build"));
            build
                .arg("--out")
                .arg(dir.path())
                .arg("--binary")
                .arg(program);
            let output = build.output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
            find(dir.path())?
        }
    };
    table.wanted("size of the package, .ipk", megabytes(&package)?, "MB", 1.9);
    Ok(())
}

fn find(dir: &Path) -> Result<PathBuf, Failure> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("socketman_") && name.ends_with(".ipk") {
            return Ok(path);
        }
    }
    Err(format!("{}: no package of the agent", dir.display()).into())
}
