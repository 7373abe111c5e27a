//! The run loop: one page that reads like the paper.

use std::time::{Duration, Instant};

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::{Device, Tensor},
};
use treelora_cl_bench::{BatchIterator, Stage, StreamData, metrics::TaskInferenceCount};
use treelora_core::{Batch, ContinualModel, LearningRates, Method, StepInfo, TaskId};

use crate::{
    Error,
    config::training::TrainingConfig,
    event::{Event, RunResult, StageCost},
    folder::{checkpoint::RunFolder, stage_progress::StageProgress},
    run::{
        evaluation::Scoring,
        finite::{spoiled_gradient, spoiled_parameter},
        memory::{peak_memory, resident_memory},
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
    /// Stages that `result` already holds (from a checkpoint) are skipped; `model` and the method
    /// must then be those of the checkpoint. A stage that the folder has a checkpoint within goes on
    /// there. Everything random derives from the seed and the place in the stream alone, so that a
    /// resumed run equals an uninterrupted one.
    ///
    /// # Errors
    /// From the data, the method or the checkpoint, when the loss is not finite, and when the folder
    /// is asked to stop.
    pub fn train(mut self, mut model: M, mut result: RunResult) -> Result<(M, RunResult), Error> {
        let stages = self.data.stages(self.method.exposure());
        for (index, stage) in stages.iter().enumerate().skip(result.costs.len()) {
            // What begins or ends a task may draw from the device, as each step may: a resumed run
            // must draw the same.
            self.device
                .seed(self.training.order_seed(index, usize::MAX));
            model = self.method.begin_task(model, &stage.task)?;
            result.trainable_parameters = trainable_parameters(&model);
            let mut cost;
            (model, cost) = self.learn(model, stage, index)?;

            let end_task = Instant::now();
            let task = stage.task.id;
            (self.on_event)(&Event::EndTask { task });
            self.device.seed(self.training.step_seed(index, usize::MAX));
            let in_order = self.data.in_order(stage);
            model = self
                .method
                .end_task(model, in_order.as_ref(), &stage.task)?;
            cost.end_task_seconds = end_task.elapsed().as_secs_f64();

            self.evaluate(&model, task, &mut cost, &mut result)?;
            cost.stored_bytes = self.method.stored_bytes();
            cost.peak_memory_bytes = peak_memory();
            cost.resident_memory_bytes = resident_memory();
            result.costs.push(cost);
            if let Some(folder) = self.folder {
                folder.write_stage(index, task, &model, self.method, &mut result)?;
            }
            let cost = result.costs[index].clone();
            (self.on_event)(&Event::Row { after: task, cost });
            self.check_stop()?;
        }
        Ok((model, result))
    }

    /// The training steps of one stage, with a fresh optimiser or from a checkpoint within it.
    fn learn(&mut self, model: M, stage: &Stage, index: usize) -> Result<(M, StageCost), Error> {
        let trainable = trainable_parameters(&model);
        // A method that trains nothing (a floor) has no steps.
        let epochs = match trainable {
            0 => 0,
            _ => self.training.epochs_of(stage.task.id),
        };
        let batches = self.data.num_batches(stage, self.training.batch_size);
        let steps = batches.div_ceil(self.training.accumulation);
        let mut progress = StageProgress {
            model,
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
        let adapters = treelora_lora::adapter_parameters(&progress.model);
        for epoch in done / steps.max(1)..epochs {
            let order = self.training.order_seed(index, epoch);
            let first = done.saturating_sub(epoch * steps);
            let skip = first * self.training.accumulation;
            let mut batches = self
                .data
                .epoch(stage, self.training.batch_size, order, skip)?;
            for step in first..steps {
                let info = StepInfo {
                    task: stage.task.id,
                    epoch,
                    epochs,
                    step,
                    steps,
                };
                let started = Instant::now();
                progress = self.step(progress, &mut batches, index, &info, &adapters)?;
                progress.cost.train_seconds += started.elapsed().as_secs_f64();
                self.keep(&progress, index, &info, &mut since_checkpoint)?;
            }
        }
        Ok((progress.model, progress.cost))
    }

    /// One step of the optimiser.
    fn step(
        &mut self,
        progress: StageProgress<M>,
        batches: &mut BatchIterator<'_, M::Batch>,
        index: usize,
        info: &StepInfo,
        adapters: &[ParamId],
    ) -> Result<StageProgress<M>, Error> {
        let StageProgress {
            mut model,
            mut optimizer,
            mut cost,
        } = progress;
        self.device
            .seed(self.training.step_seed(index, info.step_in_task()));
        let before = cost.examples;
        let (gradients, loss) = self.accumulate(&model, batches, info, &mut cost)?;
        let gradients = self.method.gradients(&model, gradients, info);
        let rates = self.rates(info);
        model = optimizer_step(&mut optimizer, model, gradients, rates, adapters);
        model = self.method.after_step(model, info);
        cost.steps += 1;
        (self.on_event)(&Event::Step {
            step: *info,
            examples: cost.examples - before,
            loss,
            learning_rate: rates.adapter,
            terms: self.method.log(),
        });
        Ok(StageProgress {
            model,
            optimizer,
            cost,
        })
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
            if let Some(parameter) = spoiled_parameter(&progress.model) {
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

    /// Mean gradient of the objective over the batches of one step, and its mean value.
    fn accumulate(
        &mut self,
        model: &M,
        batches: &mut BatchIterator<'_, M::Batch>,
        info: &StepInfo,
        cost: &mut StageCost,
    ) -> Result<(GradientsParams, f64), Error> {
        let accumulation = self.training.accumulation;
        let mut sum = GradientsAccumulator::new();
        let (mut gradients, mut total, mut count) = (GradientsParams::new(), 0.0, 0);
        for index in 0..accumulation {
            let waiting = Instant::now();
            // The last step of an epoch may have fewer batches.
            let Some(batch) = batches.next().transpose()? else {
                break;
            };
            cost.data_wait_seconds += waiting.elapsed().as_secs_f64();
            cost.examples += batch.len();

            let loss = self.method.objective(model, &batch, info);
            let value = f64::from(loss.clone().into_scalar::<f32>());
            let diverged = |what: String, value: f64| Error::Diverged {
                step: *info,
                batch: info.step * accumulation + index,
                what,
                value,
            };
            if !value.is_finite() {
                return Err(diverged("the loss".into(), value));
            }
            (total, count) = (total + value, count + 1);
            let scaled = match accumulation {
                1 => loss,
                several => loss / several as f64,
            };
            gradients = GradientsParams::from_grads(scaled.backward(), model);
            if let Some(parameter) = spoiled_gradient(model, &gradients) {
                return Err(diverged(format!("the gradient of `{parameter}`"), f64::NAN));
            }
            if accumulation > 1 {
                sum.accumulate(model, std::mem::take(&mut gradients));
            }
        }
        if accumulation > 1 {
            gradients = sum.grads();
        }
        Ok((gradients, total / f64::from(count.max(1))))
    }

    /// Scores on every task seen so far: one row of the matrix.
    fn evaluate(
        &mut self,
        model: &M,
        after: TaskId,
        cost: &mut StageCost,
        result: &mut RunResult,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let answering = self.method.for_evaluation(model);
        let mut inference = TaskInferenceCount::default();
        for on in (0..=after.0).map(TaskId) {
            self.check_stop()?;
            let score = self.scoring.score(self.method, &answering, on, after)?;
            inference.add(score.inference);
            result.record(after, on, &score);
            (self.on_event)(&Event::Evaluated { after, on, score });
        }
        cost.evaluation_seconds = started.elapsed().as_secs_f64();
        cost.task_inference_accuracy = inference.share();
        Ok(())
    }

    fn rates(&self, info: &StepInfo) -> LearningRates {
        let rates = self
            .method
            .learning_rates(self.training.learning_rates(), info);
        let factor = self.training.factor(info);
        LearningRates {
            adapter: rates.adapter * factor,
            head: rates.head * factor,
        }
    }
}

/// One step with a learning rate for the adapters and one for the rest (the head).
fn optimizer_step<M: Module>(
    optimizer: &mut ModuleOptimizer,
    model: M,
    mut gradients: GradientsParams,
    rates: LearningRates,
    adapters: &[ParamId],
) -> M {
    let mut of_adapters = GradientsParams::new();
    for id in adapters {
        if let Some(gradient) = gradients.remove::<2>(*id) {
            of_adapters.register(*id, gradient);
        }
    }
    let model = optimizer.step(rates.adapter, model, of_adapters);
    optimizer.step(rates.head, model, gradients)
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
