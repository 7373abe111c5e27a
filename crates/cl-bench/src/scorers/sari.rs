//! SARI: how well a text was simplified.

use std::collections::{BTreeMap, HashMap};

use super::tokenizer_13a::tokenized_13a;

/// Longest n-grams that are compared.
const LONGEST: usize = 4;

/// Occurrences of n-grams.
type Counts<'a> = BTreeMap<&'a [u32], usize>;

/// SARI of one simplification in `[0, 1]`: the mean, over 1- to 4-grams, of the F1 of what it kept
/// of the source, the precision of what it deleted and the F1 of what it added, judged by the
/// references.
///
/// Tokens are those of [`tokenized_13a`] after lower-casing. A ratio of nothing is 1, and the
/// recall of what was kept weights n-grams by their occurrences in the references. A prediction
/// that equals its only reference scores 1 unless it drops some, but not all, of the occurrences
/// of an n-gram of the source. An empty text is one empty token, so that an empty prediction has a
/// score above 0.
///
/// Source: Xu et al. 2016, as in Hugging Face's `sari` metric, which prints 100 times as much. The
/// field passes the whole prompt as the source, instruction included.
pub fn sari(source: &str, prediction: &str, references: &[&str]) -> f64 {
    let mut vocabulary = HashMap::new();
    let source = tokens(source, &mut vocabulary);
    let prediction = tokens(prediction, &mut vocabulary);
    let references: Vec<_> = references
        .iter()
        .map(|reference| tokens(reference, &mut vocabulary))
        .collect();
    let mut sum = Operations::default();
    for n in 1..=LONGEST {
        let mut wanted = Counts::new();
        for reference in &references {
            count(reference, n, 1, &mut wanted);
        }
        // Each reference could have kept every occurrence.
        let (mut given, mut written) = (Counts::new(), Counts::new());
        count(&source, n, references.len(), &mut given);
        count(&prediction, n, references.len(), &mut written);
        let scores = Operations::of(&given, &written, &wanted);
        sum.keep += scores.keep;
        sum.delete += scores.delete;
        sum.add += scores.add;
    }
    (sum.keep + sum.delete + sum.add) / (3 * LONGEST) as f64
}

/// The tokens of a text by their number in the vocabulary.
fn tokens(text: &str, vocabulary: &mut HashMap<String, u32>) -> Vec<u32> {
    tokenized_13a(&text.to_lowercase())
        .split(' ')
        .map(|token| {
            let next = vocabulary.len() as u32;
            *vocabulary.entry(token.to_owned()).or_insert(next)
        })
        .collect()
}

/// Add the n-grams of a text, each `weight` times.
fn count<'a>(tokens: &'a [u32], n: usize, weight: usize, counts: &mut Counts<'a>) {
    for gram in tokens.windows(n) {
        *counts.entry(gram).or_default() += weight;
    }
}

/// The scores of the three operations for n-grams of one length.
#[derive(Default)]
struct Operations {
    keep: f64,
    delete: f64,
    add: f64,
}

impl Operations {
    /// From the n-grams of the source, the prediction and the references.
    fn of(given: &Counts<'_>, written: &Counts<'_>, wanted: &Counts<'_>) -> Self {
        let (mut kept, mut kept_well, mut kept_precisely) = (0, 0, 0.0);
        let (mut deleted, mut deleted_precisely) = (0, 0.0);
        let mut to_keep = 0;
        let of = |counts: &Counts<'_>, gram: &[u32]| counts.get(gram).copied().unwrap_or(0);
        for (gram, &before) in given {
            let (after, right) = (of(written, gram), of(wanted, gram));
            to_keep += before.min(right);
            let stays = before.min(after);
            if stays > 0 {
                kept += 1;
                kept_well += stays.min(right);
                kept_precisely += stays.min(right) as f64 / stays as f64;
            }
            let goes = before.saturating_sub(after);
            if goes > 0 {
                deleted += 1;
                deleted_precisely += goes.saturating_sub(right) as f64 / goes as f64;
            }
        }
        let new = |counts: &Counts<'_>| counts.keys().filter(|g| !given.contains_key(*g)).count();
        let added_well = written
            .keys()
            .filter(|gram| !given.contains_key(*gram) && wanted.contains_key(*gram))
            .count() as f64;
        Self {
            keep: harmonic_mean(
                share(kept_precisely, kept),
                share(kept_well as f64, to_keep),
            ),
            delete: share(deleted_precisely, deleted),
            add: harmonic_mean(
                share(added_well, new(written)),
                share(added_well, new(wanted)),
            ),
        }
    }
}

/// `part / whole`; all of nothing is 1.
fn share(part: f64, whole: usize) -> f64 {
    match whole {
        0 => 1.0,
        _ => part / whole as f64,
    }
}

fn harmonic_mean(precision: f64, recall: f64) -> f64 {
    match precision > 0.0 || recall > 0.0 {
        true => 2.0 * precision * recall / (precision + recall),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "About 95 species are currently accepted .";
    const PREDICTION: &str = "About 95 you now get in .";

    #[test]
    fn the_numbers_that_hugging_face_documents() {
        let references = [
            "About 95 species are currently known .",
            "About 95 species are now accepted .",
            "95 species are now accepted .",
        ];
        let score = sari(SOURCE, PREDICTION, &references);
        assert!((100.0 * score - 26.953601953601954).abs() < 1e-12);
        let score = sari(SOURCE, PREDICTION, &references[..1]);
        assert!((100.0 * score - 21.805555555555557).abs() < 1e-12);
    }

    #[test]
    fn a_repeated_word_dropped_once_costs_even_the_right_answer() {
        assert_eq!(sari("a b c d e", "a c d", &["a c d"]), 1.0);
        assert!(sari("very very old", "very old", &["very old"]) < 1.0);
    }
}
