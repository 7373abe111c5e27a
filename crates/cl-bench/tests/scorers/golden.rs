//! Against rouge, fuzzywuzzy with Levenshtein, sacrebleu and Python's `str` (xtask/golden/scorers.py).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use treelora_cl_bench::scorers::{
    Flavour, Sample, TaskMetric, resolved_literals, rouge_l, sari, tokenized_13a,
};

#[derive(Deserialize)]
struct Fixture {
    texts: Vec<String>,
    blanks: BTreeSet<u32>,
    resolved: Vec<String>,
    tokens_13a: Vec<String>,
    cases: Vec<[usize; 3]>,
    strict: Vec<[Option<f64>; 6]>,
    treelora: Vec<[Option<f64>; 6]>,
    means: BTreeMap<String, [f64; 6]>,
    rouge_l: Vec<Outcome>,
    rouge_l_swapped: Vec<Outcome>,
    sari_cases: Vec<Vec<usize>>,
    sari_scores: Vec<f64>,
}

/// What the package returned.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Outcome {
    F(f64),
    Raised(String),
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(include_str!("../fixtures/scorers.json")).unwrap()
    }

    fn text(&self, at: usize) -> &str {
        &self.texts[at]
    }

    fn samples(&self) -> Vec<Sample<'_>> {
        let sample = |[prompt, prediction, answer]: &[usize; 3]| Sample {
            prompt: self.text(*prompt),
            prediction: self.text(*prediction),
            answer: self.text(*answer),
        };
        self.cases.iter().map(sample).collect()
    }

    fn expected(&self, flavour: Flavour) -> (&[[Option<f64>; 6]], &[f64; 6]) {
        match flavour {
            Flavour::Strict => (&self.strict, &self.means["strict"]),
            Flavour::Treelora => (&self.treelora, &self.means["treelora"]),
        }
    }
}

/// The tools count these to 100.
fn unit(metric: TaskMetric) -> f64 {
    match metric {
        TaskMetric::EditSimilarity | TaskMetric::Sari => 100.0,
        _ => 1.0,
    }
}

fn assert_close(ours: f64, theirs: f64, what: &dyn std::fmt::Debug) {
    assert!(
        (ours - theirs).abs() < 1e-9,
        "{ours} not {theirs}: {what:?}"
    );
}

#[test]
fn every_metric_in_both_flavours() {
    let fixture = Fixture::read();
    let samples = fixture.samples();
    assert!(fixture.texts.len() >= 200 && samples.len() >= 800);
    for flavour in Flavour::ALL {
        let (rows, means) = fixture.expected(flavour);
        for (column, metric) in TaskMetric::ALL.into_iter().enumerate() {
            let score = metric.score(flavour, &samples);
            for ((row, ours), sample) in rows.iter().zip(&score.per_sample).zip(&samples) {
                let what = (metric, flavour, sample);
                match (*ours, row[column]) {
                    (Some(ours), Some(theirs)) => {
                        assert_close(ours * unit(metric), theirs, &what);
                    }
                    (ours, theirs) => assert_eq!(ours, theirs, "{what:?}"),
                }
            }
            assert_close(score.mean.unwrap() * unit(metric), means[column], &metric);
            let counted = rows.iter().filter(|row| row[column].is_some()).count();
            assert_eq!(score.counted, counted, "{metric:?}");
        }
    }
}

#[test]
fn rouge_has_no_score_where_the_package_raises() {
    let fixture = Fixture::read();
    let mut raised = BTreeSet::new();
    let mut order_matters = 0;
    for (at, sample) in fixture.samples().iter().enumerate() {
        let ours = [
            rouge_l(sample.answer, sample.prediction),
            rouge_l(sample.prediction, sample.answer),
        ];
        let theirs = [&fixture.rouge_l[at], &fixture.rouge_l_swapped[at]];
        for (ours, theirs) in ours.iter().zip(theirs) {
            match theirs {
                Outcome::F(f) => assert_close(ours.unwrap(), *f, &sample),
                Outcome::Raised(message) => {
                    assert_eq!(*ours, None, "{sample:?}");
                    raised.insert(message.as_str());
                    let score = TaskMetric::RougeL.score(Flavour::Strict, &[*sample]);
                    assert_eq!((score.mean, score.counted), (Some(0.0), 0));
                }
            }
        }
        order_matters += usize::from(ours[0] != ours[1]);
    }
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!(order_matters > 0);
}

#[test]
fn texts_are_prepared_as_in_python() {
    let fixture = Fixture::read();
    for (at, text) in fixture.texts.iter().enumerate() {
        assert_eq!(resolved_literals(text), fixture.resolved[at], "{text:?}");
        assert_eq!(tokenized_13a(text), fixture.tokens_13a[at], "{text:?}");
    }
}

#[test]
fn blanks_are_those_of_python() {
    let fixture = Fixture::read();
    let right = |metric: TaskMetric, prediction: &str| {
        let sample = Sample {
            prompt: "",
            prediction,
            answer: "x",
        };
        metric.score(Flavour::Treelora, &[sample]).mean == Some(1.0)
    };
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let is_blank = fixture.blanks.contains(&u32::from(c));
        assert_eq!(right(TaskMetric::FirstWord, &format!("x{c}y")), is_blank);
        // A letter that is cut off is no blank.
        let stripped = right(TaskMetric::ExactMatch, &format!("{c}x"));
        assert_eq!(stripped, is_blank || c == 'x', "{c:?}");
    }
}

#[test]
fn sari_with_several_references() {
    let fixture = Fixture::read();
    for (case, score) in fixture.sari_cases.iter().zip(&fixture.sari_scores) {
        let references: Vec<_> = case[2..].iter().map(|at| fixture.text(*at)).collect();
        let ours = sari(fixture.text(case[0]), fixture.text(case[1]), &references);
        assert_close(ours, *score, case);
    }
}
