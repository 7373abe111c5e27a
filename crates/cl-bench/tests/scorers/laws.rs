//! What holds for every text and every set of samples.

use proptest::prelude::*;
use treelora_cl_bench::scorers::{
    Flavour, Sample, TaskMetric, edit_similarity, resolved_literals, rouge_l, sari, tokenized_13a,
};

/// Any characters, or a few that the metrics treat in a way of their own.
fn texts() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "a",
        "b",
        "A",
        ".",
        ",",
        "-",
        " ",
        "\n",
        "\u{1c}",
        "\u{a0}",
        "1",
        "é",
        "支",
        "👨‍👩‍👧",
        "Σ",
        "<STR_LIT:",
        "<NUM_LIT>",
        ">",
        "&amp;",
        "<skipped>",
    ]);
    prop_oneof![
        ".{0,40}",
        prop::collection::vec(special, 0..40).prop_map(|parts| parts.concat()),
    ]
}

fn triples() -> impl Strategy<Value = Vec<(String, String, String)>> {
    prop::collection::vec((texts(), texts(), texts()), 0..12)
}

fn samples(triples: &[(String, String, String)]) -> Vec<Sample<'_>> {
    let sample = |triple| {
        let (prompt, prediction, answer): &(String, String, String) = triple;
        Sample {
            prompt,
            prediction,
            answer,
        }
    };
    triples.iter().map(sample).collect()
}

proptest! {
    #[test]
    fn scores_are_shares_and_their_mean_is_over_all(triples in triples()) {
        let samples = samples(&triples);
        for (metric, flavour) in every_way() {
            let score = metric.score(flavour, &samples);
            let scores: Vec<f64> = score.per_sample.iter().flatten().copied().collect();
            prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{metric:?}");
            prop_assert_eq!(score.counted, scores.len());
            prop_assert_eq!(score.per_sample.len(), samples.len());
            prop_assert_eq!(score.mean.is_none(), samples.is_empty());
            if let Some(mean) = score.mean {
                let sum: f64 = scores.iter().sum();
                prop_assert!((mean * samples.len() as f64 - sum).abs() < 1e-9);
            }
            if metric.counts_right_answers() {
                prop_assert_eq!(score.cell().accuracy(), score.mean);
            }
        }
    }

    #[test]
    fn the_order_of_samples_does_not_matter(triples in triples(), turn in 0_usize..12) {
        let mut samples = samples(&triples);
        let turn = turn.min(samples.len());
        for (metric, flavour) in every_way() {
            let before = metric.score(flavour, &samples);
            samples.rotate_left(turn);
            let mut after = metric.score(flavour, &samples);
            samples.rotate_right(turn);
            let difference = before.mean.unwrap_or(0.0) - after.mean.unwrap_or(0.0);
            prop_assert!(difference.abs() < 1e-12);
            after.per_sample.rotate_right(turn);
            prop_assert_eq!(before.per_sample, after.per_sample);
            prop_assert_eq!((before.counted, before.empty), (after.counted, after.empty));
        }
    }

    #[test]
    fn the_answer_itself_is_right(prompt in texts(), answer in texts()) {
        let sample = Sample { prompt: &prompt, prediction: &answer, answer: &answer };
        for (metric, flavour) in every_way() {
            match metric.score(flavour, &[sample]).per_sample[0] {
                // A blank at an end of the answer is stripped from the prediction alone.
                Some(_) if metric == TaskMetric::ExactMatch && flavour == Flavour::Treelora => {}
                // The added line end may be one more (empty) word; p and r have 1e-8 beside them.
                Some(score) if metric == TaskMetric::RougeL => match flavour {
                    Flavour::Strict => prop_assert!(score > 1.0 - 1e-8),
                    Flavour::Treelora => prop_assert!(score > 0.0),
                },
                // A repeated n-gram dropped once costs something.
                Some(score) if metric == TaskMetric::Sari => prop_assert!(score > 2.0 / 3.0),
                Some(score) => prop_assert_eq!(score, 1.0),
                None => {}
            }
        }
    }

    #[test]
    fn a_simplification_without_repetition_that_is_the_reference_is_perfect(
        kept in prop::collection::vec(any::<bool>(), 1..12),
    ) {
        let source: Vec<String> = (0..kept.len()).map(|word| format!("w{word}")).collect();
        let answer: Vec<&str> = source
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(word, _)| word.as_str())
            .collect();
        let answer = answer.join(" ") + " new";
        prop_assert!((sari(&source.join(" "), &answer, &[&answer]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn similarity_is_symmetric_and_rouge_of_single_sentences_too(a in texts(), b in texts()) {
        prop_assert_eq!(edit_similarity(&a, &b), edit_similarity(&b, &a));
        // Without repeated words, the length of the subsequence is all that counts.
        let words = |text: &str| {
            let letters: std::collections::BTreeSet<char> =
                text.chars().filter(|c| c.is_alphanumeric()).collect();
            letters.iter().map(char::to_string).collect::<Vec<_>>().join(" ") + " end"
        };
        let (a, b) = (words(&a), words(&b));
        prop_assert_eq!(rouge_l(&a, &b), rouge_l(&b, &a));
    }

    #[test]
    fn strict_right_answers_are_right_in_the_fork(answer in "[a-z0-9]{1,6}", rest in texts()) {
        let answers = |prediction: &str, flavour| {
            let sample = Sample { prompt: "", prediction, answer: &answer };
            TaskMetric::ExactMatch.score(flavour, &[sample]).mean
        };
        prop_assert_eq!(answers(&answer, Flavour::Strict), Some(1.0));
        prop_assert_eq!(answers(&format!(" {answer}{rest}"), Flavour::Treelora), Some(1.0));
        prop_assert_eq!(answers(&format!(" {answer}"), Flavour::Strict), Some(0.0));
    }

    #[test]
    fn what_is_settled_no_rest_changes(
        prediction in texts(),
        answer in texts(),
        rest in texts(),
        share in 0_usize..4,
        alike in any::<bool>(),
    ) {
        // Half of the predictions say a part of the answer first.
        let begun: String = answer.chars().take(answer.chars().count() * share / 3).collect();
        let beginning = if alike { format!("{begun}{prediction}") } else { prediction };
        for (metric, flavour) in every_way() {
            if !metric.is_settled(&beginning, &answer) {
                continue;
            }
            let score = |prediction: &str| {
                let sample = Sample { prompt: "", prediction, answer: &answer };
                metric.score(flavour, &[sample]).per_sample
            };
            let whole = format!("{beginning}{rest}");
            prop_assert!(metric.counts_right_answers());
            prop_assert_eq!(score(&beginning), score(&whole), "{:?} {:?}", metric, flavour);
        }
    }

    #[test]
    fn tokens_are_separated_once(text in texts()) {
        let tokens = tokenized_13a(&text);
        prop_assert_eq!(tokens.trim(), tokens.as_str());
        prop_assert!(!tokens.contains("  ") && !tokens.contains('\n'));
    }

    #[test]
    fn code_without_placeholders_stays(text in "[^<]{0,40}") {
        prop_assert_eq!(resolved_literals(&text), text);
    }
}

fn every_way() -> impl Iterator<Item = (TaskMetric, Flavour)> {
    TaskMetric::ALL
        .into_iter()
        .flat_map(|metric| Flavour::ALL.map(|flavour| (metric, flavour)))
}

#[test]
fn very_long_texts_are_scored() {
    let long = |unit: &str| unit.repeat(20_000 / unit.len());
    let texts = [
        long("a "),
        long("b a . "),
        long("."),
        long("word"),
        long("x y z "),
        long("👨‍👩‍👧‍👦"),
    ];
    for (metric, flavour) in every_way() {
        let score = |prediction: &str, answer: &str| {
            let prompt = &texts[1];
            let sample = Sample {
                prompt,
                prediction,
                answer,
            };
            metric.score(flavour, &[sample]).mean.unwrap()
        };
        for answer in &texts {
            let right = score(answer, answer);
            let others = texts.iter().filter(|text| *text != answer);
            let others: Vec<f64> = others.map(|text| score(text, answer)).collect();
            assert!(
                others.iter().all(|other| *other <= right),
                "{metric:?} {flavour:?} {right} {others:?}"
            );
        }
        let [word, other] = [&texts[3], &texts[4]];
        assert!(
            score(word, word) > score(other, word) + 0.3,
            "{metric:?} {flavour:?}"
        );
    }
}
