//! Answers that a method cannot have changed, which are not given again.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use treelora_core::{Error, TaskId};
use treelora_lora::AdapterSnapshot;
use treelora_models::decoder::Decoder;

use crate::{config::answering::Answering, methods::method_config::MethodConfig};

/// What was answered to which prompt, by a base that stays as it is with which adapter.
///
/// Adapters are compared by their values, so that one that is trained on is never taken for what it was.
#[derive(Debug)]
pub(crate) struct KnownAnswers {
    /// Whether nothing is trained at all.
    untouched: bool,
    answers: RefCell<BTreeMap<(TaskId, Answering, u64), BTreeMap<usize, String>>>,
}

impl KnownAnswers {
    /// For a method that trains nothing, or keeps an adapter a task over a frozen base; `None` for any other.
    pub(crate) fn of(method: &MethodConfig) -> Option<Self> {
        let untouched = method.lora().is_none();
        let frozen_base = method.lora().is_some_and(|lora| lora.trainable.is_empty());
        (untouched || (frozen_base && method.row().keeps_adapters)).then(|| Self {
            untouched,
            answers: RefCell::default(),
        })
    }

    /// The answers of `model` to the prompts of a task at `positions`; `answer` gives those that are not known.
    ///
    /// # Errors
    /// From `answer`.
    pub(crate) fn or(
        &self,
        model: &Decoder,
        (on, how): (TaskId, Answering),
        positions: &[usize],
        answer: impl FnOnce(&[usize]) -> Result<Vec<String>, Error>,
    ) -> Result<Vec<String>, Error> {
        let Some(adapter) = self.adapter(model) else {
            return answer(positions);
        };
        let mut answers = self.answers.borrow_mut();
        let known = answers.entry((on, how, adapter)).or_default();
        let missing: Vec<usize> = positions
            .iter()
            .copied()
            .filter(|position| !known.contains_key(position))
            .collect();
        if !missing.is_empty() {
            known.extend(missing.iter().copied().zip(answer(&missing)?));
        }
        Ok(positions.iter().map(|at| known[at].clone()).collect())
    }

    /// The values of the adapter that answers, in short; `None` where they cannot be told.
    fn adapter(&self, model: &Decoder) -> Option<u64> {
        if self.untouched {
            return Some(0);
        }
        let mut hasher = DefaultHasher::new();
        for layer in AdapterSnapshot::of_selection(model)?.layers() {
            layer.path.hash(&mut hasher);
            layer.scale.to_bits().hash(&mut hasher);
            for factor in [&layer.a, &layer.b] {
                factor.dims().hash(&mut hasher);
                factor.to_data().as_bytes().hash(&mut hasher);
            }
        }
        Some(hasher.finish())
    }
}
