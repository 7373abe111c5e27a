//! Which examples share a batch.

use proptest::prelude::*;
use treelora_cl_bench::text::TextBatching;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_batch_exceeds_its_bounds(
        lengths in prop::collection::vec(1_usize..700, 0..60),
        size in 1_usize..9,
        budget in 1_usize..3000,
        seed in 0_u64..1000,
    ) {
        let batching = TextBatching { token_budget: Some(budget) };
        let count = batching.count(&lengths, size);
        for (plan, sorted) in [
            (batching.shuffled(&lengths, size, seed), true),
            (batching.in_order(&lengths, size), false),
        ] {
            for batch in &plan {
                let longest = batch.iter().map(|i| lengths[*i]).max().unwrap();
                prop_assert!(batch.len() <= size);
                prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            }
            let mut examples: Vec<usize> = plan.concat();
            if !sorted {
                prop_assert!(examples.is_sorted());
            }
            examples.sort_unstable();
            prop_assert_eq!(examples, (0..lengths.len()).collect::<Vec<_>>());
            if sorted {
                prop_assert_eq!(plan.len(), count);
            }
        }
        prop_assert_eq!(
            batching.shuffled(&lengths, size, seed),
            batching.shuffled(&lengths, size, seed)
        );
        // A permutation of the examples has as many batches.
        let mut turned = lengths.clone();
        turned.reverse();
        prop_assert_eq!(batching.count(&turned, size), count);
        let plain = TextBatching::default();
        prop_assert_eq!(plain.shuffled(&lengths, size, seed).len(), plain.count(&lengths, size));
    }
}
