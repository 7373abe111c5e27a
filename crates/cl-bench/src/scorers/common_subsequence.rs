//! A longest common subsequence of two sequences of words.

use std::collections::HashMap;

/// The words of `b` that a word of `a` stands at, a bit each, by blocks of 64.
type Places = Vec<(usize, u64)>;

/// The words of one longest common subsequence of `a` and `b`, last word first.
///
/// Of several, the one that pltrdy's `rouge` walks to from the ends: equal words are taken, else
/// one goes back in `a` only where that keeps strictly more than going back in `b`.
///
/// Bit-parallel (Crochemore et al. 2001, "A fast and practical bit-vector algorithm for the longest
/// common subsequence problem"): a row of the table of lengths is held as the steps between its
/// neighbours, a bit each. Rows are kept at every `sqrt(n)`-th word of `a` and those between are
/// made again on the way back, so that `n` and `m` words take `O(n m / 64)` time and
/// `O(sqrt(n) m / 64 + n + m)` memory.
pub(super) fn common_subsequence(a: &[u32], b: &[u32]) -> Vec<u32> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let mut places: HashMap<u32, Places> = HashMap::new();
    for (at, word) in b.iter().enumerate() {
        let (block, bit) = (at / 64, 1 << (at % 64));
        let places = places.entry(*word).or_default();
        match places.last_mut() {
            Some((last, bits)) if *last == block => *bits |= bit,
            _ => places.push((block, bit)),
        }
    }
    let stride = a.len().isqrt().max(1);
    let mut row = Row(vec![u64::MAX; b.len().div_ceil(64)]);
    let mut kept = Vec::with_capacity(a.len() / stride + 1);
    for (done, word) in a.iter().enumerate() {
        if done % stride == 0 {
            kept.push(row.clone());
        }
        row.extend(places.get(word));
    }

    let mut common = Vec::new();
    let mut on = b.len();
    for (index, first) in kept.into_iter().enumerate().rev() {
        let start = index * stride;
        let words = &a[start..a.len().min(start + stride)];
        // The row after each word of this stretch.
        let mut rows: Vec<Row> = Vec::with_capacity(words.len());
        for word in words {
            let mut row = rows.last().unwrap_or(&first).clone();
            row.extend(places.get(word));
            rows.push(row);
        }
        let mut after = words.len();
        while after > 0 && on > 0 {
            if words[after - 1] == b[on - 1] {
                common.push(b[on - 1]);
                (after, on) = (after - 1, on - 1);
            } else if rows[after - 1].grows_at(on - 1) {
                after -= 1;
            } else {
                on -= 1;
            }
        }
    }
    common
}

/// A row of the table: a bit is 0 where the length grows by one from the word before.
#[derive(Clone)]
struct Row(Vec<u64>);

impl Row {
    /// The row after one more word of `a`, which stands in `b` at `places`.
    fn extend(&mut self, places: Option<&Places>) {
        let Some(places) = places else { return };
        let mut places = places.iter().peekable();
        let mut carry = false;
        for (block, bits) in self.0.iter_mut().enumerate() {
            let here = places.next_if(|(at, _)| *at == block);
            let matched = here.map_or(0, |(_, places)| *bits & places);
            let (sum, over) = bits.overflowing_add(matched);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            carry = over || over_again;
            *bits = sum | (*bits & !matched);
        }
    }

    fn grows_at(&self, word: usize) -> bool {
        self.0[word / 64] >> (word % 64) & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The same by the whole table.
    fn by_table(a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = match a[i - 1] == b[j - 1] {
                    true => table[i - 1][j - 1] + 1,
                    false => table[i - 1][j].max(table[i][j - 1]),
                };
            }
        }
        let (mut i, mut j, mut common) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                common.push(a[i - 1]);
                (i, j) = (i - 1, j - 1);
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        common
    }

    #[test]
    fn bits_walk_the_way_of_the_table() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for round in 0..600 {
            let words = 1 + round % 40;
            let mut sequence = |most: usize| -> Vec<u32> {
                let length = rng.random_range(0..=most);
                (0..length).map(|_| rng.random_range(0..words)).collect()
            };
            let (a, b) = (sequence(150), sequence(200));
            assert_eq!(common_subsequence(&a, &b), by_table(&a, &b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn long_sequences_are_cheap() {
        let a: Vec<u32> = (0..40_000).map(|i| i % 7).collect();
        let b: Vec<u32> = (0..30_000).map(|i| i % 5).collect();
        let common = common_subsequence(&a, &b);
        assert!(common.len() > 10_000 && common.len() <= 30_000);
    }
}
