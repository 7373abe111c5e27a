//! Names that look the same.

use std::collections::BTreeMap;

use tokenizers::{NormalizedString, Normalizer, normalizers::NFC};

/// Check that no two names consist of the same letters in another Unicode composition: `e` with a combining accent, as
/// macOS writes file names, and the one character.
///
/// # Errors
/// Both names, with the characters that differ.
pub(in crate::dataset) fn check_distinct(names: &[String]) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(twin) = seen.insert(composed(name), name) {
            return Err(format!(
                "the classes `{}` and `{}` differ only in their Unicode composition; give the folders one name",
                twin.escape_default(),
                name.escape_default()
            ));
        }
    }
    Ok(())
}

/// Another name of the same letters.
pub(in crate::dataset) fn twin<'n>(name: &str, names: &'n [String]) -> Option<&'n String> {
    names
        .iter()
        .find(|other| differ_in_composition(name, other))
}

/// Whether two names that differ consist of the same letters, in another Unicode composition.
pub fn differ_in_composition(one: &str, other: &str) -> bool {
    one != other && composed(one) == composed(other)
}

fn composed(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let mut normalized = NormalizedString::from(name);
    match NFC.normalize(&mut normalized) {
        Ok(()) => normalized.get().to_owned(),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_in_two_compositions_are_told() {
        let names = ["caf\u{e9}", "cafe", "cafe\u{301}"].map(String::from);
        assert_eq!(check_distinct(&names[..2]), Ok(()));
        let problem = check_distinct(&names).unwrap_err();
        assert!(
            problem.contains(r"`caf\u{e9}` and `cafe\u{301}`"),
            "{problem}"
        );
        assert_eq!(twin("cafe\u{301}", &names[..2]), Some(&names[0]));
        assert_eq!(twin("cafe", &names), None);
    }
}
