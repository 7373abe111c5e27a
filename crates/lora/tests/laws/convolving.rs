//! Updates of the kernels of a convolution, such as a patch embedding.

use burn::{
    module::{Module, Param},
    nn::{
        Linear, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use treelora_lora::{
    AdapterSnapshot, Gates, LoraConfig, Selection, adapter_parameters, affine, attach, attach_bank,
    attach_updates, convolution, linear, merge, select,
};

use treelora_testing::{
    compare::{assert_close, assert_same, differ},
    random::{input, rng},
    snapshots::random_snapshot,
};

#[derive(Module, Debug)]
struct Embedding {
    patches: Conv2d,
}

/// Square patches, and kernels that overlap on a padded image.
fn layers(device: &Device) -> [Embedding; 3] {
    let config = Conv2dConfig::new([3, 5], [2, 2]);
    let patches = config.clone().with_stride([2, 2]);
    let overlapping = Conv2dConfig::new([3, 5], [3, 2])
        .with_padding(PaddingConfig2d::Explicit(1, 2, 0, 1))
        .with_dilation([1, 2])
        .with_bias(false);
    let same = Conv2dConfig::new([3, 5], [2, 2]).with_padding(PaddingConfig2d::Same);
    [patches, overlapping, same].map(|config| {
        let patches = config.init(device);
        let _ = patches.weight.val();
        let _ = patches.bias.as_ref().map(|bias| bias.val());
        Embedding { patches }
    })
}

fn adapter(model: Embedding) -> Embedding {
    let config = LoraConfig {
        target_modules: vec![r"^patches\.weight$".into()],
        ..LoraConfig::new(2, 5.0)
    };
    attach(model, &config, &mut rng(0)).unwrap()
}

/// With a B that is not zero.
fn adapted(model: Embedding) -> Embedding {
    let model = adapter(model);
    let random = random_snapshot(&AdapterSnapshot::of(&model), 1);
    random.apply(model).unwrap()
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let device = Device::default();
    for layer in layers(&device) {
        let x = input([2, 3, 8, 6], &device);
        let plain = layer.patches.forward(x.clone());
        assert_same(convolution(&layer.patches, x.clone()), plain.clone());
        let adapted = adapter(layer);
        assert_eq!(
            adapted.patches.weight.dims(),
            [5, 3, adapted.patches.kernel_size[0], 2]
        );
        assert_same(convolution(&adapted.patches, x.clone()), plain.clone());
        assert_same(adapted.patches.forward(x), plain);
    }
}

#[test]
fn factored_dense_and_merged_are_equal() {
    let device = Device::default();
    for layer in layers(&device) {
        let x = input([2, 3, 8, 6], &device);
        let plain = layer.patches.forward(x.clone());
        let model = adapted(layer);
        let factored = convolution(&model.patches, x.clone());
        assert!(differ(factored.clone(), plain));
        assert_close(factored.clone(), model.patches.forward(x.clone()));
        let merged = merge(model.clone()).unwrap();
        assert_close(factored.clone(), convolution(&merged.patches, x.clone()));
        let folded = model.materialize();
        assert_close(factored, folded.patches.forward(x));
    }
}

/// A of a kernel `[channels, height, width]` is a kernel itself, and B mixes what those see: the order of PEFT.
#[test]
fn rows_of_a_are_ordered_channel_row_column() {
    let device = Device::default();
    let [layer, ..] = layers(&device);
    let x = input([2, 3, 8, 6], &device);
    let plain = layer.patches.forward(x.clone());
    let model = adapted(layer.clone());
    let snapshot = AdapterSnapshot::of(&model);
    let factors = &snapshot.layers()[0];
    assert_eq!(factors.a.dims(), [3 * 2 * 2, 2]);
    let kernels = |tensor: Tensor<2>, shape: [usize; 4]| Conv2d {
        weight: Param::from_tensor(tensor.transpose().reshape(shape)),
        bias: None,
        stride: [1, 1],
        ..layer.patches.clone()
    };
    let down = Conv2d {
        stride: [2, 2],
        ..kernels(factors.a.clone(), [2, 3, 2, 2])
    };
    let up = kernels(factors.b.clone(), [5, 2, 1, 1]);
    let update = up.forward(down.forward(x.clone())) * factors.scale;
    assert_close(convolution(&model.patches, x), plain + update);
}

/// A vision transformer's patch embedding is that linear layer: one adapter serves both ways of writing it.
#[test]
fn a_patch_embedding_is_a_linear_layer_of_its_patches() {
    #[derive(Module, Debug)]
    struct Patches {
        patches: Linear,
    }
    let device = Device::default();
    let [layer, ..] = layers(&device);
    let weight = layer.patches.weight.val().reshape([5, 3 * 2 * 2]);
    let patches = Linear {
        weight: Param::from_tensor(weight.transpose()),
        bias: layer.patches.bias.clone(),
    };
    let adapter = AdapterSnapshot::of(&adapted(layer.clone()));
    let one = || Selection::One(0);
    let kernels = attach_bank(layer, std::slice::from_ref(&adapter), one()).unwrap();
    let matrix = attach_bank(Patches { patches }, &[adapter], one()).unwrap();

    let (rows, columns) = (4, 3);
    let x = input([2, 3, 2 * rows, 2 * columns], &device);
    let patches = x
        .clone()
        .reshape([2, 3, rows, 2, columns, 2])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([2, rows * columns, 3 * 2 * 2]);
    let tokens = linear(&matrix.patches, patches);
    let map = convolution(&kernels.patches, x);
    assert_close(map.reshape([2, 5, rows * columns]).swap_dims(1, 2), tokens);
}

#[test]
fn gradients_equal_those_through_the_dense_kernels() {
    let device = Device::default().autodiff();
    for layer in layers(&device) {
        let model = adapted(layer);
        let x = input([2, 3, 8, 6], &device).require_grad();
        let gradients = |y: Tensor<4>| y.powf_scalar(2.0).sum().backward();
        let factored = gradients(convolution(&model.patches, x.clone()));
        let dense = gradients(model.patches.forward(x.clone()));
        assert_close(x.grad(&factored).unwrap(), x.grad(&dense).unwrap());
        assert!(model.patches.weight.base().grad(&factored).is_none());
        let (_, adapter) = treelora_lora::adapters_at(&model, 0).swap_remove(0);
        assert_eq!(adapter_parameters(&model), [adapter.a.id, adapter.b.id]);
        for factor in [adapter.a.val(), adapter.b.val()] {
            let gradient = factor.grad(&factored).unwrap();
            assert!(gradient.clone().abs().max().into_scalar::<f32>() > 0.0);
            assert_close(gradient, factor.grad(&dense).unwrap());
        }
    }
}

#[test]
fn samples_may_differ_in_their_updates() {
    let device = Device::default();
    let [layer, ..] = layers(&device);
    let first = AdapterSnapshot::of(&adapted(layer.clone()));
    let second = random_snapshot(&first, 7);
    let bank = attach_bank(layer, &[first, second], Selection::None).unwrap();
    let x = input([2, 3, 8, 6], &device);
    let with = |selection, x| convolution(&select(bank.clone(), selection).patches, x);
    let rows = Tensor::from_floats([[0.0, 1.0], [0.0, 0.0]], &device);
    for selection in [
        Selection::Groups(vec![(Some(1), 1), (None, 1)]),
        Selection::Gated(Gates::each_sample(rows)),
    ] {
        let together = with(selection, x.clone());
        for (sample, alone) in [Selection::One(1), Selection::None].into_iter().enumerate() {
            let part = |x: Tensor<4>| x.narrow(0, sample, 1);
            assert_close(part(together.clone()), with(alone, part(x.clone())));
        }
    }
}

#[test]
fn channels_in_groups_go_through_the_dense_kernels() {
    let device = Device::default();
    let patches = Conv2dConfig::new([4, 6], [2, 2])
        .with_groups(2)
        .init(&device);
    let _ = (patches.weight.val(), patches.bias.as_ref().unwrap().val());
    let model = adapted(Embedding { patches });
    let x = input([2, 4, 5, 5], &device);
    let plain = select(model.clone(), Selection::None);
    let adapted = convolution(&model.patches, x.clone());
    assert_same(adapted.clone(), model.patches.forward(x.clone()));
    assert!(differ(adapted, convolution(&plain.patches, x)));
}

#[test]
fn outputs_of_a_convolution_take_an_affine_map() {
    let device = Device::default();
    for layer in layers(&device) {
        let x = input([2, 3, 8, 6], &device);
        let plain = convolution(&layer.patches, x.clone());
        let model = attach_updates(layer, &["^patches".into()], &[], affine).unwrap();
        assert_same(convolution(&model.patches, x.clone()), plain);
    }
}
