//! What is put into a model learns.

use burn::tensor::Tensor;
use treelora_core::{Prefix, Prefixes, TokenModel};

use crate::fixture::{device, for_every_family, normal, prefix, prompt};

/// A prompt at the input, one in front of block 1, keys and values of a prefix in block 1.
const PLACES: [&str; 4] = ["prompt", "deep prompt", "keys", "values"];

fn loss<M: TokenModel>(model: &M, batch: &M::Batch, learned: &[Tensor<3>; 4]) -> Tensor<1> {
    let [input, deep, keys, values] = learned.clone();
    let prefixes = Prefixes::none().with(1, Prefix::new(keys, values));
    let tokens = model.embed(batch).with_prompt(input);
    let tokens = model.run(tokens, 1, &prefixes).with_prompt(deep);
    model.loss_of(&model.run(tokens, model.depth(), &prefixes), batch)
}

/// Half a step along the gradient in either direction changes the loss by its norm.
#[test]
fn gradients_of_prompts_and_prefixes_are_slopes() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let device = device().autodiff();
        let rows = model.embed(batch).inputs().len();
        let prefix = prefix(model, 1, 2, &device);
        let learned = [
            prompt(model, 1, 2, &device),
            prompt(model, rows, 1, &device),
            prefix.keys().clone(),
            prefix.values().clone(),
        ]
        .map(Tensor::require_grad);
        let gradients = loss(model, batch, &learned).backward();
        for (place, what) in PLACES.iter().enumerate() {
            let gradient = learned[place].grad(&gradients).unwrap();
            let norm = gradient.clone().powi_scalar(2).sum().sqrt();
            let norm: f32 = norm.into_scalar();
            assert!(norm > 1e-3, "{name}, {what}: gradient of norm {norm}");
            let step = 0.02;
            let direction = Tensor::from_data(gradient.into_data(), &device) / norm;
            let moved = |length: f32| {
                let mut moved = learned.clone();
                moved[place] = moved[place].clone() + direction.clone() * length;
                loss(model, batch, &moved).into_scalar::<f32>()
            };
            let slope = (moved(step / 2.0) - moved(-step / 2.0)) / step;
            assert!(
                (slope - norm).abs() < 0.02 * norm + 1e-4,
                "{name}, {what}: slope {slope}, gradient {norm}"
            );
        }
    }
    for_every_family!(law, device().autodiff());
}

/// A prompt may come out of a pool: the gradient goes on to what it was chosen from.
#[test]
fn a_prompt_chosen_from_a_pool_leaves_the_others_alone() {
    fn law<M: TokenModel>(name: &str, model: &M, batch: &M::Batch) {
        let device = device().autodiff();
        let rows = model.embed(batch).inputs().len();
        let pool = normal([3, 2, model.width()], 0.5, 9, &device).require_grad();
        let chosen = [0, 2].repeat(rows.div_ceil(2));
        let chosen = Tensor::from_ints(&chosen[..rows], &device);
        let tokens = model
            .embed(batch)
            .with_prompt(pool.clone().select(0, chosen));
        let tokens = model.run(tokens, model.depth(), &Prefixes::none());
        let gradients = model.loss_of(&tokens, batch).backward();
        let gradient = pool.grad(&gradients).unwrap();
        let largest = |row| {
            let row = gradient.clone().narrow(0, row, 1);
            row.abs().max().into_scalar::<f32>()
        };
        assert_eq!(largest(1), 0.0, "{name}");
        assert!(largest(0) > 0.0 && largest(2) > 0.0, "{name}");
    }
    for_every_family!(law, device().autodiff());
}
