//! How far a task's features are from those of other tasks, in units of how far tasks of one domain are apart.

use std::collections::BTreeMap;

use treelora_core::{Error, TensorFile};

use crate::feature_rows::FeatureRows;

/// Means of the groups of examples (classes) of one or more tasks, and how much examples and groups scatter.
///
/// Two tasks with other classes have other mean features, also when they come from one domain: their means differ as
/// means of a few classes do. How much that is, the classes within a task tell. [`shift_from`](Self::shift_from) sets
/// the distance of two means in relation to it, so that its answer needs no unit and no tuning: about 1 within a domain,
/// more when the domain is another one.
///
/// Means and sums are kept, no example. Groups that were seen are told apart by their numbers; a group that comes back is
/// one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupMoments {
    /// Examples and mean of each group.
    groups: BTreeMap<usize, (usize, Vec<f64>)>,
    within: Scatter,
    between: Scatter,
    /// Of the examples' scatter, the share that is in `between`: means of few examples scatter by themselves.
    noise: f64,
}

/// Squared distances from a mean, and how many of them are free.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Scatter {
    sum: f64,
    freedom: f64,
}

impl Scatter {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.freedom += other.freedom;
    }

    /// The variance, summed over features; 0 where nothing is free.
    fn variance(self) -> f64 {
        match self.freedom > 0.0 {
            true => self.sum / self.freedom,
            false => 0.0,
        }
    }
}

impl GroupMoments {
    /// Of one task's examples, labelled by their groups.
    pub fn of(rows: &FeatureRows) -> Self {
        let mut moments = Self::default();
        for group in rows.classes() {
            let own = rows.of_class(group);
            let examples = || (0..own.len()).map(|row| own.row(row).iter().map(|&x| f64::from(x)));
            let mean = mean(own.dim(), examples());
            moments.within.add(Scatter {
                sum: examples().map(|row| squared_distance(row, &mean)).sum(),
                freedom: own.len() as f64 - 1.0,
            });
            moments.groups.insert(group, (own.len(), mean));
        }
        let centre = moments.mean();
        let count = moments.groups.len() as f64;
        for (examples, mean) in moments.groups.values() {
            moments.between.sum += squared_distance(mean.iter().copied(), &centre);
            moments.noise += (1.0 - 1.0 / count) / *examples as f64;
        }
        moments.between.freedom = (count - 1.0).max(0.0);
        moments
    }

    /// Take in another task of the same domain.
    pub fn merge(&mut self, other: &Self) {
        for (group, (count, mean)) in &other.groups {
            match self.groups.get_mut(group) {
                Some((known, centre)) => {
                    let share = *count as f64 / (*known + count) as f64;
                    for (centre, mean) in centre.iter_mut().zip(mean) {
                        *centre += share * (mean - *centre);
                    }
                    *known += count;
                }
                None => {
                    self.groups.insert(*group, (*count, mean.clone()));
                }
            }
        }
        self.within.add(other.within);
        self.between.add(other.between);
        self.noise += other.noise;
    }

    /// The mean of the groups' means; each group counts alike, however many examples it has.
    ///
    /// # Shapes
    /// `[features]`; empty before the first example.
    pub fn mean(&self) -> Vec<f64> {
        let dim = self
            .groups
            .values()
            .next()
            .map_or(0, |(_, mean)| mean.len());
        mean(
            dim,
            self.groups.values().map(|(_, mean)| mean.iter().copied()),
        )
    }

    /// The squared distance of the two means over the one that is expected when both are of one domain:
    ///
    /// `|m - m'|^2 / (b sum_g (w_g - w'_g)^2 + s sum_g (w_g^2 / n_g + w'_g^2 / n'_g))`
    ///
    /// with `w_g` the weight of group `g` in a mean (one over their number, 0 for a group that is not in it), `b` the
    /// variance of groups and `s` that of examples around their group, both summed over features and pooled over what
    /// either side has seen. Groups that both sides know cancel, so that only the examples' noise is left to be expected.
    ///
    /// Without two groups in any task (text), `b` is 0: every shift beyond the noise of sampling is one of domain.
    ///
    /// # Panics
    /// When one of them is empty or the widths differ.
    pub fn shift_from(&self, other: &Self) -> f64 {
        let (own, theirs) = (self.mean(), other.mean());
        assert!(
            !own.is_empty() && own.len() == theirs.len(),
            "means of {} and {} features",
            own.len(),
            theirs.len()
        );
        let sides = [self, other];
        let mut within = self.within;
        within.add(other.within);
        let examples = within.variance();
        let mut between = self.between;
        between.add(other.between);
        let noise = (self.noise + other.noise) * examples;
        between.sum = (between.sum - noise).max(0.0);

        let weights = sides.map(|side| 1.0 / side.groups.len() as f64);
        let shared = self
            .groups
            .keys()
            .filter(|group| other.groups.contains_key(group));
        let shared = shared.count() as f64;
        let apart = sides.map(|side| side.groups.len() as f64 - shared);
        let difference = weights[0] - weights[1];
        let groups = shared * difference * difference
            + apart[0] * weights[0] * weights[0]
            + apart[1] * weights[1] * weights[1];
        let sampling: f64 = sides
            .iter()
            .zip(weights)
            .map(|(side, weight)| {
                let counts = side.groups.values().map(|(count, _)| 1.0 / *count as f64);
                weight * weight * counts.sum::<f64>()
            })
            .sum();
        let observed = squared_distance(own.into_iter(), &theirs);
        let expected = between.variance() * groups + examples * sampling;
        match observed > 0.0 {
            true => observed / expected,
            false => 0.0,
        }
    }

    /// Bytes that are kept.
    pub fn num_bytes(&self) -> usize {
        let features: usize = self.groups.values().map(|(_, mean)| mean.len()).sum();
        (features + self.groups.len() + 5) * size_of::<f64>()
    }

    /// Write it under `prefix`.
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        let dim = self.mean().len();
        let means: Vec<f64> = self
            .groups
            .values()
            .flat_map(|(_, mean)| mean.clone())
            .collect();
        let counts = self.groups.values().map(|(count, _)| *count);
        file.insert_indices(format!("{prefix}.groups"), self.groups.keys().copied());
        file.insert_indices(format!("{prefix}.counts"), counts);
        file.insert_f64(format!("{prefix}.means"), means, [self.groups.len(), dim]);
        let Scatter { sum, freedom } = self.within;
        let Scatter {
            sum: between,
            freedom: groups,
        } = self.between;
        let sums = vec![sum, freedom, between, groups, self.noise];
        file.insert_f64(format!("{prefix}.scatter"), sums, [1, 5]);
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or the sizes disagree.
    pub fn load(prefix: &str, file: &TensorFile) -> Result<Self, Error> {
        let groups = file.indices(&format!("{prefix}.groups"))?;
        let counts = file.indices(&format!("{prefix}.counts"))?;
        let means = file.f64s(&format!("{prefix}.means"))?;
        let sums = file.f64s(&format!("{prefix}.scatter"))?;
        let (&[within, examples, between, freedom, noise], true) = (
            sums.as_slice(),
            counts.len() == groups.len()
                && means.len().is_multiple_of(groups.len().max(1))
                && counts.iter().all(|count| *count > 0),
        ) else {
            let problem = format!(
                "`{prefix}`: {} groups, {} counts, {} values of means and {} sums do not fit",
                groups.len(),
                counts.len(),
                means.len(),
                sums.len()
            );
            return Err(file.unfit(problem).into());
        };
        let dim = means.len() / groups.len().max(1);
        let rows = means.chunks_exact(dim.max(1)).map(<[f64]>::to_vec);
        Ok(Self {
            groups: groups
                .into_iter()
                .zip(counts.into_iter().zip(rows))
                .collect(),
            within: Scatter {
                sum: within,
                freedom: examples,
            },
            between: Scatter {
                sum: between,
                freedom,
            },
            noise,
        })
    }
}

fn mean(dim: usize, rows: impl Iterator<Item = impl Iterator<Item = f64>>) -> Vec<f64> {
    let (mut sums, mut count) = (vec![0.0; dim], 0.0);
    for row in rows {
        count += 1.0;
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums.iter().map(|sum| sum / count).collect()
}

fn squared_distance(a: impl Iterator<Item = f64>, b: &[f64]) -> f64 {
    a.zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    const DIM: usize = 24;

    /// Classes around a domain's centre, examples around their class.
    struct World(ChaCha8Rng);

    impl World {
        fn normal(&mut self, centre: &[f32], deviation: f32) -> Vec<f32> {
            let mut draw = || -> f32 { StandardNormal.sample(&mut self.0) };
            centre.iter().map(|x| x + deviation * draw()).collect()
        }

        fn task(&mut self, domain: f32, classes: &[usize], examples: usize) -> GroupMoments {
            let mut rows = FeatureRows::new();
            for &class in classes {
                // The class is where its number says, whatever the task.
                let mut own = Self(ChaCha8Rng::seed_from_u64(class as u64));
                let centre: Vec<f32> = own
                    .normal(&[0.0; DIM], 2.0)
                    .iter()
                    .map(|x| x + domain)
                    .collect();
                for _ in 0..examples {
                    rows.push_row(&self.normal(&centre, 1.0), class);
                }
            }
            GroupMoments::of(&rows)
        }
    }

    fn mean_shift(shift: impl Fn(&mut World, usize) -> f64) -> f64 {
        let mut world = World(ChaCha8Rng::seed_from_u64(7));
        (0..60).map(|trial| shift(&mut world, trial)).sum::<f64>() / 60.0
    }

    #[test]
    fn tasks_of_one_domain_are_as_far_apart_as_expected_whatever_their_size() {
        for (classes, examples) in [(2, 20), (5, 5), (10, 3)] {
            let shift = mean_shift(|world, trial| {
                let own: Vec<usize> = (0..classes).map(|c| 100 * trial + c).collect();
                let others: Vec<usize> = (0..classes).map(|c| 100 * trial + 50 + c).collect();
                let known = world.task(0.0, &own, examples);
                world.task(0.0, &others, examples).shift_from(&known)
            });
            assert!((0.8..1.4).contains(&shift), "{classes} classes: {shift}");
        }
    }

    #[test]
    fn classes_that_come_back_differ_by_the_noise_of_their_examples_alone() {
        let again = mean_shift(|world, trial| {
            let classes = [10 * trial, 10 * trial + 1, 10 * trial + 2];
            let known = world.task(0.0, &classes, 10);
            world.task(0.0, &classes, 10).shift_from(&known)
        });
        assert!((0.8..1.2).contains(&again), "{again}");
    }

    #[test]
    fn another_domain_is_farther_with_and_without_common_classes() {
        for others in [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [10, 11, 12, 13, 14]] {
            let mut world = World(ChaCha8Rng::seed_from_u64(1));
            let known = world.task(0.0, &[0, 1, 2, 3, 4], 20);
            let near = world.task(0.0, &others, 20).shift_from(&known);
            let far = world.task(3.0, &others, 20).shift_from(&known);
            assert!(near < 2.0 && far > 4.0, "{others:?}: {near} and {far}");
        }
    }

    #[test]
    fn merged_tasks_are_their_groups_together() {
        let mut world = World(ChaCha8Rng::seed_from_u64(3));
        let parts = [world.task(0.0, &[0, 1], 4), world.task(0.0, &[1, 2], 8)];
        let mut merged = parts[0].clone();
        merged.merge(&parts[1]);
        let mean_of = |part: &GroupMoments, group| part.groups[&group].1[0];
        let common = (4.0 * mean_of(&parts[0], 1) + 8.0 * mean_of(&parts[1], 1)) / 12.0;
        let expected = (mean_of(&parts[0], 0) + common + mean_of(&parts[1], 2)) / 3.0;
        assert!((merged.mean()[0] - expected).abs() < 1e-12);
        assert_eq!(merged.groups[&1].0, 12);
        assert_eq!(merged.within.freedom, 20.0);
        assert_eq!(merged.between.freedom, 2.0);
    }

    #[test]
    fn a_single_group_expects_no_more_than_sampling() {
        let mut world = World(ChaCha8Rng::seed_from_u64(4));
        let known = world.task(0.0, &[0], 50);
        assert!(world.task(0.0, &[0], 50).shift_from(&known) < 2.0);
        assert!(world.task(0.0, &[1], 50).shift_from(&known) > 10.0);
        assert_eq!(known.shift_from(&known), 0.0);
    }

    #[test]
    fn a_file_brings_it_back() {
        let mut world = World(ChaCha8Rng::seed_from_u64(5));
        let moments = world.task(0.0, &[4, 9], 3);
        let mut file = TensorFile::new();
        moments.save("a", &mut file);
        assert_eq!(GroupMoments::load("a", &file).unwrap(), moments);
        assert!(GroupMoments::load("b", &file).is_err());
    }
}
