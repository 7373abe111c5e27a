//! docs/paper-to-code.md: every address `crates/.../file.rs::Item::item` must exist.

use anyhow::Result;

use super::{problem::Problem, source::without_comments_and_literals};
use crate::workspace::Workspace;

const INDEX: &str = "docs/paper-to-code.md";

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let index = workspace.text(INDEX)?;
    let addresses = addresses(&index);
    if addresses.is_empty() {
        return Ok(vec![format!("{INDEX} lists no `crates/.../file.rs::Item`")]);
    }
    let mut problems = Vec::new();
    for (line, file, items) in addresses {
        let Ok(source) = workspace.text(file) else {
            problems.push(format!("{INDEX}:{line} names {file}, which does not exist"));
            continue;
        };
        let code = without_comments_and_literals(&source);
        for item in items.iter().filter(|item| !defines(&code, item)) {
            problems.push(format!(
                "{INDEX}:{line} names {file}::{item}, which is not there"
            ));
        }
    }
    Ok(problems)
}

/// Line, file and items of each code span that is an address.
fn addresses(markdown: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let mut found = Vec::new();
    for (line, text) in markdown.lines().enumerate() {
        for span in text.split('`').skip(1).step_by(2) {
            let mut parts = span.split("::");
            let file = parts.next().unwrap_or_default();
            let is_source = file.ends_with(".rs") && file.contains('/');
            if is_source {
                let items = parts.map(|item| item.trim_end_matches("()")).collect();
                found.push((line + 1, file, items));
            }
        }
    }
    found
}

/// Whether `code` defines `item`: a named item, a field or an enum's variant.
fn defines(code: &str, item: &str) -> bool {
    const KEYWORDS: [&str; 9] = [
        "fn",
        "struct",
        "enum",
        "trait",
        "type",
        "const",
        "static",
        "mod",
        "macro_rules!",
    ];
    code.lines().any(|line| {
        let words: Vec<&str> = line
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!'))
            .collect();
        let named = words
            .windows(2)
            .any(|pair| KEYWORDS.contains(&pair[0]) && pair[1] == item);
        let line = line
            .trim_start()
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub ");
        let member = line.strip_prefix(item).is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with([',', '(', ':']) && !rest.starts_with("::")
                || rest.starts_with(" {")
                || rest.starts_with(" =")
        });
        named || member
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_code_spans_of_source_files() {
        let markdown = "| Eq. 2 | `crates/bandit/src/lcb.rs::Lcb::index()`, `crates/a/src/b.rs` |\n\
            prose crates/no/span.rs::X and `cargo test` and `lib.rs`\n`crates/c/src/d.rs::e`";
        assert_eq!(
            addresses(markdown),
            [
                (1, "crates/bandit/src/lcb.rs", vec!["Lcb", "index"]),
                (1, "crates/a/src/b.rs", vec![]),
                (3, "crates/c/src/d.rs", vec!["e"]),
            ]
        );
    }

    #[test]
    fn items_fields_and_variants_are_definitions_and_uses_are_not() {
        let code = "pub struct Tree<T> {\n    pub depth: usize,\n}\npub(crate) fn insert(&self) {\n    remove();\n\
            }\nenum Mode {\n    Paper,\n    Sum(u8),\n    Other { x: u8 },\n}\nlet y = Gone::new();\nGone::call();";
        for item in ["Tree", "depth", "insert", "Mode", "Paper", "Sum", "Other"] {
            assert!(defines(code, item), "{item}");
        }
        for item in ["Gone", "new", "Tre", "Pap", "call"] {
            assert!(!defines(code, item), "{item}");
        }
    }
}
