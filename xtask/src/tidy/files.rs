//! Every file: module docs, whitespace, licences, a README a crate.

use std::path::Path;

use anyhow::Result;

use super::problem::Problem;
use crate::workspace::Workspace;

/// Written by hand, so checked for whitespace.
const TEXT: [&str; 6] = ["rs", "toml", "md", "py", "txt", "sh"];

const LICENCES: [(&str, &str); 2] = [
    ("LICENSE-MIT", "Permission is hereby granted"),
    ("LICENSE-APACHE", "Apache License"),
];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in &workspace.files {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if !TEXT.contains(&extension) {
            continue;
        }
        let text = workspace.text(path)?;
        problems.extend(
            whitespace(&text).map(|line| format!("{}:{line} ends in whitespace", path.display())),
        );
        if !text.is_empty() && !text.ends_with('\n') {
            problems.push(format!("{} does not end in a new line", path.display()));
        }
        if extension == "rs" && !has_module_docs(&text) {
            problems.push(format!("{} does not start with `//!` docs", path.display()));
        }
    }
    for (name, words) in LICENCES {
        if !workspace.text(name).is_ok_and(|text| text.contains(words)) {
            problems.push(format!("{name} is missing or is no such licence"));
        }
    }
    for package in &workspace.packages {
        let readme = Path::new("crates").join(&package.folder).join("README.md");
        let is_crate = workspace.root.join("crates").join(&package.folder).is_dir();
        if is_crate && !workspace.root.join(&readme).is_file() {
            problems.push(format!("{} is missing", readme.display()));
        }
    }
    Ok(problems)
}

/// Numbers, from 1, of the lines that end in blanks.
fn whitespace(text: &str) -> impl Iterator<Item = usize> {
    let ends_blank = |line: &str| line.ends_with([' ', '\t', '\r']);
    text.split('\n')
        .enumerate()
        .filter(move |(_, line)| ends_blank(line))
        .map(|(at, _)| at + 1)
}

fn has_module_docs(source: &str) -> bool {
    source.trim_start().starts_with("//!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_blanks_are_found_by_line() {
        assert_eq!(
            whitespace("a\nb \n\n\t\nc\r\n").collect::<Vec<_>>(),
            [2, 4, 5]
        );
        assert_eq!(whitespace("a\n\nb\n").count(), 0);
    }

    #[test]
    fn module_docs_come_first() {
        assert!(has_module_docs("//! What.\nuse x;"));
        assert!(!has_module_docs("use x;\n//! Late."));
        assert!(!has_module_docs("/// An item.\nfn x() {}"));
    }
}
