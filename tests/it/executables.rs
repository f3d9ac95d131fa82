//! Every test is in an executable, every executable in a stage of tests/run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::project;

/// Each links everything again, and the unit tests are executables too. Those of the crates are not counted: they
/// link next to nothing.
const AT_MOST: usize = 8;

/// The workspace as cargo sees it.
fn metadata() -> Value {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .current_dir(project())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names of the test executables of all packages but those of the unit tests, and how many executables there are.
fn executables() -> (BTreeSet<String>, usize) {
    let metadata = metadata();
    let (mut tests, mut large) = (BTreeSet::new(), 0);
    let crates = project().join("crates");
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        for target in package["targets"].as_array().unwrap() {
            let is_test = target["kind"] == serde_json::json!(["test"]);
            assert!(target["test"] == true || !is_test, "{target}");
            if is_test {
                assert!(tests.insert(target["name"].as_str().unwrap().to_owned()));
            }
            if target["test"] == true && !manifest.starts_with(&crates) {
                large += 1;
            }
        }
    }
    (tests, large)
}

/// The modules that a file of an executable has, and files and directories that belong to none.
fn unclaimed(file: &Path, directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let modules: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'))
        .collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path == file {
            continue;
        }
        if !modules.contains(name) {
            found.push(path.display().to_string());
        } else if path.is_dir() {
            let inside = path.join("mod.rs");
            let beside = path.with_extension("rs");
            found.extend(unclaimed(
                if inside.exists() { &inside } else { &beside },
                &path,
            ));
        }
    }
    found
}

#[test]
fn there_are_few_and_tests_run_knows_each() {
    let (tests, large) = executables();
    assert!(large <= AT_MOST, "{large}");
    let script = fs::read_to_string(project().join("tests/run")).unwrap();
    let words: BTreeSet<&str> = script
        .split_whitespace()
        .collect::<Vec<_>>()
        .windows(2)
        .filter(|pair| pair[0] == "--test")
        .map(|pair| pair[1])
        .collect();
    assert!(tests.iter().map(String::as_str).eq(words), "{tests:?}");
}

#[test]
fn every_file_is_part_of_one() {
    let (mut tests, _) = executables();
    for entry in fs::read_dir(project().join("tests")).unwrap() {
        let directory = entry.unwrap().path();
        let main = directory.join("main.rs");
        if main.exists() {
            let name = directory.file_name().unwrap().to_str().unwrap();
            assert!(tests.remove(name), "{name}: not an executable");
            let unclaimed = unclaimed(&main, &directory);
            assert!(unclaimed.is_empty(), "no mod line: {unclaimed:#?}");
        }
    }
    assert!(tests.is_empty(), "not a directory of tests: {tests:?}");
}

#[test]
fn cargo_knows_which_program_of_a_package_to_run() {
    for package in metadata()["packages"].as_array().unwrap() {
        let targets = package["targets"].as_array().unwrap().iter();
        let programs = targets.filter(|target| target["kind"][0] == "bin").count();
        assert!(
            programs < 2 || package["default_run"].is_string(),
            "{package}"
        );
    }
}
