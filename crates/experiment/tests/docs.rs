//! The book: its experiments parse, and its links lead somewhere.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use treelora_experiment::ExperimentConfig;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn pages() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(docs()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Code blocks of one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let starts = page.split(fence.as_str()).skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn experiments_in_the_book_are_valid() {
    let mut seen = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "toml") {
            let weights = [("model.weights".to_owned(), "'model'".to_owned())];
            let config = ExperimentConfig::parse(block, &path, None, &weights);
            assert!(
                config.is_ok(),
                "{}: {}",
                path.display(),
                config.unwrap_err()
            );
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen} experiments found");
}

#[test]
fn links_of_the_book_lead_to_files() {
    let mut seen = 0;
    for (path, page) in pages() {
        for target in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(docs().join(file).exists(), "{}: {target}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} links found");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    for (path, _) in pages() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "SUMMARY.md" || summary.contains(&name), "{name}");
    }
}
