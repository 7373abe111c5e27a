//! How rows become [`DatasetConfig`](super::DatasetConfig).

/// A type with a variant a data set, from rows `"name" => Variant(settings): "meaning"`, where the settings are an
/// [`ImageSource`](super::ImageSource).
macro_rules! image_datasets {
    ($($name:literal => $variant:ident($settings:ty): $meaning:literal),+ $(,)?) => {
        /// A data set of images: `name`, and its settings.
        ///
        /// ```
        /// use treelora_cl_bench::dataset::DatasetConfig;
        ///
        /// let config: DatasetConfig = toml::from_str("name = 'procedural'\nclasses = 12")?;
        /// assert_eq!(config.path(), None);
        /// # Ok::<(), toml::de::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "name", deny_unknown_fields)]
        pub enum DatasetConfig {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant($settings)),+
        }

        impl DatasetConfig {
            /// Name and meaning of every data set.
            pub const ALL: &'static [(&'static str, &'static str)] = &[$(($name, $meaning)),+];

            /// Where the files are; `None` when there are none or nobody has said yet.
            pub fn path(&self) -> Option<&std::path::Path> {
                match self {
                    $(Self::$variant(source) => $crate::dataset::ImageSource::path(source)),+
                }
            }

            /// The same, to be changed.
            pub fn path_mut(&mut self) -> Option<&mut std::path::PathBuf> {
                match self {
                    $(Self::$variant(source) => $crate::dataset::ImageSource::path_mut(source)),+
                }
            }

            /// Open or generate both splits.
            ///
            /// # Errors
            /// When no path is given, a setting is out of range, or from the files.
            pub fn open(&self) -> Result<$crate::dataset::Splits, $crate::dataset::DatasetError> {
                match self {
                    $(Self::$variant(source) => $crate::dataset::ImageSource::open(source)),+
                }
            }
        }
    };
}
