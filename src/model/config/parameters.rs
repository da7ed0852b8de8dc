//! The one list of a decoder's parameters: their names, roles and shapes.
//!
//! Reading a checkpoint, drawing random weights, building a decoder, counting weights and the memory
//! arithmetic of a plan all use it.

use crate::model::{
    family::AttentionBias,
    parameter::{
        self, ATTENTION, EMBEDDING, FINAL_NORM, HEAD, HEAD_NORMS, INPUT_NORM, MLP, MLP_NORM,
        ParameterShape, Role,
    },
    settings::Targets,
};

use super::DecoderConfig;

impl DecoderConfig {
    /// Every parameter of the decoder, in the order in which a pass uses them.
    pub fn parameters(&self) -> Vec<ParameterShape> {
        let (table, norm) = ([self.vocab_size, self.hidden_size], [1, self.hidden_size]);
        let mut list = List::default();
        list.weight(EMBEDDING, Role::Table, table);
        for index in 0..self.num_hidden_layers {
            let block = parameter::block(index);
            list.weight(&format!("{block}.{INPUT_NORM}"), Role::Norm, norm);
            self.add_attention(&format!("{block}.{ATTENTION}"), &mut list);
            list.weight(&format!("{block}.{MLP_NORM}"), Role::Norm, norm);
            for (name, dims) in &self.projections()[Targets::ATTENTION..] {
                list.weight(&format!("{block}.{MLP}.{name}"), role(name), *dims);
            }
        }
        list.weight(FINAL_NORM, Role::Norm, norm);
        if !self.tie_word_embeddings {
            list.weight(HEAD, Role::Table, table);
        }
        list.0
    }

    /// The number of weights of a checkpoint of this shape.
    pub fn parameter_count(&self) -> usize {
        let list = self.parameters();
        list.iter().map(ParameterShape::elements).sum()
    }

    /// The projections of a block: the name, and the widths of input and output.
    pub fn projections(&self) -> [(&'static str, [usize; 2]); Targets::PROJECTIONS.len()] {
        let (d, wide) = (self.hidden_size, self.intermediate_size);
        let (queries, keys) = (self.query_width(), self.key_width());
        let widths = [
            [d, queries],
            [d, keys],
            [d, keys],
            [queries, d],
            [d, wide],
            [d, wide],
            [wide, d],
        ];
        std::array::from_fn(|index| (Targets::PROJECTIONS[index], widths[index]))
    }

    fn add_attention(&self, layer: &str, list: &mut List) {
        for (name, dims) in &self.projections()[..Targets::ATTENTION] {
            let (layer, role) = (format!("{layer}.{name}"), role(name));
            list.weight(&layer, role, *dims);
            let is_biased = match self.features.attention_bias {
                AttentionBias::None => false,
                AttentionBias::Inputs => role == Role::Input,
                AttentionBias::All => true,
            };
            if is_biased {
                list.add(parameter::bias(&layer), Role::Bias, [1, dims[1]]);
            }
        }
        if self.features.qk_norm {
            for name in HEAD_NORMS {
                list.weight(&format!("{layer}.{name}"), Role::Norm, [1, self.head_dim]);
            }
        }
    }
}

/// What a projection is for.
fn role(projection: &str) -> Role {
    match projection {
        "o_proj" | "down_proj" => Role::Output,
        _ => Role::Input,
    }
}

#[derive(Default)]
struct List(Vec<ParameterShape>);

impl List {
    fn add(&mut self, name: String, role: Role, dims: [usize; 2]) {
        self.0.push(ParameterShape { name, role, dims });
    }

    fn weight(&mut self, layer: &str, role: Role, dims: [usize; 2]) {
        self.add(parameter::weight(layer), role, dims);
    }
}
