//! The run loop: one page that reads like the paper.

use std::time::Instant;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::{Device, Tensor},
};
use treelora_core::{Batch, ContinualModel, LearningRates, Method, StepInfo, TaskId};

use crate::{
    Error,
    checkpoint::RunFolder,
    evaluation::{Scoring, TaskInferenceCount},
    event::{Event, RunResult, StageCost},
    stream_data::{BatchIterator, Stage, StreamData},
    training::TrainingConfig,
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
    /// Where checkpoints go after each stage, if anywhere.
    pub folder: Option<&'a RunFolder>,
    /// Hears of every step.
    pub on_event: &'a mut dyn FnMut(&Event),
}

impl<M: ContinualModel> Run<'_, M> {
    /// Train on every task of the stream and evaluate after each.
    ///
    /// Stages that `result` already holds (from a checkpoint) are skipped; `model` and the method
    /// must then be those of the checkpoint. The data order derives from `(seed, stage, epoch)`
    /// alone, so that a resumed run equals an uninterrupted one.
    ///
    /// # Errors
    /// From the data, the method or the checkpoint, and when the loss is not finite.
    pub fn train(mut self, mut model: M, mut result: RunResult) -> Result<(M, RunResult), Error> {
        let stages = self.data.stages(self.method.exposure());
        for (index, stage) in stages.iter().enumerate().skip(result.costs.len()) {
            let mut cost = StageCost::default();
            // Dropout draws from the device: a resumed run must draw the same.
            self.device
                .seed(self.training.order_seed(index, usize::MAX));
            model = self.method.begin_task(model, &stage.task)?;
            result.trainable_parameters = trainable_parameters(&model);
            model = self.learn(model, stage, index, &mut cost)?;

            let end_task = Instant::now();
            let task = stage.task.id;
            (self.on_event)(&Event::EndTask { task });
            let in_order = self.data.in_order(stage);
            model = self
                .method
                .end_task(model, in_order.as_ref(), &stage.task)?;
            cost.end_task_seconds = end_task.elapsed().as_secs_f64();

            self.evaluate(&model, task, &mut cost, &mut result)?;
            cost.stored_bytes = self.method.stored_bytes();
            cost.peak_memory_bytes = peak_memory();
            result.costs.push(cost.clone());
            if let Some(folder) = self.folder {
                folder.write_stage(index, task, &model, self.method, &result)?;
            }
            (self.on_event)(&Event::Row { after: task, cost });
        }
        Ok((model, result))
    }

    /// The training steps of one stage, with a fresh optimiser.
    fn learn(
        &mut self,
        mut model: M,
        stage: &Stage,
        index: usize,
        cost: &mut StageCost,
    ) -> Result<M, Error> {
        let trainable = trainable_parameters(&model);
        // A method that trains nothing (a floor) has no steps.
        let epochs = match trainable {
            0 => 0,
            _ => self.training.epochs_of(stage.task.id),
        };
        let batches = self.data.num_batches(stage, self.training.batch_size);
        let steps = batches.div_ceil(self.training.accumulation);
        (self.on_event)(&Event::Stage {
            task: stage.task.clone(),
            steps: epochs * steps,
            trainable_parameters: trainable,
        });
        let started = Instant::now();
        let mut optimizer = self.training.optimizer();
        let adapters = treelora_lora::adapter_parameters(&model);
        for epoch in 0..epochs {
            let order = self.training.order_seed(index, epoch);
            let mut batches = self.data.epoch(stage, self.training.batch_size, order)?;
            for step in 0..steps {
                let info = StepInfo {
                    task: stage.task.id,
                    epoch,
                    epochs,
                    step,
                    steps,
                };
                let (gradients, loss) = self.accumulate(&model, &mut batches, &info, cost)?;
                let gradients = self.method.gradients(&model, gradients, &info);
                let rates = self.rates(&info);
                model = optimizer_step(&mut optimizer, model, gradients, rates, &adapters);
                model = self.method.after_step(model, &info);

                cost.steps += 1;
                (self.on_event)(&Event::Step {
                    step: info,
                    loss,
                    learning_rate: rates.adapter,
                    terms: self.method.log(),
                });
            }
        }
        cost.train_seconds = started.elapsed().as_secs_f64();
        Ok(model)
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
            if !value.is_finite() {
                return Err(Error::Diverged {
                    step: *info,
                    batch: info.step * accumulation + index,
                    value,
                });
            }
            (total, count) = (total + value, count + 1);
            let scaled = match accumulation {
                1 => loss,
                several => loss / several as f64,
            };
            gradients = GradientsParams::from_grads(scaled.backward(), model);
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

/// Largest resident set of this process in bytes (Linux; `None` elsewhere).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
