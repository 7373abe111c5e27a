//! The examples of a split that a stream can take.

use std::collections::BTreeMap;

use super::{Subset, shuffled};
use crate::dataset::Dataset;

/// One of the two halves of a data set.
#[derive(Clone, Copy)]
pub(super) enum Split {
    Training,
    Test,
}

impl Split {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Test => "test",
        }
    }

    /// Key of the limit on examples of a class.
    pub(super) fn limit_key(self) -> &'static str {
        match self {
            Self::Training => "train_per_class",
            Self::Test => "test_per_class",
        }
    }
}

/// The examples of a split by class and domain, in file order.
pub(super) struct Examples {
    pub(super) split: Split,
    pub(super) limit: Option<usize>,
    by_class: BTreeMap<(usize, usize), Vec<usize>>,
}

impl Examples {
    pub(super) fn of(dataset: &dyn Dataset, split: Split, limit: Option<usize>) -> Self {
        let mut by_class: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for index in 0..dataset.len() {
            let key = (dataset.class(index), dataset.domain(index));
            by_class.entry(key).or_default().push(index);
        }
        Self {
            split,
            limit,
            by_class,
        }
    }

    /// At most the configured number of examples of a class, of one domain or of all, ascending.
    pub(super) fn of_class(
        &self,
        class: usize,
        domain: Option<usize>,
        subset: Subset,
    ) -> Vec<usize> {
        let domains = match domain {
            Some(domain) => (class, domain)..=(class, domain),
            None => (class, 0)..=(class, usize::MAX),
        };
        let mut examples: Vec<usize> = self
            .by_class
            .range(domains)
            .flat_map(|(_, indices)| indices.iter().copied())
            .collect();
        examples.sort_unstable();
        let Some(limit) = self.limit.filter(|limit| *limit < examples.len()) else {
            return examples;
        };
        if let Subset::Sampled(seed) = subset {
            let domain = domain.unwrap_or(0) as u64;
            let part = [seed, self.split as u64, class as u64, domain];
            examples = shuffled(&examples, treelora_core::mix(&part));
        }
        examples.truncate(limit);
        examples.sort_unstable();
        examples
    }

    /// Run number `slice` of as many examples as `limit` says of a class in a domain, ascending; in `Err` how many there
    /// are in all, when they do not reach that far.
    ///
    /// A sample has the same places in the list of every domain: where these list the same pictures, the runs of
    /// different numbers share none.
    pub(super) fn slice(
        &self,
        [class, domain]: [usize; 2],
        subset: Subset,
        slice: usize,
        limit: usize,
    ) -> Result<Vec<usize>, usize> {
        let examples = self.by_class.get(&(class, domain));
        let examples = examples.map_or(&[][..], Vec::as_slice);
        let examples = match subset {
            Subset::FileOrder => examples.to_vec(),
            Subset::Sampled(seed) => {
                let part = [seed, self.split as u64, class as u64];
                shuffled(examples, treelora_core::mix(&part))
            }
        };
        let start = slice.saturating_mul(limit);
        match examples.get(start..start.saturating_add(limit)) {
            Some(part) => {
                let mut part = part.to_vec();
                part.sort_unstable();
                Ok(part)
            }
            None => Err(examples.len()),
        }
    }
}
