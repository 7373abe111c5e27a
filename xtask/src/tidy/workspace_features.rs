//! `crates/workspace-features` names every third-party dependency, and every member depends on it: then the features of
//! a dependency are the same whichever packages are built, and nothing is compiled twice.

use anyhow::Result;

use super::{manifests::section, problem::Problem};
use crate::workspace::{Package, Workspace};

/// The member whose only purpose is its dependencies.
pub(super) const NAME: &str = "treelora-workspace-features";

/// Members without it: xtask builds in seconds, and must build where nothing else does.
pub(super) const WITHOUT: [&str; 1] = ["xtask"];

/// Dependencies that no library or binary has, so that a member for others need not bring them along. They must not
/// change the features of what lies below them; `super::feature_unification` sees to that.
const OF_TESTS_ALONE: [&str; 5] = [
    // Measuring.
    "criterion",
    "cap",
    // Testing.
    "proptest",
    "tempfile",
    // Fuzzing: needs a nightly compiler, and is behind a feature.
    "libfuzzer-sys",
];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let declared = third_party(&workspace.text("Cargo.toml")?);
    let mut problems = incomplete(&declared, &workspace.packages);
    problems.extend(members_without(&workspace.packages));
    Ok(problems)
}

/// The names in `[workspace.dependencies]` that are no members.
fn third_party(manifest: &str) -> Vec<String> {
    section(manifest, "[workspace.dependencies]")
        .map(str::trim)
        .filter(|line| !line.starts_with('#') && !line.contains("path ="))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().trim_matches('"').to_owned())
        .collect()
}

/// What the member lacks, and what the list of exceptions has for nothing.
fn incomplete(declared: &[String], packages: &[Package]) -> Vec<Problem> {
    let Some(features) = packages.iter().find(|package| package.name == NAME) else {
        return vec![format!("there is no member `{NAME}`")];
    };
    let has = |name: &str| {
        features
            .dependencies
            .iter()
            .any(|d| d.name == name && !d.is_dev)
    };
    let is_exempt = |name: &str| OF_TESTS_ALONE.contains(&name);
    let lacking = declared
        .iter()
        .filter(|name| !has(name) && !is_exempt(name))
        .map(|name| {
            format!("`{NAME}` does not depend on `{name}`, which `[workspace.dependencies]` has")
        });
    // An exception that a library or binary depends on is none.
    let used = packages
        .iter()
        .filter(|package| !is_of_tests(package))
        .flat_map(|package| {
            let dependencies = package.dependencies.iter();
            dependencies
                .filter(|dependency| !dependency.is_dev && is_exempt(&dependency.name))
                .map(|dependency| {
                    format!(
                        "`{}` depends on `{}`, which `{NAME}` leaves to tests",
                        package.name, dependency.name
                    )
                })
        });
    lacking.chain(used).collect()
}

/// Members that exist to measure and to test.
fn is_of_tests(package: &Package) -> bool {
    matches!(package.folder.as_str(), "benches" | "fuzz" | "testing")
}

fn members_without(packages: &[Package]) -> Vec<Problem> {
    let has = |package: &Package| package.dependencies.iter().any(|d| d.name == NAME);
    let exempt =
        |package: &Package| package.name == NAME || WITHOUT.contains(&package.name.as_str());
    let members = packages.iter().filter(|package| !exempt(package));
    members
        .filter(|package| !has(package))
        .map(|package| format!("`{}` does not depend on `{NAME}`", package.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |(name, is_dev): &(&str, bool)| Dependency {
            name: (*name).to_owned(),
            is_dev: *is_dev,
            ..Dependency::default()
        };
        Package {
            name: name.to_owned(),
            folder: name.trim_start_matches("treelora-").to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn declared_dependencies_are_read() {
        let manifest = "[workspace.dependencies]\n# Why.\nburn = { version = \"=0.22.1\", features = [\"std\"] }\n\
            serde = \"1\"\n\ntreelora-core = { path = \"crates/core\" }\n\n[profile.dev]\ndebug = 1\n";
        assert_eq!(third_party(manifest), ["burn", "serde"]);
    }

    #[test]
    fn a_dependency_that_the_member_lacks_is_named() {
        let declared = ["burn", "serde", "criterion"].map(str::to_owned);
        let lacking = |dependencies| incomplete(&declared, &[package(NAME, dependencies)]);
        assert_eq!(lacking(&[("burn", false), ("serde", false)]), [""; 0]);
        let problems = lacking(&[("burn", false), ("serde", true)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("not depend on `serde`"),
            "{problems:?}"
        );
        let problems = incomplete(&declared, &[]);
        assert!(problems[0].contains("no member"), "{problems:?}");
    }

    #[test]
    fn what_tests_alone_use_no_library_depends_on() {
        let with = |name, is_dev| {
            incomplete(
                &[],
                &[package(NAME, &[]), package(name, &[("tempfile", is_dev)])],
            )
        };
        assert_eq!(with("treelora-core", true), [""; 0]);
        assert_eq!(with("treelora-benches", false), [""; 0]);
        let problems = with("treelora-core", false);
        assert!(
            problems[0].contains("`treelora-core` depends on `tempfile`"),
            "{problems:?}"
        );
    }

    #[test]
    fn every_member_but_xtask_depends_on_it() {
        let members = [
            package(NAME, &[]),
            package("xtask", &[("serde_json", false)]),
            package("treelora-core", &[("burn", false), (NAME, true)]),
            package("treelora-lora", &[("burn", false)]),
        ];
        let problems = members_without(&members);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("`treelora-lora` does not"),
            "{problems:?}"
        );
    }
}
