//! The hooks that a method around another leaves to it.

/// Inside `impl Method<M> for X<M>` where `X` has a field `inner: Box<dyn Method<M>>`: what is
/// learned, and how, is the inner method's business.
macro_rules! trained_by_inner {
    () => {
        fn exposure(&self) -> treelora_core::Exposure {
            self.inner.exposure()
        }

        fn learning_rates(
            &self,
            base: treelora_core::LearningRates,
            step: &treelora_core::StepInfo,
        ) -> treelora_core::LearningRates {
            self.inner.learning_rates(base, step)
        }

        fn objective(
            &mut self,
            model: &M,
            batch: &M::Batch,
            step: &treelora_core::StepInfo,
        ) -> burn::tensor::Tensor<1> {
            self.inner.objective(model, batch, step)
        }

        fn gradients(
            &mut self,
            model: &M,
            gradients: burn::optim::GradientsParams,
            step: &treelora_core::StepInfo,
        ) -> burn::optim::GradientsParams {
            self.inner.gradients(model, gradients, step)
        }

        fn after_step(&mut self, model: M, step: &treelora_core::StepInfo) -> M {
            self.inner.after_step(model, step)
        }

        fn for_evaluation(&self, model: &M) -> M {
            self.inner.for_evaluation(model)
        }

        fn log(&self) -> Vec<(String, f64)> {
            self.inner.log()
        }

        fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
            self.inner.diagnostics()
        }

        fn save_progress(&self, dir: &std::path::Path) -> Result<(), treelora_core::Error> {
            self.inner.save_progress(dir)
        }

        fn load_progress(
            &mut self,
            dir: &std::path::Path,
            device: &burn::tensor::Device,
        ) -> Result<(), treelora_core::Error> {
            self.inner.load_progress(dir, device)
        }
    };
}

pub(crate) use trained_by_inner;
