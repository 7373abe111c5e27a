//! What several prompts begin with, and what it leaves in a decoder.

use burn::module::Module;
use treelora_core::Error;

use super::{Decoder, DecoderConfig, KeyValueCache, TokenGrid};

/// The tokens that several prompts begin with, and the keys and values that a decoder has for them.
///
/// They stay true as long as the decoder, its adapters included, does.
#[derive(Clone, Debug)]
pub struct SharedPrefix {
    ids: Vec<u32>,
    /// One row, without padding and whole in every layer.
    cache: Option<KeyValueCache>,
}

impl SharedPrefix {
    /// No token at all.
    pub fn none() -> Self {
        Self {
            ids: Vec::new(),
            cache: None,
        }
    }

    /// The tokens.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// `prompts` padded on the left, without the columns that the cache beside them has already.
    ///
    /// In a row with padding in front the prefix starts later, so that its last tokens may be among the columns left:
    /// they go through the model again.
    ///
    /// # Panics
    /// When there is no prompt, or one does not begin with the prefix or has no other token.
    pub(super) fn before(
        &self,
        prompts: &[&[u32]],
        config: &DecoderConfig,
    ) -> (TokenGrid, KeyValueCache) {
        let grid = TokenGrid::left_padded(prompts);
        let Some(cache) = &self.cache else {
            return (grid, KeyValueCache::new(config));
        };
        let shared = self.ids.len();
        for (row, prompt) in prompts.iter().enumerate() {
            assert!(
                prompt.len() > shared && prompt.starts_with(&self.ids),
                "prompt {row} of {} tokens does not go on from a prefix of {shared}",
                prompt.len()
            );
        }
        let cache = cache.behind(grid.left_padding(), config);
        (grid.columns(shared..grid.positions()), cache)
    }
}

impl Decoder {
    /// What all of `prompts` begin with, gone through the model once; at least one token of each prompt is left. None
    /// where there are fewer than two prompts, for which nothing is saved.
    ///
    /// The model answers as under [`Module::valid`]. On the CPU a prompt behind a prefix gives the bits that it gives
    /// whole; on devices that choose kernels by shape it rounds differently.
    ///
    /// # Errors
    /// When the prefix holds a token outside the vocabulary, or is as long as the context.
    pub fn shared_prefix(&self, prompts: &[&[u32]]) -> Result<SharedPrefix, Error> {
        let ids = match prompts {
            [first, others @ ..] if !others.is_empty() => common_beginning(first, others),
            _ => &[],
        };
        let (context, vocabulary) = (self.config.max_position_embeddings, self.config.vocab_size);
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            let problem = format!("holds token {id}, the vocabulary has {vocabulary}");
            return Err(Error::Data(format!(
                "what all prompts begin with {problem}"
            )));
        }
        if ids.len() >= context {
            let length = ids.len();
            return Err(Error::Data(format!(
                "all prompts begin with the same {length} tokens, the model's context holds {context}"
            )));
        }
        if ids.is_empty() {
            return Ok(SharedPrefix::none());
        }
        let mut cache = KeyValueCache::whole(&self.config);
        let grid = TokenGrid::right_padded(&[ids]);
        self.valid().run_cached(&grid, &mut cache);
        Ok(SharedPrefix {
            ids: ids.to_vec(),
            cache: Some(cache),
        })
    }
}

/// The longest beginning of all that leaves each a token.
fn common_beginning<'p>(first: &'p [u32], others: &[&[u32]]) -> &'p [u32] {
    let common = others.iter().fold(first.len(), |common, other| {
        let same = first.iter().zip(*other).take_while(|(a, b)| a == b);
        common.min(same.count()).min(other.len().saturating_sub(1))
    });
    &first[..common.min(first.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::common_beginning;

    #[test]
    fn every_prompt_keeps_a_token_of_its_own() {
        let common = |prompts: &[&[u32]]| common_beginning(prompts[0], &prompts[1..]).to_vec();
        assert_eq!(common(&[&[1, 2, 3, 4], &[1, 2, 5], &[1, 2, 3]]), [1, 2]);
        assert_eq!(common(&[&[1, 2], &[1, 2, 3]]), [1]);
        assert_eq!(common(&[&[1, 2, 3], &[1, 2]]), [1]);
        assert_eq!(common(&[&[1, 2], &[1, 2]]), [1]);
        assert_eq!(common(&[&[1, 2], &[2, 2]]), [0; 0]);
        assert_eq!(common(&[&[1, 2], &[]]), [0; 0]);
        assert_eq!(common(&[&[], &[1, 2]]), [0; 0]);
    }
}
