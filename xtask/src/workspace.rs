//! What cargo and git know about this repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The workspace that xtask belongs to.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Every file that git tracks or would track, relative to the root.
    pub(crate) files: Vec<PathBuf>,
}

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Folder name, the short name of the crate: `core`, `lora`, ...
    pub(crate) folder: String,
    /// Where the library and each binary begin, relative to the root.
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) license: Option<String>,
    pub(crate) binaries: Vec<String>,
    pub(crate) examples: Vec<String>,
    pub(crate) benches: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a member's dependencies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) requirement: String,
    /// Of tests, examples and benches only.
    pub(crate) is_dev: bool,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut metadata = process::cargo(here);
        metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Value = serde_json::from_str(&process::output(metadata)?)
            .context("cargo metadata printed no JSON")?;
        let root = PathBuf::from(text(&metadata["workspace_root"]));

        let mut list = process::command("git", &root);
        list.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let files = process::output(list)?
            .split_terminator('\0')
            .map(PathBuf::from)
            .filter(|path| root.join(path).is_file())
            .collect();
        Ok(Self {
            target: PathBuf::from(text(&metadata["target_directory"])),
            packages: list_of(&metadata["packages"])
                .iter()
                .map(|package| Package::of_metadata(package, &root))
                .collect(),
            files,
            root,
        })
    }

    /// The commit that is checked out, marked where files differ from it.
    pub(crate) fn commit(&self) -> Result<String> {
        let mut describe = process::command("git", &self.root);
        describe.args(["describe", "--always", "--dirty", "--abbrev=12"]);
        Ok(process::output(describe)?.trim().to_owned())
    }

    /// The contents of `path`, relative to the root.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        fs::read_to_string(self.root.join(path)).with_context(|| path.display().to_string())
    }

    /// Files of one extension.
    pub(crate) fn files_with(&self, extension: &str) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .map(PathBuf::as_path)
            .filter(move |path| path.extension().is_some_and(|e| e == extension))
    }
}

impl Package {
    fn of_metadata(package: &Value, root: &Path) -> Self {
        let of_kind = |kind: &'static str| {
            let targets = list_of(&package["targets"]).iter();
            targets.filter(move |target| list_of(&target["kind"]).iter().any(|k| k == kind))
        };
        let targets = |kind| of_kind(kind).map(|target| text(&target["name"])).collect();
        let source = |target: &Value| {
            let path = PathBuf::from(text(&target["src_path"]));
            path.strip_prefix(root).map_or(path.clone(), Path::to_owned)
        };
        let folder = PathBuf::from(text(&package["manifest_path"]));
        let folder = folder
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        Self {
            name: text(&package["name"]),
            folder: folder.to_string_lossy().into_owned(),
            roots: of_kind("lib").chain(of_kind("bin")).map(source).collect(),
            license: package["license"].as_str().map(str::to_owned),
            binaries: targets("bin"),
            examples: targets("example"),
            benches: targets("bench"),
            dependencies: list_of(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    requirement: text(&dependency["req"]),
                    is_dev: dependency["kind"] == "dev",
                })
                .collect(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
