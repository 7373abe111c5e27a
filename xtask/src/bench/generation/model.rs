//! The language model that all sides read, each in its own layout.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::{options::Options, precision::Precision};
use crate::{process, workspace::Workspace};

/// Where made models are, under the target folder.
const FOLDER: &str = "bench-models";

const TO_GGUF: &str = "xtask/bench/to_gguf.py";

/// A model that is made of random weights.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    vocabulary: usize,
    width: usize,
    depth: usize,
    heads: usize,
    kv_heads: usize,
    mlp_width: usize,
}

/// The shape of SmolLM2-135M.
pub(crate) const SMOLLM2: Shape = Shape {
    name: "smollm2-135m",
    vocabulary: 49_152,
    width: 576,
    depth: 30,
    heads: 9,
    kv_heads: 3,
    mlp_width: 1536,
};

/// Shows within seconds that all sides work. llama.cpp wants rows of 32.
pub(crate) const TINY: Shape = Shape {
    name: "tiny-model",
    vocabulary: 64,
    width: 64,
    depth: 2,
    heads: 4,
    kv_heads: 2,
    mlp_width: 96,
};

/// A folder in Hugging Face's layout.
pub(crate) struct Model {
    pub(crate) folder: PathBuf,
    pub(crate) vocabulary: usize,
}

/// The name of the model in a folder that was told, or of the one that is made.
pub(crate) fn name(options: &Options) -> String {
    let told = options.model.as_deref().and_then(Path::file_name);
    told.map_or(SMOLLM2.name.to_owned(), |name| {
        name.to_string_lossy().into_owned()
    })
}

impl Model {
    /// The model of a folder.
    ///
    /// # Errors
    /// When its configuration cannot be read or has no vocabulary.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let config: Value =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let vocabulary = config["vocab_size"].as_u64();
        let vocabulary =
            vocabulary.with_context(|| format!("{}: no number `vocab_size`", path.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            vocabulary: usize::try_from(vocabulary)?,
        })
    }

    /// A model of random weights, written by our side.
    ///
    /// # Errors
    /// When our side fails.
    pub(crate) fn random(workspace: &Workspace, binary: &Path, shape: &Shape) -> Result<Self> {
        let folder = workspace.target.join(FOLDER).join(shape.name);
        let mut write = process::command(binary, &workspace.root);
        write.arg("random").arg(&folder).arg(shape.line());
        process::run(write)?;
        Self::of_folder(&folder)
    }

    /// The same numbers as one GGUF file for llama.cpp.
    ///
    /// # Errors
    /// When the script fails: when the model is no plain LLaMA.
    pub(crate) fn gguf(
        &self,
        workspace: &Workspace,
        python: &OsStr,
        precision: Precision,
    ) -> Result<PathBuf> {
        let name = self.folder.file_name().unwrap_or_default();
        let folder = workspace.target.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let name = format!("{}-{}.gguf", name.to_string_lossy(), precision.name());
        let file = folder.join(name);
        let mut write = process::command(python, &workspace.root);
        write.arg(TO_GGUF).arg(&self.folder).arg(&file);
        write.arg(precision.name());
        process::run(write)?;
        Ok(file)
    }
}

impl Shape {
    /// What our side reads.
    fn line(&self) -> String {
        let shape: Value = json!({
            "vocabulary": self.vocabulary,
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
            "kv_heads": self.kv_heads,
            "mlp_width": self.mlp_width,
        });
        shape.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_what_its_folder_is() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            name(&Options::parse(&words).unwrap())
        };
        assert_eq!(of(&[]), "smollm2-135m");
        assert_eq!(of(&["--model", "/some/where"]), "where");
    }

    #[test]
    fn a_folder_without_a_model_is_named() {
        let folder = Path::new("no-such-folder");
        let error = format!("{:#}", Model::of_folder(folder).err().unwrap());
        assert!(error.contains("no-such-folder"), "{error}");
    }
}
