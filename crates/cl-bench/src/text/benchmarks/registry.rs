//! How rows become [`TextBenchmark`](super::TextBenchmark).

/// A type with a variant a benchmark, from rows `"name" => Variant(benchmark): "meaning"`.
macro_rules! text_benchmarks {
    ($($name:literal => $variant:ident($benchmark:expr): $meaning:literal),+ $(,)?) => {
        /// Tasks that belong together, and the layout of their files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum TextBenchmark {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant),+
        }

        impl TextBenchmark {
            /// Name and meaning of every benchmark.
            pub const ALL: &'static [(&'static str, &'static str)] = &[$(($name, $meaning)),+];

            /// What it offers.
            pub(in crate::text) fn benchmark(self) -> &'static dyn Benchmark {
                match self {
                    $(Self::$variant => &$benchmark),+
                }
            }
        }
    };
}
