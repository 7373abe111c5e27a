//! Folding into the dense weight and exactly back.

use burn::{module::Module, optim::GradientsParams, tensor::Device};
use treelora_lora::{AdapterSnapshot, LoraError, Selection, attach_bank, merge, select, unmerge};
use treelora_testing::{
    blocks::{Model, adapted},
    compare::{assert_close, assert_same},
    random::input,
    snapshots::{assert_same_snapshot, random_snapshot},
};

#[test]
fn merged_computes_the_same_and_unmerged_is_the_same() {
    let device = Device::default();
    let model = adapted(2, 2, 0, &device);
    let x = input([3, 4, 6], &device);
    let before = model.forward(x.clone());
    let merged = merge(model.clone()).unwrap();
    assert_close(merged.forward(x.clone()), before.clone());
    assert_same(
        merged.forward(x.clone()),
        model.clone().materialize().forward(x.clone()),
    );

    let unmerged = unmerge(merged);
    assert_same(unmerged.forward(x), before);
    assert_same_snapshot(
        &AdapterSnapshot::of(&unmerged),
        &AdapterSnapshot::of(&model),
    );
    for (left, right) in unmerged.blocks.iter().zip(&model.blocks) {
        assert_same(left.query.weight.base(), right.query.weight.base());
    }
}

#[test]
fn a_folded_weight_never_outlives_a_change() {
    let device = Device::default();
    let model = adapted(2, 2, 0, &device);
    let snapshot = AdapterSnapshot::of(&model);
    let other = random_snapshot(&snapshot, 9);
    let x = input([4, 6], &device);
    let bank = attach_bank(
        Model::new(2, &device),
        &[snapshot, other.clone()],
        Selection::One(0),
    )
    .unwrap();
    let merged = merge(bank.clone()).unwrap();
    let reselected = select(merged.clone(), Selection::One(1));
    assert_same(
        reselected.forward(x.clone()),
        select(bank.clone(), Selection::One(1)).forward(x.clone()),
    );
    let replaced = other.apply(merged).unwrap();
    assert_same(replaced.forward(x.clone()), reselected.forward(x));
}

#[test]
fn a_folded_weight_is_constant() {
    let device = Device::default().autodiff();
    let merged = merge(adapted(1, 2, 0, &device)).unwrap();
    let loss = merged.forward(input([4, 6], &device)).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &merged);
    assert_eq!(gradients.len(), 2, "the head's weight and bias");
    let x = input([4, 6], &device);
    assert_close(
        merged.valid().forward(x.clone().inner()).autodiff(),
        merged.forward(x),
    );
}

#[test]
fn groups_and_plain_models_have_nothing_to_fold() {
    let device = Device::default();
    let groups = Selection::Groups(vec![(Some(0), 4)]);
    let error = merge(select(adapted(1, 2, 0, &device), groups))
        .unwrap_err()
        .to_string();
    assert!(error.contains("blocks.0.query.weight"), "{error}");
    let error = merge(Model::new(1, &device)).unwrap_err();
    assert!(matches!(error, LoraError::NoAdapters), "{error}");
}
