//! The house: which part uses which, and which crate, as ARCHITECTURE.md lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::project;

/// Modules that every part may use, and that use no part.
const FOUNDATION: [&str; 5] = ["kernel", "mac", "process", "terminal", "written"];

/// Crates that could be published as they stand: they know nothing of the agent.
const CRATES: [&str; 4] = ["durable", "spool", "ubus", "uci"];

/// Each part with the parts it uses.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Adds the parts that the files below `dir`, which belong to `part`, use.
fn walk(dir: &Path, part: Option<&str>, edges: &mut Edges) {
    let paths = fs::read_dir(dir).unwrap();
    let paths: Vec<_> = paths.map(|entry| entry.unwrap().path()).collect();
    let files = paths.iter().filter(|path| path.is_file());
    let texts: Vec<String> = files
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    // A module with a directory of its own declares its tests outside of it.
    let tests: BTreeSet<String> = texts.iter().flat_map(|text| tests_of(text)).collect();
    for path in paths {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_of_tests = stem == "tests" || tests.contains(&stem);
        if is_of_tests || part.is_none() && ["lib", "main"].contains(&&*stem) {
            continue;
        }
        let part = part.unwrap_or(&stem);
        if path.is_dir() {
            walk(&path, Some(part), edges);
        } else {
            let used = used(&fs::read_to_string(&path).unwrap());
            edges.entry(part.to_owned()).or_default().extend(used);
        }
    }
}

/// The modules that a file declares for tests, or for the fuzzer.
fn tests_of(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2);
    let tests =
        pairs.filter(|pair| ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]"].contains(&pair[0]));
    let names = tests.filter_map(|pair| pair[1].strip_suffix(';')?.rsplit_once("mod "));
    names.map(|(_, name)| name.to_owned()).collect()
}

/// The modules of the crate, and the crates beside it, that a file names, without its tests and comments.
fn used(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.map(|line| format!("{line}\n")).collect();
    let mut used = BTreeSet::new();
    for name in CRATES {
        // A path that begins with the name, which is no part of a longer one.
        let begins = |at: usize| {
            let before = code[..at].chars().next_back().unwrap_or('\n');
            !(before.is_alphanumeric() || ['_', ':', '"'].contains(&before))
        };
        let path = format!("{name}::");
        let mut places = code.match_indices(&path).map(|(at, _)| at);
        if places.any(begins) {
            used.insert(name.to_owned());
        }
    }
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => used.extend(members(group)),
            None => used.extend(word(after)),
        }
    }
    used
}

/// The first words of the members of `{a::b, c::{d, e}, f}`, from behind the first brace on.
fn members(group: &str) -> Vec<String> {
    let mut members = Vec::new();
    let (mut depth, mut begins) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                members.extend(word(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    members
}

/// The module that `path` begins with; types and macros of the crate's root are none.
fn word(path: &str) -> Option<String> {
    let is_part = |c: &char| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit();
    let word: String = path.chars().take_while(is_part).collect();
    (!word.is_empty()).then_some(word)
}

/// The crates beside it that a crate's manifest names.
fn crates_of(name: &str) -> BTreeSet<String> {
    let manifest = project().join("crates").join(name).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let paths = manifest.split("path = \"../").skip(1);
    let paths: Vec<&str> = paths.filter_map(|rest| rest.split('"').next()).collect();
    for path in &paths {
        assert!(
            CRATES.contains(path) || path.starts_with("../tests/"),
            "{name} uses {path}"
        );
    }
    let paths = paths.into_iter().filter(|path| CRATES.contains(path));
    paths.map(str::to_owned).collect()
}

/// The edges in src/ and crates/.
fn found() -> Edges {
    let mut edges = Edges::new();
    walk(&project().join("src"), None, &mut edges);
    for name in CRATES {
        edges.insert(name.to_owned(), crates_of(name));
    }
    let parts: BTreeSet<String> = edges.keys().cloned().collect();
    for (part, used) in &mut edges {
        used.retain(|other| other != part && parts.contains(other));
        used.retain(|other| !FOUNDATION.contains(&&**other));
    }
    edges
}

/// The edges that ARCHITECTURE.md lists: `part → part part …`, a line for each.
fn listed() -> Edges {
    let text = fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    let begin = text.split("```edges\n").nth(1).expect("a block of edges");
    let block = begin.split("```").next().unwrap();
    let line = |line: &str| {
        let (part, used) = line.split_once('→').expect("an arrow");
        let used = used.split_whitespace().map(str::to_owned).collect();
        (part.trim().to_owned(), used)
    };
    block.lines().map(line).collect()
}

#[test]
fn the_parts_use_each_other_as_the_architecture_lists_it() {
    let mut found = found();
    for part in FOUNDATION {
        let mut used = found.remove(part).unwrap_or_default();
        used.retain(|used| !CRATES.contains(&&**used));
        assert!(used.is_empty(), "{part}, of the foundation, uses {used:?}");
    }
    found.retain(|_, used| !used.is_empty());
    let listed = listed();
    assert!(listed.len() > 20, "{listed:?}");
    for (part, used) in &found {
        assert_eq!(listed.get(part), Some(used), "{part}");
    }
    assert_eq!(listed.len(), found.len(), "parts that are listed");
}

#[test]
fn no_part_leads_back_to_itself() {
    let mut rest = found();
    // Takes away what uses nothing that is left, until nothing is.
    loop {
        let before = rest.len();
        let left: BTreeSet<String> = rest.keys().cloned().collect();
        rest.retain(|_, used| used.iter().any(|other| left.contains(other)));
        if rest.is_empty() {
            return;
        }
        assert!(rest.len() < before, "a cycle in {rest:?}");
    }
}

#[test]
fn what_a_file_uses_is_read_from_its_paths() {
    let text = "use crate::a::B;\nuse crate::{\n    c, d::{e, f},\n    g as h,\n};\n\
                // crate::no\nlet x = crate::i::j(crate::K);\n#[cfg(test)]\nmod tests {\nuse crate::z;";
    let words = |text: &str| used(text).into_iter().collect::<Vec<_>>();
    assert_eq!(words(text), ["a", "c", "d", "g", "i"]);
    assert_eq!(words("use ubus::Client;"), ["ubus"]);
    assert_eq!(words("fn f(client: &ubus::Client) {}"), ["ubus"]);
    assert!(words("my_ubus::f(); other::ubus::f();\n// ubus::f").is_empty());
}
