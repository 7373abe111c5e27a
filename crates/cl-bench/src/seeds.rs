//! One seed of several numbers.

/// A seed that depends on every number and on their order, by SplitMix64's finaliser.
///
/// Neighbouring inputs give unrelated seeds, so that examples, epochs and runs can be counted up.
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243F_6A88_85A3_08D3, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_the_order_count() {
        let seeds = [
            mix(&[1, 2]),
            mix(&[2, 1]),
            mix(&[1, 3]),
            mix(&[1]),
            mix(&[1, 2, 0]),
        ];
        let different: std::collections::BTreeSet<u64> = seeds.into_iter().collect();
        assert_eq!(different.len(), seeds.len());
    }
}
