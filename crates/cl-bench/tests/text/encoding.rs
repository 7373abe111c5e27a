//! Lengths, truncation, and which tokens are learned.

use treelora_cl_bench::{
    Error,
    text::{Beginning, Encoding, TextRecord, TokenLimits, TruncationSide},
};

use crate::{record, tiny_tokenizer};

const TEXT: &str = "Question: how many cats sat on the mat and the dog? Answer:";

#[test]
fn the_answer_and_its_end_are_learned_and_nothing_else() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let records = [record(TEXT, "3 cats"), record("the", "a dog")];
    let limits = Encoding::default().limits(4096).unwrap();
    assert_eq!(
        limits,
        TokenLimits {
            prompt: 1024,
            answer: 512
        }
    );
    let examples = Encoding::default()
        .records(&tokenizer, &records, limits)
        .unwrap();
    for (example, record) in examples.iter().zip(&records) {
        assert_eq!((example.prompt.cut, example.answer_cut), (0, 0));
        let prompt = tokenizer.encode(&record.prompt).unwrap();
        assert_eq!(example.prompt.ids, [&[1], &prompt[..]].concat());
        let answer = tokenizer.encode(&record.answer).unwrap();
        assert_eq!(example.answer, [&answer[..], &[2]].concat());
        assert_eq!(tokenizer.decode(&example.answer).unwrap(), record.answer);
    }
    let without = Encoding {
        end: false,
        ..Encoding::default()
    };
    let examples = without.records(&tokenizer, &records, limits).unwrap();
    assert_eq!(examples[0].answer, tokenizer.encode("3 cats").unwrap());
}

#[test]
fn a_long_prompt_loses_one_end_and_keeps_its_beginning_token() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let bare = tokenizer.encode(TEXT).unwrap();
    for limit in 2..bare.len() + 3 {
        let kept = (limit - 1).min(bare.len());
        for (truncation, expected) in [
            (TruncationSide::Left, &bare[bare.len() - kept..]),
            (TruncationSide::Right, &bare[..kept]),
        ] {
            let encoding = Encoding {
                truncation,
                ..Encoding::default()
            };
            let prompt = encoding.prompt(&tokenizer, TEXT, limit).unwrap();
            assert_eq!(prompt.ids, [&[1], expected].concat());
            assert_eq!(prompt.cut, bare.len() - kept);
        }
    }
    let error = Encoding::default().prompt(&tokenizer, TEXT, 1).unwrap_err();
    assert!(
        matches!(&error, Error::Setting { key, .. } if key == "max_prompt"),
        "{error}"
    );
}

/// The prompt of a record, its instruction and what follows its text.
fn parts(record: &TextRecord) -> [&str; 3] {
    let text = record.text.clone().unwrap();
    [
        &record.prompt[..text.start],
        &record.prompt[text.clone()],
        &record.prompt[text.end..],
    ]
}

#[test]
fn a_long_text_is_cut_and_its_instruction_stays() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let (before, after) = ("the cat sat on ", " the mat");
    let text = "3 cats and a dog sat on the mat, 3 cats and a dog sat on the cat";
    let mut long = record(&format!("{before}{text}{after}"), "mat");
    long.text = Some(before.len()..before.len() + text.len());
    assert_eq!(parts(&long), [before, text, after]);
    assert_eq!(long.without_text().unwrap(), format!("{before}{after}"));
    let whole = tokenizer.encode(&long.prompt).unwrap();
    let read = |truncation, room: usize| {
        let encoding = Encoding {
            truncation,
            beginning: Beginning::Nothing,
            ..Encoding::default()
        };
        let limits = TokenLimits {
            prompt: room,
            answer: 9,
        };
        let records = encoding.records(&tokenizer, std::slice::from_ref(&long), limits);
        let prompt = records.unwrap().swap_remove(0).prompt;
        assert_eq!(prompt.ids.len(), room);
        assert_eq!(prompt.cut, whole.len() - room);
        tokenizer.decode(&prompt.ids).unwrap()
    };
    let room = whole.len() - 8;
    for side in [
        TruncationSide::TextLeft,
        TruncationSide::TextRight,
        TruncationSide::TextMiddle,
    ] {
        let read = read(side, room);
        assert!(read.starts_with("the cat sat on"), "{side:?}: {read}");
        assert!(read.ends_with("the mat"), "{side:?}: {read}");
        let begins = read.starts_with("the cat sat on 3 cats");
        let ends = read.ends_with("the cat the mat");
        let expected = match side {
            TruncationSide::TextLeft => (false, true),
            TruncationSide::TextRight => (true, false),
            _ => (true, true),
        };
        assert_eq!((begins, ends), expected, "{side:?}: {read}");
    }
    // What was done before there was a choice.
    let left = read(TruncationSide::Left, room);
    assert!(!left.starts_with("the cat sat on"), "{left}");
    // The instruction alone is too long.
    assert_eq!(
        read(TruncationSide::TextMiddle, 4),
        read(TruncationSide::Left, 4)
    );
}

#[test]
fn labels_are_tokens_of_training_and_end_where_one_begins_another() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let labels = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Encoding::default().labels(&tokenizer, &texts, 9)
    };
    let of = |text: &str| tokenizer.encode(text).unwrap();
    assert_eq!(labels(&["cat", "mat"]).unwrap(), [of("cat"), of("mat")]);
    let begun = labels(&["the cat", "the cat sat", "mat"]).unwrap();
    assert!(of("the cat sat").starts_with(&of("the cat")));
    let ended = |text: &str| [&of(text)[..], &[2]].concat();
    assert_eq!(begun, ["the cat", "the cat sat", "mat"].map(ended));
    for (texts, part) in [
        (&["cat", ""][..], "no token"),
        (&["cat", "mat", "cat"], "same tokens"),
        (
            &["the cat sat on the mat and on the dog and on the cat"],
            "9 at most",
        ),
    ] {
        let error = labels(texts).unwrap_err().to_string();
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn the_beginning_is_a_choice() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let first = |beginning| {
        let encoding = Encoding {
            beginning,
            ..Encoding::default()
        };
        encoding.prompt(&tokenizer, TEXT, 100).unwrap().ids
    };
    let bare = tokenizer.encode(TEXT).unwrap();
    assert_eq!(first(Beginning::Nothing), bare);
    assert_eq!(first(Beginning::Token), [&[1], &bare[..]].concat());
    assert_eq!(first(Beginning::AsTokenizer), first(Beginning::Token));
}

#[test]
fn a_cut_answer_has_no_end() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let answer = "the cat sat on the mat";
    let bare = tokenizer.encode(answer).unwrap();
    let with = |answer_limit| {
        let limits = TokenLimits {
            prompt: 50,
            answer: answer_limit,
        };
        let records = [record("the", answer)];
        let mut examples = Encoding::default()
            .records(&tokenizer, &records, limits)
            .unwrap();
        examples.swap_remove(0)
    };
    let whole = with(bare.len() + 1);
    assert_eq!((whole.answer.last(), whole.answer_cut), (Some(&2), 0));
    let without_end = with(bare.len());
    assert_eq!(
        (without_end.answer, without_end.answer_cut),
        (bare.clone(), 1)
    );
    let short = with(2);
    assert_eq!(
        (&short.answer[..], short.answer_cut),
        (&bare[..2], bare.len() - 1)
    );
    assert_eq!(short.prompt.cut, 0);
}

#[test]
fn the_context_of_the_model_bounds_both() {
    let limits = |context| Encoding::default().limits(context).unwrap();
    assert_eq!(
        limits(1536),
        TokenLimits {
            prompt: 1024,
            answer: 512
        }
    );
    assert_eq!(
        limits(1024),
        TokenLimits {
            prompt: 512,
            answer: 512
        }
    );
    assert_eq!(
        limits(512),
        TokenLimits {
            prompt: 256,
            answer: 256
        }
    );
    for context in 2..1600 {
        let limits = limits(context);
        assert!(limits.prompt > 0 && limits.answer > 0);
        assert!(limits.prompt + limits.answer <= context);
    }
    assert!(Encoding::default().limits(1).is_err());
    let none = Encoding {
        max_answer: 0,
        ..Encoding::default()
    };
    assert!(
        none.limits(512)
            .unwrap_err()
            .to_string()
            .contains("max_answer")
    );
}

#[test]
fn settings_are_read_by_name() {
    let encoding: Encoding =
        toml::from_str("max_prompt = 256\ntruncation = 'right'\nbeginning = 'nothing'").unwrap();
    assert_eq!((encoding.max_prompt, encoding.max_answer), (256, 512));
    assert_eq!(encoding.truncation, TruncationSide::Right);
    assert_eq!(encoding.beginning, Beginning::Nothing);
    assert!(toml::from_str::<Encoding>("max_promt = 3").is_err());
}
