//! Affine maps of the features of norms and linear layers.

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use treelora_lora::{
    AdapterSnapshot, FeatureScale, Selection, Shift, Update, adapter_parameters, affine,
    attach_updates, linear, merge, replace_updates, select, updates_at,
};

use treelora_testing::{
    blocks::WIDTH,
    compare::{assert_close, assert_same, differ},
    random::{input, rng, uniform_matrix as random},
};

#[derive(Module, Debug)]
struct Features {
    norm: LayerNorm,
    layer: Linear,
}

impl Features {
    fn new(device: &Device) -> Self {
        let (mut of_vectors, mut of_weight) = (rng(1), rng(2));
        let mut vector = || random([1, WIDTH], &mut of_vectors, device).squeeze_dim::<1>(0);
        let mut norm = LayerNormConfig::new(WIDTH).init(device);
        norm.gamma = Param::from_tensor(vector());
        norm.beta = Some(Param::from_tensor(vector()));
        Self {
            norm,
            layer: Linear {
                weight: Param::from_tensor(random([WIDTH, WIDTH], &mut of_weight, device)),
                bias: Some(Param::from_tensor(vector())),
            },
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        linear(&self.layer, self.norm.forward(x))
    }
}

fn mapped(model: Features) -> Features {
    attach_updates(model, &["^norm".into(), "^layer".into()], &[], affine).unwrap()
}

/// Maps that are not the identity.
fn random_maps(model: Features) -> Features {
    let mut seed = 20;
    replace_updates(mapped(model), 0, |_, update| {
        update.map_parameters(&mut |_, parameter| {
            seed += 1;
            parameter.map(|value| {
                let tracked = value.is_require_grad();
                random(value.dims(), &mut rng(seed), &value.device()).set_require_grad(tracked)
            })
        })
    })
    .unwrap()
}

fn row<U>(model: &Features, path: &str, of: fn(&U) -> &Param<Tensor<2>>) -> Tensor<2>
where
    U: treelora_lora::WeightUpdate,
{
    let updates = updates_at(model, 0);
    let (_, update) = updates.iter().find(|(found, _)| found == path).unwrap();
    of(update.get::<U>().unwrap()).val()
}

#[test]
fn the_identity_map_changes_nothing() {
    let device = Device::default();
    let plain = Features::new(&device);
    let model = mapped(plain.clone());
    let paths: Vec<_> = updates_at(&model, 0)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        paths,
        ["layer.bias", "layer.weight", "norm.beta", "norm.gamma"]
    );
    let x = input([5, WIDTH], &device);
    assert_same(model.forward(x.clone()), plain.forward(x));
}

#[test]
fn features_are_scaled_and_shifted() {
    let device = Device::default();
    let plain = Features::new(&device);
    let model = random_maps(plain.clone());
    let scale = |path| row::<FeatureScale>(&model, path, |map| &map.scale) + 1.0;
    let shift = |path| row::<Shift>(&model, path, |map| &map.shift);
    let x = input([5, WIDTH], &device);

    let beta: Tensor<2> = plain.norm.beta.as_ref().unwrap().val().unsqueeze();
    let normalised = plain.norm.forward(x.clone()) - beta.clone();
    let expected = normalised * scale("norm.gamma") + beta + shift("norm.beta");
    let features = model.norm.forward(x.clone());
    assert!(differ(features.clone(), plain.norm.forward(x.clone())));
    assert_close(features, expected);

    let bias: Tensor<2> = plain.layer.bias.as_ref().unwrap().val().unsqueeze();
    let product = x.clone().matmul(plain.layer.weight.val());
    let expected = product * scale("layer.weight") + bias + shift("layer.bias");
    assert_close(linear(&model.layer, x), expected);
}

#[test]
fn factored_dense_and_merged_are_equal() {
    let device = Device::default();
    let model = random_maps(Features::new(&device));
    let x = input([5, WIDTH], &device);
    let factored = model.forward(x.clone());
    let dense = model.layer.forward(model.norm.forward(x.clone()));
    assert_close(factored.clone(), dense);
    let merged = merge(model.clone()).unwrap();
    assert_close(factored.clone(), merged.forward(x.clone()));
    assert_close(
        factored.clone(),
        model.clone().materialize().forward(x.clone()),
    );
    let none = select(model, Selection::None);
    assert_same(none.forward(x.clone()), Features::new(&device).forward(x));
}

#[test]
fn gradients_reach_the_maps_and_nothing_frozen() {
    let device = Device::default().autodiff();
    let model = random_maps(Features::new(&device));
    let x = input([5, WIDTH], &device);
    let gradients =
        |y: Tensor<2>| GradientsParams::from_grads(y.powf_scalar(2.0).sum().backward(), &model);
    let factored = gradients(model.forward(x.clone()));
    let dense = gradients(model.layer.forward(model.norm.forward(x)));
    let parameters = adapter_parameters(&model);
    assert_eq!(parameters.len(), 4);
    assert_eq!(factored.len(), 4);
    for id in parameters {
        let gradient = factored.get::<2>(id).unwrap();
        assert!(gradient.clone().abs().max().into_scalar::<f32>() > 0.0);
        assert_close(gradient, dense.get::<2>(id).unwrap());
    }
}

#[test]
fn tasks_have_maps_of_their_own() {
    let device = Device::default();
    let model = random_maps(Features::new(&device));
    assert!(
        AdapterSnapshot::of_selection(&model).is_none(),
        "no map is of low rank"
    );
    let x = input([5, WIDTH], &device);
    let twice = select(model.clone(), Selection::Weighted(vec![(0, 2.0)]));
    let doubled = replace_updates(model.clone(), 0, |_, update| {
        update.map_parameters(&mut |_, parameter| parameter.map(|value| value * 2.0))
    })
    .unwrap();
    assert_close(twice.forward(x.clone()), doubled.forward(x.clone()));
    assert!(differ(twice.forward(x.clone()), model.forward(x)));
}

#[test]
#[should_panic(expected = "is not a low-rank pair")]
fn a_map_is_no_pair() {
    let model = mapped(Features::new(&Device::default()));
    let _ = treelora_lora::adapters_at(&model, 0);
}

#[test]
#[should_panic(expected = "of low rank")]
fn a_map_has_no_snapshot() {
    let _ = AdapterSnapshot::of(&mapped(Features::new(&Device::default())));
}

#[test]
fn a_map_is_an_update_like_any_other() {
    let device = Device::default();
    let model = mapped(Features::new(&device));
    let names: Vec<_> = updates_at(&model, 0)
        .iter()
        .flat_map(|(_, update): &(String, Update)| update.parameters())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["shift", "scale", "shift", "scale"]);
    assert_eq!(
        model.num_params(),
        Features::new(&device).num_params() + 4 * WIDTH
    );
}
