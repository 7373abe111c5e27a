//! How rows become [`VisionFamily`](super::VisionFamily).

use super::VisionModel;

/// What is done with a family that only a file names.
pub trait FamilyVisitor {
    /// What comes of it.
    type Output;

    /// Do it with models of type `M` and of this shape.
    fn visit<M: VisionModel>(self, shape: &M::Shape) -> Self::Output;
}

/// A family, for lists.
#[derive(Clone, Copy, Debug)]
pub struct FamilyRow {
    /// Name in files.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Published sizes, with their meaning.
    pub presets: &'static [(&'static str, &'static str)],
}

/// A type with a variant a family, each with the shape of its model, from rows `Variant(model)`.
macro_rules! vision_families {
    ($($family:ident($model:ty)),+ $(,)?) => {
        /// A family of vision models and the shape of one.
        ///
        /// Serialised it is the shape alone.
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, reason = "a variant is what its model says of itself")]
        pub enum VisionFamily {
            $($family(<$model as VisionModel>::Shape)),+
        }

        impl VisionFamily {
            /// Every family.
            pub const ALL: &'static [FamilyRow] = &[$(FamilyRow {
                name: <$model as VisionModel>::NAME,
                meaning: <$model as VisionModel>::MEANING,
                presets: <$model as VisionModel>::PRESETS,
            }),+];

            /// The family that a file means which names none.
            pub const DEFAULT: &'static str = Self::ALL[0].name;

            /// The family called `name` with a shape from a table.
            ///
            /// # Errors
            /// When there is no such family, or the table has other keys or types than its shape.
            pub fn read(name: &str, shape: serde_json::Value) -> Result<Self, String> {
                $(if name == <$model as VisionModel>::NAME {
                    return serde_json::from_value(shape)
                        .map(Self::$family)
                        .map_err(|e| e.to_string());
                })+
                let names: Vec<&str> = Self::ALL.iter().map(|row| row.name).collect();
                Err(format!("unknown family `{name}`; there is: {}", names.join(", ")))
            }

            /// The smallest model of each family, for tests.
            pub fn smallest() -> Vec<Self> {
                vec![$(Self::$family(<$model as VisionModel>::smallest())),+]
            }

            /// Name in files.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$family(_) => <$model as VisionModel>::NAME),+
                }
            }

            /// Side of the images in pixels.
            pub fn image_size(&self) -> usize {
                match self {
                    $(Self::$family(shape) => shape.image_size()),+
                }
            }

            /// Whether weights of it can be read and written.
            pub fn has_files(&self) -> bool {
                match self {
                    $(Self::$family(_) => <$model as VisionModel>::files().is_some()),+
                }
            }

            /// Names of its layers in the field's own libraries.
            pub fn module_names(&self) -> treelora_lora::peft::ModuleNames {
                match self {
                    $(Self::$family(_) => <$model as VisionModel>::module_names()),+
                }
            }

            /// Pattern of the weights that adapters usually sit on.
            pub fn adapted(&self) -> &'static str {
                match self {
                    $(Self::$family(_) => <$model as VisionModel>::ADAPTED),+
                }
            }

            /// Do something with the model's own type.
            pub fn visit<V: FamilyVisitor>(&self, visitor: V) -> V::Output {
                match self {
                    $(Self::$family(shape) => visitor.visit::<$model>(shape)),+
                }
            }

            /// The shape, where the model is of type `M`.
            pub fn shape_of<M: VisionModel>(&self) -> Option<&M::Shape> {
                match self {
                    $(Self::$family(shape) => (shape as &dyn std::any::Any).downcast_ref()),+
                }
            }
        }
    };
}
