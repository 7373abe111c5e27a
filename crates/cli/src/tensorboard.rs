//! Events of a run as TensorBoard reads them.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

use syntaxdot_summary::SummaryWriter;
use treelora_experiment::Event;

/// Writes scalars into a folder for `tensorboard --logdir`.
///
/// Tags are `loss/03`, `learning_rate/03` and those of the method's terms, over the steps of task 3
/// from 0, and `accuracy/03`, on task 3, over the tasks: a resumed run goes on in a second file, and
/// TensorBoard joins both.
pub(crate) struct TensorBoard {
    writer: SummaryWriter<BufWriter<File>>,
}

impl TensorBoard {
    /// Into `folder`, made if missing.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let writer = SummaryWriter::from_prefix(folder.join("treelora"))?;
        Ok(Self { writer })
    }

    /// Write what the event tells, if anything.
    pub(crate) fn on_event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Step {
                step,
                loss,
                learning_rate,
                terms,
                ..
            } => {
                let at = step.step_in_task() as i64;
                let task = step.task.0;
                let own = [("loss", *loss), ("learning_rate", *learning_rate)];
                let terms = terms.iter().map(|(name, value)| (name.as_str(), *value));
                for (name, value) in own.into_iter().chain(terms) {
                    self.writer
                        .write_scalar(format!("{name}/{task:02}"), at, value as f32)?;
                }
            }
            Event::Evaluated { after, on, score } => {
                if let Some(value) = score.value {
                    let tag = format!("accuracy/{:02}", on.0);
                    self.writer
                        .write_scalar(tag, after.0 as i64, value as f32)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
