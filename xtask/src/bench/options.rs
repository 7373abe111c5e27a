//! What the command line of `cargo xtask bench` asks for.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, Result, bail};

/// Shown by the help.
pub(crate) const ARGUMENTS: &str = "[--only NAME].. [--features LIST] [--no-default-features] [FILTER] | \
    [--against-pytorch] [--python EXE] [--model FOLDER] [--case TEXT].. [--threads N] [--rounds N] [--profile NAME]";

/// Steps that each side takes in a case, at most.
pub(super) const ROUNDS: usize = 15;

const RELEASE: &str = "release";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// Names of the benchmarks to run; all without any.
    pub(crate) only: Vec<String>,
    /// cargo's feature options.
    pub(crate) features: Vec<String>,
    /// What criterion filters by.
    pub(crate) filter: Vec<String>,
    /// Whom training step and generation are compared with.
    pub(crate) opponent: Opponent,
    /// Folder of the language model that generates; one of random weights without.
    pub(crate) model: Option<PathBuf>,
    /// Parts of the names of the cases to run; all without any.
    pub(crate) cases: Vec<String>,
    /// Of both sides; the cores of this machine unless told.
    pub(crate) threads: Option<usize>,
    /// Steps of each side in a case, at most.
    pub(crate) rounds: usize,
    /// cargo's profile of our side.
    pub(crate) profile: String,
}

/// The other side of a comparison.
#[derive(Debug, PartialEq)]
pub(crate) enum Opponent {
    None,
    /// PyTorch in a virtual environment of ours.
    PyTorch,
    /// PyTorch under this interpreter.
    PyTorchOf(OsString),
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            only: Vec::new(),
            features: Vec::new(),
            filter: Vec::new(),
            opponent: Opponent::None,
            model: None,
            cases: Vec::new(),
            threads: None,
            rounds: ROUNDS,
            profile: RELEASE.to_owned(),
        };
        let (mut against, mut python) = (false, None);
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let mut value = || {
                let value = rest.next().cloned();
                value.with_context(|| format!("`{word}` needs a value"))
            };
            match word.as_str() {
                "--only" => options.only.push(value()?),
                "--features" => options.features.extend([word.clone(), value()?]),
                "--no-default-features" => options.features.push(word.clone()),
                "--against-pytorch" => against = true,
                "--python" => python = Some(OsString::from(value()?)),
                // The sides run in the workspace root, the path is the caller's.
                "--model" => options.model = Some(std::path::absolute(value()?)?),
                "--case" => options.cases.push(value()?),
                "--threads" => options.threads = Some(positive(word, &value()?)?),
                "--rounds" => options.rounds = positive(word, &value()?)?,
                "--profile" => options.profile = value()?,
                unknown if unknown.starts_with('-') => {
                    bail!("no option `{unknown}`; there are {ARGUMENTS}")
                }
                _ => options.filter.push(word.clone()),
            }
        }
        options.opponent = match (against, python) {
            (false, None) => Opponent::None,
            (false, Some(_)) => bail!("`--python` is of use with `--against-pytorch` only"),
            (true, None) => Opponent::PyTorch,
            (true, Some(python)) => Opponent::PyTorchOf(python),
        };
        Ok(options)
    }

    /// Whether the benchmark of this name is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Whether a comparison is measured as the report shows it: every case, optimised, against PyTorch.
    pub(crate) fn measures_all(&self) -> bool {
        self.cases.is_empty() && self.profile == RELEASE && self.opponent != Opponent::None
    }
}

pub(super) fn positive(option: &str, value: &str) -> Result<usize> {
    match value.parse() {
        Ok(0) | Err(_) => bail!("`{option} {value}`: a number of at least 1 is needed"),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        Options::parse(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn features_go_to_cargo_and_the_rest_to_criterion() {
        let options = parse(&["--features", "wgpu", "gelu", "--no-default-features"]).unwrap();
        assert_eq!(
            options.features,
            ["--features", "wgpu", "--no-default-features"]
        );
        assert_eq!(options.filter, ["gelu"]);
        assert_eq!(options.opponent, Opponent::None);
        assert!(options.wants("kernels"));
    }

    #[test]
    fn a_comparison_is_described() {
        let words = "--only lora_step --against-pytorch --python py --model /m --case vit-ti --threads 2 --rounds 3";
        let options = parse(&words.split(' ').collect::<Vec<_>>()).unwrap();
        assert!(options.wants("lora_step") && !options.wants("kernels"));
        assert_eq!(options.opponent, Opponent::PyTorchOf("py".into()));
        assert_eq!((options.threads, options.rounds), (Some(2), 3));
        assert_eq!(options.model, Some("/m".into()));
        assert_eq!(options.cases, ["vit-ti"]);
        assert!(!options.measures_all());
        assert!(parse(&["--against-pytorch"]).unwrap().measures_all());
    }

    #[test]
    fn mistakes_are_named() {
        for (words, name) in [
            (&["--treads", "2"][..], "--treads"),
            (&["--threads", "0"], "--threads 0"),
            (&["--rounds", "many"], "--rounds many"),
            (&["--only"], "--only"),
            (&["--model"], "`--model` needs a value"),
            (&["--python", "py"], "--against-pytorch"),
        ] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
