//! Literals of Py150's code, which the data set hides behind placeholders.

use std::sync::LazyLock;

use regex::Regex;

/// A placeholder that still names its literal.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("(?s)<(?:STR|NUM|CHAR)_LIT:(.*?)>").expect("the pattern is well formed")
});

/// `code` with its literals: `<NUM_LIT>` becomes 0, `<STR_LIT>` and `<CHAR_LIT>` nothing, and
/// `<NUM_LIT:value>` and its like their value.
///
/// As in TRACE the named ones are found first and then replaced one after the other, everywhere:
/// one that comes into being through a replacement is resolved too if it equals a later one. The
/// cost is the length of the code times the number of named literals.
pub fn resolved_literals(code: &str) -> String {
    let mut code = code
        .replace("<NUM_LIT>", "0")
        .replace("<STR_LIT>", "")
        .replace("<CHAR_LIT>", "");
    let named: Vec<(String, String)> = NAMED
        .captures_iter(&code)
        .map(|found| (found[0].to_owned(), found[1].to_owned()))
        .collect();
    for (placeholder, value) in named {
        if code.contains(&placeholder) {
            code = code.replace(&placeholder, &value);
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_their_literals() {
        assert_eq!(
            resolved_literals("f ( '<STR_LIT:utf-8>' , <NUM_LIT:1> , <NUM_LIT> , '<STR_LIT>' )"),
            "f ( 'utf-8' , 1 , 0 , '' )"
        );
        assert_eq!(resolved_literals("<CHAR_LIT:\n><CHAR_LIT>"), "\n");
        assert_eq!(resolved_literals("<s> a <NUM_LIT:1 <EOL>"), "<s> a 1 <EOL");
    }

    #[test]
    fn what_a_replacement_leaves_is_resolved_only_by_a_later_equal_one() {
        assert_eq!(resolved_literals("<STR_LIT:<NUM_LIT:3>>"), "<NUM_LIT:3>");
        assert_eq!(
            resolved_literals("<STR_LIT:<NUM_LIT:3>> <NUM_LIT:3>"),
            "3 3"
        );
    }
}
