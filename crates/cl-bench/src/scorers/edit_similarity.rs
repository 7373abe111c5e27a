//! How much of two texts stays when one is edited into the other.

use rapidfuzz::distance::indel;

/// `1 - d / (m + n)` in hundredths, where `d` is the least number of insertions and deletions of
/// characters (code points) that turn one text into the other, and `m` and `n` are their lengths.
/// `None` when a text is empty.
///
/// This is `fuzzywuzzy.fuzz.ratio` with python-Levenshtein installed, divided by 100: rounded to
/// an integer of 0 to 100, halves to the even one. Without python-Levenshtein, fuzzywuzzy falls
/// back to difflib, whose matching blocks give other numbers and depend on the order: "aba" and
/// "bca" have 67 here, 33 there and 67 there when swapped.
pub fn edit_similarity(a: &str, b: &str) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let ratio = indel::normalized_similarity(a.chars(), b.chars());
    Some((100.0 * ratio).round_ties_even() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_levenshtein_not_difflib() {
        assert_eq!(edit_similarity("aba", "bca"), Some(0.67));
        assert_eq!(edit_similarity("", "a"), None);
        // 1 of 8 characters stays: 12.5 is rounded to the even 12.
        assert_eq!(edit_similarity("abcdefgh", "aijklmno"), Some(0.12));
    }
}
