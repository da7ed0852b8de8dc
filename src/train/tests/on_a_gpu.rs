//! Trainings on a GPU, or on Vulkan in software, compared with the processor.

use std::path::Path;

use burn::tensor::Device;

use crate::{
    model::{AdapterKind, LanguageModel, fixture::gpu},
    ranks::Ranks,
    train::{
        Algorithm, Ended, Inputs, Outcome, RewardTools, RowOrder, SftSettings, StepRecord,
        TrainSettings, run::train_with,
    },
};

use super::fixture::{ByText, Recorder, bits, grpo, model_on, rows, settings, values};

/// A reward that differs within most groups, but not all.
const REWARD: ByText = ByText(|text| (text.len() % 3) as f64);

fn run(
    model: &LanguageModel,
    settings: &TrainSettings,
    folder: &Path,
    recorder: &mut Recorder,
) -> Outcome {
    let rows = rows();
    let inputs = Inputs {
        settings,
        rows: &rows,
        seed: 11,
        checkpoints: folder,
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };
    train_with(model.clone(), &inputs, recorder, &REWARD).unwrap()
}

/// Losses, norms of gradients and weights after five steps, which may be interrupted after three.
fn five_steps(
    device: &Device,
    algorithm: Algorithm,
    (adapter, dropout): (AdapterKind, f64),
    is_interrupted: bool,
) -> (Recorder, LanguageModel) {
    let settings = TrainSettings {
        max_steps: 5,
        save_every: 3,
        ..settings(algorithm)
    };
    let model = model_on(device, adapter, dropout);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    if is_interrupted {
        recorder.stop_after = Some(3);
        run(&model, &settings, folder.path(), &mut recorder);
        recorder.stop_after = None;
    }
    let outcome = run(&model, &settings, folder.path(), &mut recorder);
    assert_eq!((outcome.ended, outcome.steps), (Ended::Done, 5));
    if is_interrupted {
        assert_eq!(recorder.resumed, [0, 3]);
    }
    (recorder, outcome.model)
}

fn check(algorithm: Algorithm, adapter: (AdapterKind, f64)) {
    let gpu = gpu();
    let (here, model_here) = five_steps(&Device::flex(), algorithm.clone(), adapter, false);
    let (there, model_there) = five_steps(&gpu, algorithm.clone(), adapter, false);

    // The same completions: a token would differ if it were drawn at the edge of its share.
    assert_eq!(here.samples.len(), there.samples.len());
    for (here, there) in here.samples.iter().zip(&there.samples) {
        assert_eq!(here.completion, there.completion);
    }
    assert_eq!(here.records.len(), 5);
    for (here, there) in here.records.iter().zip(&there.records) {
        let distance =
            |of: fn(&StepRecord) -> Option<f64>| (of(here).unwrap() - of(there).unwrap()).abs();
        // 1e-5: 32 bits, numbers of order one, and what five steps of Adam make of it.
        assert!(distance(|record| record.loss) < 1e-5, "{here:?} {there:?}");
        assert!(
            distance(|record| record.gradient_norm) < 1e-4,
            "{here:?} {there:?}"
        );
    }
    let trained = |model: &LanguageModel| values(&model.decoder.trainable());
    let pairs = trained(&model_here).into_iter().zip(trained(&model_there));
    let worst = pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    // Five steps of 0.02 move a weight by up to 0.1; 1e-3 is a hundredth of it, because Adam divides
    // small gradients by themselves.
    assert!(worst < 1e-3, "{worst}");

    let (resumed, model_resumed) = five_steps(&gpu, algorithm, adapter, true);
    let weights = |model: &LanguageModel| bits(&model.decoder.trainable());
    assert_eq!(weights(&model_resumed), weights(&model_there));
    assert_eq!(resumed.records, there.records);
}

fn sft() -> Algorithm {
    Algorithm::Sft(SftSettings {
        prompt_weight: 0.0,
        order: RowOrder::Shuffled,
    })
}

#[test]
#[ignore = "needs a GPU, or Vulkan in software"]
fn five_steps_of_sft_are_those_of_the_processor_and_resume_to_the_same_bits() {
    check(sft(), (AdapterKind::None, 0.0));
}

#[test]
#[ignore = "needs a GPU, or Vulkan in software"]
fn five_steps_of_grpo_are_those_of_the_processor_and_resume_to_the_same_bits() {
    check(grpo(0.1), (AdapterKind::Dora, 0.0));
}

#[test]
#[ignore = "needs a GPU, or Vulkan in software"]
fn five_steps_with_dropout_on_a_gpu_are_those_of_the_processor() {
    for adapter in [AdapterKind::Lora, AdapterKind::Dora] {
        check(sft(), (adapter, 0.2));
    }
}
