//! ROUGE-L of summaries as the `rouge` package by pltrdy computes it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Flavour, Sample, common_subsequence::common_subsequence, python_text};

/// Strict: [`rouge_l`] with the answer as hypothesis, which is how TRACE calls the package.
///
/// Treelora: the same, a new line put behind a generation that has none. Behind a full stop it
/// makes a sentence without words, which counts as one (empty) word of the generation.
pub(super) fn score(flavour: Flavour, sample: &Sample<'_>) -> Option<f64> {
    let Sample {
        prediction, answer, ..
    } = *sample;
    if sample.is_empty() {
        return None;
    }
    match flavour {
        Flavour::Treelora if !prediction.contains('\n') => {
            rouge_l(answer, &format!("{prediction}\n"))
        }
        _ => rouge_l(answer, prediction),
    }
}

/// Summary-level ROUGE-L f, in `[0, 1]`; `None` where a text has no sentence (nothing but full
/// stops), for which the package raises an error.
///
/// `2 p r / (p + r + 1e-8)`, where `p` and `r` are the numbers of words common to both texts over
/// the numbers of words of the hypothesis and the reference. Words are what blanks separate, in
/// their case, each counted once however often it occurs. Common are those in a longest common
/// subsequence of any sentence of the reference with any of the hypothesis; sentences are what
/// full stops separate, those of abbreviations and numbers too.
///
/// Of several longest common subsequences one is chosen, and which one depends on the order of the
/// texts: swapping them may change the score. Source: `rouge` 1.0.1 with `exclusive=True`, after
/// Lin 2004, section 3.2. Other packages named ROUGE-L give other numbers.
pub fn rouge_l(hypothesis: &str, reference: &str) -> Option<f64> {
    let mut vocabulary = HashMap::new();
    let hypothesis = Summary::new(hypothesis, &mut vocabulary);
    let reference = Summary::new(reference, &mut vocabulary);
    if hypothesis.sentences.is_empty() || reference.sentences.is_empty() {
        return None;
    }
    let mut common = HashSet::new();
    for sentence in &reference.sentences {
        for other in &hypothesis.sentences {
            // Nothing can be added to the union.
            if sentence.iter().all(|word| common.contains(word)) {
                break;
            }
            common.extend(common_subsequence(sentence, other));
        }
    }
    let precision = common.len() as f64 / hypothesis.words as f64;
    let recall = common.len() as f64 / reference.words as f64;
    Some(2.0 * ((precision * recall) / (precision + recall + 1e-8)))
}

/// A text as sentences of words.
struct Summary {
    /// Different sentences, each with at least one word; words by their number in the vocabulary.
    sentences: BTreeSet<Vec<u32>>,
    /// Different words.
    words: usize,
}

impl Summary {
    fn new<'a>(text: &'a str, vocabulary: &mut HashMap<&'a str, u32>) -> Self {
        let mut number = |word| {
            let next = vocabulary.len() as u32;
            *vocabulary.entry(word).or_insert(next)
        };
        let sentences: BTreeSet<Vec<u32>> = text
            .split('.')
            .filter(|sentence| !sentence.is_empty())
            .map(|sentence| {
                let words: Vec<_> = python_text::words(sentence).map(&mut number).collect();
                // Blanks alone are a sentence of one empty word.
                match words.is_empty() {
                    true => vec![number("")],
                    false => words,
                }
            })
            .collect();
        let words = sentences.iter().flatten().collect::<HashSet<_>>().len();
        Self { sentences, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_of_common_subsequences_counts_each_word_once() {
        // "w1 w2" and "w1 w3 w5" of the reference's five words, of the hypothesis' eight.
        let f = rouge_l("w1 w2 w6 w7 w8.w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5");
        let (p, r) = (4.0 / 8.0, 4.0 / 5.0);
        assert_eq!(f, Some(2.0 * (p * r / (p + r + 1e-8))));
    }

    #[test]
    fn full_stops_alone_are_no_summary() {
        assert_eq!(rouge_l("...", "a"), None);
        assert_eq!(rouge_l("a", "."), None);
        let sample = Sample {
            prompt: "",
            prediction: ".",
            answer: "a",
        };
        assert_eq!(score(Flavour::Strict, &sample), None);
        assert_eq!(score(Flavour::Treelora, &sample), Some(0.0));
    }
}
