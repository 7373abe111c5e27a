//! Test fixtures from the Python references.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::{process, python, workspace::Workspace};

/// Each script of xtask/golden and the folder of its fixtures.
const SCRIPTS: [(&str, &str); 14] = [
    ("xtask/golden/vit.py", "crates/models/tests/fixtures"),
    (
        "xtask/golden/pictures.py",
        "crates/cl-bench/tests/fixtures/pictures",
    ),
    ("xtask/golden/scorers.py", "crates/cl-bench/tests/fixtures"),
    ("xtask/golden/text.py", "crates/cl-bench/tests/fixtures"),
    (
        "xtask/golden/decoder.py",
        "crates/models/tests/fixtures/decoder",
    ),
    (
        "xtask/golden/generation.py",
        "crates/models/tests/fixtures/decoder",
    ),
    (
        "xtask/golden/gguf_types.py",
        "crates/tensor-file/tests/fixtures",
    ),
    (
        "xtask/golden/gguf_models.py",
        "crates/models/tests/fixtures/gguf",
    ),
    (
        "xtask/golden/gguf_tokenizers.py",
        "crates/cl-bench/tests/fixtures/gguf",
    ),
    ("xtask/golden/peft_folders.py", "crates/lora/tests/fixtures"),
    (
        "xtask/golden/peft_decoder.py",
        "crates/models/tests/fixtures",
    ),
    ("xtask/golden/peft_timm.py", "crates/models/tests/fixtures"),
    ("xtask/golden/pretrained.py", "crates/experiment/tests"),
    ("xtask/golden/exported.py", "crates/experiment/tests"),
];

/// Larger fixtures do not belong in a repository.
const MAX_FIXTURE_BYTES: u64 = 1_500_000;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let python = match options.python {
        Some(python) => python,
        None => {
            let requirements = ["-r", "xtask/golden/requirements.txt"];
            python::virtual_environment(workspace, "golden-venv", &requirements)?
        }
    };
    let models = options
        .models
        .or_else(|| std::env::var_os("TREELORA_MODELS").map(PathBuf::from));
    for (script, fixtures) in SCRIPTS {
        let mut command = process::command(&python, &workspace.root);
        command.arg(script).arg("--out").arg(fixtures);
        if let Some(models) = &models {
            command.arg("--models").arg(models);
        }
        process::run(command)?;
        check_sizes(&workspace.root.join(fixtures))?;
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    /// An interpreter that has the requirements already.
    python: Option<OsString>,
    /// Folder of published weights.
    models: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            let value = rest.next();
            match (option.as_str(), value) {
                ("--python", Some(value)) => options.python = Some(value.into()),
                // The scripts run in the workspace root, the path is the caller's.
                ("--models", Some(value)) => options.models = Some(std::path::absolute(value)?),
                ("--python" | "--models", None) => bail!("`{option}` needs a value"),
                _ => bail!("no option `{option}`; there are --python EXE and --models DIR"),
            }
        }
        Ok(options)
    }
}

fn check_sizes(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, metadata) = entry.and_then(|e| Ok((e.path(), e.metadata()?)))?;
        if metadata.is_dir() {
            check_sizes(&path)?;
            continue;
        }
        let bytes = metadata.len();
        if bytes > MAX_FIXTURE_BYTES {
            bail!(
                "{} has {bytes} bytes, at most {MAX_FIXTURE_BYTES} are meant",
                path.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_named() {
        let parse = |words: &[&str]| {
            Options::parse(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let options = parse(&["--python", "py", "--models", "/m"]).unwrap();
        assert_eq!(options.python, Some("py".into()));
        assert_eq!(options.models, Some("/m".into()));
        assert!(
            parse(&["--models"])
                .unwrap_err()
                .to_string()
                .contains("needs a value")
        );
        assert!(
            parse(&["--out", "x"])
                .unwrap_err()
                .to_string()
                .contains("--out")
        );
    }
}
