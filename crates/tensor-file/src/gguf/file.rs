//! One GGUF file: its index in memory, the rest mapped.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    GgufError, GgufType,
    cursor::Cursor,
    dequantisation::dequantised,
    value::{GgufList, GgufValue},
};
use crate::{FileKind, mapped_file::MappedFile};

const MAGIC: &[u8] = b"GGUF";
/// Versions that are read: they differ from the first in the width of their lengths.
const VERSIONS: [u32; 2] = [2, 3];
const ALIGNMENT: &str = "general.alignment";
const DEFAULT_ALIGNMENT: i128 = 32;
const MAX_DIMENSIONS: u32 = 4;
/// The fewest bytes that an entry of the metadata and one of the tensors take.
const LEAST: [u64; 2] = [13, 24];

/// Weights and what describes them, read tensor by tensor and key by key.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    bytes: MappedFile,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, Stored>,
}

/// Where a tensor is.
#[derive(Debug)]
struct Stored {
    kind: GgufType,
    /// Rows before columns, the other way round than in the file.
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl GgufFile {
    /// Map a file and read its index, which is checked against the length of the file: no tensor ends beyond it.
    ///
    /// # Errors
    /// When it cannot be read, is no GGUF file of version 2 or 3, is cut short or contradicts itself, or has a tensor in
    /// a number format that is not read; the message names the file, the key or the tensor, and both sides.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let io = |source| GgufError::Io {
            path: path.to_owned(),
            source,
        };
        let content = |problem: String| GgufError::content(path, problem);
        let file = File::open(path).map_err(io)?;
        if path.is_dir() {
            return Err(content("a folder, where a GGUF file is asked for".into()));
        }
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(content("an empty file".into()));
        }
        let bytes = MappedFile::of(&file).map_err(io)?;
        let (metadata, tensors) = index(&bytes).map_err(content)?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            metadata,
            tensors,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error of this file.
    pub fn error(&self, problem: impl Into<String>) -> GgufError {
        GgufError::content(&self.path, problem)
    }

    /// The error that a key is needed and not there.
    pub fn missing(&self, key: &str) -> GgufError {
        self.error(format!("its metadata has no `{key}`"))
    }

    /// Whether the metadata has a key.
    pub fn has(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// A text of the metadata; `None` where the key is not there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.other(key, other, "a text")),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&self, key: &str) -> Result<Option<u64>, GgufError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Integer(value)) if u64::try_from(*value).is_ok() => {
                Ok(u64::try_from(*value).ok())
            }
            Some(other) => Err(self.other(key, other, "a whole number from 0 on")),
        }
    }

    /// A number, with a fraction or without.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, key: &str) -> Result<Option<f64>, GgufError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Number(value)) => Ok(Some(*value)),
            Some(GgufValue::Integer(value)) => Ok(Some(*value as f64)),
            Some(other) => Err(self.other(key, other, "a number")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Flag(value)) => Ok(Some(*value)),
            Some(other) => Err(self.other(key, other, "true or false")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When it is something else, or an entry is no UTF-8.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, GgufError> {
        self.list(key, "a list of texts", |value| match value {
            GgufValue::Text(text) => Some(text),
            _ => None,
        })
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// When it is something else.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, GgufError> {
        self.list(key, "a list of numbers", |value| match value {
            GgufValue::Number(value) => Some(value),
            GgufValue::Integer(value) => Some(value as f64),
            _ => None,
        })
    }

    /// A list of flags, or of whole numbers that stand for them.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flags(&self, key: &str) -> Result<Option<Vec<bool>>, GgufError> {
        self.list(key, "a list of true and false", |value| match value {
            GgufValue::Flag(value) => Some(value),
            GgufValue::Integer(value) => Some(value != 0),
            _ => None,
        })
    }

    /// Whether a key has a list.
    pub fn is_list(&self, key: &str) -> bool {
        matches!(self.metadata.get(key), Some(GgufValue::List(_)))
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        of: impl Fn(GgufValue) -> Option<T>,
    ) -> Result<Option<Vec<T>>, GgufError> {
        let list: &GgufList = match self.metadata.get(key) {
            None => return Ok(None),
            Some(GgufValue::List(list)) => list,
            Some(other) => return Err(self.other(key, other, expected)),
        };
        let what = format!("`{key}`");
        let mut entries = Vec::new();
        for value in list.entries(&self.bytes, &what) {
            let value = value.map_err(|problem| self.error(problem))?;
            let entry = of(value).ok_or_else(|| {
                let whole = GgufValue::List(list.clone());
                self.other(key, &whole, expected)
            })?;
            entries.push(entry);
        }
        Ok(Some(entries))
    }

    fn other(&self, key: &str, found: &GgufValue, expected: &str) -> GgufError {
        self.error(format!("`{key}` is {}, must be {expected}", found.kind()))
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, rows before columns; `None` when there is none of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(self.tensors.get(name)?.shape.as_slice())
    }

    /// The number format of a tensor.
    pub fn kind(&self, name: &str) -> Option<GgufType> {
        Some(self.tensors.get(name)?.kind)
    }

    /// Whether both tensors are there, of one shape and the same bytes.
    pub fn are_equal(&self, one: &str, other: &str) -> bool {
        let stored = |name: &str| {
            let Stored { kind, shape, bytes } = self.tensors.get(name)?;
            Some((*kind, shape, &self.bytes[bytes.clone()]))
        };
        stored(one).is_some_and(|one| Some(one) == stored(other))
    }

    /// The values of a tensor, row after row; `None` when there is none of that name.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let Stored { kind, bytes, .. } = self.tensors.get(name)?;
        Some(dequantised(*kind, &self.bytes[bytes.clone()]))
    }
}

type Index = (BTreeMap<String, GgufValue>, BTreeMap<String, Stored>);

fn index(bytes: &[u8]) -> Result<Index, String> {
    check_magic(bytes)?;
    let mut cursor = Cursor::new(bytes, MAGIC.len());
    check_version(cursor.u32("its version")?)?;
    let counts = [
        ("tensors", cursor.u64("the number of tensors")?, LEAST[1]),
        ("keys", cursor.u64("the number of keys")?, LEAST[0]),
    ];
    for (what, count, least) in counts {
        let left = cursor.left();
        if count > left as u64 / least {
            return Err(format!(
                "announces {count} {what} in the {left} bytes that follow, each of at least {least}"
            ));
        }
    }
    let [(_, tensor_count, _), (_, key_count, _)] = counts;
    let mut metadata = BTreeMap::new();
    for number in 0..key_count {
        let key = cursor.text(&format!("the name of key {number}"))?;
        let value = GgufValue::read(&mut cursor, &format!("`{key}`"))?;
        if metadata.insert(key.to_owned(), value).is_some() {
            return Err(format!("the key `{key}` is there twice"));
        }
    }
    let alignment = alignment(&metadata)?;
    let mut announced: Vec<(&str, Stored)> = Vec::new();
    for number in 0..tensor_count {
        announced.push(announcement(&mut cursor, number, alignment)?);
    }
    let start = cursor.at().next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    for (name, mut stored) in announced {
        let [from, to] = [stored.bytes.start, stored.bytes.end].map(|at| start.checked_add(at));
        stored.bytes = match (from, to) {
            (Some(from), Some(to)) if to <= bytes.len() => from..to,
            _ => {
                let Range { start: from, end } = stored.bytes;
                return Err(format!(
                    "tensor `{name}` has {} bytes at offset {from} behind {start}, the file has {}",
                    end - from,
                    bytes.len()
                ));
            }
        };
        if tensors.insert(name.to_owned(), stored).is_some() {
            return Err(format!("the tensor `{name}` is there twice"));
        }
    }
    Ok((metadata, tensors))
}

fn check_magic(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(MAGIC) {
        return Ok(());
    }
    Err(match FileKind::of(bytes) {
        Some(FileKind::Gguf) => {
            let name: String = bytes.iter().take(4).rev().map(|b| char::from(*b)).collect();
            format!("weights in the format `{name}`, from before GGUF; llama.cpp has converters")
        }
        Some(kind) => format!("not a GGUF file but {kind}"),
        None => "not a GGUF file".to_owned(),
    })
}

fn check_version(version: u32) -> Result<(), String> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    Err(match VERSIONS.contains(&version.swap_bytes()) {
        true => format!(
            "GGUF version {} in big-endian order; little-endian files are read",
            version.swap_bytes()
        ),
        false => format!("GGUF version {version}, read are 2 and 3"),
    })
}

fn alignment(metadata: &BTreeMap<String, GgufValue>) -> Result<usize, String> {
    let alignment = match metadata.get(ALIGNMENT) {
        None => DEFAULT_ALIGNMENT,
        Some(GgufValue::Integer(value)) => *value,
        Some(other) => return Err(format!("`{ALIGNMENT}` is {}", other.kind())),
    };
    match u32::try_from(alignment) {
        Ok(alignment) if alignment.is_power_of_two() => Ok(alignment as usize),
        _ => Err(format!(
            "`{ALIGNMENT}` is {alignment}, must be a power of two"
        )),
    }
}

/// What the index says of a tensor; its bytes count from where all of them begin.
fn announcement<'b>(
    cursor: &mut Cursor<'b>,
    number: u64,
    alignment: usize,
) -> Result<(&'b str, Stored), String> {
    let name = cursor.text(&format!("the name of tensor {number}"))?;
    let what = format!("tensor `{name}`");
    let dimensions = cursor.u32(&what)?;
    if dimensions == 0 || dimensions > MAX_DIMENSIONS {
        return Err(format!(
            "{what} has {dimensions} dimensions, must have 1 to {MAX_DIMENSIONS}"
        ));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let size = cursor.u64(&what)?;
        shape.push(usize::try_from(size).map_err(|_| format!("{what} has a side of {size}"))?);
    }
    let kind = cursor.u32(&what)?;
    let kind = GgufType::of(kind).map_err(|problem| format!("{what} {problem}"))?;
    let offset = cursor.u64(&what)?;
    if !offset.is_multiple_of(alignment as u64) {
        return Err(format!(
            "{what} is at offset {offset}, must be a multiple of {alignment}"
        ));
    }
    if !shape[0].is_multiple_of(kind.block()) {
        return Err(format!(
            "{what} has rows of {}, {kind:?} needs a multiple of {}",
            shape[0],
            kind.block()
        ));
    }
    shape.reverse();
    let length = shape
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul(*side))
        .and_then(|count| (count / kind.block()).checked_mul(kind.block_bytes()));
    let start = usize::try_from(offset).ok();
    let end = start.zip(length).and_then(|(a, b)| a.checked_add(b));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(format!(
            "{what} has shape {shape:?} at offset {offset}, more than any file has"
        ));
    };
    let stored = Stored {
        kind,
        shape,
        bytes: start..end,
    };
    Ok((name, stored))
}
