//! Puts shardlane into pods: what is changed in an object of Kubernetes, as JSON Patch and as edits of a YAML text.

pub(crate) mod base64;
pub(crate) mod choice;
pub(crate) mod manifest;
pub(crate) mod operation;
pub(crate) mod plan;
pub(crate) mod quantity;
pub(crate) mod review;
pub(crate) mod sidecar;
pub(crate) mod workload;
pub(crate) mod yaml;
