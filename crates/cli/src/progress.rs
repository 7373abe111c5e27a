//! Progress of a run on the terminal.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use treelora_cl_bench::Event;

/// Draws a progress bar with ETA and loss, prints a row of the matrix after each task, and writes
/// every event to the run's `log.jsonl`.
pub(crate) struct Progress {
    bar: ProgressBar,
    log: Option<File>,
    row: Vec<f64>,
}

impl Progress {
    /// For the run in `folder`; without a bar when `quiet`.
    pub(crate) fn new(folder: Option<&Path>, quiet: bool) -> Result<Self> {
        let log = match folder {
            Some(folder) => {
                let path = folder.join("log.jsonl");
                let file = OpenOptions::new().create(true).append(true).open(&path);
                Some(file.with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let target = match quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        Ok(Self {
            bar: ProgressBar::with_draw_target(None, target),
            log,
            row: Vec::new(),
        })
    }

    /// Hear of an event.
    pub(crate) fn on_event(&mut self, event: &Event) {
        if let Some(log) = &mut self.log
            && let Ok(line) = serde_json::to_string(event)
        {
            // A log that cannot be written must not stop the run; the results have their own files.
            let _ = writeln!(log, "{line}");
        }
        match event {
            Event::Warning { message } => self.print(&format!("warning: {message}")),
            Event::Prefix { images } => {
                self.bar.set_style(counter());
                self.bar.set_message("images through the frozen blocks");
                self.bar.inc(*images as u64);
            }
            Event::Stage { task, steps, .. } => {
                self.bar.reset();
                self.bar.set_length(*steps as u64);
                self.bar.set_style(style());
                self.bar
                    .set_prefix(format!("task {} {}", task.id.0 + 1, task.name));
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Step {
                loss,
                learning_rate,
                step,
                ..
            } => {
                self.bar.set_message(format!(
                    "epoch {}/{}  loss {loss:.4}  lr {learning_rate:.1e}",
                    step.epoch + 1,
                    step.epochs
                ));
                self.bar.inc(1);
            }
            Event::EndTask { .. } => {
                self.bar.set_message("class statistics and heads");
                self.row.clear();
            }
            Event::Evaluated { score, on, .. } => {
                self.bar.set_message(format!("scoring task {}", on.0 + 1));
                self.row.push(score.value.unwrap_or(0.0));
            }
            Event::Row { after, .. } => {
                let row: Vec<String> = self
                    .row
                    .iter()
                    .map(|a| format!("{:5.1}", 100.0 * a))
                    .collect();
                let mean = self.row.iter().sum::<f64>() / self.row.len().max(1) as f64;
                let line = format!(
                    "after task {:>2} | {} | mean {:5.1}",
                    after.0 + 1,
                    row.join(" "),
                    100.0 * mean
                );
                self.print(&line);
            }
        }
    }

    /// A line that stays.
    fn print(&self, line: &str) {
        match self.bar.is_hidden() {
            true => eprintln!("{line}"),
            false => self.bar.println(line),
        }
    }

    /// Take the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{prefix:24!} {bar:30} {pos}/{len} {per_sec:>9} ETA {eta:>4}  {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn counter() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {pos} {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
