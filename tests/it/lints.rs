//! Rules that no tool has: where unsafe code may be, how comments begin, how long a file is, and that files which are
//! named are there.

use std::fs;

use crate::project;

/// The calls that no crate wraps: file, uses of the keyword there, and proofs, each beside what it proves. The
/// types of functions need none, and the blocks for several processors have one together.
const ALLOWED: [(&str, usize, usize); 2] =
    [("src/kernel.rs", 6, 6), ("src/kernel/spawn.rs", 11, 6)];

/// The file that switches the lint off, for itself and those below it.
const ALLOWS: &str = "src/kernel.rs";

/// Files of Rust below these directories, by their path in the project, and their text.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    files(directories, "rs")
}

/// The same for files with another extension.
fn files(directories: &[&str], extension: &str) -> Vec<(String, String)> {
    let mut open: Vec<_> = directories.iter().map(|dir| project().join(dir)).collect();
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(project()).unwrap();
                found.push((path.to_str().unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// Occurrences of `word` in the code of `text`, without its comments.
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

/// Words that ask or point: a comment that begins so names its subject last, or never.
const NEVER_FIRST: [&str; 7] = ["What", "Who", "Whose", "Those", "One", "How", "Whether"];

#[test]
fn doc_comments_begin_with_what_they_describe() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&["src", "crates", "fleet", "tests"]) {
        let mut before = "";
        for (at, line) in text.lines().enumerate() {
            let mark = ["/// ", "//! "]
                .into_iter()
                .find(|mark| line.trim_start().starts_with(mark));
            let marked = mark.unwrap_or_default().trim_end();
            // A line that goes on begins in the middle of a sentence.
            let goes_on = mark.is_some() && before.starts_with(marked) && before != marked;
            let words = line.trim_start().get(4..).unwrap_or_default();
            let first = words.split(|c: char| !c.is_alphanumeric()).next();
            if mark.is_some() && !goes_on && first.is_some_and(|word| NEVER_FIRST.contains(&word)) {
                wrong.push(format!("{file}:{}: {}", at + 1, line.trim_start()));
            }
            before = line.trim();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines of a file that holds code.
const LINES_MAX: usize = 400;

/// Longer files, which are tables: nobody reads them from top to bottom.
const DATA: [(&str, &str); 2] = [
    ("src/config/options.rs", "a row for each option"),
    (
        "src/config/tests/cases.rs",
        "right and wrong values of each option",
    ),
];

#[test]
fn no_file_is_longer_than_400_lines_but_data() {
    let mut long: Vec<(String, usize)> = sources(&["src", "crates", "fleet", "tests"])
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    for (data, holds) in DATA {
        let at = long.iter().position(|(file, _)| file == data);
        long.remove(at.unwrap_or_else(|| panic!("{data} ({holds}) is short enough for the rule")));
    }
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
}

/// Beginnings of paths in the project.
const TOP: [&str; 6] = ["src/", "crates/", "tests/", "docs/", "files/", "fleet/"];

#[test]
fn files_that_texts_name_are_there() {
    let mut all = sources(&["src", "crates", "fleet", "tests/it", "tests/lab"]);
    all.extend(files(&["docs"], "md"));
    for top in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(project().join(top)).unwrap();
        all.push((top.to_owned(), text));
    }
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let (mut named, mut wrong) = (0, Vec::new());
    for (file, text) in &all {
        let quoted = text
            .lines()
            .flat_map(|line| line.split('`').skip(1).step_by(2));
        for path in quoted.filter(|path| path.chars().all(is_path)) {
            if TOP.iter().any(|top| path.starts_with(top)) {
                named += 1;
                if !project().join(path).exists() {
                    wrong.push(format!("{file}: `{path}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 20, "{named}");
}
