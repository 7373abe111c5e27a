//! Rows of layers in both views and both granularities.

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use treelora_lora::{AdapterSnapshot, Granularity, LayerVectors, LoraConfig, LoraError, attach};
use treelora_testing::{
    blocks::{Model, WIDTH, adapted, config},
    compare::{assert_close, assert_same},
    random::{input, rng},
};

#[test]
fn factor_rows_are_the_values_of_a_in_path_order() {
    let device = Device::default();
    let model = adapted(11, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap();
    assert_eq!(vectors.dims(), [22, WIDTH * 2]);
    assert_eq!(vectors.names()[4], "blocks.2.query.weight");
    for (row, layer) in AdapterSnapshot::of(&model).layers().iter().enumerate() {
        assert_eq!(vectors.names()[row], layer.path);
        assert_same(
            vectors.tensor().narrow(0, row, 1),
            layer.a.clone().reshape([1, WIDTH * 2]),
        );
    }
    let blocks = LayerVectors::factor_a(&model, Granularity::Block).unwrap();
    assert_eq!(blocks.names()[10], "blocks.10");
    assert_eq!(blocks.dims(), [11, WIDTH * 4]);
    assert_same(blocks.tensor(), vectors.tensor().reshape([11, WIDTH * 4]));
}

#[test]
fn the_factor_view_is_in_the_graph() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Block).unwrap();
    let loss = vectors
        .distances(Tensor::zeros(vectors.dims(), &device))
        .sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    // d |a| / da is the sign, laid out as A is.
    let signs = LayerVectors::gradient_a(&model, &gradients, Granularity::Block).unwrap();
    assert_same(signs.tensor(), vectors.tensor().inner().sign());
}

#[test]
fn the_gradient_view_is_the_gradient_and_can_be_replaced() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 0, &device);
    let loss = model.forward(input([4, 6], &device)).powf_scalar(2.0).sum();
    let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
    let count = gradients.len();
    let vectors = LayerVectors::gradient_a(&model, &gradients, Granularity::Block).unwrap();
    assert!(!vectors.tensor().is_autodiff());
    let id = treelora_lora::adapter_parameters(&model)[2];
    let first_value = gradients.get::<2>(id).unwrap();
    assert_same(
        vectors.tensor().slice([0..1, 12..24]),
        first_value.clone().reshape([1, 12]),
    );

    vectors.write_gradients(vectors.tensor() * 2.0, &mut gradients);
    assert_eq!(gradients.len(), count);
    assert_same(gradients.get::<2>(id).unwrap(), first_value * 2.0);

    let error = LayerVectors::gradient_a(&model, &GradientsParams::new(), Granularity::Block);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("blocks.0.query.weight")
    );
}

#[test]
fn rows_can_be_written_into_the_factors() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Block).unwrap();
    let same = vectors.write_factors(vectors.tensor(), model.clone());
    let x = input([4, 6], &device);
    assert_same(same.forward(x.clone()), model.forward(x.clone()));
    let moved = vectors.write_factors(vectors.tensor() + 1.0, model.clone());
    let after = LayerVectors::factor_a(&moved, Granularity::Block).unwrap();
    assert_same(after.tensor(), vectors.tensor() + 1.0);
    let ids = treelora_lora::adapter_parameters(&model);
    assert_eq!(treelora_lora::adapter_parameters(&moved), ids);
    let gradients = GradientsParams::from_grads(moved.forward(x).sum().backward(), &moved);
    assert!(
        ids.iter().all(|id| gradients.get::<2>(*id).is_some()),
        "still leaves"
    );
}

#[test]
fn distances_are_metrics_and_relative_ones_lie_in_the_unit_interval() {
    let device = Device::default();
    let model = adapted(2, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap();
    let values = |tensor: Tensor<1>| tensor.into_data().try_to_vec::<f32>().unwrap();
    let own = vectors.tensor();
    assert_eq!(values(vectors.distances(own.clone())), [0.0; 4]);
    assert_eq!(values(vectors.relative_distances(own.clone())), [0.0; 4]);
    let size = own.clone().abs().sum_dim(1).squeeze_dim::<1>(1);
    assert_close(vectors.distances(own.zeros_like()), size);
    // Opposite and absent relatives are as far as can be.
    for far in [-own.clone(), own.zeros_like(), own.clone() * -0.3] {
        let distances = values(vectors.relative_distances(far));
        assert!(
            distances.iter().all(|d| (1.0 - 1e-6..=1.0).contains(d)),
            "{distances:?}"
        );
    }
    let near = values(vectors.relative_distances(own * 3.0));
    assert!(near.iter().all(|d| (d - 0.5).abs() < 1e-5), "{near:?}");
}

#[test]
fn relative_distances_of_nothing_to_nothing_are_zero_with_finite_gradients() {
    let device = Device::default().autodiff();
    let model = adapted(1, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap();
    let model = vectors.write_factors(vectors.tensor() * 0.0, model);
    let vectors = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap();
    let distances = vectors.relative_distances(Tensor::zeros(vectors.dims(), &device));
    assert_eq!(
        distances.clone().into_data().try_to_vec::<f32>().unwrap(),
        [0.0, 0.0]
    );
    let gradients = GradientsParams::from_grads(distances.sum().backward(), &model);
    let gradient = LayerVectors::gradient_a(&model, &gradients, Granularity::Matrix).unwrap();
    let finite = gradient.tensor().into_data().try_to_vec::<f32>().unwrap();
    assert!(finite.iter().all(|g| g.is_finite()), "{finite:?}");
}

#[test]
fn relatives_may_live_outside_autodiff() {
    let device = Device::default().autodiff();
    let model = adapted(1, 2, 0, &device);
    let vectors = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap();
    let rows = Tensor::zeros(vectors.dims(), &Device::default());
    let loss = vectors.relative_distances(rows.clone()).sum() + vectors.distances(rows).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    assert!(LayerVectors::gradient_a(&model, &gradients, Granularity::Matrix).is_ok());
}

#[test]
fn rows_of_unequal_width_name_the_layer() {
    let device = Device::default();
    let config = LoraConfig {
        rank_pattern: [("value".into(), 1)].into(),
        ..config(2)
    };
    let model = attach(Model::new(2, &device), &config, &mut rng(0)).unwrap();
    let error = LayerVectors::factor_a(&model, Granularity::Matrix).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`blocks.0.value.weight` has 6 features"),
        "{error}"
    );
    // A block is as wide as another.
    assert!(LayerVectors::factor_a(&model, Granularity::Block).is_ok());
    let error = LayerVectors::factor_a(&Model::new(1, &device), Granularity::Block).unwrap_err();
    assert!(matches!(error, LoraError::NoAdapters), "{error}");
}
