//! Which task is scored how, and how a configuration names it.

use treelora_cl_bench::{
    metrics::AccuracyMatrix,
    scorers::{Flavour, Sample, Score, TaskMetric},
};

#[test]
fn tasks_have_the_metrics_of_their_benchmark() {
    let trace = [
        ("C-STANCE", TaskMetric::ExactMatch),
        ("FOMC", TaskMetric::ExactMatch),
        ("MeetingBank", TaskMetric::RougeL),
        ("Py150", TaskMetric::EditSimilarity),
        ("ScienceQA", TaskMetric::FirstCharacter),
        ("NumGLUE-cm", TaskMetric::ExactMatch),
        ("NumGLUE-ds", TaskMetric::ExactMatch),
        ("20Minuten", TaskMetric::Sari),
    ];
    for (task, metric) in trace {
        assert_eq!(TaskMetric::for_task(task), metric, "{task}");
    }
    for task in [
        "dbpedia", "amazon", "yahoo", "agnews", "MNLI", "WiC", "SST-2",
    ] {
        assert_eq!(TaskMetric::for_task(task), TaskMetric::FirstWord, "{task}");
    }
    assert_eq!(
        TaskMetric::for_task("something else"),
        TaskMetric::default()
    );
    assert_eq!(TaskMetric::default(), TaskMetric::ExactMatch);
}

#[test]
fn names_are_those_of_files() {
    for metric in TaskMetric::ALL {
        let json = serde_json::to_value(metric).unwrap();
        assert_eq!(json, metric.name());
        assert_eq!(serde_json::from_value::<TaskMetric>(json).unwrap(), metric);
    }
    assert_eq!(serde_json::to_value(Flavour::Strict).unwrap(), "strict");
    assert_eq!(serde_json::to_value(Flavour::Treelora).unwrap(), "treelora");
    assert_eq!(Flavour::default(), Flavour::Strict);
}

#[test]
fn the_formula_tells_the_flavours_apart_where_they_differ() {
    for metric in TaskMetric::ALL {
        let [strict, treelora] = Flavour::ALL.map(|flavour| metric.formula(flavour));
        let same = matches!(metric, TaskMetric::EditSimilarity | TaskMetric::Sari);
        assert_eq!(strict == treelora, same, "{metric:?}");
    }
}

#[test]
fn empty_texts_are_counted_and_divide_the_mean() {
    let sample = |prediction, answer| Sample {
        prompt: "one two",
        prediction,
        answer,
    };
    let samples = [sample("two", "two"), sample("", "two"), sample("two", "")];
    for metric in TaskMetric::ALL {
        let score = metric.score(Flavour::Strict, &samples);
        assert_eq!(score.empty, 2, "{metric:?}");
        assert_eq!(
            score.counted,
            if metric == TaskMetric::Sari { 3 } else { 1 }
        );
        if metric != TaskMetric::Sari {
            assert!((score.mean.unwrap() - 1.0 / 3.0).abs() < 1e-8, "{metric:?}");
        }
    }
    assert_eq!(TaskMetric::Sari.score(Flavour::Strict, &[]).mean, None);
}

#[test]
fn a_score_survives_json_and_fits_into_the_matrix() {
    let samples = [Sample {
        prompt: "",
        prediction: "return 1",
        answer: "return <NUM_LIT:2>",
    }];
    let score = TaskMetric::EditSimilarity.score(Flavour::Strict, &samples);
    assert_eq!(score.mean, Some(0.88)); // 7 of 8 characters on either side
    let text = serde_json::to_string(&score).unwrap();
    assert_eq!(serde_json::from_str::<Score>(&text).unwrap(), score);
    let mut matrix = AccuracyMatrix::new();
    matrix.record_score(0, 0, score.mean.unwrap());
    assert_eq!(matrix.score(0, 0), Some(0.88));
}
