//! The README's commands name packages, binaries, tasks and files that exist.

use anyhow::Result;

use super::problem::Problem;
use crate::{commands::COMMANDS, workspace::Workspace};

/// cargo commands that a reader needs nothing extra for.
const CARGO: [&str; 12] = [
    "add", "bench", "build", "check", "clippy", "doc", "fmt", "install", "metadata", "run", "test",
    "xtask",
];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in workspace
        .files_with("md")
        .filter(|path| path.ends_with("README.md"))
    {
        let commands = shell_lines(&workspace.text(path)?);
        if commands.is_empty() && path.components().count() == 1 {
            problems.push("README.md has no `sh` block".to_owned());
        }
        for (line, command) in commands {
            problems.extend(
                command_problems(&command, workspace)
                    .into_iter()
                    .map(|problem| format!("{}:{line}: {problem}", path.display())),
            );
        }
    }
    if !workspace.root.join("README.md").is_file() {
        problems.push("README.md is missing".to_owned());
    }
    Ok(problems)
}

/// Number and text of each command in a block marked `sh`; a backslash joins lines.
fn shell_lines(markdown: &str) -> Vec<(usize, String)> {
    let (mut inside, mut commands, mut open) = (false, Vec::<(usize, String)>::new(), false);
    for (at, line) in markdown.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("```") {
            inside = !inside && matches!(line, "```sh" | "```bash" | "```console");
            open = false;
            continue;
        }
        if !inside {
            continue;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = line.split(" #").next().unwrap_or_default().trim();
        let (text, continues) = match line.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (line, false),
        };
        match commands.last_mut().filter(|_| open) {
            Some((_, command)) => *command += text,
            None => commands.push((at + 1, text.to_owned())),
        }
        open = continues;
    }
    commands.retain(|(_, command)| !command.is_empty() && !command.starts_with('#'));
    commands
}

fn command_problems(command: &str, workspace: &Workspace) -> Vec<Problem> {
    // `A=1 cargo ...` sets a variable.
    let words: Vec<&str> = command
        .split_whitespace()
        .skip_while(|word| is_assignment(word))
        .collect();
    let mut problems = Vec::new();
    for file in words.iter().filter(|word| word.ends_with(".toml")) {
        if !workspace.root.join(file).is_file() {
            problems.push(format!("no file `{file}`"));
        }
    }
    let ["cargo", subcommand, rest @ ..] = words.as_slice() else {
        return problems;
    };
    if !CARGO.contains(subcommand) {
        problems.push(format!(
            "`cargo {subcommand}` is not a command of this repository"
        ));
    }
    if *subcommand == "xtask" {
        let task = rest.first().copied().unwrap_or("help");
        if task != "help" && !COMMANDS.iter().any(|(name, ..)| *name == task) {
            problems.push(format!("no task `{task}`"));
        }
        return problems;
    }
    if *subcommand == "add" {
        return problems;
    }
    let own = rest.split(|word| *word == "--").next().unwrap_or_default();
    for (option, value) in own.iter().zip(own.iter().skip(1)) {
        let packages = &workspace.packages;
        let exists = match *option {
            "-p" | "--package" => packages.iter().any(|p| p.name == *value),
            "--bin" => packages
                .iter()
                .any(|p| p.binaries.iter().any(|b| b == value)),
            "--example" => packages
                .iter()
                .any(|p| p.examples.iter().any(|e| e == value)),
            "--path" => workspace.root.join(value).join("Cargo.toml").is_file(),
            _ => true,
        };
        if !exists {
            problems.push(format!("`{option} {value}` does not exist"));
        }
    }
    problems
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;
    use std::path::{Path, PathBuf};

    fn workspace() -> Workspace {
        Workspace {
            // The folder of xtask, whose Cargo.toml is a file that exists.
            root: Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(),
            target: PathBuf::new(),
            packages: vec![Package {
                name: "treelora-cli".to_owned(),
                binaries: vec!["treelora".to_owned()],
                ..Package::default()
            }],
            files: Vec::new(),
        }
    }

    #[test]
    fn commands_come_from_shell_blocks() {
        let markdown = "```rust\ncargo no\n```\n```sh\n# comment\n$ cargo test  # why\n\n\
            cargo run \\\n  --release\n```\ncargo prose\n";
        let commands = shell_lines(markdown);
        assert_eq!(
            commands,
            [
                (6, "cargo test".to_owned()),
                (8, "cargo run --release".to_owned())
            ]
        );
    }

    #[test]
    fn what_exists_passes() {
        for command in [
            "cargo run --release",
            "cargo run --release -p treelora-cli --bin treelora -- run Cargo.toml --set a=b",
            "RUN_SLOW_TESTS=1 cargo test --workspace",
            "cargo xtask tidy",
            "cargo add treelora-elsewhere",
            "apt-get install mesa-vulkan-drivers",
        ] {
            assert_eq!(
                command_problems(command, &workspace()),
                [""; 0],
                "{command}"
            );
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for (command, name) in [
            ("cargo run -p treelora-gone", "treelora-gone"),
            ("cargo run --bin gone", "gone"),
            ("cargo run -- run configs/gone.toml", "configs/gone.toml"),
            ("cargo xtask gone", "gone"),
            ("A=1 cargo nextest run", "nextest"),
        ] {
            let problems = command_problems(command, &workspace());
            assert!(
                problems.len() == 1 && problems[0].contains(name),
                "{command}: {problems:?}"
            );
        }
    }
}
