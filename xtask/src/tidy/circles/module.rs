//! What a module declares, imports and names.

use std::collections::BTreeSet;

use super::{
    import::{Import, imports},
    tokens::is_name,
};

/// The contents of one module, without those of its children.
#[derive(Debug, Default)]
pub(super) struct Contents<'c> {
    /// Names of the items that are defined here.
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Paths of at least one segment in the code, as written.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// `mod name;`
    pub(super) files: Vec<String>,
    /// `mod name { tokens }`
    pub(super) inline: Vec<(String, Vec<&'c str>)>,
}

impl<'c> Contents<'c> {
    /// Reads the tokens of a module.
    pub(super) fn of(tokens: &[&'c str]) -> Self {
        let mut contents = Self::default();
        let (mut at, mut depth) = (0, 0_usize);
        while at < tokens.len() {
            let next = |offset: usize| tokens.get(at + offset).copied().unwrap_or_default();
            at += match (tokens[at], next(1), next(2)) {
                // Declarations within a function bring names in as well.
                // (`use<'a>` names what a type captures.)
                ("use", next, _) if next != "<" => {
                    let length = tokens[at..]
                        .iter()
                        .take_while(|token| **token != ";")
                        .count();
                    let is_reexport = depth == 0 && is_public(&tokens[..at]);
                    let declared = imports(&tokens[at + 1..at + length], is_reexport);
                    contents.imports.extend(declared);
                    length + 1
                }
                ("mod", name, ";") if depth == 0 => {
                    contents.files.push(name.to_owned());
                    3
                }
                ("mod", name, "{") if depth == 0 => {
                    let length = braces(&tokens[at + 2..]);
                    let body = &tokens[at + 3..at + 2 + length.saturating_sub(1)];
                    contents.inline.push((name.to_owned(), body.to_vec()));
                    2 + length
                }
                ("macro_rules", "!", name) => {
                    contents.items.insert(name.to_owned());
                    3
                }
                (
                    "fn" | "struct" | "enum" | "union" | "trait" | "type" | "static" | "const",
                    name,
                    _,
                ) if is_name(name) && !is_within_type(before(tokens, at)) => {
                    contents.declare(&tokens[at..], depth)
                }
                ("{", ..) => {
                    depth += 1;
                    1
                }
                ("}", ..) => {
                    depth = depth.saturating_sub(1);
                    1
                }
                (word, ..) if is_name(word) => contents.name(tokens, at),
                _ => 1,
            };
        }
        contents
    }

    /// The item whose keyword comes first; returns how many tokens its name takes.
    fn declare(&mut self, tokens: &[&str], depth: usize) -> usize {
        let name = match tokens {
            // Another keyword follows.
            ["const", "fn" | "unsafe" | "extern" | "async", ..] => return 1,
            ["static", "mut", name, ..] => name,
            [_, name, ..] => name,
            _ => return 1,
        };
        if depth == 0 {
            self.items.insert((*name).to_owned());
        }
        2
    }

    /// The path that begins at `at`; returns how many tokens it takes.
    fn name(&mut self, tokens: &[&str], at: usize) -> usize {
        let mut path = vec![tokens[at]];
        while let [separator, name, ..] = tokens[at + 2 * path.len() - 1..] {
            if separator != "::" || !is_name(name) {
                break;
            }
            path.push(name);
        }
        let length = 2 * path.len() - 1;
        let after = tokens.get(at + length).copied().unwrap_or_default();
        // A field or method, or the end of a path that begins in brackets.
        let is_member =
            matches!(before(tokens, at), "." | "::") && before(tokens, at.saturating_sub(1)) != ".";
        // A word in lower case alone is a variable, unless it is called.
        let is_variable = path.len() == 1
            && path[0].chars().all(|c| !c.is_uppercase())
            && !matches!(after, "(" | "!" | "::");
        if !is_member && !is_variable {
            let path = path.into_iter().map(str::to_owned).collect();
            self.paths.insert(path);
        }
        length
    }
}

/// `<const N`, `*const T`, `'static T`, `r#type`.
fn is_within_type(before: &str) -> bool {
    matches!(before, "<" | "," | "*" | "'" | "#")
}

fn before<'t>(tokens: &[&'t str], at: usize) -> &'t str {
    at.checked_sub(1).map_or("", |before| tokens[before])
}

/// Whether the tokens before a declaration end in `pub` or `pub(..)`.
fn is_public(before: &[&str]) -> bool {
    match before {
        [.., "pub"] => true,
        [.., ")"] => {
            let open = before.iter().rposition(|token| *token == "(");
            open.is_some_and(|open| open > 0 && before[open - 1] == "pub")
        }
        _ => false,
    }
}

/// How many tokens the braces take that open first.
fn braces(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::circles::tokens::tokens;

    #[test]
    fn items_imports_and_children_are_told_apart() {
        let code = "pub(crate) use a::B; use c::d; mod file; mod inline { fn inner() {} }
            pub const fn f() { const LOCAL: u8 = 1; use e::F; }
            static mut S: u8 = 0; struct T<'a> { field: &'a str } impl T { fn method() {} }
            macro_rules! m { () => { struct N; } } type A = u8; const C: [u8; 1] = [0];
            fn g<const N: usize>(p: *const P, s: &'static Q) -> impl R + use<'a> {}";
        let tokens = tokens(code);
        let contents = Contents::of(&tokens);
        assert_eq!(
            contents.items.iter().collect::<Vec<_>>(),
            ["A", "C", "S", "T", "f", "g", "m"]
        );
        assert_eq!(contents.files, ["file"]);
        assert_eq!(contents.inline.len(), 1);
        assert_eq!(contents.inline[0].1.join(" "), "fn inner ( ) { }");
        let imports = contents.imports.iter();
        let shown: Vec<_> = imports
            .map(|i| (i.path.join("::"), i.is_reexport))
            .collect();
        let expected = [("a::B", true), ("c::d", false), ("e::F", false)];
        assert_eq!(
            shown,
            expected.map(|(path, public)| (path.to_owned(), public))
        );
    }

    #[test]
    fn paths_are_read_and_variables_are_not() {
        let code = "fn f(x: &crate::a::B) { let y = g(x); c::d::<T>(y.z(), ..e::F); h!(x) }";
        let tokens = tokens(code);
        let paths = Contents::of(&tokens).paths.into_iter();
        let shown: Vec<String> = paths.map(|path| path.join("::")).collect();
        assert_eq!(shown, ["T", "c::d", "crate::a::B", "e::F", "g", "h"]);
    }
}
