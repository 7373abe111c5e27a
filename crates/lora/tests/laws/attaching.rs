//! What attaching adapts, freezes, draws and refuses.

use burn::{
    module::{Lora, Module, ParamGroup},
    tensor::Device,
};
use treelora_lora::{
    AdapterSnapshot, LoraConfig, LoraError, Selection, attach, attach_bank, detach, select,
    train_adapter,
};

use treelora_testing::{
    blocks::{Model, WIDTH, adapted, config},
    compare::{assert_same, bits},
    random::{input, rng},
    snapshots::{assert_same_snapshot, random_snapshot},
    trainable::trainable,
};

#[test]
fn everything_but_the_adapters_and_the_named_parameters_is_frozen() {
    let device = Device::default().autodiff();
    let model = attach(Model::new(1, &device), &config(2), &mut rng(0)).unwrap();
    let expected = [
        "blocks.0.query.weight.lora.0.a",
        "blocks.0.query.weight.lora.0.b",
        "blocks.0.value.weight.lora.0.a",
        "blocks.0.value.weight.lora.0.b",
        "head.weight",
        "head.bias",
    ];
    assert_eq!(trainable(&model), expected);
    // Evaluation and back keeps it.
    assert_eq!(trainable(&model.valid().train()), expected);
    assert!(trainable(&model.valid()).is_empty());
}

#[test]
fn initial_values_follow_peft_and_the_seed() {
    let device = Device::default();
    let attached = |seed| {
        let model = attach(Model::new(11, &device), &config(4), &mut rng(seed)).unwrap();
        AdapterSnapshot::of(&model)
    };
    let snapshot = attached(5);
    let bound = 1.0 / (WIDTH as f32).sqrt();
    let mut values = Vec::new();
    for layer in snapshot.layers() {
        values.extend(layer.a.clone().into_data().try_to_vec::<f32>().unwrap());
        assert!(
            layer
                .b
                .clone()
                .into_data()
                .try_to_vec::<f32>()
                .unwrap()
                .iter()
                .all(|b| *b == 0.0)
        );
        assert_eq!(layer.scale, 15.0 / 4.0);
    }
    assert!(values.iter().all(|a| a.abs() <= bound));
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let variance = values.iter().map(|a| (a - mean).powi(2)).sum::<f32>() / values.len() as f32;
    // U(-k, k) has variance k^2 / 3; 528 values.
    assert!(mean.abs() < 0.05, "{mean}");
    assert!(
        (variance / (bound * bound / 3.0) - 1.0).abs() < 0.15,
        "{variance}"
    );

    assert_same_snapshot(&snapshot, &attached(5));
    let other = attached(6).layers()[0].a.clone().into_data();
    assert_ne!(
        bits(snapshot.layers()[0].a.clone().into_data()),
        bits(other)
    );
}

#[test]
fn ranks_and_alphas_by_pattern() {
    let device = Device::default();
    let config = LoraConfig {
        rank_pattern: [("value".into(), 3)].into(),
        alpha_pattern: [(r"blocks\.1\.".into(), 30.0)].into(),
        ..config(2)
    };
    let model = attach(Model::new(2, &device), &config, &mut rng(0)).unwrap();
    let snapshot = AdapterSnapshot::of(&model);
    let found: Vec<_> = snapshot
        .layers()
        .iter()
        .map(|l| (l.path.as_str(), l.a.dims()[1], l.scale))
        .collect();
    let expected = [
        ("blocks.0.query.weight", 2, 8.0 / 2.0),
        ("blocks.0.value.weight", 3, 8.0 / 3.0),
        ("blocks.1.query.weight", 2, 30.0 / 2.0),
        ("blocks.1.value.weight", 3, 30.0 / 3.0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn settings_that_do_not_fit_the_model_are_refused_by_name() {
    let device = Device::default();
    let refused = |config: LoraConfig| {
        attach(Model::new(2, &device), &config, &mut rng(0))
            .unwrap_err()
            .to_string()
    };
    let error = refused(LoraConfig {
        target_modules: vec!["q_proj".into()],
        ..config(2)
    });
    assert!(
        error.contains("`q_proj`") && error.contains("`blocks.*.query.weight`"),
        "{error}"
    );
    assert!(
        !error.contains("bias"),
        "only matrices can be targets: {error}"
    );
    let error = refused(LoraConfig {
        trainable: vec!["classifier".into()],
        ..config(2)
    });
    assert!(
        error.contains("`trainable`") && error.contains("head.bias"),
        "{error}"
    );
    let error = refused(LoraConfig {
        rank_pattern: [("head".into(), 1)].into(),
        ..config(2)
    });
    assert!(
        error.contains("`rank_pattern`") && error.contains("`head`"),
        "{error}"
    );
    let error = refused(config(7));
    assert!(
        error.contains("rank 7") && error.contains("[6, 6]"),
        "{error}"
    );
    let both = [("query".into(), 1), (r"blocks\.0".into(), 2)].into();
    let error = refused(LoraConfig {
        rank_pattern: both,
        ..config(2)
    });
    assert!(error.contains("blocks.0.query.weight"), "{error}");
}

#[test]
fn a_model_with_adapters_is_refused_until_they_are_detached() {
    let device = Device::default();
    let plain = Model::new(2, &device);
    let model = attach(plain.clone(), &config(2), &mut rng(0)).unwrap();
    let model = random_snapshot(&AdapterSnapshot::of(&model), 1)
        .apply(model)
        .unwrap();
    let error = attach(model.clone(), &config(2), &mut rng(0)).unwrap_err();
    assert!(
        matches!(error, LoraError::AlreadyAttached { .. }),
        "{error}"
    );
    let snapshot = AdapterSnapshot::of(&model);
    let error = attach_bank(model.clone(), &[snapshot], Selection::None).unwrap_err();
    assert!(
        matches!(error, LoraError::AlreadyAttached { .. }),
        "{error}"
    );

    let detached = detach(model);
    assert_eq!(detached.num_params(), plain.num_params());
    let x = input([4, 6], &device);
    assert_same(detached.forward(x.clone()), plain.forward(x));
    assert!(attach(detached, &config(2), &mut rng(0)).is_ok());
}

#[test]
fn other_reparameterizations_are_left_alone_and_not_covered() {
    let device = Device::default();
    let group = ParamGroup::from_path("head.weight");
    let model = Model::new(2, &device).apply_lora(Lora::new(2, 4.0).set_param_group(group));
    let over = LoraConfig {
        target_modules: vec!["head".into()],
        trainable: vec![],
        ..config(2)
    };
    let error = attach(model.clone(), &over, &mut rng(0))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("head.weight") && error.contains("`lora`"),
        "{error}"
    );

    let beside = attach(model, &config(2), &mut rng(0)).unwrap();
    assert!(beside.head.weight.adapter().is_some());
    assert_eq!(AdapterSnapshot::of(&beside).layers().len(), 4);
    let x = input([4, 6], &device);
    let selected = select(beside.clone(), Selection::None);
    assert_same(selected.forward(x.clone()), beside.forward(x));
}

#[test]
fn one_adapter_of_a_bank_can_be_trained() {
    let device = Device::default().autodiff();
    let snapshot = AdapterSnapshot::of(&adapted(1, 2, 0, &device));
    let base = Model::new(1, &device).no_grad();
    let model = attach_bank(base, &[snapshot.clone(), snapshot], Selection::One(0)).unwrap();
    assert!(trainable(&model).is_empty());
    let expected = [
        "blocks.0.query.weight.lora.1.a",
        "blocks.0.query.weight.lora.1.b",
        "blocks.0.value.weight.lora.1.a",
        "blocks.0.value.weight.lora.1.b",
    ];
    assert_eq!(trainable(&train_adapter(model, 1)), expected);
}

#[test]
fn snapshots_of_other_layers_or_shapes_do_not_make_a_bank() {
    let device = Device::default();
    let small = AdapterSnapshot::of(&adapted(1, 2, 0, &device));
    let large = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let base = Model::new(1, &device);
    let error = attach_bank(base.clone(), std::slice::from_ref(&large), Selection::None);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("blocks.1.query.weight")
    );
    let base = Model::new(2, &device);
    for pair in [[small.clone(), large.clone()], [large, small]] {
        let error = attach_bank(base.clone(), &pair, Selection::None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("blocks.1") && error.contains("not in every"),
            "{error}"
        );
    }
}
