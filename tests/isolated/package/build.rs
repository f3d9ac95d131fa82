//! The packages that tests/package/build makes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::device::BUSYBOX;
use super::ipk::Ipk;

/// The project.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Names a directory with packages that are built already.
const PACKAGES: &str = "SOCKETMAN_PACKAGES";

/// Runs tests/package/build.
fn build(arguments: &[&str]) -> Output {
    Command::new(Path::new(TOP).join("tests/package/build"))
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", "1790000000")
        .output()
        .unwrap()
}

/// Makes the packages around a binary that is there already; their paths.
fn build_in(dir: &Path) -> Vec<PathBuf> {
    let output = build(&["--out", dir.to_str().unwrap(), "--binary", BUSYBOX]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(PathBuf::from).collect()
}

/// The package whose file's name starts with this.
fn package(start: &str) -> Option<Ipk> {
    static BUILT: OnceLock<(Option<TempDir>, Vec<PathBuf>)> = OnceLock::new();
    let (_, files) = BUILT.get_or_init(|| match std::env::var_os(PACKAGES) {
        Some(dir) => {
            let found = fs::read_dir(dir).unwrap();
            (None, found.map(|entry| entry.unwrap().path()).collect())
        }
        None => {
            let dir = tempfile::tempdir().unwrap();
            let files = build_in(dir.path());
            (Some(dir), files)
        }
    });
    let is_it = |file: &&PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(start) && name.ends_with(".ipk")
    };
    files.iter().find(is_it).map(|file| Ipk::open(file))
}

/// The agent's package.
pub(crate) fn agent() -> Ipk {
    package("socketman_").expect("tests/package/build made it")
}

/// A line of a file of the project that starts so; the rest of it.
fn line_after(file: &str, start: &str) -> String {
    let text = fs::read_to_string(Path::new(TOP).join(file)).unwrap();
    let rest = text.lines().find_map(|line| line.strip_prefix(start));
    rest.unwrap_or_else(|| panic!("{file}: {start}")).to_owned()
}

#[test]
fn the_members_are_in_the_order_in_which_opkg_reads_them() {
    let ipk = agent();
    assert_eq!(
        ipk.members,
        ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
    );
    assert_eq!(ipk.all[0].bytes, b"2.0\n");
}

#[test]
fn the_package_has_these_files_and_no_others() {
    let ipk = agent();
    let found: Vec<_> = ipk
        .data
        .iter()
        .map(|entry| (entry.path.as_str(), entry.mode))
        .collect();
    assert_eq!(
        found,
        [
            ("./", 0o755),
            ("./etc/", 0o755),
            ("./etc/config/", 0o755),
            ("./etc/config/socketman", 0o600),
            ("./etc/init.d/", 0o755),
            ("./etc/init.d/socketman", 0o755),
            ("./etc/uci-defaults/", 0o755),
            ("./etc/uci-defaults/80_socketman", 0o755),
            ("./lib/", 0o755),
            ("./lib/upgrade/", 0o755),
            ("./lib/upgrade/keep.d/", 0o755),
            ("./lib/upgrade/keep.d/socketman", 0o644),
            ("./usr/", 0o755),
            ("./usr/sbin/", 0o755),
            ("./usr/sbin/socketman", 0o755),
        ]
    );
    let control: Vec<_> = ipk
        .control
        .iter()
        .map(|entry| (entry.path.as_str(), entry.mode))
        .collect();
    assert_eq!(
        control,
        [
            ("./", 0o755),
            ("./conffiles", 0o644),
            ("./control", 0o644),
            ("./postinst", 0o755),
            ("./prerm", 0o755),
        ]
    );
}

#[test]
fn the_program_does_not_name_the_places_where_it_was_built() {
    let ipk = agent();
    let program = &ipk.file("/usr/sbin/socketman").bytes;
    let top = fs::canonicalize(TOP).unwrap();
    let top = format!("{}/", top.to_str().unwrap());
    for place in [top.as_str(), "/.cargo/", "/root/"] {
        let mut windows = program.windows(place.len());
        assert!(!windows.any(|window| window == place.as_bytes()), "{place}");
    }
}

#[test]
fn settings_are_known_to_opkg_and_everything_to_keep_to_sysupgrade() {
    let ipk = agent();
    assert_eq!(ipk.control("conffiles"), "/etc/config/socketman\n");
    assert_eq!(
        ipk.file("/lib/upgrade/keep.d/socketman").bytes,
        b"/etc/socketman/config.json\n/etc/socketman/state/keep/\n"
    );
}

#[test]
fn control_tells_opkg_name_version_needs_and_size() {
    let ipk = agent();
    assert_eq!(ipk.field("Package"), "socketman");
    let (version, release) = (
        line_after("Makefile", "PKG_VERSION:="),
        line_after("Makefile", "PKG_RELEASE:="),
    );
    assert_eq!(ipk.field("Version"), format!("{version}-r{release}"));
    assert_eq!(ipk.field("Depends"), "libc, ca-bundle");
    assert_eq!(ipk.field("Architecture"), "x86_64");
    assert_eq!(ipk.field("License"), "GPL-2.0-or-later");
    assert_eq!(ipk.field("Section"), "admin");
    assert!(ipk.field("URL").starts_with("https://"));
    assert_eq!(ipk.field("Installed-Size"), ipk.data_size.to_string());
    assert!(ipk.field("Maintainer").contains('@'));
    let control = ipk.control("control");
    let (_, description) = control.split_once("\nDescription: ").unwrap();
    let mut lines = description.lines();
    assert!(lines.next().is_some_and(|line| line.contains("Agent")));
    // A line that does not begin with white space would be a field.
    assert!(lines.all(|line| line.starts_with(' ') && line.trim() != ""));
}

#[test]
fn the_page_is_a_package_of_its_own_for_every_processor() {
    let Some(ipk) = package("luci-app-socketman_") else {
        assert!(!Path::new(TOP).join("luci-app-socketman").exists());
        return;
    };
    assert_eq!(ipk.field("Architecture"), "all");
    assert_eq!(ipk.field("Depends"), "libc, luci-base, socketman");
    assert_eq!(ipk.field("Installed-Size"), ipk.data_size.to_string());
    let places = [
        "./www/luci-static/resources/",
        "./usr/share/luci/menu.d/",
        "./usr/share/rpcd/acl.d/",
    ];
    let (dirs, files): (Vec<_>, Vec<_>) = ipk.data.iter().partition(|entry| entry.is_dir);
    assert!(files.len() > 3);
    for file in files {
        let is_known = places.iter().any(|place| file.path.starts_with(place));
        assert!(is_known && file.mode == 0o644, "{}", file.path);
    }
    assert!(dirs.iter().all(|dir| dir.mode == 0o755));
    // rpcd reads the new ACL, LuCI the new menu.
    let script = ipk.control("postinst-pkg");
    assert!(script.contains("/etc/init.d/rpcd reload") && script.contains("luci-indexcache"));
}

#[test]
fn package_and_crate_have_one_version() {
    let version = line_after("Cargo.toml", "version = ");
    let packaged = line_after("Makefile", "PKG_VERSION:=");
    assert_eq!(version, format!("\"{packaged}\""));
}

#[test]
fn the_makefiles_say_what_reviewers_of_the_feeds_look_for_and_no_more() {
    let agents = fs::read_to_string(Path::new(TOP).join("Makefile")).unwrap();
    assert!(agents.contains("\n  URL:=https://"));
    let pages = fs::read_to_string(Path::new(TOP).join("luci-app-socketman/Makefile")).unwrap();
    for (makefile, text) in [
        ("Makefile", &agents),
        ("luci-app-socketman/Makefile", &pages),
    ] {
        assert!(text.contains("\nPKG_MAINTAINER:="), "{makefile}");
        assert!(text.contains("\nPKG_LICENSE:="), "{makefile}");
    }
    // luci.mk knows better: by the last commit, and by whether there is something to compile.
    for known in ["PKG_VERSION", "PKG_RELEASE", "LUCI_PKGARCH"] {
        assert!(!pages.contains(known), "{known}");
    }
}

#[test]
fn the_test_of_the_package_wants_the_version_that_was_packaged() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("socketman");
    fs::write(&program, "#!/bin/sh\necho 'socketman 1.2.3'\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    for (package, version, passes) in [
        ("socketman", "1.2.3", true),
        ("socketman", "1.2.4", false),
        ("socketman", "1.2", false),
        ("luci-app-socketman", "26.001.00000~0000000", true),
    ] {
        let output = Command::new("sh")
            .arg(Path::new(TOP).join("test.sh"))
            .args([package, version])
            .env("PATH", &path)
            .output()
            .unwrap();
        assert_eq!(output.status.success(), passes, "{package} {version}");
    }
}

#[test]
fn nothing_tells_of_the_machine_it_was_made_on() {
    for ipk in [Some(agent()), package("luci-app-socketman_")]
        .iter()
        .flatten()
    {
        let epoch: u64 = ipk.field("SourceDateEpoch").parse().unwrap();
        for entry in &ipk.all {
            assert_eq!(
                (entry.owner, entry.mtime),
                ((0, 0), epoch),
                "{}",
                entry.path
            );
        }
    }
}

#[test]
fn the_same_binary_makes_the_same_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (build_in(first.path()), build_in(second.path()));
    assert_eq!(first.len(), second.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first.file_name(), second.file_name());
        assert!(
            fs::read(first).unwrap() == fs::read(second).unwrap(),
            "{first:?}"
        );
    }
}

#[test]
fn a_binary_for_another_processor_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    // Not more than what tells the processor: ELF, big-endian, MIPS.
    let mips = dir.path().join("mips");
    let header = *b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x08";
    fs::write(&mips, header).unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let (mips, script) = (mips.to_str().unwrap(), script.to_str().unwrap());
    for (binary, arch, reason) in [
        (mips, "mipsel_24kc", "is no program for mipsel_24kc"),
        (mips, "x86_64", "is no program for x86_64"),
        (BUSYBOX, "mips_24kc", "is no program for mips_24kc"),
        (BUSYBOX, "sparc", "is not known here"),
        (script, "x86_64", "is no program"),
    ] {
        let output = build(&["--out", out, "--binary", binary, "--arch", arch]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{said}");
        assert!(output.stdout.is_empty());
    }
    let output = build(&["--out", out, "--binary", mips, "--arch", "mips_24kc"]);
    assert!(output.status.success(), "{output:?}");
    assert!(dir
        .path()
        .join("socketman_0.1.0-r1_mips_24kc.ipk")
        .is_file());
}

#[test]
fn the_makefiles_are_written_as_the_feeds_want_them() {
    for makefile in ["Makefile", "luci-app-socketman/Makefile"] {
        let Ok(text) = fs::read_to_string(Path::new(TOP).join(makefile)) else {
            continue;
        };
        assert!(
            text.starts_with("# SPDX-License-Identifier: "),
            "{makefile}"
        );
        let mut inside = "";
        for line in text.lines() {
            let at = format!("{makefile}: {line}");
            assert_eq!(line.trim_end(), line, "{at}");
            if let Some(name) = line.strip_prefix("define ") {
                inside = name;
                assert!(!name.contains('$'), "names are literal: {at}");
            } else if line == "endef" {
                inside = "";
            } else if inside.ends_with("/install") || inside.starts_with("Build/") {
                assert!(line.starts_with('\t'), "a recipe: {at}");
            } else if inside.ends_with("/conffiles") {
                assert!(line.starts_with('/'), "a path: {at}");
            } else if !inside.is_empty() {
                assert!(line.starts_with("  "), "two spaces: {at}");
            }
            assert!(
                !line.starts_with("$(eval") || !line.contains("$(PKG_NAME)"),
                "{at}"
            );
        }
    }
}
