//! The memory that a training needs, by arithmetic.
//!
//! Nothing is measured here: the numbers follow from the shape of the model and from the tensors that the
//! program keeps, and `benches/memory.py` compares them with a measured peak. They do not include the
//! memory of a driver, of an allocator's pool, or of the program itself.

use serde::Serialize;

use crate::{
    device::Backend,
    model::{
        AdapterKind, DecoderConfig, Dtype, Engine, KvCache, ModelSettings, ParameterShape, Role,
    },
    train::TrainSettings,
};

use super::Work;

/// The largest number of bytes that a training needs, by purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The weights, in their type in memory.
    pub weights: usize,
    /// The parameters of the adapter, 32 bits each.
    pub adapter: usize,
    /// The gradients of all trained parameters, while they are summed.
    pub gradients: usize,
    /// Both moments of all trained parameters, 32 bits each.
    pub optimizer: usize,
    /// The frozen initial model that a divergence is measured from; none if it is the base of an
    /// adapter.
    pub reference: usize,
    /// The weights of the model that is imitated, which the caller knows.
    #[serde(skip_serializing_if = "is_nothing")]
    pub teacher: usize,
    /// During sampling: copies of the weights with adapters folded in.
    pub merged: usize,
    /// During sampling: keys and values, with the room that they grow into.
    pub kv_cache: usize,
    /// During an update: the tensors that the graph of a micro-batch keeps, and the gradients of the
    /// backward pass.
    pub activations: usize,
    /// During an update: logits, and what their gradient needs.
    pub head: usize,
    /// During a step of the optimiser: the new values, in addition to the old ones.
    pub step: usize,
}

impl Memory {
    /// The memory of the training of a model of this shape on a machine with `processors` processors.
    pub fn of(
        work: &Work,
        settings: &TrainSettings,
        config: &DecoderConfig,
        processors: usize,
    ) -> Self {
        let training = Training {
            config,
            settings,
            model: &work.model,
            backend: work.backend,
            processors,
        };
        training.memory()
    }

    /// What is needed at all times.
    pub fn standing(&self) -> usize {
        self.weights
            + self.adapter
            + self.gradients
            + self.optimizer
            + self.reference
            + self.teacher
    }

    /// The most at any time: sampling, updates and the optimiser take turns.
    pub fn peak(&self) -> usize {
        let updating = self.activations + self.head;
        let other = self.standing() + updating.max(self.step);
        self.sampling().max(other)
    }

    /// The most during sampling.
    pub fn sampling(&self) -> usize {
        self.standing() + self.merged + self.kv_cache
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_nothing(bytes: &usize) -> bool {
    *bytes == 0
}

/// A training, as far as the arithmetic needs it.
struct Training<'a> {
    config: &'a DecoderConfig,
    settings: &'a TrainSettings,
    model: &'a ModelSettings,
    backend: Backend,
    processors: usize,
}

/// Bytes of an element of 32 bits.
const WIDE: usize = 4;

impl Training<'_> {
    fn memory(&self) -> Memory {
        let weights = self.config.parameter_count() * self.width();
        let trained = self.trained();
        let has_adapter = self.has_adapter();
        let is_policy = self.settings.algorithm.has_reward();
        let looks_back = self.settings.algorithm.needs_reference();
        Memory {
            weights,
            adapter: if has_adapter { trained * WIDE } else { 0 },
            gradients: trained * if has_adapter { WIDE } else { self.width() },
            optimizer: 2 * trained * WIDE,
            reference: if looks_back && !has_adapter {
                weights
            } else {
                0
            },
            teacher: 0,
            merged: if is_policy { self.merged() } else { 0 },
            kv_cache: if is_policy { self.kv_cache() } else { 0 },
            activations: self.activations(),
            head: self.head(),
            step: self.step(),
        }
    }

    /// Bytes of an element of the weights.
    fn width(&self) -> usize {
        if self.model.dtype == Dtype::F32 { 4 } else { 2 }
    }

    fn has_adapter(&self) -> bool {
        self.model.adapter.kind != AdapterKind::None
    }

    /// The widths of input and output of the projections of a block that carry an adapter.
    fn targets(&self) -> Vec<[usize; 2]> {
        let named = self.model.adapter.targets.projections().unwrap_or_default();
        let projections = self.config.projections().into_iter();
        projections
            .filter(|(name, _)| self.has_adapter() && named.contains(name))
            .map(|(_, size)| size)
            .collect()
    }

    /// The number of trained elements.
    fn trained(&self) -> usize {
        if !self.has_adapter() {
            return self.config.parameter_count();
        }
        let adapter = &self.model.adapter;
        let magnitude = usize::from(adapter.kind == AdapterKind::Dora);
        let each = |[from, to]: [usize; 2]| adapter.r * (from + to) + magnitude * to;
        self.config.num_hidden_layers * self.targets().into_iter().map(each).sum::<usize>()
    }

    fn merged(&self) -> usize {
        let weights = self.targets().into_iter().map(|[from, to]| from * to);
        self.config.num_hidden_layers * weights.sum::<usize>() * self.width()
    }

    /// The tokens of the longest sequence.
    fn longest(&self) -> usize {
        let all = self.settings.max_prompt_tokens + self.settings.sampling.max_completion_tokens;
        all.min(self.config.max_position_embeddings)
    }

    /// The sequences of an update.
    fn sequences(&self) -> usize {
        let rows = self.settings.batch_size;
        let prompts = self.settings.algorithm.mini_batch_size(rows);
        prompts.map_or(rows, |prompts| prompts * self.settings.group_size)
    }

    /// The tokens of the largest micro-batch.
    fn tokens(&self) -> usize {
        let longest = self.longest();
        let fit = (self.settings.micro_batch_tokens / longest).max(1);
        fit.min(self.sequences()) * longest
    }

    /// New values of all trained parameters; for the largest one also new moments, and twice as much
    /// for intermediate results.
    fn step(&self) -> usize {
        if self.has_adapter() {
            return self.trained() * WIDE;
        }
        // The tables are the largest parameters of all but toy models.
        let parameters = self.config.parameters().into_iter();
        let tables = parameters.filter(|one| one.role == Role::Table);
        let sizes = tables.map(|one: ParameterShape| one.elements());
        self.trained() * self.width() + 4 * sizes.max().unwrap_or_default() * WIDE
    }

    fn kv_cache(&self) -> usize {
        let token = self.config.kv_cache_numbers() * self.width();
        let rows = self.settings.batch_size * self.settings.group_size;
        let places = self.model.kv_cache.holds(token * self.longest()).max(1);
        rows.min(places)
            * KvCache::capacity(self.settings.max_prompt_tokens, self.longest())
            * token
    }

    /// What the graphs of all micro-batches that run at the same time keep.
    fn activations(&self) -> usize {
        let (layers, d) = (self.config.num_hidden_layers, self.config.hidden_size);
        let block = self.kept_by_block();
        let kept = if self.settings.gradient_checkpointing {
            layers * d * self.width() + block
        } else {
            layers * block
        };
        self.at_once() * self.tokens() * (kept + self.backward())
    }

    /// Bytes per token that the graph of a block keeps.
    fn kept_by_block(&self) -> usize {
        let config = self.config;
        let (w, d, f) = (self.width(), config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.query_width(), config.key_width());
        let scores = config.num_attention_heads * self.longest();
        // The inputs of both norms in 32 bits; scaled queries, keys and values as the products read
        // them.
        let mut bytes = 2 * WIDE * d + w * (q + 2 * kv);
        if config.features.qk_norm {
            // The inputs of the norms of heads, in 32 bits.
            bytes += WIDE * (q + kv);
        }
        bytes += if self.engine().graphs_keep_inputs_only() {
            // The inputs of the rotation; scores and their softmax; both inputs of the gate.
            WIDE * (q + kv) + 2 * WIDE * scores + 2 * WIDE * f
        } else {
            // Exponentials and their shares; the gate, its product with its sigmoid, and the gated
            // values.
            (WIDE + w) * scores + 3 * w * f
        };
        if !self.has_adapter() {
            // The gradients of the weights need the input of each projection.
            return bytes + w * (2 * d + q + f);
        }
        let is_dora = self.model.adapter.kind == AdapterKind::Dora;
        let mut inputs = Vec::new();
        for [from, to] in self.targets() {
            // With kernels, projections share their input; otherwise each has a copy in 32 bits.
            if !(self.engine().graphs_keep_inputs_only() && inputs.contains(&from)) {
                bytes += WIDE * from;
                inputs.push(from);
            }
            bytes += WIDE * self.model.adapter.r;
            if is_dora {
                bytes += w * to;
            }
        }
        bytes
    }

    /// Bytes per token of the gradients that exist at the same time in the backward pass of a block.
    fn backward(&self) -> usize {
        let (w, d, f) = (
            self.width(),
            self.config.hidden_size,
            self.config.intermediate_size,
        );
        let scores = self.config.num_attention_heads * self.longest();
        2 * w * d + (3 * w * f).max((2 * WIDE + w) * scores)
    }

    /// The logits of the tokens of completions.
    fn head(&self) -> usize {
        let row = WIDE * self.config.vocab_size;
        let share = self
            .settings
            .sampling
            .max_completion_tokens
            .min(self.longest());
        let rows = self.tokens() / self.longest() * share;
        let chunk = rows.min(self.head_rows());
        // Logits, logits minus the largest one, their exponentials, and the gradients of two of these.
        let transient = 5 * chunk * row;
        let kept = if self.settings.gradient_checkpointing {
            0
        } else {
            rows * row
        };
        self.at_once() * (transient + kept)
    }
}

/// What depends on the engine that computes.
impl Training<'_> {
    fn engine(&self) -> Engine {
        Engine::of(self.backend, self.model.dtype)
    }

    /// The rows that the head scores at the same time.
    fn head_rows(&self) -> usize {
        self.engine().head_rows_at_once(self.config.vocab_size)
    }

    /// The micro-batches that run at the same time, at most one per processor.
    fn at_once(&self) -> usize {
        let drops = self.has_adapter() && self.model.adapter.dropout > 0.0;
        if drops || !self.engine().runs_micro_batches_side_by_side() {
            return 1;
        }
        let micro_batches = (self.sequences() * self.longest()).div_ceil(self.tokens());
        self.processors.min(micro_batches)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{model::MemorySize, plan::tests::fixture::plan_of};

    /// The shape of Qwen2.5-Coder-7B.
    fn config() -> DecoderConfig {
        let json = json!({
            "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
            "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
            "vocab_size": 152_064, "max_position_embeddings": 32768, "tie_word_embeddings": false,
        });
        DecoderConfig::from_json(json.as_object().unwrap().clone()).unwrap()
    }

    fn memory(change: impl FnOnce(&mut Work, &mut TrainSettings)) -> Memory {
        let plan = plan_of(
            "name = \"t\"\n[train]\nmicro_batch_tokens = 6400\nmax_prompt_tokens = 288\n\
             [train.sampling]\nmax_completion_tokens = 512\n",
        );
        let mut work = plan.jobs[0].work.clone();
        let mut settings = work.as_train().unwrap().clone();
        work.backend = Backend::Cuda;
        change(&mut work, &mut settings);
        Memory::of(&work, &settings, &config(), 8)
    }

    #[test]
    fn weights_and_what_is_trained_are_counted_to_the_last_number() {
        let memory = memory(|_, _| {});

        // By hand: 28 blocks of 233,057,792 (products 233,046,016, biases 4,608, norms 7,168), two
        // tables of 152,064 by 3,584, and a norm: 7,615,616,512, as on the model card.
        assert_eq!(memory.weights, 2 * 7_615_616_512);
        // 28 blocks of 64 · (3584 + 3584) + 3584 and 64 · (3584 + 512) + 512.
        let trained = 28 * (64 * 7168 + 3584 + 64 * 4096 + 512);
        assert_eq!(memory.adapter, 4 * trained);
        assert_eq!(memory.optimizer, 8 * trained);
        // 28 blocks of both projections, in 16 bits.
        assert_eq!(memory.merged, 2 * 28 * 3584 * (3584 + 512));
        assert_eq!(memory.reference, 0);
    }

    #[test]
    fn keys_and_values_take_no_more_than_the_spec_allows() {
        // By hand: a token has 2 · 28 · 4 · 128 elements of 16 bits, 57,344 bytes; a sequence of 800
        // tokens that began with 288 has room for 972.
        let row = 57_344 * 972;
        let kv_cache = |text: &str| {
            let memory = memory(|work, train| {
                train.batch_size = 32;
                work.model.kv_cache = MemorySize::parse(text).unwrap();
            });
            memory.kv_cache
        };

        // 256 completions would be 11.7 GB.
        assert_eq!(kv_cache("40GiB"), 256 * row);
        assert_eq!(kv_cache("4GiB"), 93 * row);
        assert_eq!(kv_cache("1GiB"), 23 * row);
        assert_eq!(kv_cache("1MiB"), row);
    }

    #[test]
    fn the_peak_is_that_of_the_largest_phase() {
        let memory = Memory {
            weights: 100,
            merged: 5,
            kv_cache: 6,
            activations: 7,
            head: 1,
            step: 3,
            ..Memory::default()
        };

        assert_eq!(memory.peak(), 111);
        assert_eq!(Memory { step: 30, ..memory }.peak(), 130);
    }

    #[test]
    fn the_graph_of_one_block_takes_less_than_that_of_all() {
        let whole = memory(|_, _| {});
        let by_block = memory(|_, train| train.gradient_checkpointing = true);

        assert!(by_block.peak() * 2 < whole.peak(), "{by_block:?} {whole:?}");
        assert_eq!(by_block.standing(), whole.standing());
    }

    #[test]
    fn all_weights_have_moments_and_a_reference_of_their_own() {
        let memory = memory(|work, _| work.model.adapter.kind = AdapterKind::None);

        assert_eq!(memory.adapter, 0);
        assert_eq!(memory.optimizer, 8 * 7_615_616_512);
        assert_eq!(memory.gradients, memory.weights);
    }
}
