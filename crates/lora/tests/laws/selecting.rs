//! Several adapters on one module.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use proptest::prelude::*;
use treelora_lora::{AdapterSnapshot, Selection, attach_bank, select};
use treelora_testing::{
    blocks::{Model, adapted},
    compare::{assert_close, assert_same, differ},
    random::input,
    snapshots::random_snapshot,
};

/// A base, three snapshots of it, and the bank of them.
fn bank(device: &Device) -> (Model, Vec<AdapterSnapshot>, Model) {
    let first = AdapterSnapshot::of(&adapted(2, 2, 0, device));
    let snapshots: Vec<_> = (0..3)
        .map(|seed| random_snapshot(&first, 10 + seed))
        .collect();
    let base = Model::new(2, device);
    let bank = attach_bank(base.clone(), &snapshots, Selection::None).unwrap();
    (base, snapshots, bank)
}

fn alone(base: &Model, snapshot: &AdapterSnapshot) -> Model {
    attach_bank(
        base.clone(),
        std::slice::from_ref(snapshot),
        Selection::One(0),
    )
    .unwrap()
}

#[test]
fn one_of_a_bank_is_that_adapter_alone_and_none_is_the_base() {
    let device = Device::default();
    let (base, snapshots, bank) = bank(&device);
    let x = input([4, 6], &device);
    assert_same(bank.forward(x.clone()), base.forward(x.clone()));
    for (index, snapshot) in snapshots.iter().enumerate() {
        let selected = select(bank.clone(), Selection::One(index));
        assert_same(
            selected.forward(x.clone()),
            alone(&base, snapshot).forward(x.clone()),
        );
        assert!(differ(selected.forward(x.clone()), base.forward(x.clone())));
    }
}

#[test]
fn clones_select_independently() {
    let device = Device::default();
    let (_, _, bank) = bank(&device);
    let x = input([4, 6], &device);
    let first = select(bank, Selection::One(0));
    let before = first.forward(x.clone());
    let second = select(first.clone(), Selection::One(1));
    assert_same(first.forward(x.clone()), before.clone());
    assert!(differ(second.forward(x.clone()), before.clone()));
    assert_same(select(second, Selection::One(0)).forward(x), before);
}

#[test]
fn sums_and_weights_are_those_of_the_dense_updates() {
    let device = Device::default();
    let (base, snapshots, bank) = bank(&device);
    let x = input([2, 3, 6], &device);
    let sum = select(bank.clone(), Selection::Sum(vec![0, 2]));
    assert_close(
        sum.forward(x.clone()),
        sum.clone().materialize().forward(x.clone()),
    );
    let weighted = select(
        bank.clone(),
        Selection::Weighted(vec![(0, 0.25), (1, -1.5)]),
    );
    assert_close(
        weighted.forward(x.clone()),
        weighted.clone().materialize().forward(x.clone()),
    );
    let stacked =
        AdapterSnapshot::stacked(&[(&snapshots[0], 0.25), (&snapshots[1], -1.5)]).unwrap();
    assert_close(
        weighted.forward(x.clone()),
        alone(&base, &stacked).forward(x.clone()),
    );
    let whole = select(bank.clone(), Selection::Weighted(vec![(1, 1.0)]));
    let one = select(bank, Selection::One(1));
    assert_close(whole.forward(x.clone()), one.forward(x));
}

#[test]
fn a_selection_survives_evaluation_and_training_mode() {
    let device = Device::default().autodiff();
    let (_, _, bank) = bank(&device);
    let selected = select(bank, Selection::One(2));
    let x = input([4, 6], &device);
    assert_close(
        selected.forward(x.clone()),
        selected.valid().forward(x.clone().inner()).autodiff(),
    );
    assert_close(
        selected.valid().train().forward(x.clone()),
        selected.forward(x),
    );
}

#[test]
#[should_panic(expected = "of 3 adapters")]
fn an_adapter_that_is_not_there_cannot_be_selected() {
    let _ = select(bank(&Device::default()).2, Selection::Sum(vec![0, 3]));
}

#[test]
#[should_panic(expected = "samples of the input and of the groups")]
fn groups_must_cover_the_batch() {
    let device = Device::default();
    let model = select(
        bank(&device).2,
        Selection::Groups(vec![(Some(0), 2), (None, 1)]),
    );
    let _ = model.forward(input([4, 6], &device));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the mixture of adapters and the order of a batch, each sample gets its own adapter's output.
    #[test]
    fn groups_are_per_sample_in_any_order(
        routes in proptest::collection::vec(proptest::option::of(0usize..3), 1..9),
    ) {
        let device = Device::default();
        let (_, _, bank) = bank(&device);
        let x = input([routes.len(), 2, 6], &device);
        let grouping = Selection::group(&routes);
        let indices = |places: &[usize]| {
            let places: Vec<i64> = places.iter().map(|&place| place as i64).collect();
            let count = places.len();
            Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device)
        };
        let grouped = select(bank.clone(), grouping.selection)
            .forward(x.clone().select(0, indices(&grouping.order)))
            .select(0, indices(&grouping.inverse));
        for (sample, route) in routes.iter().enumerate() {
            let selection = route.map_or(Selection::None, Selection::One);
            let single = select(bank.clone(), selection).forward(x.clone().narrow(0, sample, 1));
            assert_close(grouped.clone().narrow(0, sample, 1), single);
        }
    }
}
