//! `[run]`.

use super::mistakes;

#[test]
fn typos_in_run() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[run]
backend = \"gpu\"
seeds = [42, 42]
slots = -1
needs = { gpu = 1, gpu_mem = \"70\", time = \"20\" }
"), @r#"
    error[E102]: unknown backend `gpu`
     --> x.toml:3:11
      |
    3 | backend = "gpu"
      |           ^^^^^ expected `cpu`, `wgpu` or `cuda`
      |
    help: did you mean `wgpu`?
      |
    3 | backend = "wgpu"
      |            +

    error[E124]: `run.seeds` has 42 twice
     --> x.toml:4:14
      |
    4 | seeds = [42, 42]
      |          --  ^^ remove this one
      |          |
      |          the first is here

    error[E104]: `run.slots` is out of range
     --> x.toml:5:9
      |
    5 | slots = -1
      |         ^^ expected a whole number from 1 to 10000

    error[E101]: unknown key `gpu` in [run.needs]
     --> x.toml:6:11
      |
    6 | needs = { gpu = 1, gpu_mem = "70", time = "20" }
      |           ^^^ not a key of [run.needs]
      |
    help: a key with a similar name exists: `gpus`
      |
    6 | needs = { gpus = 1, gpu_mem = "70", time = "20" }
      |              +

    error[E104]: `run.needs.gpu_mem` cannot be read
     --> x.toml:6:30
      |
    6 | needs = { gpu = 1, gpu_mem = "70", time = "20" }
      |                              ^^^^ expected an amount such as `70GiB`

    error[E104]: `run.needs.time` cannot be read
     --> x.toml:6:43
      |
    6 | needs = { gpu = 1, gpu_mem = "70", time = "20" }
      |                                           ^^^^ expected a length of time such as `90m`, `20h` or `1d12h`

    x.toml: 6 problems
    "#);
}

#[test]
fn nodes_have_as_many_processes_each_and_a_network_that_is_one() {
    let text = "name = \"x\"\n[run]\nranks = 5\nnodes = 2\n";
    let found = mistakes(text);
    assert!(
        found.contains("5 processes cannot be spread evenly over 2 nodes")
            && found.contains("set `run.ranks` to 6"),
        "{found}"
    );
    for network in ["10.1.0", "0.0.0.0", "ib0"] {
        let text = format!("name = \"x\"\n[run]\nnetwork = \"{network}\"\n");
        let found = mistakes(&text);
        let expected = format!("`{network}` is no address in a network");
        assert_eq!(found.matches(&expected).count(), 1, "{found}");
    }
}
