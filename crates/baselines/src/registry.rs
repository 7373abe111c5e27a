//! From the rows of `lib.rs` to the enumeration that a file is read into.

/// The registry: a row a contender.
///
/// ```text
/// "name": Method(Settings), what it needs, what it does more: "sentence";
/// ```
///
/// `Method::new(settings, seed)` makes the method, `settings.validate()` checks them, and `settings.lora` says where
/// its adapters go. What it needs is `any` model, `tokens` or a `classifier`, or `any or Other` where models without a
/// head have `Other::new(settings, seed)`; what it does more is `keeps_adapters`, `infers_tasks`, both or nothing.
macro_rules! contenders {
    ($(
        $name:literal: $method:ident($settings:ident), $needs:ident $(or $headless:ident)? $(, $trait:ident)*:
        $sentence:literal;
    )*) => {
        /// Which contender, and its settings.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "name")]
        pub enum BaselineConfig {
            $(
                #[doc = $sentence]
                #[serde(rename = $name)]
                $method($settings),
            )*
        }

        /// A row a contender.
        pub const CONTENDERS: &[treelora_core::MethodRow] = &[
            $(treelora_core::MethodRow {
                $($trait: true,)*
                ..treelora_core::MethodRow {
                    name: $name,
                    sentence: $sentence,
                    needs: crate::registry::needs!($needs),
                    keeps_adapters: false,
                    infers_tasks: false,
                    defaults: || serde_json::to_value($settings::default()).expect("settings are plain values"),
                }
            },)*
        ];

        impl BaselineConfig {
            /// The contender called `name`, with its defaults.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$method($settings::default())),)*
                    _ => None,
                }
            }

            /// Name in files and tables.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$method(_) => $name,)*
                }
            }

            /// Where the method puts adapters.
            pub fn lora(&self) -> &treelora_lora::LoraConfig {
                match self {
                    $(Self::$method(settings) => &settings.lora,)*
                }
            }

            /// The same method with other adapters.
            #[must_use]
            pub fn with_lora(mut self, lora: treelora_lora::LoraConfig) -> Self {
                match &mut self {
                    $(Self::$method(settings) => settings.lora = lora,)*
                }
                self
            }

            /// Check the settings.
            ///
            /// # Errors
            /// [`treelora_core::Error::Setting`] naming the key.
            pub fn validate(&self) -> Result<(), treelora_core::Error> {
                match self {
                    $(Self::$method(settings) => settings.validate(),)*
                }
            }

            /// The method for a classifier; `seed` drives everything random in it.
            ///
            /// # Errors
            /// When a setting is out of range.
            pub fn build<M: treelora_core::Classifier + treelora_core::TokenModel>(
                &self,
                seed: u64,
            ) -> Result<Box<dyn treelora_core::Method<M>>, treelora_core::Error> {
                match self.clone() {
                    $(Self::$method(settings) => Ok(Box::new($method::new(settings, seed)?)),)*
                }
            }

            /// The method for a model without a classification head; `seed` drives everything random in it.
            ///
            /// # Errors
            /// When a setting is out of range, or the method is one for classifiers alone.
            pub fn build_headless<M: treelora_core::TokenModel>(
                &self,
                seed: u64,
            ) -> Result<Box<dyn treelora_core::Method<M>>, treelora_core::Error> {
                match self.clone() {
                    $(Self::$method(_settings) => {
                        crate::registry::headless!($needs, $name, $method $(or $headless)?, _settings, seed)
                    })*
                }
            }
        }
    };
}

macro_rules! needs {
    (any) => {
        treelora_core::Needs::AnyModel
    };
    (tokens) => {
        treelora_core::Needs::Tokens
    };
    (classifier) => {
        treelora_core::Needs::Classifier
    };
}

macro_rules! headless {
    (classifier, $name:literal, $($rest:tt)*) => {{
        let problem = concat!(
            "`",
            $name,
            "` works on a classification head, which this model does not have"
        );
        Err(treelora_core::Error::setting("name", problem))
    }};
    ($needs:ident, $name:literal, $method:ident or $headless:ident, $settings:ident, $seed:ident) => {
        Ok(Box::new($headless::new($settings, $seed)?))
    };
    ($needs:ident, $name:literal, $method:ident, $settings:ident, $seed:ident) => {
        Ok(Box::new($method::new($settings, $seed)?))
    };
}

pub(crate) use {contenders, headless, needs};
