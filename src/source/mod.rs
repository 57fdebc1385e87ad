//! The threads that turn the outside into [`Observation`](crate::core::model::Observation)s. They may
//! block, and never touch the registry.

pub mod scout;
