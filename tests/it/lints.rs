//! The lint against unsafe code is switched off in one module, and nowhere else.

use std::fs;

use crate::project;

/// The calls that no crate wraps: file, uses of the keyword there, and proofs, each beside what it proves. The
/// types of functions need none, and the blocks for several processors have one together.
const ALLOWED: [(&str, usize, usize); 2] =
    [("src/kernel.rs", 4, 4), ("src/kernel/spawn.rs", 11, 6)];

/// The file that switches the lint off, for itself and those below it.
const ALLOWS: &str = "src/kernel.rs";

/// Files of Rust below these directories, by their path in the project, and their text.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    let mut open: Vec<_> = directories.iter().map(|dir| project().join(dir)).collect();
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(project()).unwrap();
                found.push((path.to_str().unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// How often the code of `text`, without its comments, has `word` in it.
fn count(text: &str, word: &str) -> usize {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let words = code.flat_map(|line| line.split(|c: char| c != '_' && !c.is_alphanumeric()));
    words.filter(|found| *found == word).count()
}

#[test]
fn one_module_has_unsafe_code_and_proves_each_place_of_it() {
    let mut sources = sources(&["src", "crates", "fleet", "tests"]);
    let build = fs::read_to_string(project().join("build.rs")).unwrap();
    sources.push(("build.rs".to_owned(), build));
    assert!(sources.len() > 200, "{}", sources.len());
    // In two pieces, for this file is one of them.
    let keyword = ["un", "safe"].concat();
    let lint = format!("{keyword}_code");
    for (file, text) in &sources {
        let proofs = text.matches("// SAFETY: ").count();
        let allowed = ALLOWED.iter().find(|(allowed, ..)| allowed == file);
        let (_, uses, proved) = allowed.copied().unwrap_or_default();
        let found = (count(text, &keyword), proofs.min(proved));
        assert_eq!(found, (uses, proved), "{file}");
        assert_eq!(count(text, &lint), usize::from(file == ALLOWS), "{file}");
    }
    let (_, text) = sources
        .iter()
        .find(|(file, _)| file == "src/kernel/spawn.rs")
        .unwrap();
    // The functions say what they ask of their callers.
    assert_eq!(text.matches("/// # Safety").count(), 2);
    for member in [
        "Cargo.toml",
        "crates/durable/Cargo.toml",
        "crates/spool/Cargo.toml",
        "crates/ubus/Cargo.toml",
        "crates/uci/Cargo.toml",
        "fleet/Cargo.toml",
        "tests/fuzz/Cargo.toml",
        "tests/lab/Cargo.toml",
    ] {
        let manifest = fs::read_to_string(project().join(member)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("{lint} = \"deny\"")));
}
