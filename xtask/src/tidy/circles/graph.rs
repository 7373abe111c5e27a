//! Which files use each other, directly or through others.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use super::crate_tree::Use;

/// The uses among the files of a crate.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// By user and used, with one of the names.
    edges: BTreeMap<PathBuf, BTreeMap<PathBuf, String>>,
}

impl Extend<Use> for Graph {
    fn extend<T: IntoIterator<Item = Use>>(&mut self, uses: T) {
        for Use { file, other, name } in uses {
            let used = self.edges.entry(file).or_default();
            used.entry(other).or_insert(name);
        }
    }
}

impl Graph {
    /// The sets of more than one file of which each uses each other, directly or through others, in the order of their
    /// names.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
        for file in self.edges.keys() {
            if circles.iter().any(|circle| circle.contains(file.as_path())) {
                continue;
            }
            let used = self.reached(file);
            let uses_back = |other: &&Path| self.reached(other).contains(file.as_path());
            let circle: BTreeSet<&Path> = used.into_iter().filter(uses_back).collect();
            if circle.len() > 1 {
                circles.push(circle);
            }
        }
        circles
    }

    /// What `file` uses, directly or through others.
    fn reached<'g>(&'g self, file: &'g Path) -> BTreeSet<&'g Path> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            let used = self.used(file).map(|(other, _)| other);
            open.extend(used.filter(|other| reached.insert(*other)));
        }
        reached
    }

    fn used(&self, file: &Path) -> impl Iterator<Item = (&Path, &str)> {
        let used = self.edges.get(file).into_iter().flatten();
        used.map(|(other, name)| (other.as_path(), name.as_str()))
    }

    /// A shortest way from `file` back to itself: each file with the name by which the one before uses it.
    pub(super) fn way_around<'g>(&'g self, file: &'g Path) -> Vec<(&'g Path, &'g str)> {
        // Each file that was reached, by whom and through which name.
        let mut from: BTreeMap<&Path, (&Path, &str)> = BTreeMap::new();
        let mut open = VecDeque::from([file]);
        while let Some(user) = open.pop_front() {
            for (other, name) in self.used(user) {
                if !from.contains_key(other) {
                    from.insert(other, (user, name));
                    open.push_back(other);
                }
            }
        }
        let mut way = Vec::new();
        let mut at = file;
        while let Some((user, name)) = from.get(at) {
            way.push((at, *name));
            at = user;
            if at == file {
                break;
            }
        }
        way.reverse();
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        graph.extend(edges.iter().map(|(file, other)| Use {
            file: file.into(),
            other: other.into(),
            name: other.to_uppercase(),
        }));
        graph
    }

    fn circles(edges: &[(&str, &str)]) -> Vec<String> {
        let graph = graph(edges);
        let names = |circle: BTreeSet<&Path>| {
            let names: Vec<_> = circle.iter().map(|file| file.to_string_lossy()).collect();
            names.concat()
        };
        graph.circles().into_iter().map(names).collect()
    }

    #[test]
    fn each_circle_is_found_once() {
        let edges = [
            ("c", "a"),
            ("a", "b"),
            ("b", "c"),
            ("c", "d"),
            ("d", "e"),
            ("e", "d"),
            ("f", "a"),
        ];
        assert_eq!(circles(&edges), ["abc", "de"]);
        assert_eq!(
            circles(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]),
            [""; 0]
        );
        assert_eq!(circles(&[("a", "a")]), [""; 0]);
    }

    #[test]
    fn the_way_around_is_short() {
        let graph = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("d", "a")]);
        let way = graph.way_around(Path::new("a"));
        assert_eq!(way, [(Path::new("d"), "D"), (Path::new("a"), "A")]);
        assert_eq!(graph.way_around(Path::new("b")).len(), 3);
    }
}
