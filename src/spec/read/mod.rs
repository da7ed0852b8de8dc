//! Reading the layers of a spec: defaults, includes, the file, the environment, `--set`.

pub(in crate::spec) mod layered;
pub(in crate::spec) mod layers;
pub(in crate::spec) mod node;
mod site;
pub(in crate::spec) mod source;
pub(in crate::spec) mod surroundings;
