//! Which adapter answers which prompt of a task.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use burn::tensor::{Int, Tensor, TensorData};
use treelora_cl_bench::{metrics::TaskInferenceCount, text::TextTestExample};
use treelora_class_incremental::group_by_task;
use treelora_core::{Error, Features, Learner, Method, TaskId, as_told};
use treelora_models::decoder::{Decoder, TextBatch, TextExample};

use crate::config::inference::Inference;

/// Finds for each prompt of a task the decoder that answers it, so that the prompts of one adapter are answered
/// together.
///
/// A prompt is routed by its own features alone; which other prompts there are, in which order and in which batches,
/// has no influence.
#[derive(Debug)]
pub struct PromptRouter {
    inference: Inference,
    batch_size: usize,
    /// Of the prompts of each task, in their order. The base is frozen, so one pass serves every row of the matrix.
    frozen_features: RefCell<BTreeMap<TaskId, Tensor<2>>>,
}

/// The prompts of a task by who answers them.
#[derive(Debug)]
pub struct Routes<'l> {
    /// The task whose adapter answers, prompt by prompt, where the method inferred it.
    pub inferred: Option<Vec<TaskId>>,
    routes: Vec<(Cow<'l, Learner<Decoder>>, Vec<usize>)>,
    prompts: usize,
}

impl PromptRouter {
    /// Features are computed `batch_size` prompts at a time; it has no influence on results.
    pub fn new(inference: Inference, batch_size: usize) -> Self {
        Self {
            inference,
            batch_size,
            frozen_features: RefCell::default(),
        }
    }

    /// Who answers `prompts`, those of task `on`; `answering` comes from [`Method::for_evaluation`].
    ///
    /// # Errors
    /// When what the method kept does not fit the model.
    pub fn routes<'l>(
        &self,
        method: &dyn Method<Decoder>,
        answering: &'l Learner<Decoder>,
        on: TaskId,
        prompts: &[TextTestExample],
    ) -> Result<Routes<'l>, Error> {
        let features = || self.features(&answering.model, on, prompts);
        let inferred = match self.inference {
            Inference::Latest | Inference::Routed if !prompts.is_empty() => {
                method.infer_tasks(&features)
            }
            _ => None,
        };
        let told = (self.inference == Inference::Oracle).then_some(on);
        let groups = match &inferred {
            Some(tasks) => {
                let groups = group_by_task(tasks).groups.into_iter();
                groups.map(|(task, own)| (Some(task), own)).collect()
            }
            None => vec![(told, (0..prompts.len()).collect())],
        };
        let routes = groups.into_iter().map(|(task, own)| {
            let answering = as_told(method, answering, task)?;
            Ok((answering, own))
        });
        Ok(Routes {
            routes: routes.collect::<Result<_, Error>>()?,
            inferred,
            prompts: prompts.len(),
        })
    }

    /// Features of the prompts under the frozen base, `[prompts, features]`.
    fn features(&self, model: &Decoder, on: TaskId, prompts: &[TextTestExample]) -> Tensor<2> {
        let mut known = self.frozen_features.borrow_mut();
        let features = known
            .entry(on)
            .or_insert_with(|| frozen_features(model, prompts, self.batch_size));
        features.clone()
    }
}

impl Routes<'_> {
    /// What is answered to each prompt, in their order: `answer` gets a decoder and the positions of all prompts that it
    /// answers, and gives one answer a position.
    ///
    /// # Errors
    /// The first of `answer`.
    ///
    /// # Panics
    /// When there is not one answer a position.
    pub fn collect<T>(
        &self,
        mut answer: impl FnMut(&Decoder, &[usize]) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut answers: Vec<Option<T>> = (0..self.prompts).map(|_| None).collect();
        for (answering, positions) in &self.routes {
            let own = answer(&answering.model, positions)?;
            assert_eq!(own.len(), positions.len(), "one answer a prompt");
            for (&position, answer) in positions.iter().zip(own) {
                answers[position] = Some(answer);
            }
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.expect("every prompt is in one group"))
            .collect())
    }

    /// The task whose adapter answers the prompt at `position`, where the method inferred it.
    pub fn task_of(&self, position: usize) -> Option<TaskId> {
        self.inferred.as_ref().map(|tasks| tasks[position])
    }

    /// How many of the prompts, which are those of `task`, were routed to it.
    pub fn counts(&self, task: TaskId) -> TaskInferenceCount {
        let mut counts = TaskInferenceCount::default();
        if let Some(tasks) = &self.inferred {
            counts.record(tasks, task);
        }
        counts
    }
}

/// Prompts of similar length share a batch, so that little of it is padding.
fn frozen_features(model: &Decoder, prompts: &[TextTestExample], batch_size: usize) -> Tensor<2> {
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| prompts[index].prompt_ids.len());
    let parts = order.chunks(batch_size).map(|batch| {
        let examples = batch
            .iter()
            .map(|&index| TextExample::new(&prompts[index].prompt_ids, &[]));
        model.frozen_features(&TextBatch {
            examples: examples.collect(),
        })
    });
    let sorted = Tensor::cat(parts.collect(), 0);
    let mut places = vec![0i64; order.len()];
    for (place, &index) in order.iter().enumerate() {
        places[index] = place as i64;
    }
    let count = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &sorted.device());
    sorted.select(0, places)
}
