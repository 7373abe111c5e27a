//! `treelora generate`: number formats and timings.
#![allow(clippy::unwrap_used)]

mod tiny;

use tiny::{done, refused};

#[test]
fn a_generation_tells_its_timings_in_either_number_format() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    tiny::decoder(root);
    let prompt = ["generate", "--model", "model", "--prompt", "what is this"];
    let small = ["--max-new-tokens", "5"];
    for precision in ["f32", "bf16"] {
        let chosen = ["--json", "--precision", precision];
        let output = done(root, &[&prompt[..], &small, &chosen].concat());
        let written: serde_json::Value = serde_json::from_str(&output).unwrap();
        let timings = &written["timings"];
        let number = |key: &str| timings[key].as_f64().unwrap();
        let tokens = written["prompt_ids"].as_array().unwrap().len() as f64;
        let seconds = number("prefill_seconds");
        assert!(seconds > 0.0, "{output}");
        let rate = number("prefill_tokens_per_second");
        assert!((rate * seconds - tokens).abs() < 1e-6, "{output}");
        let steps = number("decode_tokens_per_second") * number("decode_seconds");
        let new = written["ids"].as_array().unwrap().len() as f64;
        // One more where a token ended the text, which is none of its own.
        let after_first = [new - 1.0, new];
        let counted = |steps: f64| after_first.iter().any(|n| (n - steps).abs() < 1e-6);
        assert!(counted(steps), "{steps}: {output}");
    }
    let message = refused(root, &[&prompt[..], &["--precision", "f64"]].concat());
    for part in ["--precision", "f64", "bf16"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}
