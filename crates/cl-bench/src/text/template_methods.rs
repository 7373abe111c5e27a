//! Methods of Python's texts that chat templates call.

use minijinja::{Error, ErrorKind, State, Value, value::from_args};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Methods that the engine's own collection lacks or has otherwise; the rest are its.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return unknown_method_callback(state, value, method, arguments);
    };
    match method {
        "title" => {
            let () = from_args(arguments)?;
            Ok(Value::from(title(text)))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        "rsplit" => {
            let (separator, most): (&str, Option<i64>) = from_args(arguments)?;
            let most = most.and_then(|most| usize::try_from(most).ok());
            split_from_the_right(text, separator, most)
        }
        "partition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let (before, after) = text.split_once(separator).unwrap_or((text, ""));
            let found = if text.contains(separator) {
                separator
            } else {
                ""
            };
            Ok([before, found, after].into_iter().collect())
        }
        _ => unknown_method_callback(state, value, method, arguments),
    }
}

/// A capital after everything that is no letter.
fn title(text: &str) -> String {
    let mut within = false;
    let mut title = String::with_capacity(text.len());
    for letter in text.chars() {
        match within {
            true => title.extend(letter.to_lowercase()),
            false => title.extend(letter.to_uppercase()),
        }
        within = letter.is_alphabetic();
    }
    title
}

fn split_from_the_right(text: &str, separator: &str, most: Option<usize>) -> Result<Value, Error> {
    if separator.is_empty() {
        let problem = "the separator of `rsplit` is empty";
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    let mut parts: Vec<&str> = match most {
        Some(most) => text.rsplitn(most.saturating_add(1), separator).collect(),
        None => text.rsplit(separator).collect(),
    };
    parts.reverse();
    Ok(parts.into_iter().collect())
}
