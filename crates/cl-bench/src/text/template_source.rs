//! A chat template as this engine reads it.

/// What stands for `{% generation %}`: a block of its own scope, as a call block of Jinja is.
const SCOPE: [(&str, &str); 2] = [("generation", "with"), ("endgeneration", "endwith")];

/// The template with newlines as Jinja has them, and with the block in which transformers marks what an assistant has
/// said as a plain one; texts, comments and raw blocks keep what looks like it.
pub(super) fn readable(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut readable = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(start) = rest.find('{') {
        readable.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = match rest.as_bytes().get(1) {
            Some(b'#') => rest.find("#}").map_or(rest.len(), |end| end + 2),
            Some(b'{') => tag_length(rest, "}}"),
            Some(b'%') => tag_length(rest, "%}"),
            _ => 1,
        };
        let tag = &rest[..length];
        rest = &rest[length..];
        readable.push_str(&replaced(tag));
        if name_of(tag) == Some("raw") {
            let length = raw_length(rest);
            readable.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    readable + rest
}

/// From an opening bracket to its end, over texts in quotes.
fn tag_length(source: &str, end: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in source.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if source[at..].starts_with(end) => return at + end.len(),
            None => {}
        }
    }
    source.len()
}

/// The words of a block tag, without its brackets and the signs for blanks.
fn words(tag: &str) -> Option<&str> {
    let inner = tag.strip_prefix("{%")?.strip_suffix("%}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some(inner.strip_suffix(['-', '+']).unwrap_or(inner).trim())
}

fn name_of(tag: &str) -> Option<&str> {
    words(tag)?.split_whitespace().next()
}

fn replaced(tag: &str) -> String {
    let words = words(tag).unwrap_or_default();
    match SCOPE.into_iter().find(|(name, _)| *name == words) {
        Some((name, plain)) => tag.replacen(name, plain, 1),
        None => tag.to_owned(),
    }
}

/// Up to where a raw block ends.
fn raw_length(source: &str) -> usize {
    let tags = source.match_indices("{%").map(|(start, _)| start);
    let mut ends = tags.filter(|start| {
        let tag = &source[*start..];
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        name_of(&tag[..end]) == Some("endraw")
    });
    ends.next().unwrap_or(source.len())
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn only_the_block_itself_is_replaced() {
        for (source, expected) in [
            (
                "a{% generation %}b{% endgeneration %}c",
                "a{% with %}b{% endwith %}c",
            ),
            (
                "{%- generation -%}\n{%+endgeneration+%}",
                "{%- with -%}\n{%+endwith+%}",
            ),
            ("{{ '{% generation %}' }}", "{{ '{% generation %}' }}"),
            ("{# {% generation %} #}", "{# {% generation %} #}"),
            (
                "{% raw %}{% generation %}{% endraw %}{% generation %}",
                "{% raw %}{% generation %}{% endraw %}{% with %}",
            ),
            ("{% set generation = 1 %}", "{% set generation = 1 %}"),
            ("{{ \"\\\"%}\" }}{ {%", "{{ \"\\\"%}\" }}{ {%"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ] {
            assert_eq!(readable(source), expected, "{source}");
        }
    }
}
