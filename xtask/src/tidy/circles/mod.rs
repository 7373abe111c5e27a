//! No circle of files: a reader who follows the uses of a file comes to an end, and every part can be understood,
//! tested and moved after those below it.
//!
//! A file uses another when its code, without tests and comments, names an item that the other defines. Names passed
//! on by `pub use` are followed to their file. Declaring a module, or passing its names on, uses nothing. Names within
//! literals and methods of values whose type isn't named are not seen.

mod crate_tree;

mod graph;

mod import;

mod module;

mod tokens;

use std::path::{Path, PathBuf};

use anyhow::Result;
use crate_tree::{CrateTree, Sources};
use graph::Graph;

use super::problem::Problem;
use crate::workspace::Workspace;

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Problem>> {
    let mut sources = Sources::new();
    for file in workspace.files_with("rs") {
        sources.insert(file.to_owned(), workspace.text(file)?);
    }
    let of_package = workspace
        .packages
        .iter()
        .flat_map(|package| circles(&package.roots, &sources));
    Ok(of_package.collect())
}

/// The circles of a package, whose library and binaries begin in the files `roots`.
fn circles(roots: &[PathBuf], sources: &Sources) -> Vec<Problem> {
    let mut graph = Graph::default();
    for root in roots {
        graph.extend(CrateTree::read(root, sources).uses());
    }
    let circles = graph.circles().into_iter();
    circles
        .map(|circle| {
            let files: Vec<String> = circle
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            let mut ways = circle.iter().map(|file| way(&graph, file));
            let shortest = ways.by_ref().min_by_key(Vec::len).unwrap_or_default();
            format!(
                "a circle of {} files: {}; for one, {}",
                files.len(),
                files.join(", "),
                shortest.join(", ")
            )
        })
        .collect()
}

/// A shortest way from a file back to it, in words.
fn way(graph: &Graph, file: &Path) -> Vec<String> {
    let mut user = file;
    let steps = graph.way_around(file).into_iter();
    steps
        .map(|(other, name)| {
            let step = format!("{} uses `{name}` of {}", file_name(user), file_name(other));
            user = other;
            step
        })
        .collect()
}

/// The last part of a path, with its folder where it is `mod.rs`.
fn file_name(file: &Path) -> String {
    let parts: Vec<_> = file
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy())
        .collect();
    match parts.as_slice() {
        [name, folder] if name == "mod.rs" => format!("{folder}/{name}"),
        [name, ..] => name.clone().into_owned(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a library of these files below `src`, each by its files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files
            .iter()
            .map(|(path, text)| (Path::new("src").join(path), (*text).to_owned()));
        let problems = circles(&["src/lib.rs".into()], &sources.collect());
        let files = |problem: String| {
            let files = problem.split(": ").nth(1).unwrap_or_default();
            let files = files.split(';').next().unwrap_or_default();
            files.replace("src/", "")
        };
        problems.into_iter().map(files).collect()
    }

    const AB: (&str, &str) = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");

    #[test]
    fn two_files_that_use_each_other_are_a_circle() {
        let a = ("a.rs", "use crate::b::B; pub struct A(B);");
        let found = |b: &str| found(&[AB, a, ("b.rs", b)]);
        assert_eq!(
            found("use super::a::A; pub struct B; fn f(_: A) {}"),
            ["a.rs, b.rs"]
        );
        assert_eq!(
            found("pub struct B; fn f(_: crate::a::A) {}"),
            ["a.rs, b.rs"]
        );
        assert_eq!(
            found("pub struct B; fn f() { use crate::a::*; let x = A; }"),
            ["a.rs, b.rs"]
        );
        assert_eq!(
            found("use crate::a; pub struct B; fn f() { a::g() }"),
            ["a.rs, b.rs"]
        );
        assert_eq!(found("pub struct B;"), [""; 0]);
    }

    #[test]
    fn names_passed_on_lead_to_their_file() {
        let a = ("a.rs", "use crate::B; pub struct A(B);");
        let b = ("b.rs", "use crate::{A as Other}; pub struct B;");
        assert_eq!(found(&[AB, a, b]), ["a.rs, b.rs"]);
        let folder = [
            ("lib.rs", "mod a; mod inner;"),
            ("inner/mod.rs", "mod deep; pub(crate) use deep::*;"),
            ("inner/deep.rs", "mod deepest; pub(crate) use deepest::D;"),
            ("inner/deep/deepest.rs", "pub(crate) struct D(crate::a::A);"),
        ];
        let with = |a: &str| found(&[&folder[..], &[("a.rs", a)]].concat());
        assert_eq!(
            with("pub struct A(crate::inner::D);"),
            ["a.rs, inner/deep/deepest.rs"]
        );
        assert_eq!(with("pub struct A;"), [""; 0]);
    }

    #[test]
    fn three_files_are_named_with_a_way_around() {
        let files = [
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "pub struct A(crate::b::B);"),
            ("src/b.rs", "use super::c::c; pub struct B;"),
            ("src/c.rs", "pub fn c(_: super::a::A) {}"),
        ];
        let sources = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        let problems = circles(&["src/lib.rs".into()], &sources.into_iter().collect());
        assert_eq!(
            problems,
            [
                "a circle of 3 files: src/a.rs, src/b.rs, src/c.rs; for one, a.rs uses `crate::b::B` of b.rs, \
            b.rs uses `super::c::c` of c.rs, c.rs uses `super::a::A` of a.rs"
            ]
        );
    }

    #[test]
    fn parents_may_declare_and_pass_on_what_their_children_build_on() {
        let child = ("a.rs", "use super::Defined; pub struct A(Defined);");
        let parent = |text| found(&[("lib.rs", text), child]);
        assert_eq!(
            parent("pub mod a; pub use a::A; pub struct Defined;"),
            [""; 0]
        );
        assert_eq!(
            parent("mod a; use a::A; pub struct Defined; fn f(_: A) {}"),
            ["a.rs, lib.rs"]
        );
        assert_eq!(
            parent("mod a; pub use a::A; pub struct Defined; fn f(_: A) {}"),
            ["a.rs, lib.rs"]
        );
        assert_eq!(
            parent("mod a; pub struct Defined; const ALL: [a::A; 0] = [];"),
            ["a.rs, lib.rs"]
        );
        let other = ("a.rs", "pub struct A;");
        assert_eq!(
            found(&[("lib.rs", "mod a; use a::A; fn f(_: A) {}"), other]),
            [""; 0]
        );
    }

    #[test]
    fn tests_comments_and_inner_modules_are_no_circle() {
        let a = ("a.rs", "use crate::b::B; pub struct A(B);");
        let b = "//! [`crate::a::A`]\n/// ```\n/// use x::a::A;\n/// ```\npub struct B;\n\
            #[cfg(test)]\nmod tests { use crate::a::A; use super::*; }";
        assert_eq!(found(&[AB, a, ("b.rs", b)]), [""; 0]);
        let inline = "pub struct A; mod inner { use super::A; pub fn f(_: A) {} } use inner::f;";
        assert_eq!(found(&[("lib.rs", "mod a;"), ("a.rs", inline)]), [""; 0]);
    }

    #[test]
    fn names_of_other_crates_and_of_variables_are_not_ours() {
        let a = (
            "a.rs",
            "use crate::b::B; pub fn a(_: B) {} pub fn rand() {}",
        );
        let b = "use a_crate::a::A; use rand::rand; pub struct B { a: u8 }
            fn f(x: B) { let a = x.a; x.a(); y(a, ::a::b()); rand() }";
        assert_eq!(found(&[AB, a, ("b.rs", b)]), [""; 0]);
    }

    #[test]
    fn what_a_macro_makes_belongs_to_the_file_that_names_it() {
        let a = ("a.rs", "use crate::b::B; make!(Made); pub struct A(B);");
        assert_eq!(
            found(&[AB, a, ("b.rs", "pub struct B(crate::a::Made);")]),
            ["a.rs, b.rs"]
        );
    }
}
