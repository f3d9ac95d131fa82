//! Stable sorting with its algorithm in the program once: the standard library's is compiled again for
//! each type that is sorted, 3 to 5 KB each time.

use std::cmp::Ordering;

/// Sorts in the natural order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    by(items, T::cmp);
}

/// Sorts by what `key` says of each, and asks it once for each.
pub(crate) fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    let from = arrange(items.len(), &|a, b| keys[a].cmp(&keys[b]));
    place(from, &mut |a, b| items.swap(a, b));
}

/// Sorts in the order that `compare` gives two of them. Equal ones stay in the order they had.
pub(crate) fn by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let from = arrange(items.len(), &|a, b| compare(&items[a], &items[b]));
    place(from, &mut |a, b| items.swap(a, b));
}

/// For each place, which of the items belongs there.
fn arrange(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut from: Vec<usize> = (0..count).collect();
    from.sort_by(|a, b| compare(*a, *b));
    from
}

/// Moves the items to their places, one circle of them after the other.
fn place(mut from: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for first in 0..from.len() {
        let mut at = first;
        loop {
            let next = std::mem::replace(&mut from[at], at);
            if next == first {
                break;
            }
            swap(at, next);
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_are_sorted_as_by_the_standard_library(
            items in prop::collection::vec((0u8..20, any::<u8>()), 0..200),
        ) {
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            let mut sorted = items.clone();
            by_key(&mut sorted, |(key, _)| *key);
            prop_assert_eq!(sorted, expected);
            let (mut expected, mut sorted) = (items.clone(), items);
            expected.sort();
            sort(&mut sorted);
            prop_assert_eq!(sorted, expected);
        }
    }
}
