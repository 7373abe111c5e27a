//! Group the examples of a batch by task, and bring the answers back into order.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor};
use treelora_core::{Answer, Batch, ContinualModel, Error, Learner, Method, TaskId};

/// The examples of a batch, grouped by task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Each task that occurs, ascending, with the positions of its examples in the batch.
    pub groups: Vec<(TaskId, Vec<usize>)>,
    /// Position of each example of the batch in the concatenation of the groups.
    pub inverse: Vec<usize>,
}

/// Group examples by task; within a group they keep their order.
///
/// ```
/// use treelora_class_incremental::group_by_task;
/// use treelora_core::TaskId;
///
/// let routing = group_by_task(&[TaskId(2), TaskId(0), TaskId(2)]);
/// assert_eq!(routing.groups, [(TaskId(0), vec![1]), (TaskId(2), vec![0, 2])]);
/// assert_eq!(routing.inverse, [1, 0, 2]);
/// ```
pub fn group_by_task(tasks: &[TaskId]) -> Routing {
    let mut groups: BTreeMap<TaskId, Vec<usize>> = BTreeMap::new();
    for (position, task) in tasks.iter().enumerate() {
        groups.entry(*task).or_default().push(position);
    }
    let mut inverse = vec![0; tasks.len()];
    for (place, &position) in groups.values().flatten().enumerate() {
        inverse[position] = place;
    }
    Routing {
        groups: groups.into_iter().collect(),
        inverse,
    }
}

impl Routing {
    /// Answer group by group and put the rows back into the order of the batch.
    ///
    /// # Shapes
    /// `answer(task, positions)` gives `[positions, n]`; the result is `[batch, n]`.
    ///
    /// # Errors
    /// The first of `answer`.
    ///
    /// # Panics
    /// When there is no example.
    pub fn scatter<E>(
        &self,
        mut answer: impl FnMut(TaskId, &[usize]) -> Result<Tensor<2>, E>,
    ) -> Result<Tensor<2>, E> {
        let parts = self
            .groups
            .iter()
            .map(|(task, positions)| answer(*task, positions))
            .collect::<Result<Vec<_>, E>>()?;
        if let [part] = parts.as_slice() {
            return Ok(part.clone());
        }
        let joined = Tensor::cat(parts, 0);
        let inverse: Vec<i32> = self.inverse.iter().map(|&i| i as i32).collect();
        let inverse = Tensor::<1, Int>::from_ints(inverse.as_slice(), &joined.device());
        Ok(joined.select(0, inverse))
    }
}

/// The answer of `method` when it is told `tasks`, one an example: those of one task go through the model together.
///
/// # Errors
/// From [`Method::answer`].
pub fn answer_by_task<M: ContinualModel>(
    method: &dyn Method<M>,
    answering: &Learner<M>,
    batch: &M::Batch,
    tasks: Vec<TaskId>,
) -> Result<Answer, Error> {
    let scores = group_by_task(&tasks).scatter(|task, positions| {
        let answer = method.answer(answering, &batch.select(positions), Some(task))?;
        Ok::<_, Error>(answer.scores)
    })?;
    Ok(Answer {
        scores,
        tasks: Some(tasks),
    })
}
