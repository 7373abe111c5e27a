//! Versions, licences and the reason for each dependency.

use anyhow::Result;

use super::problem::Problem;
use crate::workspace::{Package, Workspace};

/// The one version of burn; a caret would let a pre-release or a new format in.
const BURN: &str = "=0.22.1";

const LICENSE: &str = "MIT OR Apache-2.0";

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut problems: Vec<_> = workspace.packages.iter().flat_map(package).collect();
    problems.extend(reasons(&workspace.text("Cargo.toml")?));
    for manifest in workspace
        .files_with("toml")
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        if manifest.components().count() > 1 {
            let text = workspace.text(manifest)?;
            let local = local_versions(&text).into_iter();
            problems.extend(local.map(|problem| format!("{}: {problem}", manifest.display())));
        }
    }
    Ok(problems)
}

fn package(package: &Package) -> Vec<Problem> {
    let (name, mut problems) = (&package.name, Vec::new());
    if package.license.as_deref() != Some(LICENSE) {
        problems.push(format!(
            "`{name}` has licence {:?}, expected {LICENSE}",
            package.license
        ));
    }
    for dependency in &package.dependencies {
        let requirement = &dependency.requirement;
        if dependency.name == "burn" && requirement != BURN {
            problems.push(format!(
                "`{name}` takes burn {requirement}, expected {BURN}"
            ));
        }
        let may_use_anyhow = matches!(
            package.folder.as_str(),
            // The last has no code.
            "cli" | "xtask" | "workspace-features"
        );
        if dependency.name == "anyhow" && !may_use_anyhow {
            problems.push(format!("`{name}` uses anyhow: libraries have typed errors"));
        }
    }
    problems
}

/// Each group of lines in `[workspace.dependencies]` starts with a comment that says what for.
fn reasons(manifest: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut has_reason = false;
    for line in section(manifest, "[workspace.dependencies]") {
        match line.trim() {
            "" => has_reason = false,
            comment if comment.starts_with('#') => has_reason = true,
            // Members explain themselves.
            member if member.contains("path =") => {}
            dependency if !has_reason => {
                let name = dependency.split(['=', ' ']).next().unwrap_or_default();
                problems.push(format!("Cargo.toml: no comment says what `{name}` is for"));
            }
            _ => {}
        }
    }
    problems
}

/// Members take every dependency from the workspace, where its version and reason stand.
fn local_versions(manifest: &str) -> Vec<Problem> {
    let sections = [
        "[dependencies]",
        "[dev-dependencies]",
        "[build-dependencies]",
    ];
    sections
        .into_iter()
        .flat_map(|name| section(manifest, name))
        .map(str::trim)
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .filter(|line| !line.contains("workspace = true") && !line.starts_with("features"))
        // A crate that turns on its own features for its tests.
        .filter(|line| !line.contains("path = \".\""))
        // By its path alone: cargo leaves out a dependency of tests without a version when it publishes.
        .filter(|line| !line.starts_with("treelora-workspace-features = { path ="))
        .map(|line| format!("`{line}` does not come from the workspace"))
        .collect()
}

pub(super) fn section<'m>(manifest: &'m str, name: &str) -> impl Iterator<Item = &'m str> {
    let name = name.to_owned();
    manifest
        .lines()
        .skip_while(move |line| line.trim() != name)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn a_group_without_a_comment_is_found() {
        let manifest = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = { version = \"1\" }\n\n\
            c = \"2\"\n# Why too.\nd = \"3\"\n\nours = { path = \"x\" }\n[profile]\ne = \"4\"\n";
        assert_eq!(
            reasons(manifest),
            ["Cargo.toml: no comment says what `c` is for"]
        );
    }

    #[test]
    fn members_take_versions_from_the_workspace() {
        let manifest = "[dependencies]\na = { workspace = true }\nb = \"1\"\n[features]\nc = []\n\
            [dev-dependencies]\ntreelora-workspace-features = { path = \"../workspace-features\" }\n";
        assert_eq!(
            local_versions(manifest),
            ["`b = \"1\"` does not come from the workspace"]
        );
    }

    #[test]
    fn burn_is_pinned_and_libraries_have_typed_errors() {
        let dependency = |name: &str, requirement: &str| Dependency {
            name: name.to_owned(),
            requirement: requirement.to_owned(),
            is_dev: false,
        };
        let mut member = Package {
            name: "treelora-core".to_owned(),
            folder: "core".to_owned(),
            license: Some(LICENSE.to_owned()),
            dependencies: vec![dependency("burn", BURN)],
            ..Package::default()
        };
        assert_eq!(package(&member), [""; 0]);
        member.dependencies = vec![dependency("burn", "^0.22.1"), dependency("anyhow", "^1")];
        member.license = None;
        assert_eq!(package(&member).len(), 3);
        member.folder = "cli".to_owned();
        assert_eq!(package(&member).len(), 2);
    }
}
