//! What the run loop needs of a stream: batches of tasks, in a reproducible order.

use treelora_core::{Batches, Error, Exposure, Task, TaskId};

/// Batches of one pass.
pub type BatchIterator<'a, B> = Box<dyn Iterator<Item = Result<B, Error>> + 'a>;

/// One training stage: a task, or all tasks at once for joint training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What the method is told.
    pub task: Task,
    /// The tasks whose training data the stage sees.
    pub members: Vec<TaskId>,
}

/// The training stages of a stream that an [`Exposure`] asks for.
pub fn stages(tasks: &[Task], exposure: Exposure) -> Vec<Stage> {
    match exposure {
        Exposure::CurrentTask => tasks
            .iter()
            .map(|task| Stage {
                task: task.clone(),
                members: vec![task.id],
            })
            .collect(),
        Exposure::AllTasks => tasks
            .last()
            .map(|last| Stage {
                task: Task {
                    id: last.id,
                    name: "joint".into(),
                    classes: seen_classes(tasks),
                },
                members: tasks.iter().map(|task| task.id).collect(),
            })
            .into_iter()
            .collect(),
    }
}

/// Classes of all tasks, ascending, without duplicates.
pub fn seen_classes(tasks: &[Task]) -> Vec<usize> {
    let classes = tasks.iter().flat_map(|task| task.classes.iter().copied());
    let mut classes: Vec<usize> = classes.collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// A stream of tasks as batches of type `B`.
pub trait StreamData<B> {
    /// The tasks in order.
    fn tasks(&self) -> &[Task];

    /// The training stages that an [`Exposure`] asks for.
    fn stages(&self, exposure: Exposure) -> Vec<Stage> {
        stages(self.tasks(), exposure)
    }

    /// Classes of the tasks up to and including `task`, ascending, without duplicates.
    fn seen_classes(&self, task: TaskId) -> Vec<usize> {
        seen_classes(&self.tasks()[..=task.0])
    }

    /// The classes that may be answered on task `on` after training up to task `after`, ascending.
    fn allowed(&self, on: TaskId, after: TaskId) -> Vec<usize>;

    /// Training examples of a stage.
    fn train_len(&self, stage: &Stage) -> usize;

    /// Batches of one epoch of a stage, the same number for every order.
    fn num_batches(&self, stage: &Stage, batch_size: usize) -> usize {
        self.train_len(stage).div_ceil(batch_size)
    }

    /// One epoch of training batches, shuffled (and augmented, where the pipeline does) by
    /// `order_seed` alone, without its first `skip`. The last batch may be smaller.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn epoch(
        &self,
        stage: &Stage,
        batch_size: usize,
        order_seed: u64,
        skip: usize,
    ) -> Result<BatchIterator<'_, B>, Error>;

    /// The training data of a stage in a fixed order, without augmentation.
    fn in_order<'a>(&'a self, stage: &Stage) -> Box<dyn Batches<B> + 'a>;

    /// The test data of a task in a fixed order.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn test(&self, task: TaskId, batch_size: usize) -> Result<BatchIterator<'_, B>, Error>;
}
