//! A tree of twelve tasks in three families, as an SVG image on standard output and as text on
//! standard error.
//!
//! `cargo run -p treelora-kdtree --features flex --example draw > tree.svg`
#![allow(clippy::print_stdout)]

use burn::tensor::{Device, Tensor, TensorData};
use treelora_kdtree::{GradientTree, Similarity, TaskSignature, TreeConfig, TreeError};

fn main() -> Result<(), TreeError> {
    let device = Device::default();
    // Family f points along feature f; members differ by a deterministic ripple.
    let signature = |task: usize| {
        let value = |layer: usize, feature: usize| {
            let ripple = ((task * 37 + layer * 11 + feature * 5) % 17) as f32 / 17.0;
            f32::from(u8::from(feature == task % 3)) * 3.0 + ripple
        };
        let values = (0..4).flat_map(|layer| (0..3).map(move |feature| value(layer, feature)));
        let data = TensorData::new(values.collect::<Vec<f32>>(), [4, 3]);
        TaskSignature::new(Tensor::<2>::from_data(data, &device))
    };
    let config = TreeConfig {
        similarity: Similarity::Dot,
        ..TreeConfig::default()
    };
    let mut tree = GradientTree::build(&config, (0..11).map(signature).collect())?;
    tree.insert(signature(11))?;
    let families = ["animal", "vehicle", "plant"];
    let names: Vec<String> = (0..12)
        .map(|task| format!("{} {}", families[task % 3], task / 3))
        .collect();
    eprint!("{}", tree.structure().named(&names));
    print!("{}", tree.structure().to_svg(&names));
    Ok(())
}
