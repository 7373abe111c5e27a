//! Random orders that depend on a seed alone.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// The items in a random order that depends on the seed alone.
pub fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut items = items.to_vec();
    items.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    items
}
