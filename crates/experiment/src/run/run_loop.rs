//! The run loop: one page that reads like the paper.

use std::time::{Duration, Instant};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use treelora_cl_bench::{Stage, StreamData, metrics::TaskInferenceCount};
use treelora_core::{ContinualModel, Group, Learner, Method, StepInfo, TaskId};

use crate::{
    Error,
    config::{evaluation::EvaluationRows, training::TrainingConfig},
    event::{Event, RunResult, StageCost},
    folder::{checkpoint::RunFolder, stage_progress::StageProgress},
    run::{
        evaluation::Scoring,
        finite::spoiled_parameter,
        memory::{peak_memory, resident_memory},
        training_step::TrainingStep,
    },
};

/// A method, a stream and the settings to bring them together.
pub struct Run<'a, M: ContinualModel> {
    /// The method that learns.
    pub method: &'a mut dyn Method<M>,
    /// The stream.
    pub data: &'a dyn StreamData<M::Batch>,
    /// Optimiser, schedule, batch sizes, seed.
    pub training: &'a TrainingConfig,
    /// How the model is scored after each task.
    pub scoring: &'a dyn Scoring<M>,
    /// On which tasks.
    pub rows: EvaluationRows,
    /// The training device.
    pub device: &'a Device,
    /// Where checkpoints go, after each stage and within, if anywhere.
    pub folder: Option<&'a RunFolder>,
    /// Hears of every step.
    pub on_event: &'a mut dyn FnMut(&Event),
}

impl<M: ContinualModel> Run<'_, M> {
    /// Train on every task of the stream and evaluate after each.
    ///
    /// Stages that `result` already holds (from a checkpoint) are skipped; `learner` and the method
    /// must then be those of the checkpoint. A stage that the folder has a checkpoint within goes on
    /// there. Everything random derives from the seed and the place in the stream alone, so that a
    /// resumed run equals an uninterrupted one.
    ///
    /// # Errors
    /// From the data, the method or the checkpoint, when the loss is not finite, and when the folder
    /// is asked to stop.
    pub fn train(
        mut self,
        mut learner: Learner<M>,
        mut result: RunResult,
    ) -> Result<(Learner<M>, RunResult), Error> {
        let seeds = self.training.seeds();
        let stages = self.data.stages(self.method.exposure());
        for (index, stage) in stages.iter().enumerate().skip(result.costs.len()) {
            // What begins or ends a task may draw from the device, as each step may: a resumed run
            // must draw the same.
            self.device.seed(seeds.begin(index));
            let in_order = self.data.in_order(stage);
            let begun = self
                .method
                .begin_task(learner, in_order.as_ref(), &stage.task);
            learner = begun.map_err(|e| e.within("method"))?;
            result.trainable_parameters = trainable_parameters(&learner);
            let mut cost;
            (learner, cost) = self.learn(learner, stage, index)?;

            let end_task = Instant::now();
            let task = stage.task.id;
            (self.on_event)(&Event::EndTask { task });
            self.device.seed(seeds.end(index));
            learner = self
                .method
                .end_task(learner, in_order.as_ref(), &stage.task)?;
            cost.end_task_seconds = end_task.elapsed().as_secs_f64();

            let last = index + 1 == stages.len();
            self.evaluate(&learner, task, last, &mut cost, &mut result)?;
            cost.stored_bytes = self.method.stored_bytes();
            cost.peak_memory_bytes = peak_memory();
            cost.resident_memory_bytes = resident_memory();
            result.costs.push(cost);
            if let Some(folder) = self.folder {
                folder.write_stage(index, task, &learner, self.method, &mut result)?;
            }
            let cost = result.costs[index].clone();
            (self.on_event)(&Event::Row { after: task, cost });
            self.check_stop()?;
        }
        Ok((learner, result))
    }

    /// The training steps of one stage, with a fresh optimiser or from a checkpoint within it.
    fn learn(
        &mut self,
        learner: Learner<M>,
        stage: &Stage,
        index: usize,
    ) -> Result<(Learner<M>, StageCost), Error> {
        let trainable = trainable_parameters(&learner);
        // A method that trains nothing (a floor) has no steps.
        let epochs = match trainable {
            0 => 0,
            _ => self.training.epochs_of(stage.task.id),
        };
        let accumulation = self.training.accumulation;
        let num_batches = self.data.num_batches(stage, self.training.batch_size);
        let steps = num_batches.div_ceil(accumulation);
        let mut progress = StageProgress {
            learner,
            optimizer: self.training.optimizer(),
            cost: StageCost::default(),
        };
        if let Some(folder) = self.folder {
            progress = folder
                .progress()
                .go_on(index, progress, self.method, self.device)?;
        }
        let done = progress.cost.steps;
        (self.on_event)(&Event::Stage {
            task: stage.task.clone(),
            steps: epochs * steps,
            done,
            trainable_parameters: trainable,
        });
        let mut since_checkpoint = Instant::now();
        let adapters = treelora_lora::adapter_parameters(&progress.learner);
        let groups = progress.learner.groups(&adapters);
        let seeds = self.training.seeds();
        for epoch in done / steps.max(1)..epochs {
            let first = done.saturating_sub(epoch * steps);
            let mut batches = self.data.epoch(
                stage,
                self.training.batch_size,
                seeds.order(index, epoch),
                first * accumulation,
            )?;
            for step in first..steps {
                let info = StepInfo {
                    task: stage.task.id,
                    epoch,
                    epochs,
                    step,
                    steps,
                };
                let started = Instant::now();
                self.device.seed(seeds.dropout(index, info.step_in_task()));
                let first_batch = step * accumulation;
                let step = TrainingStep {
                    info,
                    // The last step of an epoch may have fewer.
                    batches: accumulation.min(num_batches - first_batch),
                    first_batch,
                    rates: self.training.learning_rates(),
                    factor: self.training.factor(&info),
                    groups: &groups,
                };
                let report;
                (progress.learner, report) = step.take(
                    self.method,
                    progress.learner,
                    &mut progress.optimizer,
                    &mut batches,
                )?;
                progress.cost.steps += 1;
                progress.cost.examples += report.examples;
                progress.cost.data_wait_seconds += report.waited;
                progress.cost.train_seconds += started.elapsed().as_secs_f64();
                (self.on_event)(&Event::Step {
                    step: info,
                    examples: report.examples,
                    loss: report.loss,
                    learning_rate: report.rates.of(&Group::ADAPTER),
                    terms: self.method.log(),
                });
                self.keep(&progress, index, &info, &mut since_checkpoint)?;
            }
        }
        Ok((progress.learner, progress.cost))
    }

    /// A checkpoint after a step: the last of the stage, when it is time, or when the run is to stop.
    fn keep(
        &self,
        progress: &StageProgress<M>,
        index: usize,
        info: &StepInfo,
        since: &mut Instant,
    ) -> Result<(), Error> {
        let Some(folder) = self.folder else {
            return Ok(());
        };
        let stop = folder.check_stop();
        let last = info.step_in_task() + 1 == info.epochs * info.steps;
        let due = since.elapsed() >= Duration::from_secs_f64(self.training.checkpoint_seconds);
        if last || due || stop.is_err() {
            if let Some(parameter) = spoiled_parameter(&progress.learner) {
                return Err(Error::Diverged {
                    step: *info,
                    batch: info.step * self.training.accumulation,
                    what: format!("the parameter `{parameter}`"),
                    value: f64::NAN,
                });
            }
            folder.progress().write(index, progress, self.method)?;
            *since = Instant::now();
        }
        stop
    }

    fn check_stop(&self) -> Result<(), Error> {
        self.folder.map_or(Ok(()), RunFolder::check_stop)
    }

    /// Scores on every task seen so far, or on the newest alone: one row of the matrix.
    fn evaluate(
        &mut self,
        learner: &Learner<M>,
        after: TaskId,
        last: bool,
        cost: &mut StageCost,
        result: &mut RunResult,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let answering = self.method.for_evaluation(learner)?;
        let mut inference = TaskInferenceCount::default();
        let first = match self.rows {
            EvaluationRows::Last if !last => after.0,
            EvaluationRows::All | EvaluationRows::Last => 0,
        };
        for on in (first..=after.0).map(TaskId) {
            self.check_stop()?;
            let score = self.scoring.score(self.method, &answering, on, after)?;
            for message in self.scoring.take_warnings() {
                (self.on_event)(&Event::Warning { message });
            }
            inference.add(score.inference);
            result.record(after, on, &score);
            (self.on_event)(&Event::Evaluated { after, on, score });
        }
        cost.evaluation_seconds = started.elapsed().as_secs_f64();
        cost.task_inference_accuracy = inference.share();
        Ok(())
    }
}

/// Number of parameters that receive gradients.
pub fn trainable_parameters<M: Module>(model: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.lazy_shape().num_elements();
            }
        }
    }
    let mut count = Count(0);
    model.visit(&mut count);
    count.0
}
