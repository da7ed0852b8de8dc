//! Made-up outcomes, and the tables that follow from them.

use std::path::Path;

use super::fixture::{GOOD, WEAK, complete, outcome, row, sheet};
use crate::{
    report::{compare::fill, format, paper::Reference, sheet::Found, table::Table},
    spec::Show,
};

fn markdown(table: &Table) -> String {
    format::markdown(table)
}

/// By hand, pass@1 of the first row: (1 + .5 + 0 + 0 + .5 + 0 + 1 + .5) / 8 = 43.75 %; group sums of
/// the distances .625, -.875, -.375, .625, squares sum 1.6875, SE = sqrt(4/3 · 1.6875) / 8 = 0.1875,
/// t(3) = 3.18245: ± 59.7. GRPO: (1 + 1 + .5 + .5 + 1 + .5 + 1 + 1) / 8 = 81.25 %, so +37.5. SFT less
/// GRPO: 0, -1, -.5, 0, -.5, -.5, 0, -.5; group sums of the distances ∓.25, squares sum .25, SE =
/// sqrt(4/3 · .25) / 8 = 0.0722: ± 23.0.
#[test]
fn a_complete_table() {
    insta::assert_snapshot!(markdown(&fill(&sheet(Show::Value, complete()), None)), @"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1     | code_update_arena pass@2    |
    | --------------- | ---------------------------- | --------------------------- |
    | untrained       | 43.8, 6.4 to 89.8            | 62.5, 6.1 to 97.7           |
    | sft             | 43.8 ± 38.1 (+0.0 n)         | 62.5, 23.4 to 90.1 (+0.0 n) |
    | grpo            | 81.3, 26.2 to 98.1 (+37.5 n) | 100.0 (+37.5 n)             |

    ## Rows against each other

    | rows       | code_update_arena pass@1 | code_update_arena pass@2 |
    | ---------- | ------------------------ | ------------------------ |
    | sft - grpo | -37.5 ± 23.0             | -37.5 ± 39.8 n           |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Where there is neither, all problems had the same result, from which no error can be estimated.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 4 changes of the table; errors are of each change alone.
    - Rows against each other: points, problem by problem, as changes; n with Holm's correction for these 2 differences.
    - The jobs behind every cell are in table.json.
    ");
}

/// Problems that differ and are all of one group: the sentence on problems with the same result is wrong.
#[test]
fn a_lone_group_has_no_error_for_another_reason_than_equal_problems() {
    let table = |passed: &[usize]| {
        let rows = vec![row("untrained", vec![outcome(passed)])];
        markdown(&fill(&sheet(Show::Value, rows), None))
    };
    let (alike, one_group) = (
        "all problems had the same result",
        "the problems are of one group",
    );

    // The first two problems are one group.
    assert!(table(&[1, 1]).contains(alike) && !table(&[1, 1]).contains("one group, or"));
    assert!(table(&[2, 0]).contains(one_group) && !table(&[2, 0]).contains(alike));
    // The columns are pass@1 and pass@2.
    let both = table(&[2, 1]);
    assert!(
        both.contains(alike) && both.contains("- Or they are of one group"),
        "{both}"
    );
}

#[test]
fn a_table_of_changes() {
    insta::assert_snapshot!(markdown(&fill(&sheet(Show::Delta, complete()), None)), @"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1 | code_update_arena pass@2 |
    | --------------- | ------------------------ | ------------------------ |
    | untrained       | 43.8, 6.4 to 89.8        | 62.5, 6.1 to 97.7        |
    | sft             | +0.0 ± 32.5 n            | +0.0 ± 65.0 n            |
    | grpo            | +37.5 ± 23.0 n           | +37.5, -45.6 to +85.7 n  |

    ## Rows against each other

    | rows       | code_update_arena pass@1 | code_update_arena pass@2 |
    | ---------- | ------------------------ | ------------------------ |
    | sft - grpo | -37.5 ± 23.0             | -37.5 ± 39.8 n           |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 4 changes of the table; errors are of each change alone.
    - Rows against each other: points, problem by problem, as changes; n with Holm's correction for these 2 differences.
    - The jobs behind every cell are in table.json.
    ");
}

#[test]
fn holes_say_why_they_are_there() {
    let hole = |reason: &str| Found::Hole(reason.to_owned());
    let mut judged = outcome(&WEAK);
    if let Found::Done(outcome) = &mut judged {
        outcome.counts.insert("unjudged".into(), 3);
    }
    let rows = vec![
        row("untrained", vec![judged]),
        row("sft", vec![hole("failed: out of memory (train-5e0b77aa)")]),
        row("grpo", vec![outcome(&GOOD), hole("not run yet")]),
        row("dapo", vec![hole("not run yet")]),
    ];
    insta::assert_snapshot!(markdown(&fill(&sheet(Show::Value, rows), None)), @"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1           | code_update_arena pass@2 |
    | --------------- | ---------------------------------- | ------------------------ |
    | untrained       | 43.8, 6.4 to 89.8 [1]              | 62.5, 6.1 to 97.7 [1]    |
    | sft             | — [2]                              | — [2]                    |
    | grpo            | 81.3, 26.2 to 98.1 (+37.5) [3] [4] | 100.0 (+37.5 n) [3] [4]  |
    | dapo            | — [3]                              | — [3]                    |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Where there is neither, all problems had the same result, from which no error can be estimated.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 2 changes of the table; errors are of each change alone.
    - [1] the judge failed on 3 of 16 samples; they count as not passed
    - [2] failed: out of memory (train-5e0b77aa)
    - [3] not run yet
    - [4] 1 of 2 seeds
    - The jobs behind every cell are in table.json.
    ");
}

#[test]
fn two_seeds_are_averaged_and_their_range_shown() {
    let rows = vec![
        row("untrained", vec![outcome(&WEAK), outcome(&WEAK)]),
        row(
            "grpo",
            vec![outcome(&GOOD), outcome(&[2, 2, 2, 2, 2, 2, 2, 2])],
        ),
    ];
    insta::assert_snapshot!(markdown(&fill(&sheet(Show::Value, rows), None)), @r#"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1                          | code_update_arena pass@2              |
    | --------------- | ------------------------------------------------- | ------------------------------------- |
    | untrained       | 43.8, 6.4 to 89.8, seeds 43.8 to 43.8             | 62.5, 6.1 to 97.7, seeds 62.5 to 62.5 |
    | grpo            | 90.6, 50.7 to 98.9 (+46.9 n), seeds 81.3 to 100.0 | 100.0 (+37.5 n), seeds 100.0 to 100.0 |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Where there is neither, all problems had the same result, from which no error can be estimated.
    - Several seeds are averaged for each problem before that; "seeds a to b" are the lowest and the highest mean of a seed.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 2 changes of the table; errors are of each change alone.
    - The jobs behind every cell are in table.json.
    "#);
}

#[test]
fn printed_figures_stand_beside_ours() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("datasets/reference/recode.toml");
    let reference = Reference::read(&file, "recode.table1").unwrap();
    let table = fill(&sheet(Show::Value, complete()), Some(&reference));
    insta::assert_snapshot!(markdown(&table), @"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1     | paper | ours - paper | code_update_arena pass@2    |
    | --------------- | ---------------------------- | ----- | ------------ | --------------------------- |
    | untrained       | 43.8, 6.4 to 89.8            | 67.3  | -23.5 =      | 62.5, 6.1 to 97.7           |
    | sft             | 43.8 ± 38.1 (+0.0 n)         | 69.4  | -25.7 =      | 62.5, 23.4 to 90.1 (+0.0 n) |
    | grpo            | 81.3, 26.2 to 98.1 (+37.5 n) | 74.6  | +6.7 =       | 100.0 (+37.5 n)             |

    ## Rows against each other

    | rows       | code_update_arena pass@1 | code_update_arena pass@2 |
    | ---------- | ------------------------ | ------------------------ |
    | sft - grpo | -37.5 ± 23.0             | -37.5 ± 39.8 n           |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Where there is neither, all problems had the same result, from which no error can be estimated.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 4 changes of the table; errors are of each change alone.
    - Rows against each other: points, problem by problem, as changes; n with Holm's correction for these 2 differences.
    - Paper: Table 1: Pass@k on CodeUpdateArena and HumanEval+, with the change against Untrained. = is a difference within both 95 % errors, ! one outside; the paper's is that of a share of as many problems as it has.
    - The jobs behind every cell are in table.json.
    ");
    let changes = fill(&sheet(Show::Delta, complete()), Some(&reference));
    insta::assert_snapshot!(markdown(&changes), @"
    # example

    What a table looks like.

    | train.algorithm | code_update_arena pass@1 | paper | ours - paper | code_update_arena pass@2 |
    | --------------- | ------------------------ | ----- | ------------ | ------------------------ |
    | untrained       | 43.8, 6.4 to 89.8        | 67.3  | -23.5 =      | 62.5, 6.1 to 97.7        |
    | sft             | +0.0 ± 32.5 n            | +2.1  | -2.1 =       | +0.0 ± 65.0 n            |
    | grpo            | +37.5 ± 23.0 n           | +7.4  | +30.1 !      | +37.5, -45.6 to +85.7 n  |

    ## Rows against each other

    | rows       | code_update_arena pass@1 | code_update_arena pass@2 |
    | ---------- | ------------------------ | ------------------------ |
    | sft - grpo | -37.5 ± 23.0             | -37.5 ± 39.8 n           |

    - Percent, ± half of the 95 % interval over problems (code_update_arena: 8), by Student's t; problems of one group are not counted as independent.
    - Where the ± would leave the range of the figure, there are the ends of the 95 % interval by Student's t on the log-odds.
    - Changes are points against untrained, problem by problem; n: no difference from 0 at 5 %, with Holm's correction for the 4 changes of the table; errors are of each change alone.
    - Rows against each other: points, problem by problem, as changes; n with Holm's correction for these 2 differences.
    - Paper: Table 1: Pass@k on CodeUpdateArena and HumanEval+, with the change against Untrained. = is a difference within both 95 % errors, ! one outside; the paper's is that of a share of as many problems as it has.
    - The jobs behind every cell are in table.json.
    ");
}

#[test]
fn a_line_of_csv_a_cell() {
    let table = fill(&sheet(Show::Value, complete()), None);
    let csv = format::ALL
        .iter()
        .find(|(ending, _)| *ending == "csv")
        .unwrap()
        .1;
    insta::assert_snapshot!(csv(&table), @"
    train.algorithm,benchmark,metric,is_baseline,value,standard_error,half_width_95,low_95,high_95,problems,seeds,seeds_low,seeds_high,change,change_half_width_95,change_low_95,change_high_95,p_value,p_value_holm,paper,paper_change,difference,agrees,jobs
    untrained,code_update_arena,pass@1,true,0.4375,0.1875,0.5967086822406946,0.06440234861650197,0.8978358631334297,8,1,,,,,,,,,,,,,eval-untrained0
    untrained,code_update_arena,pass@2,true,0.625,0.23935677693908453,0.7617400904144054,0.06069576903211404,0.977266431019068,8,1,,,,,,,,,,,,,eval-untrained0
    sft,code_update_arena,pass@1,false,0.4375,0.11967838846954226,0.3808700452072027,0.05662995479279731,0.8183700452072027,8,1,,,0,0.3248070659062774,-0.3248070659062774,0.3248070659062774,1,1,,,,,eval-sft0
    sft,code_update_arena,pass@2,false,0.625,0.125,0.3978057881604631,0.23388924219248283,0.900977244117474,8,1,,,0,0.6496141318125548,-0.6496141318125548,0.6496141318125548,1,1,,,,,eval-sft0
    grpo,code_update_arena,pass@1,false,0.8125,0.11967838846954226,0.3808700452072027,0.26236103009650136,0.9814107406672723,8,1,,,0.375,0.2296732788796346,0.1453267211203654,0.6046732788796346,0.013846832988859028,0.05538733195543611,,,,,eval-grpo0
    grpo,code_update_arena,pass@2,false,1,,,,,8,1,,,0.375,0.7617400904144054,-0.45592894714187315,0.8566492578145748,0.2518965523765224,0.7556896571295673,,,,,eval-grpo0
    ");
}

#[test]
fn every_cell_of_the_json_names_its_jobs_seeds_problems_and_samples() {
    let table = fill(&sheet(Show::Value, complete()), None);
    let json: serde_json::Value = serde_json::from_str(&format::json(&table)).unwrap();
    let cell = &json["rows"][2]["cells"][0];
    assert_eq!(cell["sources"][0]["job"], "eval-grpo0");
    assert_eq!(cell["sources"][0]["seed"], 42);
    assert_eq!(cell["value"]["n"], 8);
    assert!(cell["sources"][0]["samples_digest"].is_string());
}

#[test]
fn equal_outcomes_give_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let write = || {
        let table = fill(&sheet(Show::Value, complete()), None);
        let endings = table.write(&path).unwrap();
        let files = endings
            .iter()
            .map(|ending| path.join(format!("table.{ending}")));
        files
            .map(|file| std::fs::read(file).unwrap())
            .collect::<Vec<_>>()
    };

    let first = write();

    assert_eq!(first.len(), format::ALL.len());
    assert_eq!(write(), first);
}
