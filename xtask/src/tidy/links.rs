//! Links between documents lead somewhere, and every page of docs/ is in the book.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::problem::Problem;
use crate::workspace::Workspace;

/// The table of contents of the book.
const SUMMARY: &str = "docs/SUMMARY.md";

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in workspace.files_with("md") {
        let folder = path.parent().unwrap_or(Path::new(""));
        for (line, target) in relative_links(&workspace.text(path)?) {
            let file = folder.join(&target);
            let place = format!("{}:{line}", path.display());
            if !workspace.root.join(&file).exists() {
                problems.push(format!("{place}: no file `{target}`"));
            } else if path.starts_with("docs") && !inside(&file, "docs") {
                problems.push(format!("{place}: `{target}` is outside the book"));
            }
        }
    }
    let listed: Vec<PathBuf> = relative_links(&workspace.text(SUMMARY)?)
        .into_iter()
        .map(|(_, target)| Path::new("docs").join(target))
        .collect();
    for page in workspace.files_with("md") {
        if page.starts_with("docs")
            && page != Path::new(SUMMARY)
            && !listed.iter().any(|p| p == page)
        {
            problems.push(format!("{}: not in {SUMMARY}", page.display()));
        }
    }
    Ok(problems)
}

/// Whether `path` stays in `folder`, `..` resolved as text.
fn inside(path: &Path, folder: &str) -> bool {
    let mut parts = Vec::new();
    for part in path.iter() {
        match part.to_str() {
            Some("..") => drop(parts.pop()),
            Some(".") => {}
            _ => parts.push(part),
        }
    }
    parts.first().is_some_and(|first| *first == folder)
}

/// Line and path of each link that names a file of this repository, without its anchor; code blocks have none.
fn relative_links(markdown: &str) -> Vec<(usize, String)> {
    let (mut links, mut code) = (Vec::new(), false);
    for (at, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
                links.push((at + 1, path.to_owned()));
            }
        }
    }
    links
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_are_files_of_this_repository() {
        let markdown = "[a](one.md) and [b](two/three.md#part)\n```\n[c](no.md)\n```\n\
            [d](https://example.org/x) [e](#here)\n";
        assert_eq!(
            relative_links(markdown),
            [(1, "one.md".to_owned()), (1, "two/three.md".to_owned())]
        );
    }

    #[test]
    fn the_book_ends_at_its_folder() {
        assert!(inside(Path::new("docs/results/../metrics.md"), "docs"));
        assert!(!inside(Path::new("docs/../README.md"), "docs"));
    }

    #[test]
    fn a_dead_link_and_an_unlisted_page_are_named() {
        let root = scratch();
        std::fs::create_dir_all(root.join("docs")).unwrap();
        std::fs::write(root.join(SUMMARY), "[a](a.md)\n[gone](gone.md)\n").unwrap();
        std::fs::write(root.join("docs/a.md"), "[out](../out.md)\n").unwrap();
        std::fs::write(root.join("docs/b.md"), "").unwrap();
        std::fs::write(root.join("out.md"), "").unwrap();
        let workspace = Workspace {
            target: PathBuf::new(),
            packages: Vec::new(),
            files: [SUMMARY, "docs/a.md", "docs/b.md", "out.md"]
                .map(PathBuf::from)
                .to_vec(),
            root: root.clone(),
        };
        let problems = check(&workspace).unwrap();
        std::fs::remove_dir_all(root).unwrap();
        assert_eq!(
            problems,
            [
                "docs/SUMMARY.md:2: no file `gone.md`",
                "docs/a.md:1: `../out.md` is outside the book",
                "docs/b.md: not in docs/SUMMARY.md",
            ]
        );
    }

    fn scratch() -> PathBuf {
        std::env::temp_dir().join(format!("treelora-links-{}", std::process::id()))
    }
}
