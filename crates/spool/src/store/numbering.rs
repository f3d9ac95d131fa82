//! Ordinals of the segments, from which those of new ones are counted on.

use std::io;

use durable::Disk;

use crate::name::Name;
use crate::sorted::sort;

/// The highest ordinal that is counted on from; a segment a millisecond takes 28,000 years to get there. Those
/// of new segments have more digits than a name holds long after it.
const ORDINAL_MAX: u64 = 900_000_000_000_000;

/// Sorts the names of segments. If an ordinal is too high, or two are equal, all files are renamed: 1, 2, 3 …
/// in the order they have. True if that was needed.
///
/// # Errors
///
/// The disk does not rename. What was renamed until then has its place, and the next call goes on.
pub(super) fn settle(disk: &mut dyn Disk, names: &mut [Name]) -> io::Result<bool> {
    sort(names, &|a, b| (a.ordinal, &a.boot) < (b.ordinal, &b.boot));
    let is_high = |name: &Name| name.ordinal > ORDINAL_MAX;
    let has_twins = names.windows(2).any(|two| two[0].ordinal == two[1].ordinal);
    if !has_twins && !names.last().is_some_and(is_high) {
        return Ok(false);
    }
    log::warn!("spool: numbering {} segments from 1 again", names.len());
    // None takes the name of another: the lowest goes down first, and the highest up.
    for at in 0..names.len() {
        rename(disk, names, at, |new, old| new < old)?;
    }
    for at in (0..names.len()).rev() {
        rename(disk, names, at, |new, old| new > old)?;
    }
    Ok(true)
}

fn rename(
    disk: &mut dyn Disk,
    names: &mut [Name],
    at: usize,
    is_wanted: impl Fn(u64, u64) -> bool,
) -> io::Result<()> {
    let (old, ordinal) = (&names[at], at as u64 + 1);
    if is_wanted(ordinal, old.ordinal) {
        let boot = old.boot.clone();
        let new = Name { ordinal, boot };
        disk.rename(&old.to_string(), &new.to_string())?;
        names[at] = new;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use durable::Directory;

    use super::*;

    /// The files there after the numbering of these, each with its former name as its content.
    fn settled(names: &[(u64, &str)]) -> Vec<String> {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("spool");
        let mut disk = Directory::open(&dir).unwrap();
        let name = |&(ordinal, boot): &(u64, &str)| Name {
            ordinal,
            boot: boot.into(),
        };
        let mut names: Vec<_> = names.iter().map(name).collect();
        for name in &names {
            let name = name.to_string();
            disk.create(&name).unwrap();
            disk.append(&name, name.as_bytes()).unwrap();
        }
        settle(&mut disk, &mut names).unwrap();
        let short = |name: &str| {
            let name = Name::parse(name).unwrap();
            format!("{}{}", name.ordinal, name.boot)
        };
        let was = |name: &Name| {
            let content = std::fs::read_to_string(dir.join(name.to_string())).unwrap();
            format!("{} was {}", short(&name.to_string()), short(&content))
        };
        names.iter().map(was).collect()
    }

    #[test]
    fn ordinals_that_can_be_counted_on_from_stay() {
        let names = [(0, "a"), (7, "b"), (ORDINAL_MAX, "a")];
        let expected = [
            "0a was 0a",
            "7b was 7b",
            "900000000000000a was 900000000000000a",
        ];
        assert_eq!(settled(&names), expected);
        assert!(settled(&[]).is_empty());
    }

    #[test]
    fn ordinals_that_are_too_high_or_equal_are_given_again_in_their_order() {
        let names = [(9_999_999_999_999_999, "a"), (2, "b"), (1, "a")];
        let expected = ["1a was 1a", "2b was 2b", "3a was 9999999999999999a"];
        assert_eq!(settled(&names), expected);
        let names = [(0, "a"), (0, "b"), (1, "b"), (2, "b"), (9, "a")];
        let expected = [
            "1a was 0a",
            "2b was 0b",
            "3b was 1b",
            "4b was 2b",
            "5a was 9a",
        ];
        assert_eq!(settled(&names), expected);
    }
}
