//! A prompt with its answer, and files that hold many of them.

use std::{fmt, marker::PhantomData, path::Path};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};
use treelora_core::Error;

use super::bounded_file::read_bytes;

/// One example as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// What the model reads, with the instruction.
    pub prompt: String,
    /// What it should write.
    pub answer: String,
}

impl TextRecord {
    /// What is wrong with the record, if anything.
    fn problem(&self) -> Option<&'static str> {
        if self.prompt.trim().is_empty() {
            return Some("the prompt is empty");
        }
        self.answer
            .trim()
            .is_empty()
            .then_some("the answer is empty")
    }
}

/// The records of a file of `{prompt, answer}`: a JSON list, or one object a line (`.jsonl`).
pub(super) fn read(path: &Path) -> Result<Vec<TextRecord>, Error> {
    read_as(path, |record: TextRecord| Ok(record))
}

/// The records of a file of `T`, each turned into a prompt and an answer.
pub(super) fn read_as<T: DeserializeOwned>(
    path: &Path,
    convert: impl Fn(T) -> Result<TextRecord, String>,
) -> Result<Vec<TextRecord>, Error> {
    let bytes = read_bytes(path)?;
    let (kind, first, items) = match path.extension().is_some_and(|end| end == "jsonl") {
        true => ("line", 1, lines(&bytes)),
        false => ("record", 0, list(&bytes)),
    };
    let items: Vec<(usize, T)> = items.map_err(|problem| Error::format(path, problem))?;
    if items.is_empty() {
        return Err(Error::format(path, "there is no record in it"));
    }
    let records = items.into_iter().map(|(number, item)| {
        let record = convert(item).and_then(|record| match record.problem() {
            Some(problem) => Err(problem.into()),
            None => Ok(record),
        });
        record.map_err(|problem| {
            Error::format(path, format!("{kind} {number} (from {first}): {problem}"))
        })
    });
    records.collect()
}

fn list<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<(usize, T)>, String> {
    let Numbered(items) = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    Ok(items.into_iter().enumerate().collect())
}

fn lines<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<(usize, T)>, String> {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(line, number)| match serde_json::from_slice(line) {
            Ok(item) => Ok((number, item)),
            Err(error) => Err(format!("line {number} (from 1): {error}")),
        })
        .collect()
}

/// A list whose errors tell the position of the item.
struct Numbered<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Numbered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Numbered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                loop {
                    match seq.next_element() {
                        Ok(Some(item)) => items.push(item),
                        Ok(None) => return Ok(Numbered(items)),
                        Err(error) => {
                            let number = items.len();
                            let problem = format!("record {number} (from 0): {error}");
                            return Err(A::Error::custom(problem));
                        }
                    }
                }
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}
