//! Prompt tokens.

use burn::tensor::Tensor;
use treelora_core::{Batch, Prefixes, ReadOut, TokenModel, Tokens};

use crate::fixture::{
    assert_same, bits, device, for_every_family, images, largest_difference, prefixes, prompt,
    vision,
};

fn whole<M: TokenModel>(model: &M, tokens: Tokens) -> Tokens {
    model.run(tokens, model.depth(), &Prefixes::none())
}

#[test]
fn a_prompt_of_no_token_is_none() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let empty = Tensor::zeros([1, 0, model.width()], &device());
        let tokens = model.embed(batch).with_prompt(empty).without_prompt();
        assert_eq!(tokens.prompt(), 0);
        let loss = model.loss_of(&whole(model, tokens), batch);
        assert_same(loss, model.loss(batch), name);
    }
    for_every_family!(law, device());
}

/// At the input and in front of a later block, where it may take the place of the first.
#[test]
fn a_prompt_changes_what_comes_behind_it() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let plain = bits(model.loss(batch));
        let loss = |tokens| bits(model.loss_of(&whole(model, tokens), batch));
        let [first, second] = [3, 4].map(|length| prompt(model, 1, length, &device()));
        let early = model.embed(batch).with_prompt(first);
        let middle = model.run(early.clone(), 1, &Prefixes::none());
        let replaced = middle.clone().without_prompt().with_prompt(second);
        assert_eq!(replaced.prompt(), 4);
        let losses = [
            plain,
            loss(early),
            loss(replaced),
            loss(middle.without_prompt()),
        ];
        for (index, one) in losses.iter().enumerate() {
            assert!(!losses[..index].contains(one), "{name}, way {index}");
        }
    }
    for_every_family!(law, device());
}

#[test]
fn each_row_depends_on_its_own_example_and_prompt_alone() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let rows = batch.len();
        let (own, shared) = (
            prompt(model, rows, 2, &device()),
            prompt(model, 1, 3, &device()),
        );
        let run = |batch: &M::Batch, own: Tensor<3>, prefixes: &Prefixes| {
            let tokens = model.embed(batch).with_prompt(shared.clone());
            let tokens = tokens.with_prompt(own);
            let tokens = model.run(tokens, model.depth(), prefixes);
            [ReadOut::Model, ReadOut::Prompt].map(|read_out| model.read_out(&tokens, read_out))
        };
        let all = prefixes(model, rows, &device());
        let together = run(batch, own.clone(), &all);
        for row in 0..rows {
            let row_of = |x: &Tensor<3>| match x.dims()[0] {
                1 => x.clone(),
                _ => x.clone().narrow(0, row, 1),
            };
            let mut prefixes = Prefixes::none();
            for block in [0, 1] {
                let prefix = all.at(block).unwrap();
                let prefix =
                    treelora_core::Prefix::new(row_of(prefix.keys()), row_of(prefix.values()));
                prefixes = prefixes.with(block, prefix);
            }
            let alone = run(&batch.select(&[row]), row_of(&own), &prefixes);
            for (alone, together) in alone.into_iter().zip(&together) {
                let together = together.clone().narrow(0, row, 1);
                assert_same(alone, together, &format!("{name}, row {row}"));
            }
        }
    }
    for_every_family!(law, device());
}

/// What the last block leaves out is never read.
#[test]
fn the_prompt_that_is_read_out_passed_all_of_the_last_block() {
    let (model, batch) = (vision(&device()), images(3, &device()));
    let tokens = model
        .embed(&batch)
        .with_prompt(prompt(&model, 3, 5, &device()));
    let before = model.run(tokens.clone(), 2, &Prefixes::none());
    let all = before.map(|states| model.blocks[2].forward(states));
    let tokens = whole(&model, tokens);
    assert_eq!(tokens.states().dims(), [3, 6, 48]);
    for read_out in [ReadOut::Model, ReadOut::Prompt] {
        let [ours, theirs] = [&tokens, &all].map(|tokens| model.read_out(tokens, read_out));
        let difference = largest_difference(ours, theirs);
        assert!(difference < 1e-5, "{read_out:?}: {difference}");
    }
    let [own, prompt] =
        [ReadOut::Model, ReadOut::Prompt].map(|read_out| bits(model.read_out(&tokens, read_out)));
    assert_ne!(own, prompt);
}

#[test]
#[should_panic(expected = "the mean of a prompt of no token")]
fn a_prompt_that_is_not_there_is_not_read() {
    let (model, batch) = (vision(&device()), images(1, &device()));
    let _ = model.read_out(&model.run_all(&batch), ReadOut::Prompt);
}
