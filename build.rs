//! How the packaged binary is linked. What is left out here is some 15 % of it, and nothing a device
//! uses.

use std::{env, fs, path::Path};

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

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A build script is not told the name of its profile; only this one is built for size.
    if env::var("OPT_LEVEL").as_deref() != Ok("z") || cfg("TARGET_OS") != "linux" {
        return;
    }
    let dir = env::var("OUT_DIR").expect("cargo sets it");
    let script = Path::new(&dir).join("no-unwind-tables.ld");
    fs::write(&script, NO_UNWIND_TABLES).expect("cargo made the directory");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    // Relative relocations in a tenth of their space. Dynamic loaders know them since musl 1.2.4
    // (OpenWrt 23.05) and glibc 2.36; the start code of a static binary may be older.
    if !cfg("TARGET_FEATURE").split(',').any(|f| f == "crt-static") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// What the target is like.
fn cfg(name: &str) -> String {
    env::var(format!("CARGO_CFG_{name}")).unwrap_or_default()
}
