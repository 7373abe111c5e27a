//! `kill -9` at any moment, then `resume`: the files of an uninterrupted run.
#![allow(clippy::unwrap_used)]

#[path = "../../experiment/tests/files/mod.rs"]
mod files;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

/// Sixty-four steps a task, so that a fast machine has some left at the last kill, each with a checkpoint, so that a
/// process spends much of its time writing.
const CONFIG: &str = r#"
name = "tiny"
data = { name = "procedural", classes = 8, train_per_class = 16, test_per_class = 2, image_size = 16 }
stream = { tasks = 3, class_order = { given = [2, 3, 4, 5, 6, 7] } }
model = { preset = "tiny", image_size = 16, patch_size = 8, width = 16, depth = 2, heads = 2 }
pretraining = { classes = [0, 1], epochs = 1, batch_size = 16, learning_rate = 1e-3, weight_decay = 0.01 }
training = { epochs = 16, batch_size = 8, learning_rate = 1e-2, checkpoint_seconds = 0.0, seed = 3 }

[method]
name = "tree-lora"
lora = { rank = 2, alpha = 4.0, dropout = 0.1, target_modules = ['attention\.(q|v)\.weight$'] }

[classifier]
discriminant = { kind = "rda" }
transport = { kind = "linear" }

[variants.hide-lora]
classifier = false
method = { name = "hide-lora", lora = { rank = 2, alpha = 4.0, dropout = 0.1, target_modules = ['attention\.(q|v)\.weight$'] } }
"#;

const KILLS: usize = 20;

fn treelora(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treelora"));
    command
        .args(arguments)
        .arg("--quiet")
        .env("BURN_DEVICE", "flex")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
}

/// Lines of the run's log: steps, evaluated tasks, rows.
fn events(run: &Path) -> usize {
    fs::read(run.join("log.jsonl")).map_or(0, |log| log.iter().filter(|&&b| b == b'\n').count())
}

/// Kill the process some events from now, and a moment between two of them; whether it still ran.
fn kill_after(child: &mut Child, run: &Path, events_from_now: usize, moment: Duration) -> bool {
    let target = events(run) + events_from_now;
    while events(run) < target || !run.join("manifest.json").exists() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn a_killed_run_resumes_to_the_files_of_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tiny.toml");
    fs::write(&config, CONFIG).unwrap();
    for method in ["tree-lora", "hide-lora"] {
        let [whole, killed] =
            ["whole", "killed"].map(|run| dir.path().join(format!("{method}-{run}")));
        let start = |run: &Path| {
            let (config, run) = (config.display().to_string(), run.display().to_string());
            let mut arguments = vec!["run", &config, "--out", &run];
            if method != "tree-lora" {
                arguments.extend(["--method", method]);
            }
            treelora(&arguments).spawn().unwrap()
        };
        finish(start(&whole));

        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let mut child = start(&killed);
        for kill in 0..KILLS {
            let (events, moment) = (1 + next(3) as usize, Duration::from_micros(next(5_000)));
            assert!(
                kill_after(&mut child, &killed, events, moment),
                "{method}: the run ended before kill {kill} of {KILLS}"
            );
            child = treelora(&["resume", &killed.display().to_string()])
                .spawn()
                .unwrap();
        }
        finish(child);
        assert_eq!(
            files::of_result(&killed),
            files::of_result(&whole),
            "{method}"
        );
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_a_checkpoint_and_the_way_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (config, run) = (dir.path().join("tiny.toml"), dir.path().join("run"));
    fs::write(&config, CONFIG).unwrap();
    let (config, path) = (config.display().to_string(), run.display().to_string());
    let slow = "training.checkpoint_seconds=3600";
    let child = treelora(&["run", &config, "--out", &path, "--set", slow])
        .spawn()
        .unwrap();
    while events(&run) < 5 {
        sleep(Duration::from_millis(1));
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(
        message.contains(&format!("treelora resume {path}")),
        "{message}"
    );
    assert!(run.join("progress").is_dir() || run.join("checkpoints").is_dir());
    finish(treelora(&["resume", &path]).spawn().unwrap());
    assert!(run.join("metrics.json").is_file());
}
