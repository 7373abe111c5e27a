//! Numbers and names as short text.

use std::fmt;

use treelora_cl_bench::metrics::decimals;

/// A length in pixels, to a tenth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounded(pub(crate) f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // -0 is 0.
        write!(f, "{}", (10.0 * self.0).round() / 10.0 + 0.0)
    }
}

/// A share in percent to a tenth, without a sign.
pub(crate) fn percent(share: f64) -> String {
    decimals(100.0 * share, 1)
}

/// A number in three digits.
pub(crate) fn compact(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => return "0".to_owned(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ if size < 0.1 => format!("{value:.4}"),
        _ if size < 10.0 => format!("{value:.2}"),
        _ if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The name in at most `characters`, an ellipsis in place of the middle: ends tell layers apart.
pub(crate) fn shortened(name: &str, characters: usize) -> String {
    let count = name.chars().count();
    if count <= characters {
        return name.to_owned();
    }
    let kept = characters.saturating_sub(1);
    let head = kept / 2;
    let start: String = name.chars().take(head).collect();
    let end: String = name.chars().skip(count - (kept - head)).collect();
    format!("{start}…{end}")
}

/// Width of a text of 12 pixels, on the safe side.
pub(crate) fn label_width(text: &str) -> f64 {
    6.8 * text.chars().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.00023398, "2.3e-4"),
            (-0.0321, "-0.0321"),
            (12.0, "12"),
            (1234.6, "1235"),
            (1e9, "1.0e9"),
        ] {
            assert_eq!(compact(value), text);
        }
        assert_eq!(percent(0.8504999), "85.0");
        assert_eq!(percent(-0.0002), "0.0");
        assert_eq!(Rounded(1.26).to_string(), "1.3");
        assert_eq!(Rounded(-0.01).to_string(), "0");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("blocks.6.attention.q", 9), "bloc…on.q");
        assert_eq!(shortened("short", 9), "short");
        assert_eq!(shortened("äöüäöü", 3), "ä…ü");
    }
}
