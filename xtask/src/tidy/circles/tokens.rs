//! Rust code as a list of tokens.

/// Words, `::`, and every other visible character by itself, of `code` without comments and literals.
pub(super) fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !first.is_whitespace() {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

/// Whether `token` names something: a word that is no number.
pub(super) fn is_name(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|c| is_word(c) && !c.is_numeric())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_path_separators_are_tokens() {
        assert_eq!(
            tokens("use a::b_1;\nx:y é{2u8}"),
            [
                "use", "a", "::", "b_1", ";", "x", ":", "y", "é", "{", "2u8", "}"
            ]
        );
        assert!(is_name("_a") && is_name("é") && !is_name("2u8") && !is_name("::"));
    }
}
