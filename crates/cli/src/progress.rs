//! Progress of a run on the terminal.

use std::{
    fs::{File, OpenOptions},
    io::{IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use indicatif::{FormattedDuration, HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use treelora_cl_bench::metrics::decimals;
use treelora_experiment::{Event, resident_memory};

use crate::{arguments::OutputArguments, tensorboard::TensorBoard};

/// Between two lines about steps where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Tasks whose scores fit on a line; of more, the latest are shown.
const ROW: usize = 16;

/// Draws a progress bar with ETA, loss, throughput and memory (lines of text where the output is no
/// terminal), prints a row of the matrix after each task, and writes every event to the run's
/// `log.jsonl`, and to TensorBoard's files where asked.
pub(crate) struct Progress {
    bar: ProgressBar,
    log: Option<File>,
    tensorboard: Option<TensorBoard>,
    row: Vec<f64>,
    /// What the current stage has done in this process.
    stage: StageSpeed,
    /// When the last line about steps was printed, where there is no bar; `None` for no such lines.
    last_line: Option<Instant>,
}

/// Steps and training examples since the stage began or was resumed.
struct StageSpeed {
    since: Instant,
    steps: u64,
    examples: usize,
}

impl StageSpeed {
    fn now() -> Self {
        Self {
            since: Instant::now(),
            steps: 0,
            examples: 0,
        }
    }

    fn examples_per_second(&self, elapsed: Duration) -> f64 {
        self.examples as f64 / elapsed.as_secs_f64()
    }

    /// Time for `left` more steps at the mean pace of the time since the stage began: steps may take seconds each, for
    /// which estimates from the latest seconds alone jump about.
    fn eta(&self, elapsed: Duration, left: u64) -> Duration {
        let a_step = elapsed.as_secs_f64() / self.steps.max(1) as f64;
        Duration::from_secs_f64(a_step * left as f64)
    }
}

impl Progress {
    /// For the run in `folder`; without a bar when quiet.
    pub(crate) fn new(folder: Option<&Path>, output: OutputArguments) -> Result<Self> {
        let log = match folder {
            Some(folder) => {
                let path = folder.join("log.jsonl");
                let file = OpenOptions::new().create(true).append(true).open(&path);
                Some(file.with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let tensorboard = match folder.filter(|_| output.tensorboard) {
            Some(folder) => {
                let path = folder.join("tensorboard");
                Some(TensorBoard::new(&path).with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let target = match output.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        Ok(Self {
            bar: ProgressBar::with_draw_target(None, target),
            log,
            tensorboard,
            row: Vec::new(),
            stage: StageSpeed::now(),
            last_line: (!output.quiet && !std::io::stderr().is_terminal()).then(Instant::now),
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
        if let Some(tensorboard) = &mut self.tensorboard {
            let _ = tensorboard.on_event(event);
        }
        match event {
            Event::Warning { message } => self.print(&format!("warning: {message}")),
            Event::Prefix { images } => {
                self.bar.set_style(counter());
                self.bar.set_message("images through the frozen blocks");
                self.bar.inc(*images as u64);
            }
            Event::Stage {
                task, steps, done, ..
            } => {
                self.bar.reset();
                self.bar.set_length(*steps as u64);
                self.bar.set_position(*done as u64);
                self.stage = StageSpeed::now();
                self.bar.set_style(style());
                let name = format!("task {} {}", task.id.0 + 1, task.name);
                if self.last_line.is_some() {
                    eprintln!("{name}: {steps} steps");
                }
                self.bar.set_prefix(name);
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Step {
                loss,
                learning_rate,
                step,
                examples,
                ..
            } => {
                self.stage.steps += 1;
                self.stage.examples += examples;
                let elapsed = self.stage.since.elapsed();
                self.bar.inc(1);
                let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
                let memory = resident_memory()
                    .map_or(String::new(), |bytes| format!("  {}", HumanBytes(bytes)));
                let message = format!(
                    "ETA {}  epoch {}/{}  loss {loss:.4}  lr {learning_rate:.1e}  {:.0} \
                     examples/s{memory}",
                    FormattedDuration(self.stage.eta(elapsed, all.saturating_sub(done))),
                    step.epoch + 1,
                    step.epochs,
                    self.stage.examples_per_second(elapsed),
                );
                if self
                    .last_line
                    .is_some_and(|last| last.elapsed() > LINE_EVERY)
                {
                    eprintln!("  step {done}/{all}  {message}");
                    self.last_line = Some(Instant::now());
                }
                self.bar.set_message(message);
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
                let earlier = self.row.len().saturating_sub(ROW);
                let mut row: Vec<String> = self.row[earlier..]
                    .iter()
                    .map(|a| format!("{:>5}", decimals(100.0 * a, 1)))
                    .collect();
                if earlier > 0 {
                    row.insert(0, "...".to_owned());
                }
                let mean = self.row.iter().sum::<f64>() / self.row.len().max(1) as f64;
                let line = format!(
                    "after task {:>2} | {} | mean {:>5}",
                    after.0 + 1,
                    row.join(" "),
                    decimals(100.0 * mean, 1)
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
    ProgressStyle::with_template("{prefix:24!} {bar:30} {pos}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn counter() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {pos} {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_mean_pace_times_what_is_left() {
        let speed = StageSpeed {
            steps: 4,
            examples: 128,
            ..StageSpeed::now()
        };
        let elapsed = Duration::from_secs(20);
        assert_eq!(speed.eta(elapsed, 10), Duration::from_secs(50));
        assert_eq!(speed.examples_per_second(elapsed), 6.4);
    }
}
