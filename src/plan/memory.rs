//! How much memory a training takes, by arithmetic.
//!
//! Nothing is measured here: the numbers follow from the shape of the model and from which tensors
//! the program keeps, and `benches/memory.py` compares them with a measured peak. What a driver, an
//! allocator's pool or the program itself take comes on top.

use serde::Serialize;

use crate::{
    device::Backend,
    model::{AdapterKind, DecoderConfig, Dtype, Engine, KvCache, ModelSettings},
    train::TrainSettings,
};

use super::Work;

/// The bytes of a training at its largest, by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The weights, in their type in memory.
    pub weights: usize,
    /// The adapter's numbers, 32 bits each.
    pub adapter: usize,
    /// The gradient of all that is trained, while it is summed.
    pub gradients: usize,
    /// Both moments of all that is trained, 32 bits each.
    pub optimizer: usize,
    /// The frozen start that a divergence is measured from, where it is not the base of an adapter.
    pub reference: usize,
    /// While sampling: copies of the weights that adapters are folded into.
    pub merged: usize,
    /// While sampling: keys and values, with their room to grow.
    pub kv_cache: usize,
    /// While updating: what the graph of a micro-batch keeps, and the gradients on the way back.
    pub activations: usize,
    /// While updating: logits, and what their gradient needs.
    pub head: usize,
    /// While the optimiser steps: the new values, in addition to the old ones.
    pub step: usize,
}

impl Memory {
    /// The memory of a training of a model of this shape.
    pub fn of(work: &Work, settings: &TrainSettings, config: &DecoderConfig) -> Self {
        let shape = Shape {
            config,
            settings,
            model: &work.model,
            backend: work.backend,
        };
        shape.memory()
    }

    /// What is there all the time.
    pub fn standing(&self) -> usize {
        self.weights + self.adapter + self.gradients + self.optimizer + self.reference
    }

    /// The most at any time: sampling, the gradient and the optimiser take turns.
    pub fn peak(&self) -> usize {
        let updating = self.activations + self.head;
        let other = self.standing() + updating.max(self.step);
        self.sampling().max(other)
    }

    /// The most while completions are sampled.
    pub fn sampling(&self) -> usize {
        self.standing() + self.merged + self.kv_cache
    }
}

/// What the arithmetic starts from.
struct Shape<'a> {
    config: &'a DecoderConfig,
    settings: &'a TrainSettings,
    model: &'a ModelSettings,
    backend: Backend,
}

/// Bytes of a number of 32 bits.
const WIDE: usize = 4;

impl Shape<'_> {
    fn memory(&self) -> Memory {
        let weights = self.config.parameters() * self.width();
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
            merged: if is_policy { self.merged() } else { 0 },
            kv_cache: if is_policy { self.kv_cache() } else { 0 },
            activations: self.activations(),
            head: self.head(),
            step: self.step(),
        }
    }
}

impl Shape<'_> {
    /// Bytes of a number of the weights.
    fn width(&self) -> usize {
        if self.model.dtype == Dtype::F32 { 4 } else { 2 }
    }

    fn has_adapter(&self) -> bool {
        self.model.adapter.kind != AdapterKind::None
    }

    fn engine(&self) -> Engine {
        Engine::of(self.backend, self.model.dtype)
    }

    /// The projections that carry an adapter, as their inputs' and outputs' widths.
    fn targets(&self) -> Vec<[usize; 2]> {
        let named = self.model.adapter.targets.projections().unwrap_or_default();
        let projections = self.config.projections().into_iter();
        projections
            .filter(|(name, _)| self.has_adapter() && named.contains(name))
            .map(|(_, size)| size)
            .collect()
    }

    /// How many numbers are trained.
    fn trained(&self) -> usize {
        if !self.has_adapter() {
            return self.config.parameters();
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

    /// Tokens of the longest sequence.
    fn longest(&self) -> usize {
        let all = self.settings.max_prompt_tokens + self.settings.sampling.max_completion_tokens;
        all.min(self.config.max_position_embeddings)
    }

    /// Sequences of an update.
    fn sequences(&self) -> usize {
        let rows = self.settings.batch_size;
        let prompts = self.settings.algorithm.mini_batch_size(rows);
        prompts.map_or(rows, |prompts| prompts * self.settings.group_size)
    }

    /// Tokens of the largest micro-batch.
    fn tokens(&self) -> usize {
        let longest = self.longest();
        let fit = (self.settings.micro_batch_tokens / longest).max(1);
        fit.min(self.sequences()) * longest
    }

    /// Micro-batches that run at once, each on a thread.
    fn at_once(&self) -> usize {
        let is_one = !self.engine().runs_micro_batches_side_by_side();
        if is_one || self.model.adapter.dropout > 0.0 && self.has_adapter() {
            return 1;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let micro_batches = (self.sequences() * self.longest()).div_ceil(self.tokens());
        threads.min(micro_batches)
    }

    /// New values of all that is trained; of the largest tensor new moments too, and as much again.
    fn step(&self) -> usize {
        if self.has_adapter() {
            return self.trained() * WIDE;
        }
        let largest = self.config.vocab_size * self.config.hidden_size;
        self.trained() * self.width() + 4 * largest * WIDE
    }

    fn kv_cache(&self) -> usize {
        let token = self.config.kv_cache_numbers() * self.width();
        let rows = self.settings.batch_size * self.settings.group_size;
        let places = self.model.kv_cache.holds(token * self.longest()).max(1);
        rows.min(places)
            * KvCache::capacity(self.settings.max_prompt_tokens, self.longest())
            * token
    }

    /// What the graphs of all micro-batches that run at once keep.
    fn activations(&self) -> usize {
        let (layers, d) = (self.config.num_hidden_layers, self.config.hidden_size);
        let block = self.kept_by_block();
        let kept = if self.settings.gradient_checkpointing {
            layers * d * self.width() + block
        } else {
            layers * block
        };
        self.at_once() * self.tokens() * (kept + self.way_back())
    }

    /// Bytes a token that the graph of a block keeps.
    fn kept_by_block(&self) -> usize {
        let config = self.config;
        let (w, d, f) = (self.width(), config.hidden_size, config.intermediate_size);
        let q = config.num_attention_heads * config.head_dim;
        let kv = config.num_key_value_heads * config.head_dim;
        let scores = config.num_attention_heads * self.longest();
        // Inputs of both norms, in 32 bits; scaled queries, keys and values as the products read them.
        let mut bytes = 2 * WIDE * d + w * (q + 2 * kv);
        bytes += if self.engine().graphs_keep_inputs_only() {
            // Inputs of the rotation; scores and their softmax; both inputs of the gate.
            WIDE * (q + kv) + 2 * WIDE * scores + 2 * WIDE * f
        } else {
            // Exponentials and their share; the gate, its sigmoid's product and what it opens.
            (WIDE + w) * scores + 3 * w * f
        };
        if !self.has_adapter() {
            // What the weights' gradients need: each projection's input.
            return bytes + w * (2 * d + q + f);
        }
        let is_dora = self.model.adapter.kind == AdapterKind::Dora;
        let mut inputs = Vec::new();
        for [from, to] in self.targets() {
            // Projections share their input, or else each has it in 32 bits.
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

    /// Bytes a token of the gradients that are there at once on the way back through a block.
    fn way_back(&self) -> usize {
        let (w, d, f) = (
            self.width(),
            self.config.hidden_size,
            self.config.intermediate_size,
        );
        let scores = self.config.num_attention_heads * self.longest();
        2 * w * d + (3 * w * f).max((2 * WIDE + w) * scores)
    }

    /// Logits of the tokens of completions.
    fn head(&self) -> usize {
        let row = WIDE * self.config.vocab_size;
        let share = self
            .settings
            .sampling
            .max_completion_tokens
            .min(self.longest());
        let rows = self.tokens() / self.longest() * share;
        let chunk = rows.min(self.engine().head_rows_at_once(self.config.vocab_size));
        // Logits, those less the largest, their exponentials, and the gradients of two of these.
        let transient = 5 * chunk * row;
        let kept = if self.settings.gradient_checkpointing {
            0
        } else {
            rows * row
        };
        self.at_once() * (transient + kept)
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
        Memory::of(&work, &settings, &config())
    }

    #[test]
    fn weights_and_what_is_trained_are_counted_to_the_last_number() {
        let memory = memory(|_, _| {});

        // By hand: 28 blocks of 233,057,792 (products 233,046,016, biases 4,608, norms 7,168), two
        // tables of 152,064 by 3,584, and a norm: 7,615,616,512, as the model's card has it.
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
    fn keys_and_values_take_no_more_than_the_spec_lets_them() {
        // By hand: a token has 2 · 28 · 4 · 128 numbers of 16 bits, 57,344 bytes; a sequence of 800,
        // begun with 288, has room for 972.
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
    fn the_peak_is_that_of_the_largest_of_what_takes_turns() {
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
    fn one_blocks_graph_takes_less_than_all() {
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
