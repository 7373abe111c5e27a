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

/// A task, how it is answered, and the values of the adapter in short.
type Question = (TaskId, Answering, u64);

/// Answers by the position of the prompt.
type Answers = BTreeMap<usize, String>;

/// What was answered to which prompt, by a base that stays as it is with which adapter.
///
/// Adapters are compared by their values, so that one that is trained on is never taken for what it was.
#[derive(Debug)]
pub(crate) struct KnownAnswers {
    /// Whether nothing is trained at all.
    untouched: bool,
    answers: RefCell<BTreeMap<Question, Answers>>,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use treelora_lora::{AdapterLayer, Selection, attach_bank};
    use treelora_models::decoder::DecoderConfig;

    use super::*;

    fn decoder() -> Decoder {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        DecoderConfig::llama(20, 16, 1, 4)
            .init(&mut rng, &Device::default())
            .unwrap()
    }

    /// The decoder with adapters of these values, the one at `index` selected.
    fn adapted(values: &[f32], index: usize) -> Decoder {
        let device = Device::default();
        let adapters = values.iter().map(|value| {
            AdapterSnapshot::from_layers(vec![AdapterLayer {
                path: "layers.0.self_attn.q_proj.weight".into(),
                a: Tensor::full([16, 2], *value, &device),
                b: Tensor::ones([2, 16], &device),
                scale: 1.0,
            }])
        });
        let adapters: Vec<AdapterSnapshot> = adapters.collect();
        attach_bank(decoder(), &adapters, Selection::One(index)).unwrap()
    }

    /// The positions that are answered anew.
    fn asked(known: &KnownAnswers, model: &Decoder, on: usize, positions: &[usize]) -> Vec<usize> {
        let mut asked = Vec::new();
        let question = (TaskId(on), Answering::Generate);
        let answers = known.or(model, question, positions, |missing| {
            asked = missing.to_vec();
            Ok(missing.iter().map(|at| format!("{on} {at}")).collect())
        });
        let expected: Vec<String> = positions.iter().map(|at| format!("{on} {at}")).collect();
        assert_eq!(answers.unwrap(), expected);
        asked
    }

    #[test]
    fn an_untouched_base_is_asked_once() {
        let known = KnownAnswers {
            untouched: true,
            answers: RefCell::default(),
        };
        let model = decoder();
        assert_eq!(asked(&known, &model, 0, &[2, 0]), [2, 0]);
        assert_eq!(asked(&known, &model, 0, &[0, 1, 2]), [1]);
        assert_eq!(asked(&known, &model, 1, &[0, 1]), [0, 1]);
        let chosen = (TaskId(0), Answering::Choose);
        let mut anew = false;
        known
            .or(&model, chosen, &[0], |_| {
                anew = true;
                Ok(vec![String::new()])
            })
            .unwrap();
        assert!(anew);
    }

    #[test]
    fn an_adapter_is_asked_again_when_its_values_are_others() {
        let known = KnownAnswers {
            untouched: false,
            answers: RefCell::default(),
        };
        assert_eq!(asked(&known, &adapted(&[0.1], 0), 0, &[0, 1]), [0, 1]);
        // The same adapter beside a new one, and the new one.
        let both = [0.1, 0.2];
        assert_eq!(asked(&known, &adapted(&both, 0), 0, &[0, 1]), [0_usize; 0]);
        assert_eq!(asked(&known, &adapted(&both, 1), 0, &[0, 1]), [0, 1]);
        assert_eq!(asked(&known, &adapted(&[0.3], 0), 0, &[1]), [1]);
        // Without an adapter it cannot be told whether anything has changed.
        assert_eq!(asked(&known, &decoder(), 0, &[0]), [0]);
        assert_eq!(asked(&known, &decoder(), 0, &[0]), [0]);
    }
}
