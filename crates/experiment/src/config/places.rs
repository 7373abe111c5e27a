//! Where a setting was said: in which line of the file, or in which setting of the command line.

use std::{ops::Range, path::Path};

use toml::de::DeTable;
use treelora_core::Error;

/// The sources of a configuration.
pub(super) struct Places<'a> {
    pub(super) path: &'a Path,
    /// The text of the file.
    pub(super) text: &'a str,
    /// The table of the file's variants that is laid over the others.
    pub(super) variant: Option<&'a str>,
    /// Dotted keys and values that are laid over the file, in order.
    pub(super) changes: &'a [(String, String)],
}

impl Places<'_> {
    /// The error that something is wrong with the setting at a dotted key, or with what was said of the table that it
    /// should be in.
    pub(super) fn error(&self, key: &str, problem: &str) -> Error {
        let place = match (self.change(key), self.span(key)) {
            (Some((key, value)), _) => format!("{}: {problem}", option(key, value)),
            (None, Some(span)) => self.shown(span, problem),
            (None, None) => problem.to_owned(),
        };
        Error::format(self.path, place)
    }

    /// Whether anything was said of the setting at a dotted key, or of a table that it should be in.
    pub(super) fn know(&self, key: &str) -> bool {
        self.change(key).is_some() || self.span(key).is_some()
    }

    /// The last change that says what is at `key`.
    fn change(&self, key: &str) -> Option<&(String, String)> {
        let says = |change: &&(String, String)| {
            let below = key.strip_prefix(change.0.as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        };
        self.changes.iter().rev().find(says)
    }

    /// Where the file says it: in the variant before its own table, and of a key that is not there the table that is.
    fn span(&self, key: &str) -> Option<Range<usize>> {
        let root = DeTable::parse(self.text).ok()?.into_inner();
        let table = |table: &DeTable<'_>| deepest(table, key);
        let variant = self.variant.and_then(|name| {
            let variants = root.get("variants")?.get_ref().as_table()?;
            table(variants.get(name)?.get_ref().as_table()?)
        });
        match (variant, table(&root)) {
            (Some((depth, span)), Some((own, _))) if depth >= own => Some(span),
            (Some((_, span)), None) => Some(span),
            (_, own) => own.map(|(_, span)| span),
        }
    }

    /// A problem with the line that it is about.
    fn shown(&self, span: Range<usize>, problem: &str) -> String {
        let before = &self.text[..span.start];
        let number = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let indent = before[start..].chars().count();
        let marks = self.text[span].chars().count();
        let margin = " ".repeat(number.to_string().len());
        format!(
            "line {number}: {problem}\n{margin} |\n{number} | {line}\n{margin} | {}{}",
            " ".repeat(indent),
            "^".repeat(marks)
        )
    }
}

/// The deepest part of a dotted key that a table has: how deep, and where its name is.
fn deepest(table: &DeTable<'_>, key: &str) -> Option<(usize, Range<usize>)> {
    let (mut table, mut found) = (table, None);
    for (depth, part) in key.split('.').enumerate() {
        let Some((name, value)) = table.get_key_value(part) else {
            break;
        };
        found = Some((depth, name.span()));
        match value.get_ref().as_table() {
            Some(below) => table = below,
            None => break,
        }
    }
    found
}

/// A setting as the command line has it.
fn option(key: &str, value: &str) -> String {
    let name = match key {
        "data.path" => "--data",
        "model.weights" => "--weights",
        "training.seed" => "--seed",
        "data.allow_missing" => return "--allow-missing".to_owned(),
        _ => return format!("--set {key}={value}"),
    };
    format!("{name} {value}")
}
