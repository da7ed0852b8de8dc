//! `recode explain`.

use crate::spec::explain;

#[test]
fn a_key_is_explained_by_its_path_or_its_last_part() {
    insta::assert_snapshot!(explain("train.lr.peak").unwrap(), @r"");
    assert_eq!(explain("peak"), explain("train.lr.peak"));
    insta::assert_snapshot!(explain("train.sft.max_steps").unwrap(), @r"");
    insta::assert_snapshot!(explain("run.slots").unwrap(), @r"");
}

#[test]
fn a_section_lists_its_keys() {
    insta::assert_snapshot!(explain("train.gspo").unwrap(), @r"");
    assert_eq!(explain("lr"), explain("train.lr"));
    assert!(explain("grid").unwrap().contains("axes"));
}

#[test]
fn a_code_says_what_is_wrong_and_what_to_do() {
    insta::assert_snapshot!(explain("e112").unwrap(), @r"");
}

#[test]
fn a_word_of_several_sections_or_of_none_says_so() {
    insta::assert_snapshot!(explain("temperature").unwrap_err(), @r"");
    insta::assert_snapshot!(explain("warmup").unwrap_err(), @r"");
    insta::assert_snapshot!(explain("xyzzy").unwrap_err(), @r"");
}
