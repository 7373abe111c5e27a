//! The features of every dependency, as cargo resolves them: for one package alone they are those of the workspace, so
//! that nothing is compiled again for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use anyhow::{Context, Result};

use super::{
    problem::Problem,
    workspace_features::{NAME, WITHOUT},
};
use crate::{
    process,
    workspace::{Package, Workspace},
};

/// Dependencies that tests, examples and benches are built with.
const WITH_TESTS: &str = "normal,build,dev";

/// Dependencies that a binary is built with.
const WITHOUT_TESTS: &str = "normal,build";

/// A package and its features, as cargo prints them.
type Resolved = BTreeSet<String>;

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let all = resolved(workspace, &["--workspace", "--edges", WITH_TESTS])?;
    let alone = |(package, edges): (&Package, &'static str)| {
        let alone = resolved(workspace, &["--package", &package.name, "--edges", edges])?;
        Ok((package.name.clone(), alone))
    };
    // Each takes half a second, most of it on one core.
    let each: Vec<Result<(String, Resolved)>> = thread::scope(|scope| {
        let selections = selections(&workspace.packages).into_iter();
        let running: Vec<_> = selections
            .map(|selection| scope.spawn(move || alone(selection)))
            .collect();
        let results = running.into_iter().map(|thread| thread.join());
        results
            .map(|result| result.ok().context("a thread ended early")?)
            .collect()
    });
    let each: Result<Vec<(String, Resolved)>> = each.into_iter().collect();
    Ok(differences(each?, &all))
}

/// What people and xtask build: the tests and examples of each package, and the binaries of those that depend on
/// [`NAME`] outside of their tests. (A library alone has the features that its users get.)
fn selections(packages: &[Package]) -> Vec<(&Package, &'static str)> {
    let members = packages
        .iter()
        .filter(|package| !WITHOUT.contains(&package.name.as_str()));
    let is_binary = |package: &Package| {
        let mut dependencies = package.dependencies.iter();
        dependencies.any(|dependency| dependency.name == NAME && !dependency.is_dev)
    };
    members
        .flat_map(|package| {
            let binary = is_binary(package).then_some((package, WITHOUT_TESTS));
            [(package, WITH_TESTS)].into_iter().chain(binary)
        })
        .collect()
}

fn resolved(workspace: &Workspace, selection: &[&str]) -> Result<Resolved> {
    let mut tree = process::cargo(&workspace.root);
    tree.args(["tree", "--prefix", "none", "--format", "{p} with `{f}`"]);
    tree.args(selection);
    Ok(of_tree(&process::output(tree)?))
}

/// The lines of cargo's tree, without members (their path stands in brackets) and without the mark of repetitions.
fn of_tree(output: &str) -> Resolved {
    let lines = output.lines().map(|line| line.trim_end_matches(" (*)"));
    lines
        .filter(|line| !line.is_empty() && !line.contains(" (/") && !line.contains(":\\"))
        .map(str::to_owned)
        .collect()
}

/// What is built for a package alone and not for the workspace, with the packages that it is built for.
fn differences(each: Vec<(String, Resolved)>, all: &Resolved) -> Vec<Problem> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, alone) in each {
        for other in alone.difference(all) {
            users.entry(other.clone()).or_default().insert(name.clone());
        }
    }
    let problems = users.into_iter().map(|(other, users)| {
        let users: Vec<String> = users.into_iter().collect();
        let users = users.join(", ");
        format!(
            "{other} is compiled for {users} alone and not for the workspace: add to {NAME} what differs"
        )
    });
    problems.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn members_and_repetitions_are_left_out() {
        let output = "treelora-core v0.1.0 (/somewhere/core) with `flex`\nburn v0.22.1 with `std`\n\
            burn v0.22.1 with `std` (*)\n\nserde v1.0.228 with `derive,std`\n";
        let resolved = of_tree(output);
        assert_eq!(
            resolved.iter().collect::<Vec<_>>(),
            [
                "burn v0.22.1 with `std`",
                "serde v1.0.228 with `derive,std`"
            ]
        );
    }

    #[test]
    fn other_features_are_a_problem_and_fewer_packages_are_none() {
        let all = of_tree("burn v0.22.1 with `flex,std`\nserde v1.0.228 with `std`\n");
        let found = |alone: &str| {
            let each = ["core", "lora"].map(|name| (name.to_owned(), of_tree(alone)));
            differences(each.into(), &all)
        };
        assert_eq!(found("burn v0.22.1 with `flex,std`\n"), [""; 0]);
        let problems = found("burn v0.22.1 with `std`\nserde v1.0.228 with `std`\n");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let start = "burn v0.22.1 with `std` is compiled for core, lora alone";
        assert!(problems[0].starts_with(start), "{problems:?}");
    }

    #[test]
    fn binaries_are_built_without_tests_too() {
        let package = |name: &str, is_dev| Package {
            name: name.to_owned(),
            dependencies: vec![Dependency {
                name: NAME.to_owned(),
                is_dev,
                ..Dependency::default()
            }],
            ..Package::default()
        };
        let packages = [
            package("core", true),
            package("cli", false),
            package("xtask", true),
        ];
        let selections: Vec<_> = selections(&packages)
            .into_iter()
            .map(|(package, edges)| (package.name.as_str(), edges))
            .collect();
        assert_eq!(
            selections,
            [
                ("core", WITH_TESTS),
                ("cli", WITH_TESTS),
                ("cli", WITHOUT_TESTS)
            ]
        );
    }
}
