//! What the book shows is what happens: its folders are made, its configurations run, its commands given, word for word.
#![allow(clippy::unwrap_used)]

mod tiny;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tiny::{SHAPE, decoder, done, picture, vision_weights};

/// Fenced blocks of a page: the language and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fences = page.split("\n```").skip(1).step_by(2);
    fences
        .map(|block| block.split_once('\n').unwrap())
        .collect()
}

fn pages() -> Vec<(PathBuf, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let paths = fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    pages.sort();
    pages
}

/// A folder as the book draws one: names that end in `/` hold what is indented below them or stands on their line, and
/// `...` stands for more of what is before it.
fn is_folder(block: &str) -> bool {
    let first = block.lines().next().unwrap_or_default();
    first.ends_with('/') && !first.contains(['<', ' '])
}

fn make_folder(root: &Path, block: &str) {
    let mut path: Vec<&str> = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        path.truncate(depth);
        let mut names = line.split_whitespace();
        let folder = names.next().unwrap();
        if folder == "..." {
            for more in [
                "mango", "melon", "papaya", "peach", "pear", "plum", "quince", "rowan",
            ] {
                make_file(&root.join(path.concat()).join(more).join("1.jpg"));
            }
            continue;
        }
        assert!(folder.ends_with('/'), "{line}");
        path.push(folder);
        let folder = root.join(path.concat());
        for name in names {
            match name {
                "..." => ["8.png", "9.png"]
                    .map(|more| make_file(&folder.join(more)))
                    .len(),
                name => [make_file(&folder.join(name))].len(),
            };
        }
    }
}

fn make_file(path: &Path) {
    let ending = path.extension().unwrap().to_str().unwrap();
    let name = path
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let record = format!(r#"{{"prompt": "{name} cat?", "answer": "was"}}"#);
    match ending {
        "jpg" | "png" => {
            let shade = name
                .bytes()
                .fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
            picture(path, [shade, shade.wrapping_mul(7), 255 - shade]);
        }
        "json" => fs::write(path, format!("[{record}]")).unwrap(),
        "jsonl" => fs::write(path, format!("{record}\n{record}\n")).unwrap(),
        other => panic!("{}: what is a {other}?", path.display()),
    }
}

/// What is changed so that it takes seconds: the sizes of models and of training.
fn smaller(command: &str, is_text: bool) -> Vec<&'static str> {
    let mut sets = match command {
        "run" | "floors" => vec!["training.epochs=1"],
        _ => return Vec::new(),
    };
    match is_text {
        true => sets.extend(["generation.max_new_tokens=2", "encoding.max_answer=16"]),
        false => sets.extend(SHAPE),
    }
    if command == "floors" {
        sets.push("floors.ranpac.projections=40");
    }
    sets
}

/// A line as a shell takes it apart: blanks part words, but not between double quotes.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(i, part)| match i % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

/// Every line of a block of commands.
fn give(folder: &Path, block: &str, is_text: bool) -> Vec<String> {
    let lines = block
        .lines()
        .map(|line| line.split(" #").next().unwrap().trim());
    let mut given = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let mut words = words(line);
        assert_eq!(words.remove(0), "treelora", "{line}");
        let sets = smaller(words[0], is_text);
        words.extend(sets.iter().flat_map(|set| ["--set", set]));
        done(folder, &words);
        given.push(line.to_owned());
    }
    given
}

/// What the pages take for granted beside the folder of data: models, and other pictures.
fn workplace(block: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    make_folder(dir.path(), block);
    match block.contains(".json") {
        true => decoder(dir.path()),
        false => {
            vision_weights(dir.path());
            for name in ["portrait.png", "holiday/1.jpg", "holiday/2.png"] {
                make_file(&dir.path().join(name));
            }
            let photos = dir.path().join("photos");
            let other = dir.path().join("photos-of-another-year");
            make_folder(&other, block);
            for entry in fs::read_dir(other.join("photos")).unwrap().flatten() {
                fs::rename(entry.path(), other.join(entry.file_name())).unwrap();
            }
            assert!(photos.exists());
        }
    }
    dir
}

#[test]
fn folders_configurations_and_commands_of_the_book_work_word_for_word() {
    let (mut folders, mut configurations, mut commands) = (0, 0, Vec::new());
    for (path, page) in pages() {
        let mut place: Option<TempDir> = None;
        let mut config: Option<bool> = None;
        for (language, block) in blocks(&page) {
            match language {
                "text" if is_folder(block) => {
                    place = Some(workplace(block));
                    folders += 1;
                }
                "toml" => {
                    let table: toml::Table = toml::from_str(block).unwrap();
                    let name = table["name"].as_str().unwrap();
                    let place = place
                        .as_ref()
                        .expect("a folder comes before its experiment");
                    fs::write(place.path().join(format!("{name}.toml")), block).unwrap();
                    config = Some(block.contains("modality = \"text\""));
                    configurations += 1;
                }
                "sh" => {
                    if let (Some(place), Some(is_text)) = (&place, config) {
                        commands.extend(give(place.path(), block, is_text));
                    }
                }
                _ => {}
            }
        }
        if let Some(place) = &place {
            let runs = fs::read_dir(place.path().join("runs")).unwrap().flatten();
            assert!(runs.count() > 0, "{}: nothing was run", path.display());
        }
    }
    assert!(
        folders >= 3 && configurations >= 3,
        "{folders} and {configurations}"
    );
    for command in ["floors", "run", "predict", "eval"] {
        let start = format!("treelora {command} ");
        assert!(
            commands.iter().any(|line| line.starts_with(&start)),
            "{command}: {commands:?}"
        );
    }
}

/// The names in the first drawing of a page after `heading`.
fn drawn(page: &str, heading: &str) -> Vec<String> {
    let page = &page[page.find(heading).unwrap()..];
    let (_, block) = blocks(page)[0];
    let lines = block.lines().skip(1);
    let paths = lines.filter_map(|line| line.split_whitespace().next());
    paths
        .map(|path| path.split('/').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_folders_of_runs_and_adapters_are_as_drawn() {
    let pages = pages();
    let format = |(path, _): &&(PathBuf, String)| path.ends_with("checkpoint-format.md");
    let (_, page) = pages.iter().find(format).unwrap();
    let documented = drawn(page, "# File formats");
    let images =
        "photos/\n  train/\n    a/ 1.png\n    b/ 1.png\n  test/\n    a/ 1.png\n    b/ 1.png\n";
    let text = "tasks/\n  a/ train.json test.json\n  b/ train.jsonl test.json\n";
    let method = "method = { name = 'tree-lora', lora = { rank = 2, alpha = 2.0, target_modules = ['q(_proj)?\\.weight$'] } }";
    let cases = [
        (
            images,
            "data = { name = 'image-folder', path = 'photos' }\nstream = { tasks = 2 }\n\
             model = { preset = 'tiny', weights = 'model.safetensors' }",
        ),
        (
            text,
            "modality = 'text'\ndata = { name = 'folder', path = 'tasks' }\nmodel = { weights = 'model' }",
        ),
    ];
    let mut seen = vec!["progress".to_owned()];
    for (block, settings) in cases {
        let place = workplace(block);
        let root = place.path();
        fs::write(
            root.join("e.toml"),
            format!("name = 'e'\n{settings}\n{method}\n"),
        )
        .unwrap();
        let mut run = vec!["run", "e.toml", "--quiet", "--out", "run"];
        let sets = smaller("run", settings.contains("text"));
        run.extend(sets.iter().flat_map(|set| ["--set", set]));
        done(root, &run);
        for entry in fs::read_dir(root.join("run")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            assert!(documented.contains(&name), "{name} is not documented");
            seen.push(name);
        }
        done(
            root,
            &["export", "--run", "run", "--task", "1", "--out", "adapter"],
        );
        let adapter = fs::read_dir(root.join("adapter")).unwrap().flatten();
        let mut files: Vec<_> = adapter
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, drawn(page, "## PEFT"));
    }
    for name in documented {
        assert!(seen.contains(&name), "{name} is documented, and not there");
    }
}
