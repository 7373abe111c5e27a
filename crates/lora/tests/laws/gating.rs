//! Gates: weights of adapters that have gradients of their own.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use treelora_lora::{
    AdapterSnapshot, Gates, RoutedAdapter, Selection, Update, adapters_at, attach_bank,
    attach_updates, linear, merge, replace_updates, select, select_each,
};

use treelora_testing::{
    blocks::{Model, WIDTH, adapted},
    compare::{assert_close, assert_same},
    random::{input, rng, uniform_matrix as random},
    snapshots::random_snapshot,
};

const ADAPTERS: usize = 3;

fn bank(device: &Device) -> Model {
    let first = AdapterSnapshot::of(&adapted(2, 2, 0, device));
    let random = |seed| random_snapshot(&first, 10 + seed);
    let snapshots: Vec<_> = (0..ADAPTERS as u64).map(random).collect();
    attach_bank(Model::new(2, device), &snapshots, Selection::None).unwrap()
}

fn shared(weights: [f32; ADAPTERS], device: &Device) -> Selection {
    Selection::Gated(Gates::shared(Tensor::from_floats(weights, device)))
}

#[test]
fn gates_that_are_constant_are_the_weighted_sum() {
    let device = Device::default();
    let model = bank(&device);
    let x = input([2, 3, WIDTH], &device);
    let with = |selection| select(model.clone(), selection).forward(x.clone());
    let weights = Selection::Weighted(vec![(0, 0.25), (1, -1.5), (2, 0.5)]);
    assert_close(with(shared([0.25, -1.5, 0.5], &device)), with(weights));
    // A gate of one multiplies exactly.
    let sum = Selection::Sum(vec![0, 1, 2]);
    assert_same(with(shared([1.0; 3], &device)), with(sum));
    assert_close(
        with(shared([0.0, 1.0, 0.0], &device)),
        with(Selection::One(1)),
    );
    // Gates may name the first adapters alone.
    let two = Gates::shared(Tensor::from_floats([0.5, 2.0], &device));
    let weights = Selection::Weighted(vec![(0, 0.5), (1, 2.0)]);
    assert_close(with(Selection::Gated(two)), with(weights));
}

#[test]
fn a_sample_has_the_gates_of_its_row() {
    let device = Device::default();
    let model = bank(&device);
    let x = input([3, 4, WIDTH], &device);
    let rows = [[1.0, 0.0, 0.0], [0.5, -2.0, 0.25], [0.0, 0.0, 0.0]];
    let gates = Gates::each_sample(Tensor::from_floats(rows, &device));
    let together = select(model.clone(), Selection::Gated(gates)).forward(x.clone());
    for (sample, row) in rows.into_iter().enumerate() {
        let alone = select(model.clone(), shared(row, &device));
        assert_close(
            together.clone().narrow(0, sample, 1),
            alone.forward(x.clone().narrow(0, sample, 1)),
        );
    }
}

/// Of one layer, `dL/dg_i` of `L = sum (y * towards)` is `sum (scale_i (x A_i) B_i * towards)`.
#[test]
fn the_gradient_of_a_gate_is_the_formula_and_the_finite_difference() {
    let device = Device::default().autodiff();
    let model = bank(&device);
    let x = input([4, WIDTH], &device);
    let towards = input([4, WIDTH], &device);
    let start: Vec<f32> = vec![0.3, -0.7, 1.2];
    let loss = |gates: Gates| {
        let model = select(model.clone(), Selection::Gated(gates));
        let y = linear(&model.blocks[0].query, x.clone());
        (y * towards.clone()).sum()
    };
    let vector = |values: &[f32]| {
        let data = TensorData::new(values.to_vec(), [ADAPTERS]);
        Tensor::<1>::from_data(data, &device)
    };

    let gates = vector(&start).require_grad();
    let gradients = loss(Gates::shared(gates.clone())).backward();
    let found = gates.grad(&gradients).unwrap();
    let parts = |index| {
        let (_, adapter) = adapters_at(&model, index).swap_remove(0);
        let update = x.clone().matmul(adapter.a.val()).matmul(adapter.b.val());
        (update * adapter.scale * towards.clone()).inner()
    };
    let formula = (0..ADAPTERS).map(|index| parts(index).sum()).collect();
    assert_close(found.clone(), Tensor::cat(formula, 0));
    for (index, gradient) in found.into_data().iter::<f32>().enumerate() {
        // The loss is linear in a gate, so a large step has no error but rounding.
        let at = |step: f32| {
            let mut values = start.clone();
            values[index] += step;
            loss(Gates::shared(vector(&values))).into_scalar::<f32>()
        };
        let difference = at(0.5) - at(-0.5);
        assert!(
            (difference - gradient).abs() < 1e-3 * (1.0 + gradient.abs()),
            "{difference} and {gradient}"
        );
    }

    // Each sample's gate has the gradient of its row.
    let rows = vector(&start).unsqueeze_dim::<2>(0).repeat_dim(0, 4);
    let rows = rows.detach().require_grad();
    let gradients = loss(Gates::each_sample(rows.clone())).backward();
    let formula = (0..ADAPTERS).map(|index| parts(index).sum_dim(1)).collect();
    assert_close(rows.grad(&gradients).unwrap(), Tensor::cat(formula, 1));
}

#[test]
fn gates_reach_the_adapters_and_the_dense_weight() {
    let device = Device::default().autodiff();
    let model = bank(&device);
    let x = input([4, WIDTH], &device);
    let gates = Tensor::<1>::from_floats([0.5, -1.0, 2.0], &device).require_grad();
    // Of the graph of one step: each selects anew.
    let gated = || Selection::Gated(Gates::shared(gates.clone()));
    let factored = select(model.clone(), gated()).forward(x.clone());
    let dense = select(model.clone(), gated()).dense_forward(x.clone());
    assert_close(factored.clone(), dense.clone());
    let gradient = |y: Tensor<2>| {
        let gradients = y.powf_scalar(2.0).sum().backward();
        gates.grad(&gradients).unwrap()
    };
    assert_close(gradient(factored), gradient(dense));
    let model = select(model, gated());
    // One weight for all samples can be folded, in evaluation and training mode alike.
    let merged = merge(model.clone()).unwrap();
    assert_close(merged.forward(x.clone()), model.forward(x.clone()));
    let evaluated = model.valid();
    assert_close(
        evaluated.forward(x.clone().inner()),
        model.forward(x.clone()).inner(),
    );
    assert_close(evaluated.train().forward(x.clone()), model.forward(x));
}

#[test]
fn layers_can_have_gates_of_their_own() {
    let device = Device::default();
    let model = bank(&device);
    let x = input([4, WIDTH], &device);
    let each = select_each(model.clone(), |path| match path {
        "blocks.1.value.weight" => shared([0.0, 0.0, 2.0], &device),
        _ => Selection::None,
    });
    let mut expected = select(model.clone(), Selection::None);
    let weighted = select(model, Selection::Weighted(vec![(2, 2.0)]));
    expected.blocks[1].value = weighted.blocks[1].value.clone();
    assert_close(each.forward(x.clone()), expected.forward(x));
}

#[test]
fn other_updates_are_gated_too() {
    let device = Device::default().autodiff();
    let model = attach_updates(
        Model::new(1, &device),
        &["query.weight".into()],
        &[],
        |site| {
            let mut rng = rng(4);
            let a = random([site.dims[0], 2], &mut rng, &site.device);
            let b = random([2, site.dims[1]], &mut rng, &site.device);
            Update::new(RoutedAdapter::new(a, b, 1.5))
        },
    )
    .unwrap();
    let model = replace_updates(model, 0, |_, update| {
        let adapter = update.get::<RoutedAdapter>().unwrap().clone();
        let routing = adapter.routing.map(|r| (r + 0.5).detach().require_grad());
        Update::new(RoutedAdapter { routing, ..adapter })
    })
    .unwrap();
    let x = input([2, 3, WIDTH], &device);
    let gates = Tensor::<2>::from_floats([[0.5], [-2.0]], &device).require_grad();
    let gated = select(
        model.clone(),
        Selection::Gated(Gates::each_sample(gates.clone())),
    );
    let layer = |model: &Model| linear(&model.blocks[0].query, x.clone());
    let plain = layer(&select(model.clone(), Selection::None));
    let full = layer(&model) - plain.clone();
    let y = layer(&gated);
    let expected = plain + full.clone() * gates.clone().unsqueeze_dim::<3>(2);
    assert_close(y.clone(), expected);
    let gradients = y.sum().backward();
    let sums = full.sum_dim(2).sum_dim(1).inner();
    assert_close(gates.grad(&gradients).unwrap(), sums.reshape([2, 1]));
}

#[test]
fn gates_of_each_sample_have_nothing_to_fold() {
    let device = Device::default();
    let gates = Gates::each_sample(Tensor::ones([4, ADAPTERS], &device));
    let error = merge(select(bank(&device), Selection::Gated(gates))).unwrap_err();
    assert!(error.to_string().contains("single weight"), "{error}");
}

#[test]
#[should_panic(expected = "4 samples of the input and gates of 3")]
fn gates_must_cover_the_batch() {
    let device = Device::default();
    let gates = Gates::each_sample(Tensor::ones([3, ADAPTERS], &device));
    let model = select(bank(&device), Selection::Gated(gates));
    let _ = model.forward(input([4, WIDTH], &device));
}

#[test]
#[should_panic(expected = "of 3 adapters")]
fn gates_cannot_be_more_than_the_adapters() {
    let device = Device::default();
    let gates = Gates::shared(Tensor::ones([4], &device));
    let _ = select(bank(&device), Selection::Gated(gates));
}
