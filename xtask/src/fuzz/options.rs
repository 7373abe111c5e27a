//! What `cargo xtask fuzz` is asked for.

use anyhow::{Context, Result, bail};

#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) formats: Vec<String>,
    /// Processor time of each format.
    pub(super) minutes: f64,
}

impl Options {
    pub(super) fn parse(arguments: &[String], known: &[String]) -> Result<Self> {
        let mut options = Self {
            formats: Vec::new(),
            minutes: 20.0,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--minutes" {
                let value = rest.next().context("`--minutes` needs a value")?;
                options.minutes = value
                    .parse()
                    .with_context(|| format!("--minutes {value}"))?;
            } else if known.contains(argument) {
                options.formats.push(argument.clone());
            } else {
                bail!("no format `{argument}`; there are {}", known.join(", "));
            }
        }
        if options.formats.is_empty() {
            options.formats = known.to_vec();
        }
        Ok(options)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        let owned = |list: &[&str]| -> Vec<String> { list.iter().map(|&s| s.into()).collect() };
        Options::parse(&owned(arguments), &owned(&["cifar", "picture"]))
    }

    #[test]
    fn all_formats_unless_some_are_named() {
        assert_eq!(parse(&[]).unwrap().formats, ["cifar", "picture"]);
        let one = parse(&["picture", "--minutes", "0.5"]).unwrap();
        assert_eq!(one.formats, ["picture"]);
        assert_eq!(one.minutes, 0.5);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let error = parse(&["pictures"]).unwrap_err().to_string();
        assert!(
            error.contains("`pictures`") && error.contains("cifar, picture"),
            "{error}"
        );
        assert!(parse(&["--minutes", "ten"]).is_err());
    }
}
