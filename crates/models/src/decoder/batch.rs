//! Token sequences that go through a decoder together.

use burn::tensor::{Device, TensorData};
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
        let ids = examples.clone().flat_map(|example| example.ids.iter());
        let lengths = examples.clone().map(|example| example.ids.len());
        let starts = examples.map(|example| example.answer_start);
        insert(file, format!("{prefix}.ids"), ids.map(|id| *id as usize));
        insert(file, format!("{prefix}.lengths"), lengths);
        insert(file, format!("{prefix}.answer_starts"), starts);
    }

    fn load(prefix: &str, file: &TensorFile, _device: &Device) -> Result<Self, Error> {
        let ids = integers(file, &format!("{prefix}.ids"))?;
        let lengths = integers(file, &format!("{prefix}.lengths"))?;
        let starts = integers(file, &format!("{prefix}.answer_starts"))?;
        let total: usize = lengths.iter().map(|length| *length as usize).sum();
        if starts.len() != lengths.len() || total != ids.len() {
            return Err(Error::Data(format!(
                "`{prefix}`: {} ids, {total} by their {} lengths, {} answer starts",
                ids.len(),
                lengths.len(),
                starts.len()
            )));
        }
        let mut rest = ids.as_slice();
        let examples = lengths.iter().zip(&starts).map(|(&length, &start)| {
            let (ids, after) = rest.split_at(length as usize);
            rest = after;
            match start <= length {
                true => Ok(TextExample {
                    ids: ids.to_vec(),
                    answer_start: start as usize,
                }),
                false => Err(Error::Data(format!(
                    "`{prefix}`: an answer starts at {start} of {length} tokens"
                ))),
            }
        });
        Ok(Self {
            examples: examples.collect::<Result<_, _>>()?,
        })
    }
}

/// Integers as `f32`, the one type of a [`TensorFile`]: exact below 2^24.
fn insert(file: &mut TensorFile, name: String, values: impl Iterator<Item = usize>) {
    let values: Vec<f32> = values.map(|value| value as f32).collect();
    let length = values.len();
    file.insert_data(name, TensorData::new(values, [length]));
}

fn integers(file: &TensorFile, name: &str) -> Result<Vec<u32>, Error> {
    file.data(name)?
        .iter::<f32>()
        .map(|value| match value >= 0.0 && value.fract() == 0.0 {
            true => Ok(value as u32),
            false => Err(Error::Data(format!(
                "`{name}` holds {value}, which is no index"
            ))),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_from_a_file() {
        let batch = TextBatch {
            examples: vec![
                TextExample::new(&[1, 70_000, 3], &[4]),
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
    }
}
