//! Token sequences that go through a decoder together.

use burn::tensor::Device;
use treelora_core::{Batch, Error, TensorFile};

/// A prompt and its answer as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextExample {
    /// Prompt, then answer.
    pub ids: Vec<u32>,
    /// Position of the first token of the answer; the loss counts the tokens from here on.
    pub answer_start: usize,
}

impl TextExample {
    /// A prompt and its answer.
    pub fn new(prompt: &[u32], answer: &[u32]) -> Self {
        Self {
            ids: [prompt, answer].concat(),
            answer_start: prompt.len(),
        }
    }

    /// The tokens before the answer.
    pub fn prompt(&self) -> &[u32] {
        &self.ids[..self.answer_start]
    }

    /// The tokens that the loss counts.
    pub fn answer(&self) -> &[u32] {
        &self.ids[self.answer_start..]
    }
}

/// Examples of unequal length. They stay on the host until a model pads them: ids are small, and
/// where the padding goes depends on what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBatch {
    /// The examples.
    pub examples: Vec<TextExample>,
}

impl Batch for TextBatch {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn select(&self, indices: &[usize]) -> Self {
        let examples = indices.iter().map(|index| self.examples[*index].clone());
        Self {
            examples: examples.collect(),
        }
    }

    fn concat(parts: Vec<Self>) -> Self {
        assert!(!parts.is_empty(), "no batch to concatenate");
        let examples = parts.into_iter().flat_map(|part| part.examples);
        Self {
            examples: examples.collect(),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        let examples = self.examples.iter();
        let ids: Vec<u32> = examples
            .clone()
            .flat_map(|e| e.ids.iter().copied())
            .collect();
        let lengths = examples.clone().map(|example| example.ids.len());
        let starts = examples.map(|example| example.answer_start);
        file.insert_u32(format!("{prefix}.ids"), ids);
        file.insert_indices(format!("{prefix}.lengths"), lengths);
        file.insert_indices(format!("{prefix}.answer_starts"), starts);
    }

    fn load(prefix: &str, file: &TensorFile, _device: &Device) -> Result<Self, Error> {
        let ids = file.u32s(&format!("{prefix}.ids"))?;
        let lengths = file.indices(&format!("{prefix}.lengths"))?;
        let starts = file.indices(&format!("{prefix}.answer_starts"))?;
        // Lengths of a damaged file may be anything.
        let total = lengths
            .iter()
            .try_fold(0, |sum: usize, length| sum.checked_add(*length));
        if starts.len() != lengths.len() || total != Some(ids.len()) {
            let problem = format!(
                "`{prefix}`: {} ids, {} by their {} lengths, {} answer starts",
                ids.len(),
                total.map_or("too many".to_owned(), |total| total.to_string()),
                lengths.len(),
                starts.len()
            );
            return Err(file.unfit(problem).into());
        }
        let mut rest = ids.as_slice();
        let examples = lengths.iter().zip(&starts).map(|(&length, &start)| {
            let (ids, after) = rest.split_at(length);
            rest = after;
            match start <= length {
                true => Ok(TextExample {
                    ids: ids.to_vec(),
                    answer_start: start,
                }),
                false => {
                    let problem =
                        format!("`{prefix}`: an answer starts at {start} of {length} tokens");
                    Err(file.unfit(problem).into())
                }
            }
        });
        Ok(Self {
            examples: examples.collect::<Result<_, Error>>()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_from_a_file() {
        let batch = TextBatch {
            examples: vec![
                TextExample::new(&[1, (1 << 24) + 1, u32::MAX], &[4]),
                TextExample::new(&[5], &[6, 7]),
            ],
        };
        let mut file = TensorFile::new();
        batch.save("memory.0", &mut file);
        let device = Device::flex();
        assert_eq!(TextBatch::load("memory.0", &file, &device).unwrap(), batch);
        assert_eq!(batch.examples[1].prompt(), [5]);
        assert_eq!(batch.examples[1].answer(), [6, 7]);
        assert_eq!(batch.select(&[1]).examples, batch.examples[1..]);
        assert!(TextBatch::load("memory.1", &file, &device).is_err());
        // Four bytes a number, as in the stored bytes that results name.
        assert_eq!(file.num_bytes(), 4 * (4 + 3 + 2 + 2));
    }

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        let device = Device::flex();
        let load = |lengths: [usize; 2], starts: &[usize]| {
            let mut file = TensorFile::new();
            file.insert_u32("x.ids", [1, 2, 3]);
            file.insert_indices("x.lengths", lengths);
            file.insert_indices("x.answer_starts", starts.iter().copied());
            TextBatch::load("x", &file, &device).map_err(|error| error.to_string())
        };
        assert_eq!(load([1, 2], &[0, 2]).unwrap().len(), 2);
        assert!(load([1, 1], &[0, 1]).unwrap_err().contains("3 ids, 2 by"));
        assert!(load([1, 2], &[0]).unwrap_err().contains("1 answer starts"));
        assert!(load([1, 2], &[2, 0]).unwrap_err().contains("at 2 of 1"));
        let overflowing = load([usize::MAX, 4], &[0, 0]).unwrap_err();
        assert!(overflowing.contains("too many"), "{overflowing}");
    }
}
