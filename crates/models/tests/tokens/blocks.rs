//! Stopping between blocks.

use treelora_core::{Features, Prefixes, ReadOut, TokenModel};
use treelora_models::vision::{ImageBatch, ImageInput, VisionModel};

use crate::fixture::{
    DECODERS, assert_same, decoder, device, for_every_family, images, prefix, prefixes, prompt,
    texts, vision,
};

#[test]
fn the_whole_model_is_embed_run_and_read_out() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let tokens = model.run_all(batch);
        assert_eq!((tokens.block(), tokens.prompt()), (model.depth(), 0));
        assert_same(model.logits_of(&tokens, batch), model.logits(batch), name);
        assert_same(model.loss_of(&tokens, batch), model.loss(batch), name);
        let features = model.read_out(&tokens, ReadOut::Model);
        assert_same(features, model.features(batch), name);
    }
    for_every_family!(law, device());
}

#[test]
fn a_stop_between_two_blocks_changes_nothing() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let (depth, embedded) = (model.depth(), model.embed(batch));
        let rows = embedded.inputs().len();
        let prompt = prompt(model, rows, 3, &device());
        let ways = [
            (embedded.clone(), Prefixes::none()),
            (
                embedded.with_prompt(prompt),
                prefixes(model, rows, &device()),
            ),
        ];
        for (start, prefixes) in ways {
            let whole = model.run(start.clone(), depth, &prefixes);
            for stop in 0..=depth {
                let stopped = model.run(start.clone(), stop, &prefixes);
                assert_eq!(stopped.block(), stop);
                let resumed = model.run(stopped, depth, &prefixes);
                let what = format!("{name}, stopped before block {stop}");
                assert_same(resumed.states().clone(), whole.states().clone(), &what);
                assert_same(
                    model.loss_of(&resumed, batch),
                    model.loss_of(&whole, batch),
                    &what,
                );
            }
        }
    }
    for_every_family!(law, device());
}

/// A model cut at k reads the same features as an early exit after k blocks.
#[test]
fn an_early_exit_is_the_model_cut_there() {
    let exit = |features, cut, what: &str| assert_same(features, cut, what);
    let (model, batch) = (vision(&device()), images(4, &device()));
    for stop in 1..=model.depth() {
        let mut cut = model.clone();
        cut.blocks.truncate(stop);
        let tokens = model.run(model.embed(&batch), stop, &Prefixes::none());
        let features = model.read_out(&tokens, ReadOut::Model);
        exit(features, cut.features(&batch), &format!("vit at {stop}"));
    }
    let batch = texts();
    for name in DECODERS {
        let model = decoder(name, &device());
        for stop in 0..=model.depth() {
            let mut cut = model.clone();
            cut.layers.truncate(stop);
            let tokens = model.run(model.embed(&batch), stop, &Prefixes::none());
            let features = model.read_out(&tokens, ReadOut::Model);
            exit(features, cut.features(&batch), &format!("{name} at {stop}"));
        }
    }
}

#[test]
fn activations_computed_before_enter_where_they_were_left() {
    let (model, batch) = (vision(&device()), images(3, &device()));
    let ImageInput::Images(pixels) = &batch.input else {
        unreachable!()
    };
    let tokens = model.frozen_prefix(pixels.clone(), 2);
    let hidden = ImageBatch::new(
        ImageInput::Hidden { block: 2, tokens },
        batch.labels.clone(),
    );
    let tokens = model.embed(&hidden);
    assert_eq!((tokens.entered(), tokens.block()), (2, 2));
    let prefixes = Prefixes::none().with(2, prefix(&model, 1, 3, &device()));
    let depth = model.depth();
    let ours = model.run(tokens, depth, &prefixes);
    let theirs = model.run(model.embed(&batch), depth, &prefixes);
    assert_same(ours.states().clone(), theirs.states().clone(), "hidden");
}

#[test]
#[should_panic(expected = "a prefix of block 1 for tokens that entered the model at block 2")]
fn a_prefix_that_the_tokens_never_pass_is_refused() {
    let (model, batch) = (vision(&device()), images(1, &device()));
    let ImageInput::Images(pixels) = &batch.input else {
        unreachable!()
    };
    let tokens = model.frozen_prefix(pixels.clone(), 2);
    let hidden = ImageBatch::new(ImageInput::Hidden { block: 2, tokens }, vec![0]);
    let prefixes = Prefixes::none().with(1, prefix(&model, 1, 3, &device()));
    let _ = model.run(model.embed(&hidden), 3, &prefixes);
}

#[test]
#[should_panic(expected = "a prefix of block 3 in a model of 3 blocks")]
fn a_prefix_of_no_block_is_refused() {
    let (model, batch) = (vision(&device()), images(1, &device()));
    let prefixes = Prefixes::none().with(3, prefix(&model, 1, 3, &device()));
    let _ = model.run(model.embed(&batch), 1, &prefixes);
}

#[test]
#[should_panic(expected = "cannot go back to block 1")]
fn tokens_do_not_go_back() {
    let (model, batch) = (decoder("llama", &device()), texts());
    let _ = model.run(model.run_all(&batch), 1, &Prefixes::none());
}
