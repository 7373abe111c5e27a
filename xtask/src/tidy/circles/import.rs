//! `use` declarations.

/// One name, or all names of a module, that a `use` brings into a module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Import {
    /// As written, from the module of the declaration.
    pub(super) path: Vec<String>,
    pub(super) binding: Binding,
    /// `pub` of any kind: passed on, not necessarily used.
    pub(super) is_reexport: bool,
}

/// What an import is called where it was brought to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Binding {
    Name(String),
    /// `as _`: a trait for its methods.
    Unnamed,
    /// `*`.
    All,
}

/// The imports of a declaration: `tokens` stand between `use` and the semicolon.
pub(super) fn imports(tokens: &[&str], is_reexport: bool) -> Vec<Import> {
    let mut leaves = Vec::new();
    tree(&mut tokens.iter().copied().peekable(), &[], &mut leaves);
    leaves
        .into_iter()
        .map(|(path, binding)| Import {
            path,
            binding,
            is_reexport,
        })
        .collect()
}

type Tokens<'t, I> = std::iter::Peekable<I>;

/// One branch, up to the comma or brace that ends it.
fn tree<'t>(
    tokens: &mut Tokens<'t, impl Iterator<Item = &'t str>>,
    prefix: &[String],
    leaves: &mut Vec<(Vec<String>, Binding)>,
) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    while let Some(token) = tokens.next_if(|token| !matches!(*token, "," | "}")) {
        match token {
            "{" => {
                while tokens.peek().is_some_and(|token| *token != "}") {
                    tree(tokens, &path, leaves);
                    tokens.next_if_eq(&",");
                }
                tokens.next();
                return;
            }
            "*" => return leaves.push((path, Binding::All)),
            "as" => alias = tokens.next(),
            // `::name` is a crate, which no module of ours can be: kept as an empty first segment.
            "::" if path.is_empty() => path.push(String::new()),
            "::" => {}
            // `a::{self}` is `a`.
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
    }
    let binding = match (alias, path.last()) {
        (Some("_"), _) => Binding::Unnamed,
        (Some(name), _) => Binding::Name(name.to_owned()),
        (None, Some(name)) => Binding::Name(name.clone()),
        (None, None) => return,
    };
    leaves.push((path, binding));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::circles::tokens::tokens;

    fn shown(declaration: &str) -> Vec<String> {
        let show = |import: Import| format!("{} {:?}", import.path.join("::"), import.binding);
        imports(&tokens(declaration), false)
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn a_tree_has_its_leaves() {
        assert_eq!(
            shown("crate::{a::{self, B, c as d}, E as _, f::*}"),
            [
                "crate::a Name(\"a\")",
                "crate::a::B Name(\"B\")",
                "crate::a::c Name(\"d\")",
                "crate::E Unnamed",
                "crate::f All"
            ]
        );
        assert_eq!(shown("super::super::x"), ["super::super::x Name(\"x\")"]);
        assert_eq!(
            shown("::serde::Serialize"),
            ["::serde::Serialize Name(\"Serialize\")"]
        );
    }
}
