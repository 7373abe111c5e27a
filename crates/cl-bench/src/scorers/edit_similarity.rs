//! How much of two texts stays when one is edited into the other.

use rapidfuzz::distance::indel;

/// `1 - d / (m + n)` in hundredths, where `d` is the least number of insertions and deletions of
/// characters (code points) that turn one text into the other, and `m` and `n` are their lengths.
/// `None` when a text is empty.
///
/// This is `fuzzywuzzy.fuzz.ratio` with python-Levenshtein installed, divided by 100: rounded to
/// an integer of 0 to 100, halves to the even one. Without python-Levenshtein, fuzzywuzzy falls
/// back to difflib, whose matching blocks give other, order-dependent numbers ("ab" and "bca").
pub fn edit_similarity(a: &str, b: &str) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let ratio = indel::normalized_similarity(a.chars(), b.chars());
    Some((100.0 * ratio).round_ties_even() / 100.0)
}
