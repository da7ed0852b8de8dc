//! A whole model on a GPU, or on Vulkan in software, compared with the processor.

use crate::{
    model::{
        Declined, LanguageModel, Operation, SamplingSettings, TokenBatch, fallbacks,
        fixture::{self, distance, values},
        generate,
    },
    seed::stream,
};

/// A model of the processor, and the same model on a GPU.
fn both(family: &str) -> [LanguageModel; 2] {
    let model = fixture::model(family);
    let moved = fixture::moved(&model, &fixture::gpu());
    [model, moved]
}

fn prompts() -> Vec<Vec<u32>> {
    [3, 7, 1, 5]
        .into_iter()
        .zip(30..)
        .map(|(count, seed)| fixture::tokens(seed, count))
        .collect()
}

#[test]
#[ignore = "needs a GPU, or Vulkan in software"]
fn logits_and_log_probs_are_those_of_the_processor() {
    for family in fixture::families() {
        let [logits, log_probs, entropies] = [(); 3].map(|()| Vec::new());
        let mut found = [logits, log_probs, entropies];
        for model in both(family) {
            let batch = TokenBatch::new(&prompts(), &prompts());
            let hidden = model.decoder.hidden(&batch, None, None);
            let [rows, time, width] = hidden.dims();
            let logits = model.decoder.logits(hidden.reshape([rows * time, width]));
            let scores = model.decoder.log_probs(&batch, 0.9, None);
            let real = batch.completion_mask(&logits.device());
            // Padding may hold anything.
            let rows = logits.reshape([rows, time, 23]);
            let first = rows.clone().narrow(0, 1, 1).reshape([1, time * 23]);
            found[0].push(values(first));
            found[1].push(values(scores.log_probs * real.clone()));
            found[2].push(values(scores.entropy * real));
        }
        for (found, name) in found.iter().zip(["logits", "log-probs", "entropies"]) {
            let worst = distance(&found[0], &found[1]);
            // 2e-5: 32 bits, two layers, logits of order ten.
            assert!(worst < 2e-5, "{family}, {name}: {worst}");
        }
    }
    // Only products are left to Burn. Tensors of the processor never decline for this reason.
    let products = [
        Operation::Product,
        Operation::Products,
        Operation::GatedMlp,
        Operation::Logits,
    ];
    let others = fallbacks()
        .into_iter()
        .find(|one| one.reason == Declined::Elsewhere && !products.contains(&one.operation));
    assert_eq!(others, None);
}

#[test]
#[ignore = "needs a GPU, or Vulkan in software"]
fn completions_on_a_gpu_are_those_of_the_processor() {
    for family in fixture::families() {
        // The most likely token, any token, and one of a few, which the host draws.
        for (temperature, top_k, top_p) in [(0.0, 0, 1.0), (0.9, 0, 1.0), (0.9, 6, 0.8)] {
            let settings = SamplingSettings {
                temperature,
                top_k,
                top_p,
                min_p: 0.0,
                max_completion_tokens: 12,
            };
            let [here, there] = both(family).map(|model| {
                let streams = (0..4).map(|row| stream(4, "sampling", 0, row)).collect();
                generate(&model, &prompts(), &settings, streams, &mut || false).unwrap()
            });
            for (here, there) in here.iter().zip(&there) {
                assert_eq!(here.tokens, there.tokens, "{family}, {settings:?}");
                assert_eq!(here.finish, there.finish);
                // 2e-5: as the logits.
                let worst = distance(&here.log_probs, &there.log_probs);
                assert!(worst < 2e-5, "{family}, {settings:?}: {worst}");
            }
        }
    }
}
