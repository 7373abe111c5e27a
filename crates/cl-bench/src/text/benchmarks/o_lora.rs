//! O-LoRA's classification tasks in its orders.

use treelora_core::Error;

use super::benchmark::{Benchmark, TaskChoice};
use crate::text::task_source::TaskSource;

/// A numbered order, or a list of its tasks.
pub(super) struct OLora;

impl Benchmark for OLora {
    fn check(&self, choice: &TaskChoice<'_>) -> Result<(), Error> {
        choice.in_one_folder()?;
        match (choice.order, choice.tasks) {
            (Some(number), []) => order(number).map(|_| ()),
            (Some(number), _) => {
                let problem = format!("the tasks are those of order {number}");
                Err(Error::setting("tasks", problem))
            }
            (None, []) => {
                let problem = "`o-lora` needs an order from 1 to 6, or a list of tasks";
                Err(Error::setting("order", problem))
            }
            (None, _) => Ok(()),
        }
    }

    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
        let path = choice.folder()?;
        let names = match choice.tasks {
            [] => choice.or(order(choice.order.unwrap_or_default())?),
            tasks => tasks.to_vec(),
        };
        let names = names.into_iter();
        names.map(|name| TaskSource::labelled(path, name)).collect()
    }
}

/// The tasks of O-LoRA's task order `number`, 1 to 6 (O-LoRA, arXiv 2310.14152, appendix).
///
/// # Errors
/// When there is no such order.
pub fn order(number: usize) -> Result<&'static [&'static str], Error> {
    Ok(match number {
        1 => &["dbpedia", "amazon", "yahoo", "agnews"],
        2 => &["dbpedia", "amazon", "agnews", "yahoo"],
        3 => &["yahoo", "amazon", "agnews", "dbpedia"],
        4 => &[
            "MNLI", "CB", "WiC", "COPA", "QQP", "BoolQA", "RTE", "IMDB", "yelp", "amazon", "SST-2",
            "dbpedia", "agnews", "MultiRC", "yahoo",
        ],
        5 => &[
            "MultiRC", "BoolQA", "WiC", "MNLI", "CB", "COPA", "QQP", "RTE", "IMDB", "SST-2",
            "dbpedia", "agnews", "yelp", "amazon", "yahoo",
        ],
        6 => &[
            "yelp", "amazon", "MNLI", "CB", "COPA", "QQP", "RTE", "IMDB", "SST-2", "dbpedia",
            "agnews", "yahoo", "MultiRC", "BoolQA", "WiC",
        ],
        _ => {
            let problem = format!("{number}, but O-LoRA's orders are 1 to 6");
            return Err(Error::setting("order", problem));
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::text::classification_task::ClassificationTask;

    #[test]
    fn every_order_has_known_tasks_once() {
        for number in 1..=6 {
            let tasks = order(number).unwrap();
            let different: std::collections::BTreeSet<_> = tasks.iter().collect();
            assert_eq!(different.len(), if number <= 3 { 4 } else { 15 });
            for task in tasks {
                assert_eq!(ClassificationTask::named(task).unwrap().name, *task);
            }
        }
        assert!(order(0).is_err() && order(7).is_err());
    }
}
