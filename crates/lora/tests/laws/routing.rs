//! A routed update `A R B`: another kind of update than the pair, through every function of the crate.

use burn::{
    module::{Module, Param, list_param_ids},
    optim::{GradientsParams, SgdConfig},
    tensor::{Device, Tensor},
};
use treelora_lora::{
    AdapterSnapshot, LoraError, RoutedAdapter, Selection, Site, Update, adapter_parameters,
    attach_bank, attach_updates, merge, replace_updates, select, unmerge, updates_at,
};

use treelora_testing::{
    blocks::{Model, WIDTH},
    compare::{assert_close, assert_same, differ},
    random::{input, rng, uniform_matrix as random},
    trainable::trainable,
};

const RANK: usize = 3;
const SCALE: f64 = 1.75;

/// Random factors; a routing of zero.
fn fresh(site: &Site, seed: u64) -> RoutedAdapter {
    let [d_in, d_out] = site.dims;
    let mut rng = rng(seed);
    let a = random([d_in, RANK], &mut rng, &site.device);
    let b = random([RANK, d_out], &mut rng, &site.device);
    RoutedAdapter::new(a, b, SCALE)
}

/// A model whose first layer's routing, trained and settled, is not zero.
fn routed(blocks: usize, device: &Device) -> Model {
    let model = attached(Model::new(blocks, device), fresh);
    let mut seed = 100;
    let mut next = |value: Tensor<2>| {
        seed += 1;
        random(value.dims(), &mut rng(seed), &value.device())
    };
    replace_updates(model, 0, |_, update| {
        let adapter = update.get::<RoutedAdapter>().unwrap().clone();
        Update::new(RoutedAdapter {
            routing: Param::from_tensor(next(adapter.routing.val())),
            settled: Param::from_tensor(next(adapter.settled.val())).set_require_grad(false),
            ..adapter
        })
    })
    .unwrap()
}

fn attached(model: Model, make: fn(&Site, u64) -> RoutedAdapter) -> Model {
    let targets = [r"\.(query|value)\.weight$".into()];
    let mut seed = 0;
    attach_updates(model, &targets, &["^head".into()], |site| {
        seed += 1;
        Update::new(make(site, seed))
    })
    .unwrap()
}

fn first(model: &Model) -> RoutedAdapter {
    let (path, update) = updates_at(model, 0).swap_remove(0);
    assert_eq!(path, "blocks.0.query.weight");
    update.get::<RoutedAdapter>().unwrap().clone()
}

#[test]
fn a_routing_of_zero_changes_nothing_and_has_a_gradient() {
    let device = Device::default().autodiff();
    let plain = Model::new(2, &device);
    let model = attached(plain.clone(), fresh);
    let x = input([4, 6], &device);
    assert_same(model.forward(x.clone()), plain.forward(x.clone()));
    let gradients = model.forward(x).powf_scalar(2.0).sum().backward();
    let adapter = first(&model);
    let routing = adapter.routing.val().grad(&gradients).unwrap();
    assert!(routing.abs().max().into_scalar::<f32>() > 0.0);
    let a = adapter.a.val().grad(&gradients).unwrap();
    assert_eq!(a.abs().max().into_scalar::<f32>(), 0.0);
}

#[test]
fn factored_dense_and_merged_are_equal() {
    let device = Device::default();
    let model = routed(2, &device);
    let x = input([3, 4, 6], &device);
    let factored = model.forward(x.clone());
    assert_close(factored.clone(), model.dense_forward(x.clone()));
    let merged = merge(model.clone()).unwrap();
    assert_close(factored.clone(), merged.forward(x.clone()));
    assert_same(unmerge(merged).forward(x.clone()), factored.clone());
    let none = select(model, Selection::None);
    assert!(differ(none.forward(x), factored));
}

/// `dR = A' G B'`, `dA = G B' R'`, `dB = R' A' G` with the trained routing alone, where G is the gradient of the dense
/// update: arXiv 2502.17920, eq. 13 to 17.
#[test]
fn gradients_are_those_of_the_trained_share() {
    let device = Device::default().autodiff();
    let model = routed(1, &device);
    let layer = &model.blocks[0].query;
    let x = input([5, WIDTH], &device);
    let towards = input([5, WIDTH], &device);
    let backward = |y: Tensor<2>| (y * towards.clone()).sum().backward();
    let factored = backward(treelora_lora::linear(layer, x.clone()));
    let dense = backward(layer.forward(x.clone()));

    let adapter = first(&model);
    let [a, b, routing, settled] =
        [&adapter.a, &adapter.b, &adapter.routing, &adapter.settled].map(|p| p.val().inner());
    let g = x.inner().transpose().matmul(towards.clone().inner()) * SCALE;
    let (at, bt) = (a.transpose(), b.transpose());
    let of_routing = at.clone().matmul(g.clone()).matmul(bt.clone());
    let of_a = |routing: Tensor<2>| g.clone().matmul(bt.clone()).matmul(routing.transpose());
    let of_b = |routing: Tensor<2>| routing.transpose().matmul(at.clone()).matmul(g.clone());
    for gradients in [factored, dense] {
        let of = |parameter: &Param<Tensor<2>>| parameter.val().grad(&gradients);
        assert_close(of(&adapter.routing).unwrap(), of_routing.clone());
        assert_close(of(&adapter.a).unwrap(), of_a(routing.clone()));
        assert_close(of(&adapter.b).unwrap(), of_b(routing.clone()));
        assert!(of(&adapter.settled).is_none());
    }
    // The share of the settled routing, which is cut, would show.
    let cut = of_a(routing.clone() + settled) - of_a(routing);
    assert!(cut.abs().max().into_scalar::<f32>() > 0.1);
}

#[test]
fn the_input_has_the_gradient_of_both_shares() {
    let device = Device::default().autodiff();
    let model = routed(1, &device);
    let gradient = |forward: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let x = Tensor::<2>::ones([2, WIDTH], &device).require_grad();
        let gradients = forward(x.clone()).sum().backward();
        x.grad(&gradients).unwrap()
    };
    let folded = model.clone().materialize();
    assert_close(
        gradient(&|x| model.forward(x)),
        gradient(&|x| folded.forward(x)),
    );
}

#[test]
fn consolidation_keeps_the_function_and_starts_the_routing_anew() {
    let device = Device::default().autodiff();
    let model = routed(2, &device);
    let settled = replace_updates(model.clone(), 0, |_, update| {
        let adapter = update.get::<RoutedAdapter>().unwrap().clone();
        Update::new(adapter.consolidated())
    })
    .unwrap();
    let x = input([4, 6], &device);
    assert_close(settled.forward(x.clone()), model.forward(x.clone()));
    assert_eq!(list_param_ids(&settled), list_param_ids(&model));
    assert_eq!(trainable(&settled), trainable(&model));
    let (before, after) = (first(&model), first(&settled));
    assert_same(
        after.settled.val(),
        before.settled.val() + before.routing.val(),
    );
    let zero = after.routing.val().abs().max().into_scalar::<f32>();
    assert_eq!(zero, 0.0);
    // A, whose gradient is that of the new routing, stays; the routing starts again.
    let gradients = settled.forward(x).powf_scalar(2.0).sum().backward();
    let a = after.a.val().grad(&gradients).unwrap();
    assert_eq!(a.abs().max().into_scalar::<f32>(), 0.0);
    let routing = after.routing.val().grad(&gradients).unwrap();
    assert!(routing.abs().max().into_scalar::<f32>() > 0.0);
}

#[test]
fn an_optimiser_and_a_record_see_the_parameters() {
    let device = Device::default().autodiff();
    let model = routed(1, &device);
    let mut expected = Vec::new();
    for layer in ["query", "value"] {
        let parameter = |name| format!("blocks.0.{layer}.weight.lora.0.{name}");
        expected.extend(["a", "routing", "b"].map(parameter));
    }
    expected.extend(["head.weight".into(), "head.bias".into()]);
    assert_eq!(trainable(&model), expected);
    assert_eq!(trainable(&model.valid().train()), expected);
    assert_eq!(adapter_parameters(&model).len(), 2 * 4);

    let x = input([4, 6], &device);
    let loss = model.forward(x.clone()).powf_scalar(2.0).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let stepped = SgdConfig::new().init().step(0.1, model.clone(), gradients);
    let (before, after) = (first(&model), first(&stepped));
    for (before, after) in [
        (&before.a, &after.a),
        (&before.routing, &after.routing),
        (&before.b, &after.b),
    ] {
        assert_eq!(before.id, after.id);
        assert!(differ(before.val(), after.val()));
    }
    assert_same(before.settled.val(), after.settled.val());

    let loaded = attached(Model::new(1, &device), fresh).load_record(stepped.clone().into_record());
    assert_same(loaded.forward(x.clone()), stepped.forward(x));
}

#[test]
fn a_snapshot_is_the_pair_of_equal_function() {
    let device = Device::default();
    let model = routed(2, &device);
    let x = input([4, 6], &device);
    let snapshot = AdapterSnapshot::of(&model);
    assert!(AdapterSnapshot::of_selection(&model).is_some());
    assert_eq!(snapshot.layers()[0].a.dims(), [WIDTH, RANK]);
    let base = treelora_lora::detach(model.clone());
    let pair = attach_bank(base, &[snapshot], Selection::One(0)).unwrap();
    assert_close(pair.forward(x.clone()), model.forward(x));
}

#[test]
fn updates_that_do_not_fit_are_refused() {
    let device = Device::default();
    let wide = |site: &Site| {
        let dims = [site.dims[0] + 1, site.dims[1]];
        Update::new(fresh(
            &Site {
                dims,
                ..site.clone()
            },
            0,
        ))
    };
    let attach = |targets: &str, make: &dyn Fn(&Site) -> Update| {
        attach_updates(Model::new(1, &device), &[targets.into()], &[], make).unwrap_err()
    };
    let error = attach("query.weight", &wide).to_string();
    assert!(
        error.contains("[7, 6]") && error.contains("blocks.0.query.weight"),
        "{error}"
    );
    let error = attach("key", &wide);
    assert!(matches!(error, LoraError::NoMatch { .. }), "{error}");
    let replaced = replace_updates(routed(1, &device), 0, |path, _| {
        let (path, dims, device) = (path.to_owned(), [WIDTH + 1, WIDTH], device.clone());
        Update::new(fresh(&Site { path, dims, device }, 0))
    });
    let error = replaced.unwrap_err().to_string();
    assert!(error.contains("[7, 6]"), "{error}");
}
