//! Sorted lists and trees, at one copy of the code for all of them.
//!
//! A slice's own sort is written out for each type that is sorted, at 5 kB apiece, and so it is for
//! each tree that `collect` makes, which sorts first: that was a fourteenth of `vmux`'s code, for lists
//! of a dozen entries. Here positions are sorted, which are of one type.

use std::cmp::Ordering;

/// Sorts lists as the methods of slices do that are called alike: what is equal keeps its order.
pub trait Arrange<T> {
    /// In ascending order.
    fn arrange(&mut self)
    where
        T: Ord;

    /// In the order of a comparison.
    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);

    /// In ascending order of what `key` makes of each.
    fn arrange_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K);
}

impl<T> Arrange<T> for [T] {
    fn arrange(&mut self)
    where
        T: Ord,
    {
        self.arrange_by(T::cmp);
    }

    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        let mut order = order(self.len(), &|a, b| compare(&self[a], &self[b]));
        for at in 0..self.len() {
            // What stood there may have made room for another one: it is where that one was.
            let mut from = order[at];
            while from < at {
                from = order[from];
            }
            order[at] = from;
            self.swap(at, from);
        }
    }

    fn arrange_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.arrange_by(|a, b| key(a).cmp(&key(b)));
    }
}

/// The positions of a list in the order of their entries.
#[inline(never)]
fn order(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// Makes trees entry by entry.
pub trait Gather: Iterator + Sized {
    /// As `collect` does: of entries with equal keys the last one counts.
    fn gather<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Gather for I {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_and_trees_are_as_the_library_makes_them(list: Vec<(u8, u16)>) {
            let (mut ours, mut theirs) = (list.clone(), list.clone());
            ours.arrange_by_key(|(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&ours, &theirs);
            ours.arrange_by(|a, b| b.1.cmp(&a.1));
            theirs.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
            prop_assert_eq!(&ours, &theirs);
            ours.arrange();
            theirs.sort();
            prop_assert_eq!(&ours, &theirs);
            let (ours, theirs): (BTreeMap<u8, u16>, BTreeMap<u8, u16>) =
                (list.iter().copied().gather(), list.into_iter().collect());
            prop_assert_eq!(ours, theirs);
        }
    }
}
