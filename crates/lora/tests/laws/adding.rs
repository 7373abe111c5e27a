//! One more adapter behind those that a model has.

use burn::{module::Module, tensor::Device};
use treelora_lora::{
    AdapterLayer, AdapterSnapshot, LoraError, Selection, adapters_at, add_frozen_adapter, select,
};
use treelora_testing::{
    blocks::{Model, adapted},
    compare::{assert_close, assert_same},
    random::input,
    snapshots::random_snapshot,
};

#[test]
fn an_added_adapter_takes_part_and_only_the_first_is_trained() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 0, &device);
    let first = AdapterSnapshot::of(&model);
    let added = AdapterSnapshot::stacked(&[
        (&random_snapshot(&first, 8), 1.0),
        (&random_snapshot(&first, 9), 1.0),
    ])
    .unwrap();
    let both = Selection::Sum(vec![0, 1]);
    let sum = add_frozen_adapter(model.clone(), &added, &both).unwrap();
    let x = input([4, 6], &device);
    let expected = sum.clone().valid().materialize();
    assert_close(
        sum.valid().forward(x.clone().inner()),
        expected.forward(x.clone().inner()),
    );
    assert_same(
        select(sum.clone(), Selection::One(0)).forward(x.clone()),
        model.forward(x.clone()),
    );

    let gradients = sum.forward(x).sum().backward();
    let (own, frozen) = (adapters_at(&sum, 0), adapters_at(&sum, 1));
    assert_eq!(own.len(), 4);
    assert_eq!(own[0].0, "blocks.0.query.weight");
    for ((path, own), (same, frozen)) in own.iter().zip(&frozen) {
        assert_eq!((path, frozen.rank()), (same, 4));
        assert!(own.a.val().grad(&gradients).is_some() && own.b.val().grad(&gradients).is_some());
        assert!(!frozen.a.is_require_grad() && frozen.a.val().grad(&gradients).is_none());
    }
}

#[test]
fn an_adapter_of_other_layers_or_shapes_is_refused() {
    let device = Device::default();
    let model = adapted(1, 2, 0, &device);
    let first = AdapterSnapshot::of(&model);
    let add = |model, snapshot: &AdapterSnapshot| {
        add_frozen_adapter::<Model>(model, snapshot, &Selection::One(0)).map(drop)
    };
    let more = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let message = add(model.clone(), &more).unwrap_err().to_string();
    assert!(message.contains("blocks.1"), "{message}");
    let part = AdapterSnapshot::from_layers(first.layers()[..1].to_vec());
    assert!(add(model.clone(), &part).is_err());
    let cut = |layer: &AdapterLayer| AdapterLayer {
        a: layer.a.clone().narrow(0, 0, 5),
        ..layer.clone()
    };
    let cut = AdapterSnapshot::from_layers(first.layers().iter().map(cut).collect());
    let message = add(model, &cut).unwrap_err().to_string();
    assert!(
        message.contains("[6, 6]") && message.contains("[5, 6]"),
        "{message}"
    );
    let plain = Model::new(1, &device);
    assert!(matches!(add(plain, &first), Err(LoraError::NoAdapters)));
}
