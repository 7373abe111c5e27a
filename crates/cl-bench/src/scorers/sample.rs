//! What is scored.

/// One answer of a model beside the right one, as plain text without special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// What the model was given, with its instruction.
    pub prompt: &'a str,
    /// What the model generated, without the prompt.
    pub prediction: &'a str,
    /// What it should have generated.
    pub answer: &'a str,
}

impl Sample<'_> {
    /// Whether there is nothing to compare. TRACE and its fork pass over such a sample in the sum,
    /// yet divide by the number of all samples.
    pub(super) fn is_empty(&self) -> bool {
        self.prediction.is_empty() || self.answer.is_empty()
    }
}
