//! The training step on a graphics card, from binaries built elsewhere: needs neither cargo nor this repository.

use std::{ffi::OsString, process::Command};

use anyhow::{Context, Result, bail};

use super::{
    case::{self, Machine},
    comparison::{self, Comparison},
    contender::{Contender, Residence},
    graphics_card,
    options::{ROUNDS, positive},
    turns,
};

/// Shown by the help.
pub(crate) const ARGUMENTS: &str =
    "--step FILE [--python EXE] [--case TEXT].. [--rounds N]   (BURN_DEVICE=cuda or vulkan)";

/// PyTorch's side, which travels inside this binary.
const SCRIPT: &str = include_str!("../../bench/lora_step.py");

/// Compares the step of the prebuilt binary with PyTorch's, case by case, and prints the table.
///
/// # Errors
/// When a side cannot be started, fails, or is not the same model as the other.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let cases = case::chosen(Machine::Gpu, &options.cases);
    if cases.is_empty() {
        bail!("no case has {:?} in its name", options.cases);
    }
    let mut comparisons = Vec::new();
    for case in cases {
        let ours = Contender::start(Command::new(&options.step), &case.line(), Residence::Card)?;
        let theirs = options.python.as_ref().map(|python| {
            let mut command = Command::new(python);
            command.args(["-c", SCRIPT, "cuda"]);
            Contender::start(command, &case.line(), Residence::Card)
        });
        let comparison = Comparison::run(case, ours, theirs.transpose()?, options.rounds)?;
        eprintln!("{}", comparison.summary());
        comparisons.push(comparison);
    }
    println!("- card: {}", graphics_card::name());
    println!("- rounds: {}", turns::rounds(options.rounds));
    println!("\n{}", comparison::table(&comparisons));
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Options {
    /// `lora_step`, built with the feature of the device.
    step: OsString,
    /// An interpreter with PyTorch; without one, ours alone is measured.
    python: Option<OsString>,
    /// Parts of the names of the cases to run; all without any.
    cases: Vec<String>,
    rounds: usize,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let (mut step, mut python, mut cases, mut rounds) = (None, None, Vec::new(), ROUNDS);
        for pair in arguments.chunks(2) {
            let [option, value] = pair else {
                bail!("`{}` needs a value", pair[0]);
            };
            match option.as_str() {
                "--step" => step = Some(OsString::from(value)),
                "--python" => python = Some(OsString::from(value)),
                "--case" => cases.push(value.clone()),
                "--rounds" => rounds = positive(option, value)?,
                _ => bail!("no option `{option}`; there are {ARGUMENTS}"),
            }
        }
        Ok(Self {
            step: step.context("`--step FILE` is needed: the training step, built elsewhere")?,
            python,
            cases,
            rounds,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_read_and_mistakes_named() {
        let options = parse("--step ./lora_step --python py --case vit-b --rounds 3").unwrap();
        assert_eq!(options.step, "./lora_step");
        assert_eq!(options.python, Some("py".into()));
        assert_eq!(
            (options.cases.as_slice(), options.rounds),
            (&["vit-b".to_owned()][..], 3)
        );
        for (words, name) in [
            ("", "--step"),
            ("--step", "`--step` needs a value"),
            ("--step x --rounds 0", "--rounds 0"),
            ("--step x --threads 2", "--threads"),
        ] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
