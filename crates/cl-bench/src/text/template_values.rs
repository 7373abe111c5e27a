//! Values of chat templates as Python writes them.

use std::fmt::Write;

use minijinja::{Error, ErrorKind, Value, value::ValueKind};

/// Deeper values are refused, so that none exhausts the stack.
const DEEPEST: usize = 100;

/// How JSON is written, by the arguments of Python's `json.dumps`.
#[derive(Debug)]
pub(super) struct JsonStyle {
    pub(super) ensure_ascii: bool,
    /// One level of it in front of the lines; without, everything is on one line.
    pub(super) indent: Option<String>,
    /// Between items, and between key and value.
    pub(super) separators: (String, String),
    pub(super) sort_keys: bool,
}

impl JsonStyle {
    /// A value as JSON.
    ///
    /// # Errors
    /// When it has no form in JSON.
    pub(super) fn write(&self, value: &Value) -> Result<String, Error> {
        let mut text = String::new();
        self.write_value(&mut text, value, 0)?;
        Ok(text)
    }

    fn write_value(&self, text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(refusal("is nested too deeply for JSON".to_owned()));
        }
        match value.kind() {
            ValueKind::None => text.push_str("null"),
            ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => text.push_str(&number(value, ["NaN", "Infinity", "-Infinity"])),
            ValueKind::String => self.write_string(text, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.write_all(text, ['[', ']'], items, depth, |text, item| {
                    self.write_value(text, &item, depth + 1)
                })?;
            }
            ValueKind::Map => {
                let mut entries = Vec::new();
                for key in value.try_iter()? {
                    entries.push((self.key(&key)?, value.get_item(&key)?));
                }
                if self.sort_keys {
                    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                }
                self.write_all(text, ['{', '}'], entries, depth, |text, (key, value)| {
                    self.write_string(text, &key);
                    text.push_str(&self.separators.1);
                    self.write_value(text, &value, depth + 1)
                })?;
            }
            kind => return Err(refusal(format!("is {kind}, which has no form in JSON"))),
        }
        Ok(())
    }

    fn write_all<T>(
        &self,
        text: &mut String,
        [open, close]: [char; 2],
        items: Vec<T>,
        depth: usize,
        mut write: impl FnMut(&mut String, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let new_line = |text: &mut String, depth: usize| {
            if let Some(indent) = &self.indent {
                text.push('\n');
                text.push_str(&indent.repeat(depth));
            }
        };
        text.push(open);
        let empty = items.is_empty();
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                text.push_str(&self.separators.0);
            }
            new_line(text, depth + 1);
            write(text, item)?;
        }
        if !empty {
            new_line(text, depth);
        }
        text.push(close);
        Ok(())
    }

    fn key(&self, key: &Value) -> Result<String, Error> {
        match key.kind() {
            ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
            ValueKind::None | ValueKind::Bool | ValueKind::Number => self.write(key),
            kind => Err(refusal(format!("is a key of JSON and {kind}"))),
        }
    }

    fn write_string(&self, text: &mut String, string: &str) {
        text.push('"');
        for character in string.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                _ if character < ' ' || (self.ensure_ascii && !character.is_ascii()) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to a string cannot fail.
                        let _ = write!(text, "\\u{unit:04x}");
                    }
                }
                _ => text.push(character),
            }
        }
        text.push('"');
    }
}

/// A value as `{{ }}` prints it: Python's `str`.
pub(super) fn printed(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => represented(value, 0),
    }
}

/// Python's `repr`, which lists and dictionaries print of what they hold.
fn represented(value: &Value, depth: usize) -> String {
    let listed =
        |items: Vec<String>, [open, close]: [&str; 2]| format!("{open}{}{close}", items.join(", "));
    match value.kind() {
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        ValueKind::Number => number(value, ["nan", "inf", "-inf"]),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Seq if depth < DEEPEST => match value.try_iter() {
            Ok(items) => {
                let items = items.map(|item| represented(&item, depth + 1));
                listed(items.collect(), ["[", "]"])
            }
            Err(_) => value.to_string(),
        },
        ValueKind::Map if depth < DEEPEST => match value.try_iter() {
            Ok(keys) => {
                let entry = |key: Value| {
                    let item = value.get_item(&key).unwrap_or_default();
                    let (key, item) = (represented(&key, depth + 1), represented(&item, depth + 1));
                    format!("{key}: {item}")
                };
                listed(keys.map(entry).collect(), ["{", "}"])
            }
            Err(_) => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// A number as Python writes it; floats with two digits of the exponent at least.
fn number(value: &Value, [nan, infinite, negative]: [&str; 3]) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(number) = f64::try_from(value.clone()) else {
        return value.to_string();
    };
    if number.is_nan() {
        return nan.to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { infinite } else { negative }.to_owned();
    }
    let text = format!("{number:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
    }
}

/// In single quotes, but where only these occur in the text.
fn quoted(text: &str) -> String {
    let quote = match text.contains('\'') && !text.contains('"') {
        true => '"',
        false => '\'',
    };
    let mut quoted = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if character == quote => quoted.extend(['\\', quote]),
            _ if character.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\x{:02x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push(quote);
    quoted
}

fn refusal(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("the value {problem}"))
}
