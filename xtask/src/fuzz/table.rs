//! The table of docs/robustness.md.

use std::fs;

use anyhow::{Context, Result, bail};

use super::statistics::Statistics;
use crate::workspace::Workspace;

const PAGE: &str = "docs/robustness.md";

const HEADER: &str = "| format | CPU minutes | executions | branches reached | inputs kept | commit |\n|---|---|---|---|---|---|\n";

/// Put the row of a format in.
pub(super) fn state(
    workspace: &Workspace,
    format: &str,
    statistics: &Statistics,
    kept: usize,
    commit: &str,
) -> Result<()> {
    let row = format!(
        "| `{format}` | {:.0} | {} | {} | {kept} | {commit} |",
        statistics.cpu_minutes, statistics.executions, statistics.branches
    );
    let path = workspace.root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    fs::write(&path, with_row(&page, format, &row)?)?;
    Ok(())
}

/// The page with this row in the place of the format's earlier one, rows in the order of their names.
fn with_row(page: &str, format: &str, row: &str) -> Result<String> {
    let Some((before, rest)) = page.split_once(HEADER) else {
        bail!("{PAGE} has no table under\n{HEADER}");
    };
    let of_table = rest
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'));
    let (table, after) = rest.split_at(of_table.map(str::len).sum());
    let own = format!("| `{format}` |");
    let mut rows: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with(&own))
        .collect();
    rows.push(row);
    rows.sort_unstable();
    Ok(format!("{before}{HEADER}{}\n{after}", rows.join("\n")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_the_place_of_the_earlier_one() {
        let page = format!("text\n\n{HEADER}| `a` | 1 |\n| `c` | 3 |\n\nmore\n");
        let page = with_row(&page, "b", "| `b` | 2 |").unwrap();
        let page = with_row(&page, "a", "| `a` | 9 |").unwrap();
        let expected = format!("text\n\n{HEADER}| `a` | 9 |\n| `b` | 2 |\n| `c` | 3 |\n\nmore\n");
        assert_eq!(page, expected);
    }

    #[test]
    fn the_first_row_of_all() {
        let page = with_row(&format!("{HEADER}\nmore\n\nyet more\n"), "a", "| `a` | 9 |").unwrap();
        assert_eq!(page, format!("{HEADER}| `a` | 9 |\n\nmore\n\nyet more\n"));
        assert!(with_row("no table", "a", "").is_err());
    }
}
