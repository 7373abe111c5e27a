//! The page in headless Chromium; skipped where there is none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use treelora_report::Report;

use crate::tiny_run::finished;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser, if one is installed.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = folders
        .iter()
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium on the PATH");
    }
    found
}

/// The document as it stands after its script, and what was said on the console.
fn open(browser: &Path, page: &Path) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    let console = messages.lines().filter(|line| line.contains("CONSOLE"));
    let console = console.map(str::to_owned).collect();
    (String::from_utf8(output.stdout).unwrap(), console)
}

#[test]
fn the_page_opens_without_a_word_on_the_console_and_shows_every_figure() {
    let Some(browser) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    let report = Report::read(finished()).unwrap();
    report.write(&page, &dir.path().join("figures")).unwrap();
    let (document, console) = open(&browser, &page);
    assert_eq!(console, [""; 0]);
    assert_eq!(document.matches("<svg ").count(), report.figures().count());
    // The script ran: the sliders of the two runs with trees show, and one panel of three each.
    assert_eq!(document.matches("<div class=\"slider\">").count(), 2);
    assert_eq!(document.matches("<section class=\"panel\"").count(), 6);
    let hidden = document.matches("hidden=\"\"").count();
    assert_eq!(hidden, 4, "all panels but the last of each run");
    assert!(document.contains("aria-valuetext=\"3 "));
}

#[test]
fn an_error_on_the_console_would_be_seen() {
    let Some(browser) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("broken.html");
    fs::write(&page, "<script>nowhere()</script>").unwrap();
    let (_, console) = open(&browser, &page);
    assert!(
        console.iter().any(|line| line.contains("nowhere")),
        "{console:?}"
    );
}
