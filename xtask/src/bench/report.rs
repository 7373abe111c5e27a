//! docs/benchmarks.md: one section a benchmark, each with the circumstances of its own run.

use std::{fs, path::Path};

use anyhow::Result;

use super::{
    options::Options,
    processor::{Processor, cores},
};
use crate::{process, workspace::Workspace};

const TITLE: &str = "# Benchmarks";

const INTRODUCTION: &str =
    "Written by `cargo xtask bench`. A run replaces the sections of the benchmarks that it ran.";

/// What the numbers of a run depend on, name and value.
pub(crate) type Circumstances = Vec<(&'static str, String)>;

/// What a comparison found, and what that depends on beside the machine.
pub(crate) struct Run {
    pub(crate) table: String,
    pub(crate) circumstances: Circumstances,
}

/// The circumstances of a run on this machine.
///
/// # Errors
/// When git or rustc does not answer.
pub(crate) fn circumstances(
    workspace: &Workspace,
    options: &Options,
    arguments: &[String],
) -> Result<Circumstances> {
    let mut compiler = process::command("rustc", &workspace.root);
    compiler.arg("--version");
    let features = match options.features.is_empty() {
        true => "default".to_owned(),
        false => options.features.join(" "),
    };
    let command = ["cargo xtask bench"].into_iter();
    let command: Vec<&str> = command.chain(words(arguments)).collect();
    Ok(vec![
        (
            "processor",
            format!("{}, {} threads", Processor::of_this_machine().name, cores()),
        ),
        ("system", std::env::consts::OS.to_owned()),
        ("features", features),
        (
            "device",
            std::env::var("BURN_DEVICE").unwrap_or_else(|_| "default".to_owned()),
        ),
        ("compiler", process::output(compiler)?.trim().to_owned()),
        ("commit", workspace.commit()?),
        ("command", format!("`{}`", command.join(" "))),
    ])
}

/// The arguments without the paths of an interpreter and a model, which say nothing elsewhere.
fn words(arguments: &[String]) -> impl Iterator<Item = &str> {
    let before = std::iter::once("").chain(arguments.iter().map(String::as_str));
    before.zip(arguments).map(|(before, word)| match before {
        "--python" => "EXE",
        "--model" => "FOLDER",
        _ => word,
    })
}

/// A section's text under its heading.
pub(crate) fn section(circumstances: &[(&str, String)], notes: &str, table: &str) -> String {
    let mut text = String::new();
    for (name, value) in circumstances {
        text += &format!("- {name}: {value}\n");
    }
    if !notes.is_empty() {
        text += &format!("\n{notes}\n");
    }
    text + "\n" + table
}

/// Replace or add the section `name` in the file.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn update(file: &Path, name: &str, section: &str) -> Result<()> {
    let old = match file.is_file() {
        true => fs::read_to_string(file)?,
        false => String::new(),
    };
    Ok(fs::write(file, with_section(&old, name, section))?)
}

/// The document with this section, the sections in the order of their names.
fn with_section(document: &str, name: &str, section: &str) -> String {
    let mut sections: Vec<(&str, &str)> = document
        .split("\n## ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, text)| (name, text.trim()))
        .filter(|(other, _)| *other != name)
        .collect();
    sections.push((name, section.trim()));
    sections.sort();
    let mut text = format!("{TITLE}\n\n{INTRODUCTION}\n");
    for (name, section) in sections {
        text += &format!("\n## {name}\n\n{section}\n");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_replaced_and_others_stay() {
        let first = with_section("", "lora_step", "- commit: a\n\n| x |\n");
        let both = with_section(&first, "kernels", "- commit: b\n");
        let newer = with_section(&both, "lora_step", "- commit: c\n");
        assert!(newer.starts_with("# Benchmarks\n\nWritten by"), "{newer}");
        assert!(
            newer.ends_with("\n\n## kernels\n\n- commit: b\n\n## lora_step\n\n- commit: c\n"),
            "{newer}"
        );
        assert!(both.contains("| x |"));
        assert_eq!(with_section(&newer, "kernels", "- commit: b"), newer);
    }

    #[test]
    fn the_command_hides_paths() {
        let arguments = "--python /somewhere/python --model /somewhere/model --rounds 3";
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let shown: Vec<&str> = words(&arguments).collect();
        let expected = "--python EXE --model FOLDER --rounds 3";
        assert_eq!(shown.join(" "), expected);
    }
}
