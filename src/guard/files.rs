//! Knowledge of each file of a folder.

/// Some hundred files at most, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files<V>(Vec<(String, V)>);

impl<V> Default for Files<V> {
    fn default() -> Self {
        Files(Vec::new())
    }
}

impl<V> Files<V> {
    pub fn insert(&mut self, name: String, value: V) {
        // Most come in their order.
        let at = self.0.partition_point(|(known, _)| *known < name);
        match self.0.get_mut(at).filter(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.0.insert(at, (name, value)),
        }
    }

    pub fn get(&self, name: &str) -> Option<&V> {
        let at = self.0.partition_point(|(known, _)| known.as_str() < name);
        let found = self.0.get(at).filter(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(String, V)> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> FromIterator<(String, V)> for Files<V> {
    fn from_iter<T: IntoIterator<Item = (String, V)>>(files: T) -> Self {
        let mut all = Files::default();
        for (name, value) in files {
            all.insert(name, value);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn files_are_as_in_a_map(known in prop::collection::vec(("[a-c]{0,2}", any::<u8>()), 0..20)) {
            let map: BTreeMap<String, u8> = known.iter().cloned().collect();
            let files: Files<u8> = known.into_iter().collect();
            prop_assert!(files.iter().map(|(name, value)| (name, value)).eq(&map));
            for name in ["", "a", "bc", "cc", "d"] {
                prop_assert_eq!(files.get(name), map.get(name));
            }
        }
    }
}
