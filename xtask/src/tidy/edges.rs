//! Which crate may depend on which: the table of docs/ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::problem::Problem;
use crate::workspace::{Package, Workspace};

/// Crates that a crate may depend on, by folder name.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Edges that no table may allow: (crate, what it must never know).
const NEVER: [(&str, &str); 14] = [
    ("models", "treelora"),
    ("models", "baselines"),
    ("treelora", "models"),
    ("baselines", "models"),
    ("class-incremental", "models"),
    ("kdtree", "lora"),
    ("kdtree", "bandit"),
    ("bandit", "lora"),
    ("bandit", "kdtree"),
    ("core", "lora"),
    ("tensor-file", "core"),
    ("cl-bench", "models"),
    ("cl-bench", "treelora"),
    ("cl-bench", "baselines"),
];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let allowed = table(&workspace.text("docs/ARCHITECTURE.md")?);
    Ok(compare(&allowed, &workspace.packages))
}

/// The rows of the table whose first cell is a crate and whose last lists its dependencies.
fn table(markdown: &str) -> Edges {
    let rows: Vec<(String, String)> = markdown
        .lines()
        .skip_while(|line| !(line.starts_with('|') && line.contains("may depend on")))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), (*cells.last()?).to_owned()))
        })
        .collect();
    let mut edges = Edges::new();
    for (index, (name, cell)) in rows.iter().enumerate() {
        let above = rows[..index].iter().map(|(name, _)| name.clone());
        let allowed = match cell.as_str() {
            "all above" => above.collect(),
            "what it measures" => rows.iter().map(|(name, _)| name.clone()).collect(),
            list => list.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        edges.insert(name.clone(), allowed);
    }
    edges
}

fn compare(allowed: &Edges, packages: &[Package]) -> Vec<Problem> {
    let folder = |name: &str| packages.iter().find(|p| p.name == name).map(|p| &p.folder);
    let mut problems = Vec::new();
    for package in packages {
        let Some(allowed) = allowed.get(&package.folder) else {
            problems.push(format!(
                "`{}` has no row in docs/ARCHITECTURE.md",
                package.folder
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| !d.is_dev) {
            // Inside the workspace by folder; of the world outside only burn is an edge.
            let target = match folder(&dependency.name) {
                Some(folder) => folder.as_str(),
                None => continue,
            };
            if !allowed.contains(target) {
                problems.push(format!(
                    "`{}` depends on `{target}`, docs/ARCHITECTURE.md does not allow it",
                    package.folder
                ));
            }
            if NEVER.contains(&(package.folder.as_str(), target)) {
                problems.push(format!("`{}` must never know `{target}`", package.folder));
            }
        }
        let works_on_host_numbers = matches!(package.folder.as_str(), "bandit" | "xtask");
        if works_on_host_numbers && package.dependencies.iter().any(|d| d.name == "burn") {
            problems.push(format!("`{}` must not depend on burn", package.folder));
        }
    }
    for name in allowed
        .keys()
        .filter(|name| !packages.iter().any(|p| p.folder == **name))
    {
        problems.push(format!(
            "docs/ARCHITECTURE.md lists `{name}`, which is no member"
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const TABLE: &str = "what may depend on what\n| directory | holds | may depend on |\n|---|---|---|\n\
        | `core` | x | burn |\n| `models` | y | core |\n| `bandit` | z | host numbers only |\n\
        | `experiment` | w | all above |\n| `benches` | v | what it measures |\n\n| `not` | in | it |\n";

    fn package(folder: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| Dependency {
            name: (*name).to_owned(),
            ..Dependency::default()
        };
        Package {
            name: format!("treelora-{folder}"),
            folder: folder.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            ..Package::default()
        }
    }

    fn members(models: &[&str], bandit: &[&str]) -> Vec<Package> {
        vec![
            package("core", &["burn"]),
            package("models", models),
            package("bandit", bandit),
            package("experiment", &["treelora-core", "treelora-models"]),
            package("benches", &["treelora-experiment"]),
        ]
    }

    #[test]
    fn the_table_is_read() {
        let edges = table(TABLE);
        assert_eq!(
            edges.keys().collect::<Vec<_>>(),
            ["bandit", "benches", "core", "experiment", "models"]
        );
        assert_eq!(
            edges["experiment"].iter().collect::<Vec<_>>(),
            ["bandit", "core", "models"]
        );
        assert_eq!(edges["benches"].len(), 5);
    }

    #[test]
    fn allowed_edges_pass_and_others_are_named() {
        let edges = table(TABLE);
        assert_eq!(
            compare(&edges, &members(&["treelora-core", "serde"], &[])),
            [""; 0]
        );
        let problems = compare(&edges, &members(&["treelora-bandit"], &["burn"]));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].contains("`models` depends on `bandit`"),
            "{problems:?}"
        );
        assert!(
            problems[1].contains("`bandit` must not depend on burn"),
            "{problems:?}"
        );
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let mut members = members(&["treelora-experiment"], &[]);
        members[1].dependencies[0].is_dev = true;
        assert_eq!(compare(&table(TABLE), &members), [""; 0]);
    }

    #[test]
    fn rows_and_members_agree() {
        let mut members = members(&[], &[]);
        members[0].folder = "other".to_owned();
        let problems = compare(&table(TABLE), &members);
        assert!(
            problems.iter().any(|p| p.contains("`other` has no row")),
            "{problems:?}"
        );
        assert!(
            problems.iter().any(|p| p.contains("lists `core`")),
            "{problems:?}"
        );
    }

    #[test]
    fn some_edges_no_table_allows() {
        let edges =
            table("| c | may depend on |\n| `models` | treelora |\n| `treelora` | core |\n");
        let members = [
            package("models", &["treelora-treelora"]),
            package("treelora", &[]),
        ];
        let problems = compare(&edges, &members);
        assert_eq!(problems, ["`models` must never know `treelora`"]);
    }
}
