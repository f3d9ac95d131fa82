//! Sorting by heap, which is a tenth of the code of the standard library's for each type that is sorted.

/// Sorts by what `less` says of two of them; the order of equal ones is left open.
pub(crate) fn sort<T>(items: &mut [T], less: &dyn Fn(&T, &T) -> bool) {
    for root in (0..items.len() / 2).rev() {
        sift(items, root, less);
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sift(&mut items[..end], 0, less);
    }
}

/// Moves the item at `root` down until nothing below it is greater.
fn sift<T>(heap: &mut [T], mut root: usize, less: &dyn Fn(&T, &T) -> bool) {
    loop {
        let mut child = 2 * root + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && less(&heap[child], &heap[child + 1]) {
            child += 1;
        }
        if !less(&heap[root], &heap[child]) {
            return;
        }
        heap.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_are_sorted_as_by_the_standard_library(
            items in prop::collection::vec((0usize..20, any::<u64>()), 0..200),
        ) {
            let (mut expected, mut sorted) = (items.clone(), items);
            expected.sort();
            sort(&mut sorted, &<(usize, u64)>::lt);
            prop_assert_eq!(sorted, expected);
        }
    }
}
