//! What criterion measured, from the files that it leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{options::Options, package::PACKAGE};
use crate::{process, workspace::Workspace};

/// Run the bench target `name` and return its medians as a table.
///
/// # Errors
/// When the benchmark does not build or run, or leaves files that cannot be read.
pub(crate) fn run(workspace: &Workspace, options: &Options, name: &str) -> Result<String> {
    let start = SystemTime::now();
    let mut bench = process::cargo(&workspace.root);
    bench
        .args(["bench", "-p", PACKAGE, "--bench", name])
        .args(&options.features)
        .arg("--")
        .args(&options.filter);
    process::run(bench)?;
    let mut results = Vec::new();
    collect(&workspace.target.join("criterion"), start, &mut results)?;
    results.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(table(&results))
}

/// Median of one benchmark and its confidence interval, in nanoseconds; a number without unit or of
/// bytes where the group's name ends in `_ratio` or `_bytes`.
#[derive(Debug, PartialEq)]
struct Measurement {
    name: String,
    median: f64,
    low: f64,
    high: f64,
}

/// The measurements under `folder` that this run wrote: `<benchmark>/new/{benchmark,estimates}.json`.
fn collect(folder: &Path, start: SystemTime, results: &mut Vec<Measurement>) -> Result<()> {
    let estimates = folder.join("estimates.json");
    let is_new = folder.file_name().is_some_and(|name| name == "new") && estimates.is_file();
    if is_new && fs::metadata(&estimates)?.modified()? >= start {
        results.push(measurement(
            &read(folder.join("benchmark.json"))?,
            &read(estimates)?,
        ));
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, start, results)?;
        }
    }
    Ok(())
}

fn read(path: PathBuf) -> Result<Value> {
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn measurement(benchmark: &Value, estimates: &Value) -> Measurement {
    let median = &estimates["median"];
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    Measurement {
        name: benchmark["full_id"].as_str().unwrap_or("?").to_owned(),
        median: number(&median["point_estimate"]),
        low: number(&median["confidence_interval"]["lower_bound"]),
        high: number(&median["confidence_interval"]["upper_bound"]),
    }
}

fn table(results: &[Measurement]) -> String {
    let mut text = "| benchmark | median | 95% interval |\n|---|---:|---:|\n".to_owned();
    for Measurement {
        name,
        median,
        low,
        high,
    } in results
    {
        let shown = match name {
            name if name.contains("_ratio/") => |ratio: f64| format!("{ratio:.4} x"),
            name if name.contains("_bytes/") => |bytes: f64| format!("{:.3} MB", bytes / 1e6),
            _ => duration,
        };
        let (median, low, high) = (shown(*median), shown(*low), shown(*high));
        text += &format!("| {name} | {median} | {low} to {high} |\n");
    }
    text
}

fn duration(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "us")];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| nanoseconds >= *size)
        .unwrap_or((1.0, "ns"));
    format!("{:.3} {unit}", nanoseconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn criterion_files_become_rows() {
        let interval = json!({"lower_bound": 1.4e6, "upper_bound": 1.6e6});
        let estimates =
            json!({"median": {"point_estimate": 1.5e6, "confidence_interval": interval}});
        let row = measurement(&json!({"full_id": "tree/insert/64"}), &estimates);
        let table = table(&[row]);
        assert!(
            table.ends_with("| tree/insert/64 | 1.500 ms | 1.400 ms to 1.600 ms |\n"),
            "{table}"
        );
    }

    #[test]
    fn what_is_no_time_has_its_own_unit() {
        for (name, number, shown) in [
            ("step_ratio/treelora/10", 1.02, "1.0200 x"),
            ("tree_bytes/12 layers/10", 2.5e6, "2.500 MB"),
        ] {
            let row = Measurement {
                name: name.to_owned(),
                median: number,
                low: number,
                high: number,
            };
            let table = table(&[row]);
            let expected = format!("| {name} | {shown} | {shown} to {shown} |\n");
            assert!(table.ends_with(&expected), "{table}");
        }
    }

    #[test]
    fn durations_take_a_unit_that_fits() {
        let shown = [2.0, 2e3, 2e6, 2e9].map(duration);
        assert_eq!(shown, ["2.000 ns", "2.000 us", "2.000 ms", "2.000 s"]);
    }
}
