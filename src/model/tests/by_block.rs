//! Gradients by block against those of one graph.

use burn::tensor::Tensor;

use crate::{
    model::{
        AdapterKind, Dropout, LogProbs, TokenBatch, Wanted,
        fixture::{self, distance, families, values},
    },
    seed::stream,
};

/// A loss whose gradient differs from token to token.
fn loss(scores: &LogProbs) -> Tensor<1> {
    let LogProbs {
        log_probs, entropy, ..
    } = scores;
    (log_probs.clone() * log_probs.clone() * (entropy.clone() + 1.0)).sum() / 10.0
}

#[test]
fn loss_and_gradients_are_those_of_one_graph() {
    let batch = TokenBatch::new(
        &[fixture::tokens(1, 5), fixture::tokens(2, 3)],
        &[fixture::tokens(3, 2), fixture::tokens(4, 6)],
    );
    for family in families() {
        for kind in [AdapterKind::None, AdapterKind::Lora, AdapterKind::Dora] {
            for rate in [0.0, 0.3] {
                let mut settings = fixture::adapter(kind);
                settings.dropout = rate;
                let mut model = fixture::model(family);
                model.attach_adapter(&settings, 1).unwrap();
                let decoder = model.decoder.map_trainable(|_, value| value + 0.05);
                let dropout = || Dropout::new(stream(7, "dropout", 0, 0));

                let whole = decoder.log_probs(&batch, 0.9, Some(&mut dropout()));
                let whole = loss(&whole);
                let expected = decoder.gradients(&mut whole.clone().backward());
                let (found, gradients) = decoder.backward_by_block(
                    &batch,
                    0.9,
                    Some(&mut dropout()),
                    Wanted::default(),
                    |scores| loss(&scores),
                );

                let at = format!("{family}, {kind:?}, dropout {rate}");
                // 1e-4: 32 bits, a loss of up to a hundred, whose last digit is 8e-6, and
                // gradients of order ten; the forward pass without a graph rounds otherwise.
                let (found, whole) = (values(found), values(whole));
                let gap = distance(&found, &whole);
                assert!(gap < 1e-4, "{at}: {found:?} {whole:?}");
                assert!(expected.keys().eq(gradients.keys()), "{at}");
                for (name, gradient) in gradients {
                    let worst = distance(&values(gradient), &values(expected[&name].clone()));
                    assert!(worst < 1e-4, "{at}, {name}: {worst}");
                }
            }
        }
    }
}

/// A loss of all three scores, whose gradient differs from token to token.
fn loss_of_all(scores: &LogProbs) -> Tensor<1> {
    let divergence = scores.divergence.clone().unwrap();
    let both = scores.log_probs.clone() * scores.entropy.clone();
    (both + scores.entropy.clone() * 2.0 + divergence * 3.0).sum() / 10.0
}

/// Oracle: one graph, whose head is tested in `log_prob`.
#[test]
fn entropy_and_a_teacher_have_the_gradients_of_one_graph() {
    let batch = TokenBatch::new(
        &[fixture::tokens(1, 5), fixture::tokens(2, 3)],
        &[fixture::tokens(3, 2), fixture::tokens(4, 6)],
    );
    let teacher = fixture::model("qwen3").decoder;
    for family in families() {
        let mut model = fixture::model(family);
        model
            .attach_adapter(&fixture::adapter(AdapterKind::None), 1)
            .unwrap();
        let decoder = model.decoder;
        let wanted = Wanted {
            entropy_gradient: true,
            teacher: Some(&teacher),
        };

        let whole = decoder.scores(&batch, 0.9, None, wanted);
        let whole = loss_of_all(&whole);
        let expected = decoder.gradients(&mut whole.clone().backward());
        let (found, gradients) =
            decoder.backward_by_block(&batch, 0.9, None, wanted, |scores| loss_of_all(&scores));

        let gap = distance(&values(found), &values(whole));
        // 1e-4: as above.
        assert!(gap < 1e-4, "{family}: {gap}");
        assert!(expected.keys().eq(gradients.keys()), "{family}");
        for (name, gradient) in gradients {
            let worst = distance(&values(gradient), &values(expected[&name].clone()));
            assert!(worst < 1e-4, "{family}, {name}: {worst}");
        }
    }
}
