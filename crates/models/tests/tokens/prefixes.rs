//! Keys and values in front of those of a block.

use burn::tensor::{Tensor, activation::softmax};
use treelora_core::{Features, Prefix, Prefixes, ReadOut, TokenModel};

use crate::fixture::{
    assert_same, bits, decoder, device, for_every_family, images, largest_difference, prefix,
    prefixes, prompt, texts, vision,
};

#[test]
fn a_prefix_of_no_key_is_none() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let empty = Tensor::zeros([1, 0, model.key_width()], &device());
        let prefixes = Prefixes::none().with(0, Prefix::new(empty.clone(), empty));
        let tokens = model.run(model.embed(batch), model.depth(), &prefixes);
        assert_same(model.loss_of(&tokens, batch), model.loss(batch), name);
    }
    for_every_family!(law, device());
}

#[test]
fn every_block_sees_its_own_prefix() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let loss = |prefixes: &Prefixes| {
            let tokens = model.run(model.embed(batch), model.depth(), prefixes);
            bits(model.loss_of(&tokens, batch))
        };
        let mut losses = vec![bits(model.loss(batch))];
        for block in 0..model.depth() {
            let prefix = prefix(model, 1, 3, &device());
            losses.push(loss(&Prefixes::none().with(block, prefix)));
        }
        for (index, one) in losses.iter().enumerate() {
            assert!(!losses[..index].contains(one), "{name}, block {index}");
        }
    }
    for_every_family!(law, device());
}

#[test]
fn two_prefixes_of_a_block_are_one_behind_the_other() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let rows = model.embed(batch).inputs().len();
        let [shared, own] = [(1, 3), (rows, 2)].map(|(r, l)| prefix(model, r, l, &device()));
        let joined = |first: &Tensor<3>, second: &Tensor<3>| {
            let first = first.clone().repeat_dim(0, rows);
            Tensor::cat(vec![first, second.clone()], 1)
        };
        let both = Prefix::new(
            joined(shared.keys(), own.keys()),
            joined(shared.values(), own.values()),
        );
        let ways = [
            Prefixes::none().with(1, shared).with(1, own),
            Prefixes::none().with(1, both),
        ];
        let [apart, joined] = ways.map(|prefixes| {
            let tokens = model.run(model.embed(batch), model.depth(), &prefixes);
            model.loss_of(&tokens, batch)
        });
        assert_same(apart, joined, name);
    }
    for_every_family!(law, device());
}

/// Attention of a vision block by hand.
#[test]
fn a_prefix_joins_the_softmax_of_every_query() {
    let (model, batch) = (vision(&device()), images(2, &device()));
    let prefix = prefix(&model, 2, 3, &device());
    let x = model.embed(&batch).states().clone();
    let block = &model.blocks[0];
    let normed = block.norm1.forward(x.clone());
    let heads = |x: Tensor<3>| {
        let [rows, positions, _] = x.dims();
        x.reshape([rows, positions, 3, 16]).swap_dims(1, 2)
    };
    let q = heads(block.attention.q.forward(normed.clone()));
    let behind = |prefix: &Tensor<3>, own| heads(Tensor::cat(vec![prefix.clone(), own], 1));
    let k = behind(prefix.keys(), block.attention.k.forward(normed.clone()));
    let v = behind(prefix.values(), block.attention.v.forward(normed));
    let weights = softmax(q.matmul(k.transpose()) / 4.0, 3);
    let gathered = weights.matmul(v).swap_dims(1, 2).reshape([2, 17, 48]);
    let x = x + block.attention.proj.forward(gathered);
    let expected = x.clone() + block.mlp.forward(block.norm2.forward(x));
    let tokens = model.run(model.embed(&batch), 1, &Prefixes::none().with(0, prefix));
    let difference = largest_difference(tokens.states().clone(), expected);
    assert!(difference < 1e-5, "{difference}");
}

/// One layer of a decoder with a prompt token, which stands at position 0, and with its key and value as a prefix:
/// the key turned back by the one position that the text no longer moves.
#[test]
fn a_prefix_holds_the_keys_of_a_prompt_turned_by_its_place() {
    let (mut model, batch) = (decoder("llama", &device()), texts());
    model.layers.truncate(1);
    let prompt = prompt(&model, 1, 1, &device());
    let prompted = model.embed(&batch).with_prompt(prompt.clone());
    let prompted = model.run(prompted, 1, &Prefixes::none());
    let expected = model.read_out(&prompted, ReadOut::Model);

    let layer = &model.layers[0];
    let normed = layer.input_layernorm.forward(prompt);
    let attention = &layer.self_attn;
    let [key, value] = [&attention.k_proj, &attention.v_proj]
        .map(|layer| layer.as_ref().unwrap().forward(normed.clone()));
    let (head_dim, theta) = (model.config().head_dim, model.config().rope_theta);
    let half = head_dim / 2;
    let key: Vec<f32> = key.into_data().iter().collect();
    let turned = key.chunks_exact(head_dim).flat_map(|head| {
        let pairs = (0..half).map(|i| {
            let angle = -(theta as f32).powf(-2.0 * i as f32 / head_dim as f32);
            let (sine, cosine) = angle.sin_cos();
            let (first, second) = (head[i], head[i + half]);
            [
                first * cosine - second * sine,
                second * cosine + first * sine,
            ]
        });
        let pairs: Vec<[f32; 2]> = pairs.collect();
        [0, 1]
            .into_iter()
            .flat_map(move |part| pairs.clone().into_iter().map(move |pair| pair[part]))
    });
    let turned: Vec<f32> = turned.collect();
    let width = turned.len();
    let key = Tensor::<1>::from_floats(turned.as_slice(), &device()).reshape([1, 1, width]);
    let prefixes = Prefixes::none().with(0, Prefix::new(key, value));
    let tokens = model.run(model.embed(&batch), 1, &prefixes);
    let difference = largest_difference(model.read_out(&tokens, ReadOut::Model), expected.clone());
    assert!(difference < 1e-4, "{difference}");
    let effect = largest_difference(model.features(&batch), expected);
    assert!(effect > 1e-2, "the prompt does nothing: {effect}");
}

#[test]
#[should_panic(expected = "3 rows of width 48 in front of 2 rows of width 48")]
fn a_prefix_of_another_batch_is_refused() {
    let (model, batch) = (vision(&device()), images(2, &device()));
    let prefixes = prefixes(&model, 3, &device());
    let _ = model.run(model.embed(&batch), 3, &prefixes);
}
