//! What an answer is written and scored for.

/// A test prompt for generation, with what its answer should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTestExample {
    /// The prompt as in the file, without what was added or cut: the source that SARI asks for.
    pub prompt_text: String,
    /// The answer as in the file.
    pub answer_text: String,
    /// The prompt as the model reads it.
    pub prompt_ids: Vec<u32>,
}
