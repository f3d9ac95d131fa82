//! When the program was made, and how the packaged binary is linked. What is left out there is some 15 %
//! of it, and nothing a device uses.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

/// The profile `openwrt` aborts on a panic and is stripped: nothing ever reads its unwind tables.
/// Those of the start files stay, for their code refers to them. Nor are MIPS' descriptions of
/// procedures read, which are for debuggers and outlive stripping.
const NO_UNWIND_TABLES: &str = "\
SECTIONS {
  /DISCARD/ : {
    *(EXCLUDE_FILE(*crt*.o) .eh_frame)
    *(.gcc_except_table .gcc_except_table.*)
    *(.pdr)
  }
} INSERT AFTER .text;
";

/// Where the sources of the program are.
const SOURCES: [&str; 2] = ["crates", "src"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let built = format!(
        "/// When the sources of this program were made, seconds since the epoch.\n\
         pub const BUILT: u64 = {};\n",
        built()
    );
    fs::write(dir.join("built.rs"), built).expect("cargo made the directory");
    // A build script is not told the name of its profile; only this one is built for size.
    if env::var("OPT_LEVEL").as_deref() != Ok("z") || cfg("TARGET_OS") != "linux" {
        return;
    }
    let script = dir.join("no-unwind-tables.ld");
    fs::write(&script, NO_UNWIND_TABLES).expect("cargo made the directory");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    // Relative relocations in a tenth of their space. Dynamic loaders know them since musl 1.2.4
    // (OpenWrt 23.05) and glibc 2.36; the start code of a static binary may be older.
    if !cfg("TARGET_FEATURE").split(',').any(|f| f == "crt-static") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The time of the sources, seconds since the epoch: `SOURCE_DATE_EPOCH`, which every build of a package
/// has, else that of the newest source, and never later than now.
fn built() -> u64 {
    const GIVEN: &str = "SOURCE_DATE_EPOCH";
    println!("cargo::rerun-if-env-changed={GIVEN}");
    for directory in SOURCES {
        println!("cargo::rerun-if-changed={directory}");
    }
    let Ok(given) = env::var(GIVEN) else {
        let newest = SOURCES.iter().map(|directory| newest(Path::new(directory)));
        return newest.max().unwrap_or(0).min(seconds(SystemTime::now()));
    };
    given.parse().unwrap_or_else(|_| {
        println!("cargo::error={GIVEN}: '{given}' is not a number of seconds");
        0
    })
}

/// When the newest file at or below `path` was changed.
fn newest(path: &Path) -> u64 {
    let metadata = fs::metadata(path).expect("a source is there");
    if metadata.is_dir() {
        let entries = fs::read_dir(path).expect("it can be listed");
        let entries = entries.map(|entry| newest(&entry.expect("it can be listed").path()));
        return entries.max().unwrap_or(0);
    }
    metadata.modified().map_or(0, seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Properties of the target.
fn cfg(name: &str) -> String {
    env::var(format!("CARGO_CFG_{name}")).unwrap_or_default()
}
