//! The agent's dependencies: one TLS stack, one provider, nothing that a router does not need.

use std::collections::BTreeMap;
use std::process::Command;

use crate::project;

/// Name and versions of every crate in the tree that `args` describe.
fn tree(args: &[&str]) -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none"])
        .args(args)
        .current_dir(project())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut crates: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let versions = crates.entry(name.to_owned()).or_default();
            if !versions.iter().any(|known| known == version) {
                versions.push(version.to_owned());
            }
        }
    }
    crates
}

#[test]
fn there_is_one_tls_stack_with_one_provider() {
    // Every feature any member turns on, for every kind of dependency.
    let crates = tree(&["--workspace", "-e", "normal,build,dev"]);
    for once in ["rustls", "rustls-webpki", "ring", "tokio-rustls"] {
        let versions = crates.get(once).cloned().unwrap_or_default();
        assert_eq!(versions.len(), 1, "{once}: {versions:?}");
    }
    for never in [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
        "tokio-native-tls",
        "ubus",
        "uci_rs",
    ] {
        assert!(!crates.contains_key(never), "{never} is in the tree");
    }
}

#[test]
fn the_agent_stays_small() {
    let crates = tree(&["-p", "socketman", "-e", "normal"]);
    let linked: usize = crates.values().map(Vec::len).sum();
    // 104 with reqwest; each one more is built for every router.
    assert!(linked <= 108, "{linked} crates");
    for never in [
        "regex",
        "h2",
        "encoding_rs",
        "tracing-subscriber",
        "rand",
        "icu_normalizer",
        "chrono",
    ] {
        assert!(!crates.contains_key(never), "{never} is in the tree");
    }
}

#[test]
fn tokio_has_no_second_scheduler() {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let output = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--locked",
            "-p",
            "socketman",
            "-e",
            "normal,features",
        ])
        .args(["-i", "tokio"])
        .current_dir(project())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("tokio feature \"rt\""),
        "{text}"
    );
    assert!(!text.contains("rt-multi-thread"), "{text}");
}

#[test]
fn docs_give_the_reason_of_each_direct_dependency() {
    let docs = project().join("docs/dependencies.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| "));
    let names = rows.filter_map(|row| row.split(" |").next());
    let is_part = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let reasons: Vec<&str> = names
        .flat_map(|names| names.split(|c| !is_part(c)))
        .collect();
    let direct = tree(&["-p", "socketman", "-e", "normal", "--depth", "1"]);
    assert!(direct.len() > 20, "{direct:?}");
    for name in direct.keys().filter(|name| *name != "socketman") {
        assert!(
            reasons.contains(&name.as_str()),
            "docs/dependencies.md: no row for {name}"
        );
    }
}
