//! One token out of the scores of all.

use std::cmp::Ordering;

use rand::{Rng, RngExt};

use super::GenerationConfig;

impl GenerationConfig {
    /// The next token; `None` when a score is not a number.
    ///
    /// As transformers does it: scores over temperature, then the `top_k` best, then the fewest of them whose
    /// probability reaches `top_p`, then a draw. Of equal scores the lower token goes first.
    pub(super) fn choose(&self, scores: &[f32], rng: &mut impl Rng) -> Option<u32> {
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let better = |one: &usize, other: &usize| {
            let by_score = scores[*other].total_cmp(&scores[*one]);
            by_score.then(one.cmp(other))
        };
        if self.temperature == 0.0 {
            let best = (0..scores.len()).min_by(better);
            return best.map(|token| token as u32);
        }
        let mut tokens: Vec<usize> = (0..scores.len()).collect();
        if (1..tokens.len()).contains(&self.top_k) {
            tokens.select_nth_unstable_by(self.top_k - 1, better);
            tokens.truncate(self.top_k);
        }
        // A fixed order, so that a draw is the same on every machine.
        match self.top_p < 1.0 {
            true => tokens.sort_unstable_by(better),
            false => tokens.sort_unstable(),
        }
        let score = |token: &usize| f64::from(scores[*token]) / self.temperature;
        let best = tokens.iter().map(score).max_by(f64::total_cmp)?;
        let weights: Vec<f64> = tokens
            .iter()
            .map(|token| (score(token) - best).exp())
            .collect();
        let kept = self.nucleus(&weights);
        let mut left = rng.random::<f64>() * weights[..kept].iter().sum::<f64>();
        let drawn = weights[..kept].iter().position(|weight| {
            left -= weight;
            left.partial_cmp(&0.0) == Some(Ordering::Less)
        });
        // Rounding may leave a little after the last one.
        let last = weights[..kept].iter().rposition(|weight| *weight > 0.0);
        tokens.get(drawn.or(last)?).map(|token| *token as u32)
    }

    /// How many of the best weights reach `top_p` of their sum.
    fn nucleus(&self, weights: &[f64]) -> usize {
        if self.top_p >= 1.0 {
            return weights.len();
        }
        let enough = self.top_p * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = weights.iter().position(|weight| {
            sum += weight;
            sum >= enough
        });
        reached.map_or(weights.len(), |last| last + 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Probabilities 0.5, 0.25, 0.125, 0.125 of the tokens 1, 3, 0, 2.
    const SCORES: [f32; 4] = [
        0.0,
        2.0 * std::f32::consts::LN_2,
        0.0,
        std::f32::consts::LN_2,
    ];

    fn shares(config: &GenerationConfig) -> [f64; 4] {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            counts[config.choose(&SCORES, &mut rng).unwrap() as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn assert_shares(config: GenerationConfig, expected: [f64; 4]) {
        for (share, expected) in shares(&config).into_iter().zip(expected) {
            assert!(
                (share - expected).abs() < 0.015,
                "{config:?}: {share} for {expected}"
            );
        }
    }

    #[test]
    fn draws_follow_the_probabilities_that_the_settings_leave() {
        let drawn = GenerationConfig {
            temperature: 1.0,
            ..GenerationConfig::default()
        };
        assert_shares(drawn.clone(), [0.125, 0.5, 0.125, 0.25]);
        // Squared probabilities: 0.25, 0.0625 and twice 1/64, over their sum.
        let sum = 0.25 + 0.0625 + 2.0 / 64.0;
        let cold = GenerationConfig {
            temperature: 0.5,
            ..drawn.clone()
        };
        assert_shares(
            cold,
            [1.0 / 64.0 / sum, 0.25 / sum, 1.0 / 64.0 / sum, 0.0625 / sum],
        );
        let two_best = GenerationConfig {
            top_k: 2,
            ..drawn.clone()
        };
        assert_shares(two_best, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        // 0.5 and 0.25 do not reach 0.8; of the equal ones the lower token completes them.
        let nucleus = GenerationConfig {
            top_p: 0.8,
            ..drawn
        };
        assert_shares(nucleus, [0.125 / 0.875, 0.5 / 0.875, 0.0, 0.25 / 0.875]);
    }

    #[test]
    fn temperature_zero_takes_the_best_and_the_lower_of_equals() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let greedy = GenerationConfig::default();
        assert_eq!(greedy.choose(&SCORES, &mut rng), Some(1));
        assert_eq!(greedy.choose(&[1.0, 3.0, 3.0], &mut rng), Some(1));
        assert_eq!(greedy.choose(&[1.0, f32::NAN], &mut rng), None);
    }
}
