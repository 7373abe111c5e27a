//! The depth of a product in parts.

use std::ops::Range;

use super::matrix::Store;

/// Depth of one pass: a panel of it stays in the second-level cache.
const DEPTH: usize = 768;

/// A part of the depth, and what becomes of its sums.
pub(super) type Pass = (Range<usize>, Store);

/// The passes over the depth; one empty pass for no depth, which writes zeros.
pub(super) fn passes(depth: usize, first: Store) -> impl Iterator<Item = Pass> {
    (0..depth.max(1)).step_by(DEPTH).map(move |start| {
        (
            start..depth.min(start + DEPTH),
            if start == 0 { first } else { Store::Add },
        )
    })
}
