//! The tokens of machine translation's `mteval-v13a`.

use std::sync::LazyLock;

use regex::Regex;

use super::python_text;

/// Each pattern with what replaces it, in this order.
static SPACED: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let pattern = |text| Regex::new(text).expect("the pattern is well formed");
    [
        // ASCII punctuation but the four signs below and the apostrophe.
        (pattern(r"([{-~\[-` -&(-+:-@/])"), " $1 "),
        // Full stop and comma, unless a digit stands before ...
        (pattern(r"([^0-9])([.,])"), "$1 $2 "),
        // ... and behind.
        (pattern(r"([.,])([^0-9])"), " $1 $2"),
        // A dash after a digit.
        (pattern(r"([0-9])(-)"), "$1 $2 "),
    ]
});

/// `line` as sacrebleu's `13a` tokenizer writes it: tokens with one space between them.
///
/// Punctuation is set off from words by rules for Western languages; other scripts are split at
/// blanks only.
pub fn tokenized_13a(line: &str) -> String {
    let mut line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if line.contains('&') {
        for (entity, sign) in [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ] {
            line = line.replace(entity, sign);
        }
    }
    let mut line = format!(" {line} ");
    for (pattern, spaced) in SPACED.iter() {
        line = pattern.replace_all(&line, *spaced).into_owned();
    }
    python_text::words(&line).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_set_off_but_not_inside_numbers() {
        assert_eq!(
            tokenized_13a("It's 3.5, not 1-2 (\"so\")."),
            "It's 3.5 , not 1 - 2 ( \" so \" ) ."
        );
        assert_eq!(
            tokenized_13a("a&amp;b &lt;x&gt; co-\nop"),
            "a & b < x > coop"
        );
        assert_eq!(tokenized_13a(" \u{1c}\u{a0}"), "");
    }
}
