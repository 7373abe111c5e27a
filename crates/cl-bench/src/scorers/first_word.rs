//! Accuracy of the first word of a label.

use super::{Flavour, Sample, exact_match, python_text};

/// Strict: as [`exact_match`]. Treelora: the first words are equal, lower-cased.
///
/// One word is not enough for every label: "very positive" passes for "very negative" (yelp,
/// amazon), and "Natural Place" would pass for any other label that starts with "Natural".
pub(super) fn score(flavour: Flavour, sample: &Sample<'_>) -> Option<f64> {
    let first = |text: &str| python_text::words(text).next().map(str::to_lowercase);
    match flavour {
        Flavour::Strict => exact_match::score(flavour, sample),
        Flavour::Treelora => Some(f64::from(
            first(sample.prediction)? == first(sample.answer)?,
        )),
    }
}

/// Whether the score of every generation with this beginning is the same.
pub(super) fn is_settled(flavour: Flavour, beginning: &str, answer: &str) -> bool {
    if flavour == Flavour::Strict {
        return exact_match::is_settled(flavour, beginning, answer);
    }
    let Some(wanted) = python_text::words(answer).next() else {
        return true;
    };
    let said = python_text::stripped_before(beginning);
    match python_text::words(said).next() {
        None => false,
        Some(word) => word.len() < said.len() || !folded(wanted).starts_with(&folded(word)),
    }
}

/// In lower case, letter by letter: which sigma ends a word is seen at its end alone.
fn folded(word: &str) -> String {
    word.to_lowercase().replace('ς', "σ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_decides_in_any_case() {
        let scores = |prediction, answer| {
            Flavour::ALL.map(|flavour| {
                score(
                    flavour,
                    &Sample {
                        prompt: "",
                        prediction,
                        answer,
                    },
                )
            })
        };
        assert_eq!(scores("Good", "Good"), [Some(1.0), Some(1.0)]);
        assert_eq!(scores(" good\nfilm", "Good"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("Good.", "Good"), [Some(0.0), Some(0.0)]);
        assert_eq!(
            scores("very positive", "very negative"),
            [Some(0.0), Some(1.0)]
        );
        // A final sigma, which lower-casing one letter at a time would miss.
        assert_eq!(scores("ΟΔΟΣ", "οδος"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores(" ", "Good"), [Some(0.0), None]);
    }

    #[test]
    fn a_word_is_settled_by_its_end_or_a_letter_that_is_not_there() {
        let settled =
            |beginning, answer| Flavour::ALL.map(|flavour| is_settled(flavour, beginning, answer));
        assert_eq!(settled(" ", "Good"), [true, false]);
        assert_eq!(settled(" go", "Good"), [true, false]);
        assert_eq!(settled("good", "Good"), [true, false]);
        assert_eq!(settled("Good", "Good"), [false, false]);
        assert_eq!(settled("Good ", "Good"), [true, true]);
        assert_eq!(settled("Goods", "Good"), [true, true]);
        assert_eq!(settled("very ", "very negative"), [false, true]);
        // A sigma in the middle may have looked like one at the end.
        assert_eq!(settled("ΟΔΟΣ", "οδοσα"), [true, false]);
        assert_eq!(settled("x", " "), [true, true]);
    }
}
