//! The agent reads UCI packages as libuci does, file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::value::RawValue;
use socketman_lab::uci_view::view;

use crate::project;

fn data() -> PathBuf {
    project().join("tests/data/uci")
}

/// Output of libuci by the name of the file; compact, so that the order of everything counts.
fn expected() -> BTreeMap<String, String> {
    let text = fs::read_to_string(data().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
    expected
        .into_iter()
        .map(|(name, view)| (name, view.get().to_owned()))
        .collect()
}

#[test]
fn every_file_is_read_as_libuci_reads_it() {
    let expected = expected();
    let files: BTreeSet<String> = fs::read_dir(data().join("files"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        files.iter().eq(expected.keys()),
        "a file has no counterpart"
    );
    let mut different = Vec::new();
    for (name, expected) in &expected {
        let (view, _) = view(&data().join("files").join(name));
        let agrees = match name.contains("_nul") {
            true => view.starts_with(r#"{"error":"holds a NUL byte","code":5,"#),
            false => view == *expected,
        };
        if !agrees {
            different.push((name, view.chars().take(500).collect::<String>()));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    assert!(expected.len() > 140);
}

#[test]
fn the_labs_command_prints_the_view_and_exits_with_1_on_an_error() {
    let lab = |file: &Path| {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_socketman-lab"));
        let output = lab.arg("uci").arg(file).output().unwrap();
        assert_eq!(output.stderr, b"");
        let printed = String::from_utf8(output.stdout).unwrap();
        (printed, output.status.code())
    };
    let expected = expected();
    for (name, code) in [("dhcp", 0), ("k_upper_err", 1)] {
        let printed = lab(&data().join("files").join(name));
        assert_eq!(printed, (expected[name].clone() + "\n", Some(code)));
    }
    let (printed, code) = lab(Path::new("/nowhere/to/be/found"));
    assert_eq!(code, Some(1));
    assert!(
        printed.contains(r#""code":3,"line":0,"byte":0"#),
        "{printed}"
    );
}
