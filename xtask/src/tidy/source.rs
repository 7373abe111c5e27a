//! Just enough of Rust's grammar to read identifiers.

/// `source` with comments and the contents of literals blanked; lines and columns stay.
pub(crate) fn without_comments_and_literals(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut blank = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let end = match literal_or_comment(&chars, at) {
            Some(end) => {
                blank[at..end]
                    .iter_mut()
                    .filter(|c| **c != '\n')
                    .for_each(|c| *c = ' ');
                end
            }
            // A whole word at once, so that its last letter does not look like a prefix of a literal.
            None if is_word(chars[at]) => {
                at + chars[at..].iter().take_while(|c| is_word(**c)).count()
            }
            None => at + 1,
        };
        at = end;
    }
    blank.into_iter().collect()
}

/// Where the comment or literal that starts at `at` ends.
fn literal_or_comment(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => Some(at + rest.iter().take_while(|c| **c != '\n').count()),
        ['/', '*', ..] => Some(at + block_comment(rest)),
        ['"', ..] => Some(at + string(rest)),
        ['b' | 'c', '"', ..] => Some(at + 1 + string(&rest[1..])),
        ['r', '"' | '#', ..] => raw_string(&rest[1..]).map(|length| at + 1 + length),
        ['b' | 'c', 'r', '"' | '#', ..] => raw_string(&rest[2..]).map(|length| at + 2 + length),
        // A character; a lifetime has no quote two places on.
        ['\'', '\\', ..] => {
            Some(at + 3 + rest.iter().skip(3).take_while(|c| **c != '\'').count() + 1)
                .map(|end| end.min(chars.len()))
        }
        ['\'', _, '\'', ..] => Some(at + 3),
        _ => None,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length from the hashes on; `None` when it is a raw identifier.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let end = (hashes + 1..rest.len()).find(|at| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    });
    Some(end.map_or(rest.len(), |end| end + 1 + hashes))
}

/// `code`, already without comments and literals, with the bodies under `#[cfg(test)]` blanked.
pub(crate) fn without_test_modules(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut result = code.to_owned();
    while let Some(start) = result.find(MARK) {
        let rest = &result[start..];
        // The item ends at its closing brace, or at a semicolon when it has no body.
        let (mut depth, mut length) = (0, rest.len());
        for (offset, c) in rest.char_indices().skip(MARK.len()) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ';' if depth == 0 => {}
                _ => continue,
            }
            if depth == 0 {
                length = offset + 1;
                break;
            }
        }
        let blank: String = rest[..length]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        result.replace_range(start..start + length, &blank);
    }
    result
}

/// Line number, from 1, and text of each word.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(line, text)| {
        text.split(|c| !is_word(c))
            .filter(|word| !word.is_empty())
            .map(move |word| (line + 1, word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(source: &str) -> Vec<String> {
        let code = without_test_modules(&without_comments_and_literals(source));
        words(&code)
            .map(|(line, word)| format!("{line}:{word}"))
            .collect()
    }

    #[test]
    fn comments_and_literals_vanish_and_lines_stay() {
        let source = "// a\nlet b = \"c \\\" d\"; /* e /* f */ g */ h\n'i' '\\'' '\\u{41}' r#\"j\"k\"# br\"l\" m";
        assert_eq!(visible(source), ["2:let", "2:b", "2:h", "3:m"]);
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(
            visible("fn a<'b>(c: &'b str) { r#type }"),
            ["1:fn", "1:a", "1:b", "1:c", "1:b", "1:str", "1:r", "1:type"]
        );
        // The last letter of a word is no prefix of a string.
        assert_eq!(visible("attr\"x\" y"), ["1:attr", "1:y"]);
    }

    #[test]
    fn unterminated_literals_do_not_loop() {
        for source in ["\"a", "r#\"a", "/* a", "'\\", "b\"\\"] {
            assert!(visible(source).len() <= 1, "{source}");
        }
    }

    #[test]
    fn test_modules_vanish_with_their_braces() {
        let source = "use a;\n#[cfg(test)]\nmod tests { fn b() { { c } } }\nfn d() {}\n#[cfg(test)]\nuse e;\nuse f;";
        assert_eq!(
            visible(source),
            ["1:use", "1:a", "4:fn", "4:d", "7:use", "7:f"]
        );
    }
}
