//! Every figure is there, and its numbers are those of the run.

use std::{collections::BTreeMap, fs, path::Path};

use treelora_cl_bench::metrics::mean_and_spread;
use treelora_experiment::RunFolder;
use treelora_report::Report;

use crate::tiny_run::{copy, finished};

/// Names of the figures that every run has.
const ALWAYS: [&str; 8] = [
    "accuracy-matrix",
    "accuracy-over-time",
    "forgetting-over-time",
    "task-scores",
    "loss",
    "learning-rate",
    "stage-time",
    "stage-memory",
];

/// What TreeLoRA adds over three tasks; the first has no relatives.
const TREES: [&str; 11] = [
    "term-mean_cost",
    "term-pull",
    "tree-01",
    "tree-02",
    "tree-03",
    "relatives-02",
    "relatives-03",
    "bounds-02",
    "bounds-03",
    "bounds-over-time-02",
    "bounds-over-time-03",
];

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_figure_of_every_run_is_on_the_page_and_in_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let (html, figures) = (
        dir.path().join("out/all.html"),
        dir.path().join("out/drawn"),
    );
    let report = Report::read(finished()).unwrap();
    report.write(&html, &figures).unwrap();
    let page = fs::read_to_string(&html).unwrap();
    let of_trees = ALWAYS.iter().chain(&TREES);
    let expected = of_trees
        .flat_map(|name| [format!("tree-1-{name}"), format!("tree-2-{name}")])
        .chain(ALWAYS.iter().map(|name| format!("sequential-{name}")))
        .chain(
            [
                "acc_last",
                "aia_task_weighted",
                "bwt_treelora_paper",
                "forgetting_max_excl_last",
                "accuracy-over-time",
                "forgetting-over-time",
            ]
            .map(|name| format!("comparison-{name}")),
        );
    let mut count = 0;
    for name in expected {
        count += 1;
        assert!(page.contains(&format!("id=\"figure-{name}\"")), "{name}");
        assert!(
            page.contains(&format!("href=\"drawn/{name}.csv\"")),
            "{name}"
        );
        let svg = fs::read_to_string(figures.join(format!("{name}.svg"))).unwrap();
        for part in [
            "role=\"img\"",
            "<title id=",
            "<desc id=",
            "prefers-color-scheme",
        ] {
            assert!(svg.contains(part), "{name}: {part}");
        }
        assert!(!svg.contains("NaN"), "{name}");
        assert!(
            rows(&figures.join(format!("{name}.csv"))).len() > 1,
            "{name}"
        );
    }
    assert_eq!(report.figures().count(), count);
    assert_eq!(page.matches("<figure").count(), count);
    // Nothing from elsewhere: links lead to the figures' files and into the page alone.
    for (link, _) in page
        .match_indices("href=\"")
        .chain(page.match_indices("src=\""))
    {
        let target = page[link..].split('"').nth(1).unwrap();
        assert!(
            target.starts_with('#') || target.starts_with("drawn/"),
            "{target}"
        );
    }
}

#[test]
fn the_numbers_in_the_files_are_those_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = &finished()[0];
    let report = Report::read(std::slice::from_ref(run)).unwrap();
    report
        .write(&dir.path().join("r.html"), dir.path())
        .unwrap();
    let folder = RunFolder::open(run).unwrap();
    let summary = folder.summary().unwrap().unwrap();
    let costs = folder.result().unwrap().unwrap().costs;

    let matrix = rows(&dir.path().join("accuracy-matrix.csv"));
    let page = fs::read_to_string(dir.path().join("r.html")).unwrap();
    for after in 0..3 {
        for on in 0..3 {
            let cell = &matrix[after + 1][on + 1];
            assert_eq!(cell.parse::<f64>().ok(), summary.matrix.score(after, on));
            if let Some(score) = summary.matrix.score(after, on) {
                assert!(page.contains(&format!(">{:.1}</text>", 100.0 * score)));
            }
        }
    }
    let last = |name: &str| rows(&dir.path().join(name)).last().unwrap().clone();
    let metric = |name: &str| summary.metrics[name].value;
    let accuracy = last("accuracy-over-time.csv");
    assert_eq!(accuracy[1].parse::<f64>().ok(), metric("acc_last"));
    let forgetting = last("forgetting-over-time.csv");
    assert_eq!(
        forgetting[1].parse::<f64>().ok(),
        metric("forgetting_max_excl_last")
    );
    assert_eq!(
        forgetting[2].parse::<f64>().ok(),
        metric("bwt_treelora_paper")
    );
    // From the end: a task's name may hold commas.
    for (row, cost) in rows(&dir.path().join("stage-time.csv"))[1..]
        .iter()
        .zip(&costs)
    {
        assert_eq!(row[row.len() - 7].parse(), Ok(cost.train_seconds));
    }
    let steps: usize = costs.iter().map(|cost| cost.steps).sum();
    assert_eq!(rows(&dir.path().join("loss.csv")).len(), steps + 1);

    // In the last task every layer chose once a step, but at the last, whose cost settles the task.
    let pulls = rows(&dir.path().join("bounds-03.csv"));
    let mut of_layer: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &pulls[1..] {
        *of_layer.entry(&row[0]).or_default() += row[2].parse::<usize>().unwrap();
    }
    assert_eq!(of_layer.len(), 4, "q and v of two blocks");
    assert!(
        of_layer.values().all(|&pulls| pulls == costs[2].steps),
        "{of_layer:?}"
    );
    let tree = fs::read_to_string(dir.path().join("tree-03.svg")).unwrap();
    for (index, task) in summary.tasks.iter().enumerate() {
        assert!(
            tree.contains(&format!("{} {task}", index + 1)),
            "{task}: {tree}"
        );
    }
}

#[test]
fn seeds_are_summed_up_and_floors_stand_beside() {
    let report = Report::read(finished()).unwrap();
    let figure = report.figures().find(|f| f.name == "comparison-acc_last");
    let table = &figure.unwrap().data;
    let labels: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(labels, ["tiny, floor: lda", "tiny-plain", "tiny-tree-lora"]);
    let of_seeds = |run: usize| report.runs()[run].metrics["acc_last"].value.unwrap();
    let (mean, spread) = mean_and_spread(&[of_seeds(0), of_seeds(1)]).unwrap();
    let tree = &table.rows[2];
    assert_eq!(tree[2], "2");
    assert_eq!((tree[3].parse(), tree[4].parse()), (Ok(mean), Ok(spread)));
    assert_eq!(table.rows[1][4], "", "one seed has no spread");
    let page = report.to_html("figures");
    let shown = format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * spread);
    assert!(page.contains(&shown), "{shown}");
    // Every metric says how it is computed.
    for metric in report.runs()[0].metrics.values() {
        let formula = metric.formula.replace('<', "&lt;").replace('>', "&gt;");
        assert!(page.contains(&formula), "{formula}");
    }
}

#[test]
fn the_loss_of_the_base_has_a_row_where_runs_are_on_text() {
    let (_dir, run) = copy(&finished()[0]);
    let row = "base_loss_change";
    let page = |run| Report::read(&[run]).unwrap().to_html("figures");
    assert!(!page(run.clone()).contains(row));
    let path = run.join("metrics.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let change =
        serde_json::json!({ "before": 2.0, "after": 2.4321, "change": 0.4321, "tokens": 9 });
    value[row] = change;
    fs::write(&path, value.to_string()).unwrap();
    let page = page(run);
    let (_, after) = page.split_once(row).expect("the row is there");
    let (row, _) = after.split_once("</tr>").unwrap();
    // In nats, where every other row is in percent.
    assert!(row.contains("0.4321"), "{row}");
}

#[test]
fn a_run_that_stopped_early_is_reported_as_far_as_it_came() {
    let (_dir, run) = copy(&finished()[0]);
    for file in ["metrics.json", "log.jsonl", "tasks/02/relatives.json"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let report = Report::read(&[run]).unwrap();
    let page = report.to_html("figures");
    for said in ["not finished", "no checkpoint", "no log.jsonl"] {
        assert!(page.contains(said), "{said}");
    }
    let names: Vec<&str> = report.figures().map(|f| f.name.as_str()).collect();
    assert!(
        names.contains(&"tree-02") && !names.contains(&"tree-03"),
        "{names:?}"
    );
}

#[test]
fn words_of_a_run_cannot_become_markup() {
    let (_dir, run) = copy(&finished()[0]);
    let wicked = "</script><img src=x onerror=alert(1)>\\\"'&";
    for file in ["manifest.json", "metrics.json"] {
        let text = fs::read_to_string(run.join(file)).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["tasks"][1] = wicked.into();
        fs::write(run.join(file), value.to_string()).unwrap();
    }
    let config = run.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("# {wicked}\n{text}")).unwrap();
    let report = Report::read(&[run]).unwrap();
    let files = report.figures().map(|figure| figure.to_svg());
    for text in files.chain([report.to_html("figures")]) {
        assert!(!text.contains("<img"), "{text}");
    }
    assert!(report.to_html("figures").contains("&lt;img src=x"));
}
