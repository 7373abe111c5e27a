//! The modules of a crate, and what the names in them stand for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    import::{Binding, Import},
    module::Contents,
    tokens::tokens,
};
use crate::tidy::source::{without_comments_and_literals, without_test_modules};

/// Files and their text, by path.
pub(super) type Sources = BTreeMap<PathBuf, String>;

/// The modules, the root first.
#[derive(Debug, Default)]
pub(super) struct CrateTree {
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: BTreeSet<Vec<String>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    Module(usize),
    /// An item, by the module that defines it.
    Item(usize),
    /// Of another crate, or none of ours.
    Outside,
}

/// `file` uses `name`, which `other` defines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    pub(super) file: PathBuf,
    pub(super) other: PathBuf,
    pub(super) name: String,
}

/// Imports of imports of imports: more is a circle of names, which rustc refuses.
const MAX_CHAIN: usize = 8;

impl CrateTree {
    /// The crate that begins in the file `root`.
    pub(super) fn read(root: &Path, sources: &Sources) -> Self {
        let mut tree = Self::default();
        let folder = root.parent().unwrap_or(Path::new(""));
        tree.add_file(root, 0, folder, sources);
        tree
    }

    /// `folder` holds the files of the module's children.
    fn add_file(&mut self, file: &Path, parent: usize, folder: &Path, sources: &Sources) -> usize {
        let text = sources.get(file).map_or("", String::as_str);
        let code = without_test_modules(&without_comments_and_literals(text));
        self.add(file, parent, folder, &tokens(&code), sources)
    }

    fn add(
        &mut self,
        file: &Path,
        parent: usize,
        folder: &Path,
        tokens: &[&str],
        sources: &Sources,
    ) -> usize {
        let contents = Contents::of(tokens);
        let index = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: contents.items,
            imports: contents.imports,
            paths: contents.paths,
        });
        for name in contents.files {
            let inside = folder.join(&name);
            let candidates = [inside.with_extension("rs"), inside.join("mod.rs")];
            if let Some(file) = candidates.iter().find(|file| sources.contains_key(*file)) {
                let child = self.add_file(file, index, &inside, sources);
                self.modules[index].children.insert(name, child);
            }
        }
        for (name, tokens) in contents.inline {
            let child = self.add(file, index, &folder.join(&name), &tokens, sources);
            self.modules[index].children.insert(name, child);
        }
        index
    }

    /// Every use of one file by another.
    pub(super) fn uses(&self) -> impl Iterator<Item = Use> {
        (0..self.modules.len()).flat_map(|module| self.uses_of(module))
    }

    fn uses_of(&self, index: usize) -> impl Iterator<Item = Use> {
        let module = &self.modules[index];
        // What is only passed on counts where it is used: by its users, or here by a path.
        let private = module.imports.iter().filter(|import| !import.is_reexport);
        let paths = private.map(|import| &import.path).chain(&module.paths);
        paths.filter_map(move |path| match self.resolve(index, path, 0) {
            Target::Item(other) if self.modules[other].file != module.file => Some(Use {
                file: module.file.clone(),
                other: self.modules[other].file.clone(),
                name: path.join("::"),
            }),
            _ => None,
        })
    }

    /// What `path` stands for in a module, after `chain` imports.
    fn resolve(&self, from: usize, path: &[String], chain: usize) -> Target {
        let (mut module, mut rest) = (from, path);
        let is_relative = !matches!(path, [first, ..] if is_anchor(first));
        while let [anchor, after @ ..] = rest {
            module = match anchor.as_str() {
                "crate" => 0,
                "self" => module,
                "super" => self.modules[module].parent,
                _ => break,
            };
            rest = after;
        }
        let mut is_known = !is_relative;
        while let [name, after @ ..] = rest {
            match self.member(module, name, after.is_empty(), chain) {
                Some(Target::Module(child)) => module = child,
                Some(target) => return target,
                // A macro has made it.
                None if is_known => return Target::Item(module),
                // Of the prelude, another crate, or a variable.
                None => return Target::Outside,
            }
            (is_known, rest) = (true, after);
        }
        Target::Module(module)
    }

    /// The name in a module; types and functions before modules at the end of a path, modules before it.
    fn member(&self, module: usize, name: &str, is_last: bool, chain: usize) -> Option<Target> {
        let Module {
            children,
            items,
            imports,
            ..
        } = &self.modules[module];
        let child = children.get(name).map(|child| Target::Module(*child));
        if !is_last && child.is_some() {
            return child;
        }
        if items.contains(name) {
            return Some(Target::Item(module));
        }
        if chain > MAX_CHAIN {
            return child;
        }
        let named = imports
            .iter()
            .filter(|import| matches!(&import.binding, Binding::Name(bound) if bound == name))
            .map(|import| self.resolve(module, &import.path, chain + 1));
        // A module and an item may share a name: the place tells which is meant.
        let fits = |target: &Target| match target {
            Target::Item(_) if is_last => 0,
            Target::Module(_) if !is_last => 0,
            Target::Item(_) | Target::Module(_) => 1,
            Target::Outside => 2,
        };
        named
            .min_by_key(fits)
            .or(child)
            .or_else(|| self.glob_member(module, name, is_last, chain))
    }

    fn glob_member(
        &self,
        module: usize,
        name: &str,
        is_last: bool,
        chain: usize,
    ) -> Option<Target> {
        let imports = self.modules[module].imports.iter();
        imports
            .filter(|import| import.binding == Binding::All)
            .find_map(
                |import| match self.resolve(module, &import.path, chain + 1) {
                    Target::Module(other) if other != module => {
                        self.member(other, name, is_last, chain + 1)
                    }
                    _ => None,
                },
            )
    }
}

fn is_anchor(segment: &str) -> bool {
    matches!(segment, "crate" | "self" | "super")
}
