//! `recode explain`.

use crate::spec::explain;

#[test]
fn a_key_is_explained_by_its_path_or_its_last_part() {
    insta::assert_snapshot!(explain("train.lr.peak").unwrap(), @r#"
    train.lr.peak: The highest learning rate.

      value    a number above 0, and at most 10
      default  5e-5  (paper, set-up)
      axis     yes: [grid] "train.lr.peak" = [...]
      see also `lr.peak` in the table of an algorithm, such as [train.grpo], for that algorithm alone
    "#);
    assert_eq!(explain("peak"), explain("train.lr.peak"));
    insta::assert_snapshot!(explain("train.sft.max_steps").unwrap(), @r#"
    train.sft.max_steps: Optimiser updates for SFT, rollout steps for the others.

      value    a whole number from 1
      default  670  (ours: 3 epochs of 1,786 rows by 8)
      axis     yes: [grid] "train.sft.max_steps" = [...]
    "#);
    insta::assert_snapshot!(explain("run.slots").unwrap(), @r"
    run.slots: How many jobs run at the same time.

      value    a whole number from 1 to 10000
      default  1
      axis     no: it says how to run, and changes no result
    ");
}

#[test]
fn a_section_lists_its_keys() {
    insta::assert_snapshot!(explain("train.rloo").unwrap(), @r"
    [train.rloo]: REINFORCE leave-one-out (arXiv 2402.14740).

      after: With `sft`, SFT runs first, as `[train.sft]` says, and this algorithm starts from its result.
      beta: The weight of the KL divergence of a completion from the frozen start.
      kl_estimator: The estimator of that divergence, as in `[train.grpo]`.

    It may also repeat any other key of [train], such as `max_steps` or `lr.peak`, for this algorithm alone.
    ");
    assert_eq!(explain("lr"), explain("train.lr"));
    insta::assert_snapshot!(explain("train.sft.lr").unwrap(), @r"
    [train.sft.lr]: The keys of [train.lr], for this algorithm alone.

      floor: The share of the peak at which warm-up starts and the schedule ends.
      peak: The highest learning rate.
      schedule: What follows the warm-up.
      warmup_steps: Steps until the peak; step 0 has rate 0 if this is not 0.
    ");
    assert!(explain("grid").unwrap().contains("axes"));
}

#[test]
fn a_code_says_what_is_wrong_and_what_to_do() {
    insta::assert_snapshot!(explain("e112").unwrap(), @r"
    E112: Two settings contradict each other.

      to mend it  Change one of the two that the message points at.
    ");
}

#[test]
fn a_word_of_several_sections_or_of_none_says_so() {
    insta::assert_snapshot!(explain("temperature").unwrap_err(), @r"
    `temperature` is in several sections; name one of them:
      train.sampling.temperature
      eval.sampling.temperature
    ");
    assert_eq!(
        explain("warmup").unwrap_err(),
        "no key of a spec, no section and no error code is called `warmup`; did you mean `warmup_steps`?"
    );
    assert_eq!(
        explain("xyzzy").unwrap_err(),
        "no key of a spec, no section and no error code is called `xyzzy`; `recode schema` prints all keys"
    );
}
