//! The files that describe a tokenizer: those of a folder, or what stands for them in a GGUF file.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use treelora_core::{Error, FileKind, read_json, read_text};

use super::gguf_tokenizer::GgufTokenizer;

/// What the library reads.
pub(super) const FILE: &str = "tokenizer.json";

/// Where a tokenizer is described.
#[derive(Debug)]
pub(super) enum TokenizerFiles {
    /// In Hugging Face's files, of which only [`FILE`] must be there.
    Folder(PathBuf),
    /// In the metadata of a GGUF file.
    Gguf(Box<GgufTokenizer>),
}

impl TokenizerFiles {
    /// Those at a path: a GGUF file, else a folder.
    ///
    /// # Errors
    /// When it is a file of another kind, or a GGUF file that is damaged or has no tokenizer that is read.
    pub(super) fn at(path: &Path) -> Result<Self, Error> {
        if !path.is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        match FileKind::at(path).map_err(|e| Error::io(path, e))? {
            Some(FileKind::Gguf) => Ok(Self::Gguf(Box::new(GgufTokenizer::open(path)?))),
            kind => {
                let is = kind.map_or_else(String::new, |kind| format!("; it is {kind}"));
                let problem =
                    format!("a file, where a folder with {FILE}, or a GGUF file, is asked for{is}");
                Err(Error::format(path, problem))
            }
        }
    }

    /// What an error about one of the files names.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Gguf(gguf) => gguf.path().to_owned(),
        }
    }

    /// The text of [`FILE`].
    ///
    /// # Errors
    /// When it is missing or no text, or cannot be made from the metadata.
    pub(super) fn tokenizer_json(&self) -> Result<String, Error> {
        match self {
            Self::Folder(folder) => read_text(&folder.join(FILE)),
            Self::Gguf(gguf) => gguf.tokenizer_json(),
        }
    }

    /// Another text file, where there is one.
    ///
    /// # Errors
    /// When it is no text.
    pub(super) fn text_if_present(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Self::Folder(folder) if folder.join(name).exists() => {
                read_text(&folder.join(name)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Another JSON file, or the default where there is none.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn json_if_present<T>(&self, name: &str) -> Result<T, Error>
    where
        T: DeserializeOwned + Default,
    {
        match self {
            Self::Folder(folder) => match folder.join(name) {
                path if path.exists() => read_json(&path),
                _ => Ok(T::default()),
            },
            Self::Gguf(gguf) => match gguf.json(name) {
                Some(value) => serde_json::from_value(value.clone())
                    .map_err(|e| Error::format(gguf.path(), e.to_string())),
                None => Ok(T::default()),
            },
        }
    }
}
