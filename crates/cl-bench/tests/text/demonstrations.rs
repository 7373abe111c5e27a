//! Examples in front of a test prompt.

use treelora_cl_bench::text::{Demonstrations, Encoding, TextTask, Tokenizer};

use crate::{record, task, tiny_tokenizer};

/// 30 training records of three answers, of which A is by far the most frequent.
fn stance() -> TextTask {
    let answer = |i: usize| match i {
        3 | 9 | 20 => "B",
        7 | 11 | 28 => "C",
        _ => "A",
    };
    let train = (0..30).map(|i| record(&format!("train {i}:"), answer(i)));
    let test = (0..4).map(|i| record(&format!("test {i}:"), "B"));
    task("stance", train.collect(), test.collect())
}

fn texts(demonstrations: &Demonstrations, task: &TextTask, tokenizer: &Tokenizer) -> Vec<String> {
    let prompts = demonstrations
        .prompts(task, tokenizer, &Encoding::default(), 8192)
        .unwrap();
    let ids = prompts.examples.iter().map(|example| &example.prompt_ids);
    ids.map(|ids| tokenizer.decode(ids).unwrap()).collect()
}

#[test]
fn examples_come_from_the_training_split_and_are_balanced() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let (task, demonstrations) = (stance(), Demonstrations::default());
    let texts = texts(&demonstrations, &task, &tokenizer);
    for (text, test) in texts.iter().zip(&task.test.records) {
        let mut parts: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(parts.pop(), Some(test.prompt.as_str()));
        assert_eq!(parts.len(), 6);
        for part in &parts {
            let known = task.train.records.iter();
            let mut known = known.map(|record| format!("{}{}", record.prompt, record.answer));
            assert!(
                known.any(|known| known == *part),
                "{part} is no training example"
            );
        }
        for answer in ["A", "B", "C"] {
            let with = parts.iter().filter(|part| part.ends_with(answer)).count();
            assert_eq!(with, 2, "{answer} in {parts:?}");
        }
    }
}

#[test]
fn without_balance_the_frequent_answer_prevails() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let most = (0..10).map(|seed| {
        let demonstrations = Demonstrations {
            balanced: false,
            seed,
            ..Demonstrations::default()
        };
        let texts = texts(&demonstrations, &stance(), &tokenizer);
        texts[0].matches(":A").count()
    });
    assert!(most.max() > Some(3));
}

#[test]
fn a_seed_draws_the_same_examples_for_every_prompt() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let of = |seed| {
        let demonstrations = Demonstrations {
            seed,
            ..Demonstrations::default()
        };
        texts(&demonstrations, &stance(), &tokenizer)
    };
    let first = of(1);
    assert_eq!(first, of(1));
    assert_ne!(first, of(2));
    let before: Vec<&str> = first
        .iter()
        .map(|text| text.rsplit_once("\n\n").unwrap().0)
        .collect();
    assert!(before.iter().all(|text| *text == before[0]));
}

#[test]
fn the_test_prompt_itself_is_no_example() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let train = (0..7).map(|i| record(&format!("train {i}:"), "yes"));
    let task = task("leak", train.collect(), vec![record("train 4:", "yes")]);
    for seed in 0..20 {
        let demonstrations = Demonstrations {
            seed,
            ..Demonstrations::default()
        };
        let text = &texts(&demonstrations, &task, &tokenizer)[0];
        assert_eq!(text.matches("train 4:").count(), 1, "{text}");
        assert_eq!(text.matches("yes").count(), 6);
    }
}

#[test]
fn as_many_examples_as_fit() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let train = (0..8).map(|i| record(&format!("{i} {}", "cat ".repeat(20)), "yes"));
    let task = task("long", train.collect(), vec![record("the cat", "yes")]);
    let mut seen = std::collections::BTreeSet::new();
    for max_prompt in 3..200 {
        let demonstrations = Demonstrations {
            max_prompt,
            ..Demonstrations::default()
        };
        let prompts = demonstrations
            .prompts(&task, &tokenizer, &Encoding::default(), 8192)
            .unwrap();
        let example = &prompts.examples[0];
        assert!(example.prompt_ids.len() <= max_prompt);
        assert_eq!(example.prompt_ids[0], 1, "the beginning stays");
        assert!(
            tokenizer
                .decode(&example.prompt_ids)
                .unwrap()
                .ends_with("the cat")
        );
        assert_eq!(prompts.prompts_cut, 0);
        seen.insert(prompts.shots[0]);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    let tight = Demonstrations {
        max_prompt: 2,
        ..Demonstrations::default()
    };
    let cut = tight
        .prompts(&task, &tokenizer, &Encoding::default(), 8192)
        .unwrap();
    assert_eq!(
        (
            cut.prompts_cut,
            cut.shots[0],
            cut.examples[0].prompt_ids.len()
        ),
        (1, 0, 2)
    );
    assert_eq!(cut.examples[0].prompt_text, "the cat");
}
