//! The factored forward computes what the dense weight does, and no dense gradient.

use burn::{
    module::{Module, list_param_ids},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use treelora_lora::{Selection, adapter_parameters, attach, select};
use treelora_testing::{
    blocks::{Model, adapted, config},
    compare::{assert_close, assert_same, differ},
    random::{input, rng},
};

#[test]
fn factored_is_dense_for_any_rank_of_input() {
    let device = Device::default();
    for (seed, rank) in [1, 2, 5].into_iter().enumerate() {
        let model = adapted(2, rank, seed as u64, &device);
        let dense = model.clone().materialize();
        let flat = input([7, 6], &device);
        assert_close(model.forward(flat.clone()), dense.forward(flat.clone()));
        assert_close(model.forward(flat.clone()), model.dense_forward(flat));
        let sequences = input([3, 5, 6], &device);
        assert_close(
            model.forward(sequences.clone()),
            dense.forward(sequences.clone()),
        );
        let plain = select(model.clone(), Selection::None);
        assert!(differ(
            model.forward(sequences.clone()),
            plain.forward(sequences)
        ));
    }
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let device = Device::default();
    let plain = Model::new(2, &device);
    let adapted = attach(plain.clone(), &config(3), &mut rng(0)).unwrap();
    let x = input([4, 6], &device);
    assert_same(plain.forward(x.clone()), adapted.forward(x));
}

#[test]
fn gradients_reach_adapters_and_the_head_and_no_frozen_weight() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 3, &device);
    let loss = model.forward(input([4, 6], &device)).powf_scalar(2.0).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);

    let mut expected = adapter_parameters(&model);
    for id in &expected {
        let gradient: Tensor<2> = gradients.get(*id).unwrap();
        assert!(gradient.abs().max().into_scalar::<f32>() > 0.0);
    }
    expected.extend(list_param_ids(&model.head));
    assert!(gradients.get::<2>(model.head.weight.id).is_some());
    assert!(
        gradients
            .get::<2>(model.blocks[0].query.weight.id)
            .is_none()
    );
    assert!(
        gradients
            .get::<1>(model.blocks[0].query.bias.as_ref().unwrap().id)
            .is_none()
    );
    assert_eq!(gradients.len(), expected.len());
}

#[test]
fn gradients_equal_those_through_the_dense_weight() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 4, &device);
    let x = input([3, 4, 6], &device);
    let gradients = |logits: Tensor<3>| {
        GradientsParams::from_grads(logits.powf_scalar(2.0).sum().backward(), &model)
    };
    let (factored, dense) = (
        gradients(model.forward(x.clone())),
        gradients(model.dense_forward(x)),
    );
    for id in adapter_parameters(&model) {
        assert_close(factored.get::<2>(id).unwrap(), dense.get::<2>(id).unwrap());
    }
}
