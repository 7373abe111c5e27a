//! The parts of class-incremental vision: class statistics, discriminants, head alignment,
//! task-identity inference, drift compensation, routing.
//!
//! A model that learns one task after another forgets in three places: its features drift, its
//! head prefers the classes it saw last, and it cannot tell which task an image belongs to. Each
//! part here answers one of these without keeping an image; methods put them together. None of
//! them knows LoRA or a concrete model.
//!
//! | part | what it does |
//! |---|---|
//! | [`Discriminant`] | classifies features by sums that forget nothing: [`NearestClassMean`], [`LinearDiscriminant`], [`RegularisedDiscriminant`], [`RandomProjection`] |
//! | [`FrozenDiscriminant`] | a discriminant on the frozen backbone as a method: the floors |
//! | [`WithDiscriminant`] | a discriminant head on any method's adapted features |
//! | [`DiscriminantPerAdapter`] | a discriminant on the features of each adapter, which a frozen pass chooses |
//! | [`Aligned`] | any method with its head re-balanced after each task |
//! | [`Routed`] | any method that keeps an adapter a task, answered by that of the inferred task |
//! | [`FeatureTransport`] | moves old statistics into the feature space of the new adapter |
//! | [`ClassStatistics`] | mean and spread of each class; [`PseudoFeatures`] samples from them |
//! | [`HeadAlignment`] | re-trains the head alone on sampled features; [`AlignedHead`] with what it keeps |
//! | [`GroupMoments`] | how far a task is from others, in units of what tasks of one domain are apart |
//! | [`leave_one_out_error`] | how well features tell groups apart, without training |
//! | [`TaskInference`] | the task of an example, from a discriminant over all classes |
//! | [`group_by_task`] | groups a batch by task and brings the answers back into order |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use treelora_class_incremental::DiscriminantConfig;
//!
//! # let device = Device::flex();
//! let config: DiscriminantConfig =
//!     serde_json::from_str(r#"{ "kind": "lda", "shrinkage": 0.1 }"#)?;
//! let mut lda = config.build(3)?;
//! // The first task shows classes 0 and 1, the second class 2.
//! lda.observe(Tensor::from_data([[0.0, 0.0], [0.2, 0.1], [5.0, 0.1], [5.1, 0.0]], &device), &[0, 0, 1, 1]);
//! lda.fit()?;
//! lda.observe(Tensor::from_data([[0.0, 5.0], [0.1, 5.2]], &device), &[2, 2]);
//! lda.fit()?;
//! let scores = lda.scores(Tensor::from_data([[5.0, 0.3], [0.3, 4.9]], &device));
//! assert_eq!(scores.argmax(1).into_data().try_into_vec_as::<i64>()?, [1, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod discriminant;

mod frozen_discriminant;

mod with_discriminant;

mod aligned;

mod routed;

mod feature_transport;

mod class_statistics;

mod statistics_config;

mod gaussian_component;

mod pseudo_features;

mod head_alignment;

mod aligned_head;

mod task_inference;

mod routing;

mod feature_drift;

mod feature_rows;

mod group_moments;

mod leave_one_out;

mod discriminant_per_adapter;

mod class_gaussians;

mod pooled_gaussian;

mod k_means;

mod symmetric;

pub use aligned::{Aligned, AlignmentConfig};
pub use aligned_head::AlignedHead;
pub use class_statistics::ClassStatistics;
pub use discriminant::{
    Discriminant, DiscriminantConfig, LinearDiscriminant, LinearDiscriminantConfig,
    NearestClassMean, NearestClassMeanConfig, Priors, RandomProjection, RandomProjectionConfig,
    RegularisedDiscriminant, RegularisedDiscriminantConfig, Ridge,
};
pub use discriminant_per_adapter::DiscriminantPerAdapter;
pub use feature_rows::{FeatureRows, features, frozen_features};
pub use feature_transport::{FeatureTransport, TransportConfig};
pub use frozen_discriminant::FrozenDiscriminant;
pub use group_moments::GroupMoments;
pub use head_alignment::HeadAlignment;
pub use leave_one_out::leave_one_out_error;
pub use pseudo_features::PseudoFeatures;
pub use routed::Routed;
pub use routing::{Routing, answer_by_task, group_by_task};
pub use statistics_config::StatisticsConfig;
pub use task_inference::TaskInference;
pub use with_discriminant::WithDiscriminant;
