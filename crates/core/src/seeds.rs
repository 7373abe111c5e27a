//! Everything random in a run, by purpose.
//!
//! A run has one seed. What is drawn for a purpose derives from that seed and from a place in the stream alone (a stage,
//! an epoch, a step, a task), never from what was drawn before: a run that goes on in the middle draws what an
//! uninterrupted one draws. The derivations differ from purpose to purpose, and a few coincide (the begin and the end of
//! a stage, initialisation and projection), because published results keep their bits.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::TaskId;

const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
const ORDER: u64 = 0xD1B5_4A32_D192_ED03;
const DROPOUT: u64 = 0xA24B_AED4_963E_E407;

/// Where a stage begins or ends, among its epochs and steps: after all of them.
const OUTSIDE_STEPS: usize = usize::MAX;

/// The stage number of a pre-training, which no stream comes to.
const PRETRAINING: usize = usize::MAX / 2;

/// The seed of a run, from which each purpose takes its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds(u64);

impl Seeds {
    /// Those of a run with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Order: the data order (and augmentation) of one epoch of a stage.
    pub fn order(self, stage: usize, epoch: usize) -> u64 {
        spread(self.0, stage, ORDER, epoch)
    }

    /// Order: the data order of one epoch of pre-training on images.
    pub fn pretraining_order(self, epoch: usize) -> u64 {
        self.order(PRETRAINING, epoch)
    }

    /// Begin: what the device draws before the first step of a stage.
    pub fn begin(self, stage: usize) -> u64 {
        self.order(stage, OUTSIDE_STEPS)
    }

    /// Dropout: what the device draws in one step of a stage.
    pub fn dropout(self, stage: usize, step: usize) -> u64 {
        spread(self.0, stage, DROPOUT, step)
    }

    /// End: what the device draws after the last step of a stage.
    pub fn end(self, stage: usize) -> u64 {
        self.dropout(stage, OUTSIDE_STEPS)
    }

    /// Initialisation: what a method attaches before the first task, and a model's own parameters.
    pub fn initialisation(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }

    /// Initialisation: what a method attaches anew for a task.
    pub fn initialisation_for(self, task: TaskId) -> ChaCha8Rng {
        self.stream(task.0 as u64)
    }

    /// Initialisation: a second network beside the model.
    pub fn second_network(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0.wrapping_add(1))
    }

    /// Replay: which examples of a task are kept.
    pub fn kept_examples(self, task: TaskId) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0 ^ (task.0 as u64 + 1))
    }

    /// Replay: which of the kept examples a step sees.
    pub fn replay(self, task: TaskId, step: usize) -> ChaCha8Rng {
        let place = ((task.0 as u64) << 32) + step as u64 + 1;
        ChaCha8Rng::seed_from_u64(self.0 ^ place.wrapping_mul(GOLDEN_RATIO))
    }

    /// Projection: a fixed random projection of features.
    pub fn projection(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }

    /// Projection: which rows are held out at the `fit`-th choice of its ridge, from 0.
    pub fn held_out(self, fit: usize) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0 ^ (fit as u64 + 1))
    }

    /// End: clustering and sampled features for a head that is aligned after a task.
    pub fn alignment(self, task: TaskId) -> ChaCha8Rng {
        self.stream(1 + task.0 as u64)
    }

    /// End: one of up to four independent parts of a method's work after a task.
    ///
    /// # Panics
    /// When `part` is not below 4.
    pub fn end_of_task(self, task: TaskId, part: u64) -> ChaCha8Rng {
        assert!(part < 4, "part {part} of the work after a task");
        self.stream(1 + 4 * task.0 as u64 + part)
    }

    fn stream(self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(stream);
        rng
    }
}

/// SplitMix64's mixing, so that neighbouring stages, epochs and steps get unrelated seeds.
fn spread(seed: u64, stage: usize, odd: u64, number: usize) -> u64 {
    let state = seed
        .wrapping_add(GOLDEN_RATIO.wrapping_mul((stage as u64).wrapping_add(1)))
        .wrapping_add(odd.wrapping_mul((number as u64).wrapping_add(1)));
    finalised(state)
}

/// A seed that depends on every number and on their order, by SplitMix64's finaliser.
///
/// For what a stream is made of (subsets, permutations, generated pictures), whose seeds are settings of their own.
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243F_6A88_85A3_08D3, |state, part| {
        finalised((state ^ part).wrapping_add(GOLDEN_RATIO))
    })
}

fn finalised(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;

    #[test]
    fn every_number_and_the_order_count() {
        let seeds = [
            mix(&[1, 2]),
            mix(&[2, 1]),
            mix(&[1, 3]),
            mix(&[1]),
            mix(&[1, 2, 0]),
        ];
        assert_eq!(BTreeSet::from(seeds).len(), seeds.len());
    }

    /// Published results were drawn from these.
    #[test]
    fn published_seeds_keep_their_values() {
        let seeds = Seeds::new(1);
        let first = |mut rng: ChaCha8Rng| rng.next_u64();
        let task = TaskId(2);
        let values = [
            ("order", seeds.order(2, 3)),
            ("pretraining order", seeds.pretraining_order(3)),
            ("begin", seeds.begin(2)),
            ("dropout", seeds.dropout(2, 3)),
            ("end", seeds.end(2)),
            ("initialisation", first(seeds.initialisation())),
            ("of a task", first(seeds.initialisation_for(task))),
            ("second network", first(seeds.second_network())),
            ("kept", first(seeds.kept_examples(task))),
            ("replay", first(seeds.replay(task, 3))),
            ("projection", first(seeds.projection())),
            ("held out", first(seeds.held_out(3))),
            ("alignment", first(seeds.alignment(task))),
            ("end of task", first(seeds.end_of_task(task, 1))),
        ];
        let published = [
            11_906_080_967_461_421_393,
            16_266_386_412_362_178_661,
            17_911_839_290_282_890_590,
            15_513_166_326_184_456_911,
            17_911_839_290_282_890_590,
            7_424_550_030_962_593_201,
            16_166_618_085_559_792_950,
            16_257_866_876_066_601_925,
            16_257_866_876_066_601_925,
            9_050_750_816_901_998_798,
            7_424_550_030_962_593_201,
            3_712_401_772_566_903_643,
            10_481_881_765_394_875_549,
            12_284_025_616_082_982_918,
        ];
        for ((purpose, value), published) in values.into_iter().zip(published) {
            assert_eq!(value, published, "{purpose}");
        }
    }
}
