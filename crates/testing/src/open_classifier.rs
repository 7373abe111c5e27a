//! The small classifier as a stack of one block over tokens.

use burn::tensor::Tensor;
use treelora_core::{Classifier, ContinualModel, Features, Prefixes, ReadOut, TokenModel, Tokens};
use treelora_lora::linear;

use crate::{
    classifier::{TinyClassifier, masked_cross_entropy},
    points::{DIM, Points},
};

/// A point is one leading token; the mean of the prompt tokens, where there are some, is added before the non-linearity.
impl TokenModel for TinyClassifier {
    fn depth(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
        DIM
    }

    fn key_width(&self) -> usize {
        DIM
    }

    fn embed(&self, batch: &Points) -> Tokens {
        let points = batch.inputs.clone();
        let rows = points.dims()[0];
        Tokens::new(points.unsqueeze_dim(1), 1, vec![0; rows], 0)
    }

    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        assert!(until <= 1, "block {until} of a model of one");
        assert!(
            prefixes.at(0).is_none(),
            "a model without keys has no prefixes"
        );
        if tokens.block() == until {
            return tokens;
        }
        let prompt = (tokens.prompt() > 0).then(|| tokens.mean_of_prompt());
        tokens.advance(until, |states| {
            let point = states.clone().narrow(1, 0, 1).squeeze_dim::<2>(1);
            let mut hidden = linear(&self.layer, point);
            if let Some(prompt) = prompt {
                hidden = hidden + prompt;
            }
            let rest = states.dims()[1] - 1;
            let hidden = hidden.tanh().unsqueeze_dim::<3>(1);
            match rest {
                0 => hidden,
                rest => Tensor::cat(vec![hidden, states.narrow(1, 1, rest)], 1),
            }
        })
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        match read_out {
            ReadOut::Model => tokens.states().clone().narrow(1, 0, 1).squeeze_dim(1),
            ReadOut::Prompt => tokens.mean_of_prompt(),
        }
    }

    fn logits_of(&self, tokens: &Tokens, _batch: &Points) -> Tensor<2> {
        self.head().forward(self.read_out(tokens, ReadOut::Model))
    }

    fn loss_of(&self, tokens: &Tokens, batch: &Points) -> Tensor<1> {
        masked_cross_entropy(self.logits_of(tokens, batch), batch)
    }
}

/// A model without a head or classes: what text is to a method.
#[derive(burn::module::Module, Debug)]
pub struct Headless {
    /// What it is inside.
    pub inner: TinyClassifier,
}

impl ContinualModel for Headless {
    type Batch = Points;

    fn logits(&self, batch: &Points) -> Tensor<2> {
        self.inner.logits(batch)
    }

    fn loss(&self, batch: &Points) -> Tensor<1> {
        self.inner.loss(batch)
    }
}

impl Features for Headless {
    fn features(&self, batch: &Points) -> Tensor<2> {
        self.inner.features(batch)
    }

    fn frozen_features(&self, batch: &Points) -> Tensor<2> {
        self.inner.frozen_features(batch)
    }

    /// Every task is one group.
    fn groups(&self, batch: &Points) -> Vec<usize> {
        vec![0; batch.labels.len()]
    }
}

impl TokenModel for Headless {
    fn depth(&self) -> usize {
        self.inner.depth()
    }

    fn width(&self) -> usize {
        self.inner.width()
    }

    fn key_width(&self) -> usize {
        self.inner.key_width()
    }

    fn embed(&self, batch: &Points) -> Tokens {
        self.inner.embed(batch)
    }

    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        self.inner.run(tokens, until, prefixes)
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        self.inner.read_out(tokens, read_out)
    }

    fn logits_of(&self, tokens: &Tokens, batch: &Points) -> Tensor<2> {
        self.inner.logits_of(tokens, batch)
    }

    fn loss_of(&self, tokens: &Tokens, batch: &Points) -> Tensor<1> {
        self.inner.loss_of(tokens, batch)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        compare::{differ, values},
        points::points,
    };

    #[test]
    fn the_forward_goes_through_the_block_and_a_prompt_changes_it() {
        let device = Device::default();
        let model = TinyClassifier::new(&device);
        let batch = points(&[0, 1], 4, 0, &device);
        let logits = |tokens: Tokens| {
            let tokens = model.run(tokens, 1, &Prefixes::none());
            model.logits_of(&tokens, &batch)
        };
        let plain = logits(model.embed(&batch));
        assert_eq!(values(plain.clone()), values(model.logits(&batch)));
        let prompt = Tensor::<3>::ones([1, 2, DIM], &device);
        assert!(differ(
            logits(model.embed(&batch).with_prompt(prompt)),
            plain
        ));
    }
}
