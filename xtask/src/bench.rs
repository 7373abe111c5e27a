//! The benchmarks as one table, with what is needed to judge it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{process, workspace::Workspace};

const REPORT: &str = "docs/benchmarks.md";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (features, filter) = split_arguments(arguments);
    let start = SystemTime::now();
    let mut bench = process::cargo(&workspace.root);
    bench
        .args(["bench", "-p", "treelora-benches"])
        .args(&features)
        .arg("--")
        .args(&filter);
    process::run(bench)?;

    let mut results = Vec::new();
    collect(&workspace.target.join("criterion"), start, &mut results)?;
    results.sort_by(|a, b| a.name.cmp(&b.name));
    let table = table(&results);
    print!("{table}");
    if filter.is_empty() {
        let report = report(&table, &circumstances(workspace, &features)?);
        fs::write(workspace.root.join(REPORT), report).context(REPORT)?;
        println!("\nwritten to {REPORT}");
    } else {
        println!("\n{REPORT} is unchanged: a filter was given");
    }
    Ok(())
}

/// cargo's feature options, and what criterion filters by.
fn split_arguments(arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut features, mut filter) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--features" => features.extend([word].into_iter().chain(rest.next()).cloned()),
            "--no-default-features" => features.push(word.clone()),
            _ => filter.push(word.clone()),
        }
    }
    (features, filter)
}

/// Median of one benchmark and its confidence interval, in nanoseconds; a number without unit where the
/// group's name ends in `_ratio`.
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
        let shown = match name.contains("_ratio/") {
            true => |ratio: f64| format!("{ratio:.4} x"),
            false => duration,
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

/// What the numbers depend on, name and value.
fn circumstances(
    workspace: &Workspace,
    features: &[String],
) -> Result<Vec<(&'static str, String)>> {
    let mut commit = process::command("git", &workspace.root);
    commit.args(["describe", "--always", "--dirty", "--abbrev=12"]);
    let mut compiler = process::command("rustc", &workspace.root);
    compiler.arg("--version");
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(vec![
        ("processor", format!("{processor}, {threads} threads")),
        ("system", std::env::consts::OS.to_owned()),
        (
            "features",
            if features.is_empty() {
                "default".to_owned()
            } else {
                features.join(" ")
            },
        ),
        (
            "device",
            std::env::var("BURN_DEVICE").unwrap_or_else(|_| "default".to_owned()),
        ),
        ("compiler", process::output(compiler)?.trim().to_owned()),
        ("commit", process::output(commit)?.trim().to_owned()),
    ])
}

fn report(table: &str, circumstances: &[(&str, String)]) -> String {
    let mut text = "# Benchmarks\n\nWritten by `cargo xtask bench`.\n\n".to_owned();
    for (name, value) in circumstances {
        text += &format!("- {name}: {value}\n");
    }
    text + "\n" + table
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
    fn ratios_have_no_unit_of_time() {
        let row = Measurement {
            name: "step_ratio/treelora/10".to_owned(),
            median: 1.02,
            low: 1.0,
            high: 1.04,
        };
        let table = table(&[row]);
        assert!(
            table.ends_with("| step_ratio/treelora/10 | 1.0200 x | 1.0000 x to 1.0400 x |\n"),
            "{table}"
        );
    }

    #[test]
    fn durations_take_a_unit_that_fits() {
        let shown = [2.0, 2e3, 2e6, 2e9].map(duration);
        assert_eq!(shown, ["2.000 ns", "2.000 us", "2.000 ms", "2.000 s"]);
    }

    #[test]
    fn features_go_to_cargo_and_the_rest_to_criterion() {
        let words = ["--features", "wgpu", "gelu", "--no-default-features"].map(str::to_owned);
        let (features, filter) = split_arguments(&words);
        assert_eq!(features, ["--features", "wgpu", "--no-default-features"]);
        assert_eq!(filter, ["gelu"]);
    }
}
