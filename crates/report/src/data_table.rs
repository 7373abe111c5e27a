//! The numbers behind a figure.

use std::fmt::Write;

use maud::{Markup, html};

/// Rows that the page shows; the file has all of them.
const SHOWN: usize = 40;

/// Columns with names, and rows of values as text; a value that is missing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataTable {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One value a column.
    pub rows: Vec<Vec<String>>,
}

impl DataTable {
    /// Without rows.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Append a row.
    ///
    /// # Panics
    /// When it has not one value a column.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(
            row.len(),
            self.columns.len(),
            "values of {:?}",
            self.columns
        );
        self.rows.push(row);
    }

    /// A number that reads back as itself; empty without one.
    pub fn number(value: impl Into<Option<f64>>) -> String {
        let value = value.into().filter(|value| value.is_finite());
        // -0 is 0.
        value.map_or_else(String::new, |value| (value + 0.0).to_string())
    }

    /// Comma-separated values as RFC 4180 has them, lines ending in a line feed.
    pub fn to_csv(&self) -> String {
        let mut csv = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            for (index, value) in row.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // Writing to a string cannot fail.
                let _ = match value.contains(['"', ',', '\n', '\r']) {
                    true => write!(csv, "{comma}\"{}\"", value.replace('"', "\"\"")),
                    false => write!(csv, "{comma}{value}"),
                };
            }
            csv.push('\n');
        }
        csv
    }

    /// The first rows as a table of the page, with `caption` as its name.
    pub(crate) fn to_html(&self, caption: &str) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead { tr { @for column in &self.columns { th scope="col" { (column) } } } }
                    tbody {
                        @for row in self.rows.iter().take(SHOWN) {
                            tr { @for value in row { td { (value) } } }
                        }
                    }
                }
            }
            @if let Some(more) = self.rows.len().checked_sub(SHOWN + 1) {
                p.note { (more + 1) " more rows are in the file." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_and_quotes_are_quoted() {
        let mut table = DataTable::new(["task", "score"]);
        table.push(vec!["a, \"b\"".into(), DataTable::number(0.1 + 0.2)]);
        table.push(vec!["plain".into(), DataTable::number(f64::NAN)]);
        table.push(vec!["two\nlines".into(), DataTable::number(None)]);
        table.push(vec!["nothing".into(), DataTable::number(-0.0)]);
        assert_eq!(
            table.to_csv(),
            "task,score\n\"a, \"\"b\"\"\",0.30000000000000004\nplain,\n\"two\nlines\",\nnothing,0\n"
        );
    }

    #[test]
    fn a_long_table_is_cut_on_the_page_and_says_so() {
        let mut table = DataTable::new(["x"]);
        for row in 0..SHOWN + 2 {
            table.push(vec![format!("<{row}>")]);
        }
        let html = table.to_html("numbers").into_string();
        assert!(
            html.contains("&lt;0&gt;") && html.contains("2 more rows"),
            "{html}"
        );
        assert_eq!(table.to_csv().lines().count(), SHOWN + 3);
    }
}
