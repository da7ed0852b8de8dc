//! The memory of this machine and of its GPUs, compared with what trainings need by arithmetic.

use std::{env, fs, process::Command};

use super::{output::size, plan_memory::Estimate};
use crate::{device::Backend, spec::RunSettings};

/// Warnings about trainings that do not fit, as far as that is known before they start.
pub(super) fn warnings(estimates: &[Estimate<'_>], run: &RunSettings) -> Vec<String> {
    let machine = || of_machine(&fs::read_to_string("/proc/meminfo").ok()?);
    let (machine, gpu) = (machine(), of_gpu());
    let warning = |one: &Estimate<'_>| {
        let ranks = one.work.ranks(run.ranks).div_ceil(run.nodes);
        let (room, name, processes) = match one.work.backend {
            Backend::Cpu => (machine?, "this machine", ranks),
            Backend::Cuda => {
                let gpus = one.work.gpus(run.needs.gpus, ranks);
                (gpu?, "a GPU here", ranks.div_ceil(gpus.max(1)))
            }
            Backend::Wgpu => return None,
        };
        does_not_fit(one, ranks, processes, (room, name))
    };
    let elsewhere = (run.nodes > 1 && env::var_os("SLURM_JOB_ID").is_none()).then(|| {
        let others = run.nodes - 1;
        format!(
            "warning: each job waits for its processes on {others} other machines (`run.nodes`); its log \
             (`recode logs JOB`) has the command that starts them"
        )
    });
    let warnings = estimates.iter().filter_map(warning);
    elsewhere.into_iter().chain(warnings).collect()
}

/// The warning about a training of `ranks` processes of which `processes` share a memory.
fn does_not_fit(
    one: &Estimate<'_>,
    ranks: usize,
    processes: usize,
    (room, name): (u64, &str),
) -> Option<String> {
    let needs = one.of_a_rank(ranks).saturating_mul(processes);
    if u64::try_from(needs).is_ok_and(|needs| needs <= room) {
        return None;
    }
    let of = if processes > 1 {
        format!(" for {processes} processes")
    } else {
        String::new()
    };
    Some(format!(
        "warning: {} needs {} by arithmetic{of}, and {name} has {}; `recode plan` shows what for",
        one.job,
        size(needs as u64),
        size(room),
    ))
}

/// All memory of a machine, from its `/proc/meminfo`.
pub(super) fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The memory of the smallest GPU, if the driver's own program says it.
fn of_gpu() -> Option<u64> {
    if Backend::Cuda.missing().is_some() {
        return None;
    }
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=memory.total", "--format=csv,noheader,nounits"])
        .output()
        .ok()?;
    smallest(&String::from_utf8_lossy(&output.stdout))
}

/// The smallest of some numbers of mebibytes, one in a line.
fn smallest(lines: &str) -> Option<u64> {
    let numbers = lines.lines().map(|line| line.trim().parse::<u64>().ok());
    numbers
        .collect::<Option<Vec<u64>>>()?
        .into_iter()
        .min()?
        .checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::plan_memory::tests::estimate, plan::tests::fixture::plan_of};

    #[test]
    fn the_memory_of_a_machine_is_read_from_its_file() {
        // Oracle: the form of `MemTotal` in proc_meminfo(5), in KiB.
        let text = "MemTotal:        2048 kB\nMemFree:         1024 kB\n";
        assert_eq!(of_machine(text), Some(2 << 20));
        assert_eq!(of_machine("MemFree: 1 kB"), None);
    }

    #[test]
    fn the_smallest_gpu_counts() {
        assert_eq!(smallest("81559\n 40960\n"), Some(40960 << 20));
        assert_eq!(smallest("No devices were found\n"), None);
        assert_eq!(smallest(""), None);
    }

    #[test]
    fn trainings_that_need_more_than_there_is_are_named() {
        let plan = plan_of("name = \"t\"");
        let one = estimate(&plan, 4);
        let needs = one.of_a_rank(2);
        // Each process has half of the processors, and so at most as many micro-batches at a time.
        assert!(needs <= one.of_a_rank(1));
        let machine = |room: usize| {
            let room = u64::try_from(room).unwrap();
            does_not_fit(&one, 2, 2, (room, "this machine"))
        };

        assert_eq!(machine(2 * needs), None);
        let warning = machine(2 * needs - 1).unwrap();

        let [job, all] = [one.job.to_string(), size(2 * needs as u64)];
        let start = format!(
            "warning: {job} needs {all} by arithmetic for 2 processes, and this machine has "
        );
        assert!(warning.starts_with(&start), "{warning}");
    }
}
