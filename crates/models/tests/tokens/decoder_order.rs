//! Positions and causal order of a decoder's text behind a prompt.

use burn::tensor::Tensor;
use treelora_core::{Batch, ContinualModel, Prefixes, TokenModel};
use treelora_models::decoder::{TextBatch, TextExample};

use crate::fixture::{
    DECODERS, assert_same, bits, decoder, device, largest_difference, prefixes, prompt, texts,
};

/// Tokens as prompt tokens, in front of the text, are the tokens in front of the text: the positions and the masks
/// are those of the longer text, in layers with windows too.
#[test]
fn a_prompt_of_token_vectors_is_the_text_with_these_tokens_in_front() {
    let front = [17, 3, 50];
    for name in DECODERS {
        let (model, batch) = (decoder(name, &device()), texts());
        let longer = TextBatch {
            examples: batch
                .examples
                .iter()
                .map(|example| {
                    let prompt = [&front[..], example.prompt()].concat();
                    TextExample::new(&prompt, example.answer())
                })
                .collect(),
        };
        let alone = TextBatch {
            examples: vec![TextExample::new(&front, &[])],
        };
        let prompt = model.embed(&alone).states().clone();
        let tokens = model.embed(&batch).with_prompt(prompt);
        let tokens = model.run(tokens, model.depth(), &Prefixes::none());
        let theirs = model.run_all(&longer);
        assert_same(tokens.states().clone(), theirs.states().clone(), name);
        assert_same(model.loss_of(&tokens, &batch), model.loss(&longer), name);
        assert_eq!(
            model.answer_log_likelihoods_of(&tokens, &batch),
            model.answer_log_likelihoods(&longer),
            "{name}"
        );
        let (logits, longer) = (model.logits_of(&tokens, &batch), model.logits(&longer));
        let (rows, vocabulary) = (batch.len(), logits.dims()[1]);
        let by_row = |logits: Tensor<2>, front: usize| {
            let columns = logits.dims()[0] / rows;
            let logits = logits.reshape([rows, columns, vocabulary]);
            logits.narrow(1, front, columns - front)
        };
        assert_same(by_row(logits, 0), by_row(longer, 3), name);
    }
}

#[test]
fn no_position_sees_what_comes_after_it() {
    for name in DECODERS {
        let model = decoder(name, &device());
        let prompt = prompt(&model, 1, 3, &device());
        let prefixes = prefixes(&model, 1, &device());
        let states = |ids: &[u32], prompt: &Tensor<3>| {
            let batch = TextBatch {
                examples: vec![TextExample::new(ids, &[])],
            };
            let tokens = model.embed(&batch).with_prompt(prompt.clone());
            model.run(tokens, 2, &prefixes).states().clone()
        };
        let ids: Vec<u32> = (10..30).collect();
        let mut changed = ids.clone();
        changed[12..].fill(3);
        let one = states(&ids, &prompt);
        let other = states(&changed, &prompt);
        let until = |x: &Tensor<3>, end| bits(x.clone().narrow(1, 0, end));
        assert_eq!(until(&one, 3 + 12), until(&other, 3 + 12), "{name}");
        assert_ne!(until(&one, 3 + 13), until(&other, 3 + 13), "{name}");

        // The second prompt token is seen by the third and by the text, not by the first.
        let louder = prompt.clone().slice_assign(
            [0..1, 1..2, 0..model.width()],
            prompt.clone().narrow(1, 1, 1) * 2.0,
        );
        let louder = states(&ids, &louder);
        assert_eq!(until(&one, 1), until(&louder, 1), "{name}");
        for position in [2, 3] {
            let [one, other] = [&one, &louder].map(|x| x.clone().narrow(1, position, 1));
            let effect = largest_difference(one, other);
            assert!(effect > 1e-4, "{name}, position {position}: {effect}");
        }
    }
}
