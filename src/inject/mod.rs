//! Puts shardlane into pods: what is changed in an object of Kubernetes, as JSON Patch and as edits of a YAML text.

pub mod base64;
pub mod choice;
pub mod manifest;
pub mod operation;
pub mod plan;
pub mod quantity;
pub mod review;
pub mod sidecar;
pub mod workload;
pub mod yaml;
