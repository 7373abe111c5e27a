//! House rules that the compiler does not know.

mod problem;

mod source;

mod circles;

mod edges;

mod manifests;

mod workspace_features;

mod feature_unification;

mod backends;

mod files;

mod paper_index;

mod readme;

mod links;

use anyhow::{Result, bail};

use self::problem::Problem;
use crate::workspace::Workspace;

/// A check: its name and the rule.
type Check = (&'static str, fn(&Workspace) -> Result<Vec<Problem>>);

const CHECKS: [Check; 10] = [
    ("crate edges (docs/ARCHITECTURE.md)", edges::check),
    ("no circle of files", circles::check),
    ("manifests", manifests::check),
    (
        "one set of features (crates/workspace-features)",
        workspace_features::check,
    ),
    (
        "a package alone has the features of the workspace",
        feature_unification::check,
    ),
    ("no source file names a backend", backends::check),
    ("files: docs, whitespace, licences", files::check),
    ("paper index (docs/paper-to-code.md)", paper_index::check),
    ("commands of the README", readme::check),
    ("links, and every page in the book", links::check),
];

/// Run every check, print all problems.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut count = 0;
    for (name, check) in CHECKS {
        let problems = match check(workspace) {
            Ok(problems) => problems,
            Err(error) => vec![format!("{error:#}")],
        };
        let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
        println!("tidy: {name}: {verdict}");
        for problem in &problems {
            println!("  {problem}");
        }
        count += problems.len();
    }
    if count > 0 {
        bail!("{count} house rules are broken");
    }
    Ok(())
}
