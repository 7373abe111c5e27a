//! Adapters outside a model: copies, files, means.

use std::{collections::HashMap, fs};

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, tensor::TensorView};
use treelora_lora::{AdapterSnapshot, LoraError, attach};
use treelora_testing::{
    blocks::{Model, WIDTH, adapted, config},
    compare::assert_close,
    random::{input, rng},
    snapshots::{assert_same_snapshot, random_snapshot},
};

#[test]
fn a_snapshot_holds_the_adapter_and_nothing_of_the_base() {
    let snapshot = AdapterSnapshot::of(&adapted(11, 2, 0, &Device::default().autodiff()));
    assert_eq!(snapshot.num_parameters(), 22 * 2 * (WIDTH + WIDTH));
    assert_eq!(snapshot.num_bytes(), 22 * (4 * 2 * (WIDTH + WIDTH) + 8));
    let paths: Vec<_> = snapshot
        .layers()
        .iter()
        .map(|layer| layer.path.as_str())
        .collect();
    assert_eq!(
        paths[4], "blocks.2.query.weight",
        "blocks.2 before blocks.10"
    );
    assert_eq!(paths[20], "blocks.10.query.weight");
    assert!(snapshot.layers().iter().all(|layer| !layer.a.is_autodiff()));
}

#[test]
fn memory_and_file_round_trips_keep_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    for device in [Device::default(), Device::default().autodiff()] {
        let model = adapted(11, 3, 0, &device);
        let snapshot = AdapterSnapshot::of(&model);
        snapshot.save(&path).unwrap();
        let read = AdapterSnapshot::load(&path, &device).unwrap();
        assert_same_snapshot(&read, &snapshot);

        let fresh = attach(Model::new(11, &device), &config(3), &mut rng(9)).unwrap();
        let applied = read.apply(fresh).unwrap();
        assert_same_snapshot(&AdapterSnapshot::of(&applied), &snapshot);
        let tracked = applied.blocks[0].query.weight.is_require_grad();
        assert!(!tracked, "the base stays frozen");
    }
    let bytes = fs::read(&path).unwrap();
    AdapterSnapshot::load(&path, &Device::default())
        .unwrap()
        .save(&path)
        .unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        bytes,
        "equal adapters make equal files"
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn applying_keeps_identities_and_trainability() {
    let device = Device::default().autodiff();
    let model = adapted(2, 2, 0, &device);
    let other = random_snapshot(&AdapterSnapshot::of(&model), 5);
    let before = treelora_lora::adapter_parameters(&model);
    let applied = other.apply(model).unwrap();
    assert_eq!(treelora_lora::adapter_parameters(&applied), before);
    let loss = applied.forward(input([2, 6], &device)).sum();
    let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &applied);
    assert!(before.iter().all(|id| gradients.get::<2>(*id).is_some()));
}

#[test]
fn an_adapter_of_other_layers_or_shapes_is_refused() {
    let device = Device::default();
    let small = AdapterSnapshot::of(&adapted(1, 2, 0, &device));
    let error = small
        .apply(adapted(2, 2, 0, &device))
        .unwrap_err()
        .to_string();
    assert!(error.contains("blocks.1.query.weight"), "{error}");
    let large = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let error = large
        .apply(adapted(1, 2, 0, &device))
        .unwrap_err()
        .to_string();
    assert!(error.contains("blocks.1.query.weight"), "{error}");
    let error = small
        .apply(adapted(1, 3, 0, &device))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[6, 2]") && error.contains("[6, 3]"),
        "{error}"
    );
}

#[test]
fn damaged_and_foreign_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    let refused = || AdapterSnapshot::load(&path, &Device::default()).unwrap_err();
    assert!(matches!(refused(), LoraError::Io { .. }));
    let snapshot = AdapterSnapshot::of(&adapted(1, 2, 0, &Device::default()));
    snapshot.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(
        refused().to_string().contains("adapter.safetensors"),
        "{}",
        refused()
    );
    let named = [("format".to_owned(), "another-format-1".to_owned())].into();
    let nothing: [(&str, safetensors::tensor::TensorView); 0] = [];
    let foreign = safetensors::serialize(nothing, Some(named)).unwrap();
    fs::write(&path, foreign).unwrap();
    let error = refused().to_string();
    assert!(
        error.contains("another-format-1") && error.contains("expected"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_missing_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing").join("adapter.safetensors");
    let snapshot = AdapterSnapshot::of(&adapted(1, 2, 0, &Device::default()));
    let error = snapshot.save(&path).unwrap_err().to_string();
    assert!(error.contains("adapter.safetensors"), "{error}");
}

#[test]
fn a_lower_rank_keeps_the_largest_singular_values() {
    let device = Device::default();
    let first = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let second = random_snapshot(&first, 7);
    let third = random_snapshot(&first, 8);
    let whole = AdapterSnapshot::stacked(&[(&second, 0.5), (&third, -2.0)]).unwrap();
    let update = |l: &treelora_lora::AdapterLayer| l.a.clone().matmul(l.b.clone()) * l.scale;
    let squares = |x: Tensor<2>| (x.clone() * x).sum().into_scalar::<f32>();
    let same = whole.truncated(9).unwrap();
    let mut lower = Vec::new();
    for rank in 1..=4 {
        let cut = whole.truncated(rank).unwrap();
        assert_eq!(cut.rank(), rank);
        let mut error = 0.0;
        for ((layer, cut), same) in whole.layers().iter().zip(cut.layers()).zip(same.layers()) {
            assert_eq!(cut.path, layer.path);
            assert_close(update(same), update(layer));
            let rest = update(layer) - update(cut);
            // Nearest among its multiples, and what is left is orthogonal to it, row and column space alike.
            let scale = squares(update(cut)).sqrt() * squares(update(layer)).sqrt();
            for product in [
                cut.a.clone().transpose().matmul(rest.clone()),
                rest.clone().matmul(cut.b.clone().transpose()),
            ] {
                assert!(squares(product).sqrt() < 1e-4 * scale);
            }
            // Both factors carry the same share of each singular value.
            let by_a = (cut.a.clone() * cut.a.clone()).sum_dim(0).reshape([rank]);
            let by_b = (cut.b.clone() * cut.b.clone()).sum_dim(1).reshape([rank]);
            let sizes = by_a.to_data().iter::<f32>().collect::<Vec<_>>();
            assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
            let (by_a, by_b): (Tensor<1>, Tensor<1>) = (by_a, by_b);
            assert_close(by_a.unsqueeze::<2>(), by_b.unsqueeze::<2>());
            error += squares(rest);
        }
        lower.push(error);
    }
    assert!(lower.windows(2).all(|pair| pair[1] < pair[0]), "{lower:?}");
    assert!(lower[3] < 1e-6 * lower[0], "{lower:?}");

    let mut layers = whole.layers().to_vec();
    layers[1].b = layers[1].b.clone() * f32::NAN;
    let path = layers[1].path.clone();
    let spoiled = AdapterSnapshot::from_layers(layers).truncated(2);
    let error = spoiled.unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("finite"), "{error}");
}

#[test]
fn means_and_stacks() {
    let device = Device::default();
    let first = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let second = random_snapshot(&first, 7);
    let mean = AdapterSnapshot::mean(&[&first, &second]).unwrap();
    let expected = (first.layers()[1].a.clone() + second.layers()[1].a.clone()) * 0.5;
    assert_close(mean.layers()[1].a.clone(), expected);
    assert_same_snapshot(
        &AdapterSnapshot::weighted(&[(&first, 1.0)]).unwrap(),
        &first,
    );

    let stacked = AdapterSnapshot::stacked(&[(&first, 0.5), (&second, 2.0)]).unwrap();
    for ((layer, one), two) in stacked
        .layers()
        .iter()
        .zip(first.layers())
        .zip(second.layers())
    {
        let delta = |l: &treelora_lora::AdapterLayer| l.a.clone().matmul(l.b.clone()) * l.scale;
        assert_eq!(layer.a.dims(), [WIDTH, 4]);
        assert_close(delta(layer), delta(one) * 0.5 + delta(two) * 2.0);
    }

    let other_rank = AdapterSnapshot::of(&adapted(2, 3, 0, &device));
    let error = AdapterSnapshot::mean(&[&first, &other_rank])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[6, 2]") && error.contains("[6, 3]"),
        "{error}"
    );
    assert!(matches!(
        AdapterSnapshot::mean(&[]),
        Err(LoraError::NoAdapters)
    ));
}

/// `treelora-adapter-1` as the first version wrote it: runs of it are exported and answered with.
#[test]
fn an_adapter_of_the_first_version_is_read_and_written_alike() {
    let floats = |values: &[f32]| -> Vec<u8> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        bytes.collect()
    };
    let (a, b) = (
        floats(&[1.0, -2.5, 0.1, 1e-40, 0.0, -0.0]),
        floats(&[3.0, f32::MIN]),
    );
    let scale = (1.0f64 / 3.0).to_le_bytes();
    let tensors = [
        ("blocks.0.query.weight.a", Dtype::F32, vec![6, 1], &a[..]),
        ("blocks.0.query.weight.b", Dtype::F32, vec![1, 2], &b[..]),
        (
            "blocks.0.query.weight.scale",
            Dtype::F64,
            vec![1],
            &scale[..],
        ),
    ];
    let views = tensors
        .map(|(name, dtype, shape, bytes)| (name, TensorView::new(dtype, shape, bytes).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "treelora-adapter-1".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    fs::write(&path, &bytes).unwrap();
    let snapshot = AdapterSnapshot::load(&path, &Device::default()).unwrap();
    let [layer] = snapshot.layers() else {
        panic!("{snapshot:?}")
    };
    assert_eq!(layer.path, "blocks.0.query.weight");
    assert_eq!((layer.a.dims(), layer.b.dims()), ([6, 1], [1, 2]));
    assert_eq!(layer.scale.to_bits(), (1.0f64 / 3.0).to_bits());
    snapshot.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
