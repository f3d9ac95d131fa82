//! UCI packages.

use uci::{Package, Value, MAX_SECTIONS, MAX_VALUES};

use super::data;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    data::contents("uci/files", "")
}

pub(super) fn run(input: &[u8]) {
    let lines = 1 + input.iter().filter(|byte| **byte == b'\n').count();
    let package = match Package::parse(input) {
        Ok(package) => package,
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "{error:?}");
            assert!(
                error.lines_read <= lines && error.byte <= input.len(),
                "{error:?}"
            );
            return;
        }
    };
    let sections = package.sections();
    assert!(sections.len() <= MAX_SECTIONS);
    let options = sections.iter().flat_map(|section| section.options());
    assert!(options.clone().count() <= MAX_VALUES);
    let at = sections.iter().map(|section| section.line);
    let lines_of_options = options.map(|option| option.line);
    for line in at.chain(lines_of_options) {
        assert!((1..=lines).contains(&line));
    }
    for section in sections {
        assert!(package.named(&section.id).is_some());
        for option in section.options() {
            assert_eq!(
                section.entry(&option.name),
                Some(option),
                "names are unique"
            );
        }
    }
    let written = write(&package);
    let again = Package::parse(&written).expect("what is written is read");
    assert_eq!(bare(&again), bare(&package), "what is written reads back");
}

/// A section without the lines that it stood in.
type Bare<'a> = (&'a str, &'a str, bool, Vec<(&'a str, &'a Value)>);

fn bare(package: &Package) -> Vec<Bare<'_>> {
    let sections = package.sections().iter();
    let bare = sections.map(|section| {
        let options = section.options().iter();
        let options = options.map(|option| (&*option.name, &option.value));
        (
            &*section.kind,
            &*section.id,
            section.anonymous,
            options.collect(),
        )
    });
    bare.collect()
}

/// The package as `uci export` writes it.
fn write(package: &Package) -> Vec<u8> {
    let mut text = Vec::new();
    for section in package.sections() {
        text.extend_from_slice(b"config ");
        quote(&mut text, section.kind.as_bytes());
        if !section.anonymous {
            text.push(b' ');
            quote(&mut text, section.id.as_bytes());
        }
        text.push(b'\n');
        for option in section.options() {
            let word: &[u8] = match option.value {
                Value::Text(_) => b"\toption ",
                Value::List(_) => b"\tlist ",
            };
            for item in option.value.items() {
                text.extend_from_slice(word);
                text.extend_from_slice(option.name.as_bytes());
                text.push(b' ');
                quote(&mut text, item);
                text.push(b'\n');
            }
        }
    }
    text
}

fn quote(text: &mut Vec<u8>, word: &[u8]) {
    text.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
}
