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
needs = { gpus = true, gpu_mem = \"70\", time = 20 }
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

    error[E103]: `run.needs.gpus` must be a whole number
     --> x.toml:6:18
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                  ^^^^ this is `true` or `false`
      |
      = help: expected a whole number from 0 to 1024

    error[E104]: `run.needs.gpu_mem` cannot be read
     --> x.toml:6:34
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                                  ^^^^ expected an amount such as `70GiB`

    error[E103]: `run.needs.time` must be a text in quotes
     --> x.toml:6:47
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                                               ^^ this is a whole number
      |
      = help: expected a length of time such as "20h" or "45m"

    x.toml: 6 problems
    "#);
}
