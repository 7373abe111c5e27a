//! A prompt with its answer, and files that hold many of them.

use std::{fmt, marker::PhantomData, ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor},
};
use treelora_core::{Error, json_problem, parse_json, read_text};

/// One example as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// What the model reads, with the instruction.
    pub prompt: String,
    /// What it should write.
    pub answer: String,
    /// Bytes of the prompt that are the text it asks about, where that is known; the rest is instruction.
    #[serde(skip)]
    pub text: Option<Range<usize>>,
}

impl TextRecord {
    /// What the prompt asks, of no text; `None` where it is not known what the text is.
    pub fn without_text(&self) -> Option<String> {
        let text = self.text.clone()?;
        let before = self.prompt.get(..text.start)?;
        Some(before.to_owned() + self.prompt.get(text.end..)?)
    }

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
    let text = read_text(path)?;
    let (kind, first, items) = match path.extension().is_some_and(|end| end == "jsonl") {
        true => ("line", 1, lines(&text)),
        false => ("record", 0, list(&text)),
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

fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<(usize, T)>, String> {
    match parse_json(text) {
        Ok(Numbered(items)) => Ok(items.into_iter().enumerate().collect()),
        Err(_) if begins_with(text, '{') && values(text) > 1 => Err(
            "objects one after the other, which is the form of a `.jsonl` file; a `.json` file \
             holds one list, `[...]`"
                .into(),
        ),
        Err(problem) => Err(problem),
    }
}

fn lines<T: DeserializeOwned>(text: &str) -> Result<Vec<(usize, T)>, String> {
    if begins_with(text, '[') {
        let problem = "a list, which is the form of a `.json` file; a `.jsonl` file holds one \
                       object a line, without brackets and commas around them";
        return Err(problem.into());
    }
    // Files joined with `cat` have their byte order marks at the beginnings of lines.
    let lines = text
        .split('\n')
        .map(|line| line.trim_start_matches('\u{feff}'));
    lines
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| match serde_json::from_str(line) {
            Ok(item) => Ok((number, item)),
            Err(error) if error.is_eof() && values(&from_line(text, number)) > 0 => {
                let problem = "the object goes on in the next line; a `.jsonl` file holds a whole \
                               one in each line, a `.json` file a list of them, `[...]`";
                Err(format!("line {number} (from 1): {problem}"))
            }
            Err(error) => {
                let problem = json_problem(&error, line);
                // The parser has seen this line alone.
                let problem = problem.replace(" at line 1 column ", " at column ");
                Err(format!("line {number} (from 1): {problem}"))
            }
        })
        .collect()
}

/// What stands from a line on, the first being 1.
fn from_line(text: &str, number: usize) -> String {
    let lines: Vec<&str> = text.split('\n').skip(number - 1).collect();
    lines.join("\n")
}

fn begins_with(text: &str, bracket: char) -> bool {
    text.trim_start().starts_with(bracket)
}

/// How many JSON values follow each other up to the first error; two are enough to know.
fn values(text: &str) -> usize {
    let values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.take(2).take_while(Result::is_ok).count()
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
