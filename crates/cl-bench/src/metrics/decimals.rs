//! Numbers as text.

/// A number with so many decimals; what rounds to 0 has no sign.
pub fn decimals(value: f64, count: usize) -> String {
    let text = format!("{value:.count$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|byte| matches!(byte, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_less_than_nothing() {
        for (value, count, text) in [
            (-0.0, 1, "0.0"),
            (-0.04, 1, "0.0"),
            (-0.06, 1, "-0.1"),
            (-0.4, 0, "0"),
            (-12.0, 2, "-12.00"),
            (7.12345, 3, "7.123"),
        ] {
            assert_eq!(decimals(value, count), text);
        }
        assert_eq!(decimals(f64::NAN, 2), "NaN");
    }
}
