//! The comparison with the original in docs/upgrade.md names a test for each of its lines, and each of them exists.

use std::fs;
use std::path::Path;

use crate::project;

/// Adds the text of every Rust file below `dir`.
fn read(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_line_of_the_comparison_has_a_test() {
    let mut code = String::new();
    for dir in ["src", "crates", "tests/it", "tests/isolated"] {
        read(&project().join(dir), &mut code);
    }
    let page = fs::read_to_string(project().join("docs/upgrade.md")).unwrap();
    let mut next = 1;
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let number = cells[0]
            .strip_prefix("| ")
            .and_then(|cell| cell.parse::<u32>().ok());
        let (Some(number), [_, .., test]) = (number, &cells[..]) else {
            continue;
        };
        assert_eq!(number, next, "{line}");
        let test = test.trim_end_matches(" |").trim_matches('`');
        assert!(code.contains(&format!("fn {test}(")), "{number}: {test}");
        next += 1;
    }
    assert_eq!(next - 1, 42, "lines of the comparison");
}
