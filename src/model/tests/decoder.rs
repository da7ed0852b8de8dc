//! What a decoder computes, and what is done with its parameters.

use burn::tensor::Tensor;

use crate::model::{
    AdapterKind, Decoder, DecoderConfig, Dtype, KvCache, LanguageModel, TokenBatch,
    fixture::{self, distance, families, values},
    parameter::ParameterShape,
    rounding::to_f32,
};

/// 2e-5: 32 bits, two layers, logits of order ten.
const CLOSE: f32 = 2e-5;

/// Logits of every token of one sequence.
fn logits(model: &LanguageModel, tokens: &[u32]) -> Vec<f32> {
    let hidden = model
        .decoder
        .hidden(&TokenBatch::of_prompts(&[tokens.to_vec()]), None, None);
    let [batch, time, width] = hidden.dims();
    values(model.decoder.logits(hidden.reshape([batch * time, width])))
}

#[test]
fn logits_are_those_of_the_formulas_in_plain_loops() {
    for family in families() {
        let model = fixture::model(family);
        let tokens = fixture::tokens(1, 9);
        let expected = fixture::reference_logits(&model.config, &model.decoder, &tokens);
        let expected: Vec<f32> = expected.into_iter().flatten().map(to_f32).collect();

        let worst = distance(&logits(&model, &tokens), &expected);

        assert!(worst < CLOSE, "{family}: {worst}");
    }
}

#[test]
fn the_list_of_parameters_is_what_a_decoder_has() {
    for family in families() {
        let model = fixture::model(family);

        let mut found = Vec::new();
        model.decoder.clone().each_parameter(&mut |parameter| {
            found.push((parameter.name, parameter.layout, parameter.tensor.dims()));
        });

        let list = model.config.parameters().into_iter();
        let list: Vec<_> = list
            .map(|one| (one.name, one.role.layout(), one.dims))
            .collect();
        assert_eq!(list, found, "{family}");
    }
}

#[test]
fn a_cache_changes_nothing() {
    let model = fixture::model("qwen2");
    let tokens = fixture::tokens(2, 11);
    let whole = logits(&model, &tokens);

    let mut cache = KvCache::new(model.decoder.num_layers());
    let mut parts = Vec::new();
    for part in [&tokens[..5], &tokens[5..6], &tokens[6..]] {
        let batch = TokenBatch::of_prompts(&[part.to_vec()]);
        let hidden = model.decoder.hidden(&batch, Some(&mut cache), None);
        let width = hidden.dims()[2];
        parts.extend(values(
            model.decoder.logits(hidden.reshape([part.len(), width])),
        ));
    }

    assert_eq!(cache.length(), 11);
    let worst = distance(&whole, &parts);
    assert!(worst < CLOSE, "{worst}");
}

#[test]
fn the_last_token_alone_has_the_bits_that_it_has_among_all() {
    let prompts = [3, 60, 41].map(|count| fixture::tokens(count as u64, count));
    let batch = TokenBatch::of_prompts(&prompts);
    let padding = batch.left_padding().to_vec();
    let next = TokenBatch::of_next(vec![5, 6, 7], padding);
    for family in families() {
        for model in [
            fixture::model(family),
            fixture::adapted(family, AdapterKind::Lora),
        ] {
            let decoder = model.decoder.frozen();
            let caches = || KvCache::new(decoder.num_layers());
            let (mut whole, mut short) = (caches(), caches());
            for tokens in [&batch, &next] {
                let hidden = decoder.hidden(tokens, Some(&mut whole), None);
                let [rows, time, width] = hidden.dims();
                let hidden = hidden.narrow(1, time - 1, 1).reshape([rows, width]);

                let last = decoder.last_hidden(tokens, &mut short);

                assert_eq!(values(last), values(hidden), "{family}");
            }
            assert_eq!(short.length(), whole.length());
        }
    }
}

#[test]
fn the_last_token_alone_is_close_where_products_are_burns() {
    let mut model = fixture::model("qwen2");
    // In a graph.
    model.decoder.train(|_| true);
    let prompts = [4, 9].map(|count| fixture::tokens(count as u64, count));
    let batch = TokenBatch::of_prompts(&prompts);
    let new = || KvCache::new(model.decoder.num_layers());

    let hidden = model.decoder.hidden(&batch, Some(&mut new()), None);
    let last = model.decoder.last_hidden(&batch, &mut new());

    let [rows, time, width] = hidden.dims();
    let hidden = hidden.narrow(1, time - 1, 1).reshape([rows, width]);
    let worst = distance(&values(last.inner()), &values(hidden.inner()));
    assert!(worst < CLOSE, "{worst}");
}

#[test]
fn a_new_adapter_changes_nothing() {
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        let mut model = fixture::model("llama");
        let tokens = fixture::tokens(4, 7);
        let before = logits(&model, &tokens);

        model.attach_adapter(&fixture::adapter(kind), 1).unwrap();

        let worst = distance(&before, &logits(&model, &tokens));
        assert!(worst < CLOSE, "{kind:?}: {worst}");
    }
}

#[test]
fn merged_and_base_models_are_those_of_an_adapter() {
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        let base = fixture::model("qwen2");
        let adapted = fixture::adapted("qwen2", kind);
        let tokens = fixture::tokens(5, 7);
        let with = |decoder| {
            let mut model = adapted.clone();
            model.decoder = decoder;
            model
        };

        let output = logits(&adapted, &tokens);
        let merged = logits(&with(adapted.decoder.merged()), &tokens);
        let without = logits(&with(adapted.decoder.without_adapter()), &tokens);

        assert!(distance(&output, &merged) < CLOSE, "{kind:?}");
        assert!(
            distance(&output, &without) > 0.1,
            "{kind:?}: the adapter does something"
        );
        assert_eq!(without, logits(&base, &tokens));
    }
}

#[test]
fn equal_key_heads_are_plain_multi_head_attention() {
    let mut model = fixture::model("qwen2");
    let tokens = fixture::tokens(6, 8);
    // Each query head gets its own key head, a copy of the one that it shared.
    let mut json = model.config.to_json(Dtype::F32);
    json.insert("num_key_value_heads".to_owned(), 4.into());
    let wide_config = DecoderConfig::from_json(json).unwrap();
    let mut narrow = std::collections::BTreeMap::new();
    model.decoder.each_parameter(&mut |one| {
        narrow.insert(one.name, one.tensor.clone());
    });
    let wide = Decoder::build::<()>(
        &wide_config,
        &model.decoder.device(),
        |ParameterShape { name, .. }| {
            let tensor = narrow[name].clone();
            if !(name.contains("k_proj") || name.contains("v_proj")) {
                return Ok(tensor);
            }
            let width = model.config.head_dim;
            let heads = [0, 0, 1, 1].map(|head| tensor.clone().narrow(1, head * width, width));
            Ok(Tensor::cat(heads.to_vec(), 1))
        },
    );
    let before = logits(&model, &tokens);
    model.decoder = wide.unwrap();
    model.config = wide_config;

    let worst = distance(&before, &logits(&model, &tokens));

    assert!(worst < CLOSE, "{worst}");
}

#[test]
fn only_what_is_trained_gets_a_gradient() {
    let cases = [
        (AdapterKind::None, 26),
        (AdapterKind::Lora, 8),
        (AdapterKind::Dora, 12),
    ];
    for (kind, count) in cases {
        let mut model = fixture::model("qwen2");
        model.attach_adapter(&fixture::adapter(kind), 1).unwrap();
        let batch = TokenBatch::new(&[vec![4, 5, 6]], &[vec![7, 8]]);

        let output = model.decoder.log_probs(&batch, 1.0, None);
        let mut gradients = output.log_probs.sum().backward();
        let named = model.decoder.gradients(&mut gradients);

        let trainable = model.decoder.trainable();
        assert_eq!(trainable.len(), count, "{kind:?}: {:?}", trainable.keys());
        assert!(trainable.keys().eq(named.keys()), "{kind:?}");
        for (name, gradient) in named {
            assert_eq!(gradient.dims(), trainable[&name].dims(), "{name}");
        }
    }
}

#[test]
fn a_step_along_the_gradient_raises_the_loss_and_leaves_the_frozen_clone() {
    let mut model = fixture::model("qwen2");
    model
        .attach_adapter(&fixture::adapter(AdapterKind::None), 1)
        .unwrap();
    let batch = TokenBatch::new(&[vec![4, 5, 6]], &[vec![7, 8]]);
    let reference = model.decoder.frozen();
    let loss = |decoder: &Decoder| decoder.log_probs(&batch, 1.0, None).log_probs.sum();
    let first = loss(&model.decoder);
    let mut gradients = first.backward();
    let named = model.decoder.gradients(&mut gradients);

    let step = |name: &str, value: Tensor<2>| value + named[name].clone() * 1e-3;
    model.decoder = model.decoder.map_trainable(step);
    let second = loss(&model.decoder);

    assert!(values(second.clone())[0] > values(first.clone())[0] + 1e-3);
    // The frozen clone runs other kernels, which round differently.
    assert!(distance(&values(loss(&reference)), &values(first)) < CLOSE);
    let mut gradients = second.backward();
    assert_eq!(model.decoder.gradients(&mut gradients).len(), named.len());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut model = fixture::wide_model(300);
            model
                .attach_adapter(&fixture::adapter(AdapterKind::None), 1)
                .unwrap();
            let rows: Vec<Vec<u32>> = (0..8).map(|row| fixture::tokens(row, 64)).collect();
            let loss = model
                .decoder
                .log_probs(&TokenBatch::new(&rows, &rows), 0.9, None);
            let mut gradients = loss.log_probs.clone().sum().backward();
            let gradients = model.decoder.gradients(&mut gradients);
            let gradients: Vec<f32> = gradients.into_values().flat_map(values).collect();
            (values(loss.log_probs), values(loss.entropy), gradients)
        })
    };

    let one = run(1);

    assert!(one == run(2), "two threads");
    assert!(one == run(3), "three threads");
}
