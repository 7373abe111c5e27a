//! A process that takes one step, of training or of generation, whenever it is asked to.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::graphics_card;

/// Numbers of a model's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) trainable: usize,
    pub(crate) total: usize,
}

/// Resident memory of a process, in kilobytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Before the model was built.
    pub(crate) start: u64,
    /// At most while it worked.
    pub(crate) peak: u64,
}

impl Memory {
    /// Above what the process held before the model was built.
    pub(crate) fn grown(self) -> u64 {
        self.peak.saturating_sub(self.start)
    }
}

/// Where the memory lies that is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Residence {
    /// Resident memory of the process, which it tells itself.
    Host,
    /// The process's share of a graphics card's memory after its steps: both sides keep what they once needed.
    Card,
}

/// One side of a comparison, warmed up. It speaks the lines of benches/src/bin/lora_step or generation.
pub(crate) struct Contender {
    name: String,
    process: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    residence: Residence,
    pub(crate) parameters: Parameters,
}

impl Contender {
    /// Starts `command` on a case and waits until it is ready.
    pub(crate) fn start(mut command: Command, case: &str, residence: Residence) -> Result<Self> {
        let name = format!("{command:?}");
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, answers) = pipes.context("a process without pipes")?;
        let mut contender = Self {
            name,
            process,
            requests,
            answers: BufReader::new(answers).lines(),
            residence,
            parameters: Parameters {
                trainable: 0,
                total: 0,
            },
        };
        let ready = contender.ask(case)?;
        contender.parameters = parameters(&ready)?;
        Ok(contender)
    }

    /// Milliseconds of a step.
    pub(crate) fn step(&mut self) -> Result<f64> {
        milliseconds(&self.ask("step")?)
    }

    /// The tokens of the last step of a generation, row by row.
    pub(crate) fn tokens(&mut self) -> Result<Vec<u32>> {
        tokens(&self.ask("tokens")?)
    }

    /// Where the system tells.
    pub(crate) fn memory(&mut self) -> Result<Option<Memory>> {
        match self.residence {
            Residence::Host => memory(&self.ask("memory")?),
            Residence::Card => {
                let held = graphics_card::memory_of(self.process.id());
                Ok(held.map(|peak| Memory { start: 0, peak }))
            }
        }
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        let name = &self.name;
        let sent = writeln!(self.requests, "{line}").and_then(|()| self.requests.flush());
        match (sent, self.answers.next()) {
            (Ok(()), Some(answer)) => answer.with_context(|| name.clone()),
            _ => bail!("{name} ended when it was asked for `{line}`"),
        }
    }
}

impl Drop for Contender {
    /// A process that failed, or whose opponent did, must not stay.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `ready TRAINABLE TOTAL`.
fn parameters(answer: &str) -> Result<Parameters> {
    let numbers = answer.strip_prefix("ready ").and_then(pair);
    let (trainable, total) = numbers.with_context(|| unexpected(answer))?;
    Ok(Parameters { trainable, total })
}

/// `MILLISECONDS LOSS`; a loss that is no number means that the step is none. A generation tells its tokens' number.
fn milliseconds(answer: &str) -> Result<f64> {
    let (time, loss): (f64, f64) = pair(answer).with_context(|| unexpected(answer))?;
    match time > 0.0 && loss.is_finite() {
        true => Ok(time),
        false => bail!("a step took {time} ms with a loss of {loss}"),
    }
}

/// `START PEAK` or `unknown`.
fn memory(answer: &str) -> Result<Option<Memory>> {
    if answer == "unknown" {
        return Ok(None);
    }
    let (start, peak) = pair(answer).with_context(|| unexpected(answer))?;
    Ok(Some(Memory { start, peak }))
}

/// `ID ID ..`.
fn tokens(answer: &str) -> Result<Vec<u32>> {
    let ids = answer.split_whitespace().map(str::parse);
    ids.collect::<Result<_, _>>()
        .with_context(|| unexpected(answer))
}

fn pair<T: std::str::FromStr>(text: &str) -> Option<(T, T)> {
    let (left, right) = text.split_once(' ')?;
    Some((left.parse().ok()?, right.parse().ok()?))
}

fn unexpected(answer: &str) -> String {
    format!("unexpected answer `{answer}`")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let ready = parameters("ready 12 345").unwrap();
        assert_eq!((ready.trainable, ready.total), (12, 345));
        assert_eq!(milliseconds("12.5 2.302585").unwrap(), 12.5);
        let read = memory("100 250").unwrap().unwrap();
        assert_eq!((read.start, read.peak), (100, 250));
        assert_eq!(read.grown(), 150);
        assert_eq!(memory("unknown").unwrap(), None);
        assert_eq!(tokens("3 0 7").unwrap(), [3, 0, 7]);
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        assert!(parameters("12 345").is_err());
        assert!(milliseconds("12.5").is_err());
        assert!(milliseconds("12.5 nan").is_err());
        assert!(milliseconds("0 1.0").is_err());
        assert!(memory("100 -1").is_err());
        assert!(tokens("3 -1").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_process_answers_line_by_line_and_its_end_is_an_error() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "read case; echo ready ${#case} 9; read s; echo 3.5 1.0; read m; echo 1 2",
        ]);
        let mut contender = Contender::start(command, "12345", Residence::Host).unwrap();
        assert_eq!(contender.parameters.trainable, 5);
        assert_eq!(contender.step().unwrap(), 3.5);
        assert_eq!(contender.memory().unwrap().unwrap().peak, 2);
        let error = contender.step().unwrap_err().to_string();
        assert!(error.contains("`step`"), "{error}");
    }
}
