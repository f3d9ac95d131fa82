//! The lint against unsafe code is switched off in one file, and nowhere else.

use std::fs;

use crate::project;

/// The calls that no crate wraps; each has its proof beside it.
const ALLOWED: &str = "src/kernel.rs";

/// Blocks and functions of it there.
const PLACES: usize = 8;

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
fn one_file_has_unsafe_code_and_proves_each_place_of_it() {
    let mut sources = sources(&["src", "fleet", "tests"]);
    let build = fs::read_to_string(project().join("build.rs")).unwrap();
    sources.push(("build.rs".to_owned(), build));
    assert!(sources.len() > 200, "{}", sources.len());
    // In two pieces, for this file is one of them.
    let keyword = ["un", "safe"].concat();
    let lint = format!("{keyword}_code");
    for (file, text) in &sources {
        let found = (count(text, &keyword), count(text, &lint));
        let expected = match file.as_str() {
            ALLOWED => (PLACES, 1),
            _ => (0, 0),
        };
        assert_eq!(found, expected, "{file}");
    }
    let (_, text) = sources.iter().find(|(file, _)| file == ALLOWED).unwrap();
    // One of them is a function, which says what it asks of its callers.
    assert_eq!(text.matches("// SAFETY: ").count(), PLACES - 1);
    assert_eq!(text.matches("/// # Safety").count(), 1);
    for member in ["Cargo.toml", "fleet/Cargo.toml", "tests/lab/Cargo.toml"] {
        let manifest = fs::read_to_string(project().join(member)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("{lint} = \"deny\"")));
}
