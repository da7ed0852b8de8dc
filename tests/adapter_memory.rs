//! The forward and backward passes of an adapter form no matrix of the size of the frozen weight:
//! neither a dense W + s·A·B, nor its gradient, nor a gradient of W.
//!
//! This is its own test binary, because it counts the allocations of the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use peak_alloc::PeakAlloc;
use recode::{
    model::{
        AdapterKind, AdapterSettings, Dropout, Dtype, LanguageModel, ScratchSettings, Targets,
        TokenBatch, Wanted,
    },
    seed::stream,
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const WIDTH: usize = 2048;

/// The bytes of one matrix of the size of the adapted weights.
const DENSE: usize = WIDTH * WIDTH * 4;

/// A block whose largest weights by far are those of `q_proj` and `o_proj`; both carry an adapter.
fn model(kind: AdapterKind, dropout: f64) -> LanguageModel {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shape = ScratchSettings {
        tokenizer: root.join("datasets/from_scratch/tokenizer.json"),
        hidden_size: WIDTH,
        intermediate_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: 16,
        num_key_value_heads: 1,
        rope_theta: 10_000.0,
        max_position_embeddings: 64,
        init_seed: 1,
    };
    let mut model = LanguageModel::scratch(&shape, Dtype::F32, &Device::flex()).unwrap();
    let adapter = AdapterSettings {
        kind,
        r: 4,
        alpha: 8.0,
        dropout,
        targets: Targets(vec!["q_proj".into(), "o_proj".into()]),
    };
    model.attach_adapter(&adapter, 2).unwrap();
    // B is not zero, as after some updates; with B = 0 there would be nothing to add to W.
    model.decoder = model.decoder.map_trainable(|_, value| value + 0.01);
    model
}

/// The peak of additional memory while `work` ran.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let made = work();
    (ALLOCATED.peak_usage() - before, made)
}

fn tokens() -> TokenBatch {
    let prompts = [vec![4, 5, 6], vec![7, 8]];
    let completions = [vec![9, 10], vec![11, 12, 13]];
    TokenBatch::new(&prompts, &completions)
}

/// The peaks of the forward pass, of the backward pass, and of both block by block.
fn peaks(kind: AdapterKind, dropout: f64) -> [usize; 3] {
    let model = model(kind, dropout);
    let tokens = tokens();
    let drops = || Dropout::new(stream(3, "dropout", 0, 0));
    let loss = |log_probs: Tensor<2>| log_probs.sum().neg();
    let pass = || {
        let scores = model.decoder.log_probs(&tokens, 1.0, Some(&mut drops()));
        loss(scores.log_probs)
    };
    // The first run also starts threads and fills their caches.
    drop(pass().backward());

    let (forward, value) = peak(pass);
    let (back, gradients) = peak(|| model.decoder.gradients(&mut value.backward()));
    // Gradients of A and B of two projections, and with DoRA of the magnitudes.
    let each = if kind == AdapterKind::Dora { 3 } else { 2 };
    assert_eq!(gradients.len(), 2 * each);
    for (name, gradient) in &gradients {
        let largest = gradient.clone().abs().max().into_scalar::<f32>();
        assert!(largest > 0.0, "{name}");
    }

    let (by_block, _) = peak(|| {
        let decoder = &model.decoder;
        decoder.backward_by_block(
            &tokens,
            1.0,
            Some(&mut drops()),
            Wanted::default(),
            |scores| loss(scores.log_probs),
        )
    });
    [forward, back, by_block]
}

// There is only one test, because allocations of another test would count as well.
#[test]
fn an_adapter_forms_no_matrix_of_the_size_of_its_weight() {
    // A check of the measurement: merging an adapter into its weight does form such a matrix.
    let adapted = model(AdapterKind::Lora, 0.0);
    let (merged, _) = peak(|| adapted.decoder.merged());
    assert!(merged >= 2 * DENSE, "{merged}");
    drop(adapted);

    // Half a matrix: the passes take a sixth of one, and a matrix in 16 bits would be half of one.
    let limit = DENSE / 2;
    let mut larger = Vec::new();
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        for dropout in [0.0, 0.1] {
            let parts = ["pass", "way back", "by block"].into_iter();
            let parts = parts.zip(peaks(kind, dropout));
            larger.extend(
                parts
                    .filter(|(_, peak)| *peak >= limit)
                    .map(|(part, peak)| {
                        format!("{kind:?}, dropout {dropout}, {part}: {peak} bytes")
                    }),
            );
        }
    }
    assert!(larger.is_empty(), "{larger:#?}");
}
