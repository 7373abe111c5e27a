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
}
