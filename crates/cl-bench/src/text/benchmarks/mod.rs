//! Benchmarks of text tasks, a file and a row each.

#[macro_use]
mod registry;

pub(super) mod benchmark;

mod folder;

mod o_lora;

mod trace;

use benchmark::Benchmark;

use super::classification_task::ClassificationTask;

text_benchmarks! {
    "trace" => Trace(trace::Trace): "TRACE's 8 tasks, PATH/TASK/{train,eval,test}.json of {prompt, answer}",
    "trace-long" => TraceLong(trace::TraceLong): "TRACE, then dbpedia, amazon, yahoo, agnews, yelp, BoolQA and QQP",
    "math" => Math(trace::Math): "the tasks of TRACE that calculate: ScienceQA, NumGLUE-cm, NumGLUE-ds",
    "o-lora" => OLora(o_lora::OLora): "O-LoRA's orders, PATH/GROUP/TASK/{train,test}.json of {sentence, label}",
    "folder" => Folder(folder::Folder): "any tasks, PATH/TASK/{train,eval,test}.{json,jsonl} of {prompt, answer}",
}

pub use o_lora::order as o_lora_order;

/// Whether a benchmark with tasks of its own has one called `name`.
pub(super) fn knows_task(name: &str) -> bool {
    trace::TRACE.contains(&name) || ClassificationTask::named(name).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::TextBenchmark;

    #[test]
    fn every_row_reads_back_by_its_name() {
        for (name, _) in TextBenchmark::ALL {
            let benchmark: TextBenchmark = serde_json::from_value((*name).into()).unwrap();
            assert_eq!(serde_json::to_value(benchmark).unwrap(), *name);
        }
    }
}
