//! Finding what has a name without looking at everything.

/// Positions of things in their list, in the order of their names. Without it a hostile file would
/// cost the square of its length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index(Vec<u32>);

impl Index {
    /// Position of the thing called `name`, or where in the index it belongs. `name_of` tells the name
    /// of the thing at a position.
    pub(super) fn find<'a>(
        &self,
        name: &str,
        name_of: impl Fn(usize) -> &'a str,
    ) -> Result<usize, Place> {
        match self
            .0
            .binary_search_by(|at| name_of(*at as usize).cmp(name))
        {
            Ok(found) => Ok(self.0[found] as usize),
            Err(place) => Err(Place(place)),
        }
    }

    /// Enters the thing at position `at` where `find` said.
    pub(super) fn enter(&mut self, place: Place, at: usize) {
        self.0.insert(place.0, at as u32);
    }
}

/// Where in an index a new name belongs.
#[derive(Debug)]
pub(super) struct Place(usize);
