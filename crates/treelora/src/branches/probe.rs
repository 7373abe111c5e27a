//! Which known adapter a new task should start from: tried, not guessed.

use std::{collections::HashMap, sync::Arc};

use treelora_bandit::{ArmTree, BanditError, probe, probe_budget};
use treelora_class_incremental::{FeatureRows, leave_one_out_error};
use treelora_core::{Batch, Batches, Error, Features};
use treelora_lora::{AdapterSnapshot, detach};

use crate::AdapterStore;

/// What trying the adapters said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Probed {
    /// The best of those that were tried; none where the frozen model does better.
    pub(super) best: Option<usize>,
    /// Forward passes over the examples.
    pub(super) passes: usize,
}

/// Try kept adapters on a few examples of a new task, each with one forward pass, and find the best of them and the
/// frozen model.
///
/// The cost of an adapter is what an analytic head on its features would lose on the examples
/// ([`leave_one_out_error`]); where they are one group (text), the model's own loss. With `tree`, the adapters to try are
/// found by the lower confidence bound with a budget of `2 log2 N + 4` pulls; without one, all are tried.
///
/// `model` has an adapter attached, which is replaced; all see the same examples, so that a second pull of an adapter
/// costs no pass.
pub(super) fn probed<M: Features>(
    model: &M,
    adapters: &AdapterStore,
    examples: &M::Batch,
    tree: Option<ArmTree>,
) -> Result<Probed, Error> {
    let groups = model.groups(examples);
    let told_apart = groups.iter().any(|group| *group != groups[0]);
    let cost = |model: &M| match told_apart {
        true => {
            let mut rows = FeatureRows::new();
            rows.push(model.features(examples), &groups);
            leave_one_out_error(&rows)
        }
        false => model.loss(examples).into_scalar::<f64>(),
    };
    let mut known = HashMap::new();
    let mut cost_of = |arm: usize| -> Result<f64, Error> {
        if let Some(cost) = known.get(&arm) {
            return Ok(*cost);
        }
        let adapter: &AdapterSnapshot = adapters.adapter(arm).expect("an arm is an adapter");
        let adapted = adapter
            .apply(model.clone())
            .map_err(|e| Error::Data(e.to_string()))?;
        let cost = cost(&adapted);
        known.insert(arm, cost);
        Ok(cost)
    };
    let (best, lowest) = match tree {
        Some(tree) => {
            let pulls = probe_budget(tree.num_arms());
            let found = probe(&Arc::new(tree), pulls, |arm| {
                cost_of(arm).map_err(Pulled::Failed)
            })?;
            (found.best, cost_of(found.best)?)
        }
        None => {
            let costs = (0..adapters.len()).map(|arm| Ok((arm, cost_of(arm)?)));
            let costs = costs.collect::<Result<Vec<_>, Error>>()?;
            let best = costs.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
            best.expect("there is an adapter")
        }
    };
    let frozen = cost(&detach(model.clone()));
    Ok(Probed {
        best: (lowest < frozen).then_some(best),
        passes: known.len() + 1,
    })
}

/// Why a pull gave no cost.
enum Pulled {
    Failed(Error),
    Refused(BanditError),
}

impl From<BanditError> for Pulled {
    fn from(error: BanditError) -> Self {
        Self::Refused(error)
    }
}

impl From<Pulled> for Error {
    fn from(error: Pulled) -> Self {
        match error {
            Pulled::Failed(error) => error,
            Pulled::Refused(error) => Self::Data(error.to_string()),
        }
    }
}

/// About `count` examples of a task, as many of each group as there are of the others while they last, in order.
///
/// # Errors
/// When the data cannot be read or there is no example.
pub(super) fn few_examples<M: Features>(
    model: &M,
    data: &dyn Batches<M::Batch>,
    count: usize,
) -> Result<M::Batch, Error> {
    let mut groups_of = Vec::new();
    for batch in data.batches() {
        groups_of.extend(model.groups(&batch?));
    }
    let mut all = groups_of.clone();
    all.sort_unstable();
    all.dedup();
    let share = count.div_ceil(all.len().max(1));
    let mut taken: HashMap<usize, usize> = HashMap::new();
    let (mut parts, mut start) = (Vec::new(), 0);
    for batch in data.batches() {
        let batch = batch?;
        let groups = &groups_of[start..start + batch.len()];
        start += batch.len();
        let positions = groups.iter().enumerate().filter(|(_, group)| {
            let taken = taken.entry(**group).or_default();
            *taken += 1;
            *taken <= share
        });
        let positions: Vec<usize> = positions.map(|(position, _)| position).collect();
        if !positions.is_empty() {
            parts.push(batch.select(&positions));
        }
    }
    match parts.is_empty() {
        true => Err(Error::Data("the task has no training example".into())),
        false => Ok(M::Batch::concat(parts)),
    }
}
