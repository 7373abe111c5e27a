//! Blanks as Python's `str` sees them.

/// Whether Python's `str.isspace` holds: Unicode's white space and the four separators that end
/// ASCII's control characters.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
pub(super) fn stripped(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// `str.lstrip()`.
pub(super) fn stripped_before(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

/// `str.split()`.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}
