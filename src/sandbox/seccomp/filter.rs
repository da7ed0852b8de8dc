//! Compiles a seccomp filter to the kernel's own code, as a search tree.
//!
//! When one is installed, the kernel runs it once for every system call that there is, and compiles it.
//! A list of comparisons, as libraries make it, takes it most of a millisecond; a tree of the same
//! rules takes a fraction of that, and a tree of few rules next to nothing.

use std::collections::BTreeMap;

/// The low half of a system call's argument, masked, has some value. None of our calls uses the other half, and the
/// kernel ignores it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) mask: u32,
    pub(super) value: u32,
}

/// What the kernel does with a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Refuse it: it does not exist (`ENOSYS`).
    Refuse,
    Allow,
    /// Allow it if any of these holds, or refuse it.
    AllowIf(Vec<Condition>),
}

/// The action for each system call, by its number.
pub(super) type Rules = BTreeMap<u32, Action>;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    code: u16,
    /// How many steps to skip if the comparison holds, and if it does not.
    skip: (u8, u8),
    value: u32,
}

// `linux/bpf_common.h`: an operation, on words, with a constant.
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

// `struct seccomp_data`: the number of the call, the architecture, an address, six arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const ARGUMENT_BYTES: u32 = 8;

impl Step {
    fn new(code: u16, value: u32) -> Self {
        Self {
            code,
            skip: (0, 0),
            value,
        }
    }

    fn compare(code: u16, value: u32, skip: (u8, u8)) -> Self {
        Self { code, skip, value }
    }

    fn bytes(self) -> [u8; 8] {
        let [code_low, code_high] = self.code.to_ne_bytes();
        let [a, b, c, d] = self.value.to_ne_bytes();
        [code_low, code_high, self.skip.0, self.skip.1, a, b, c, d]
    }
}

/// The filter in the kernel's form. `others` is the action for calls without a rule; a call by the numbers of another
/// architecture kills the process.
pub(super) fn compile(rules: &Rules, others: &Action, architecture: u32) -> Vec<u8> {
    let mut steps = vec![
        Step::new(LOAD, ARCHITECTURE),
        Step::compare(JUMP_IF_EQUAL, architecture, (1, 0)),
        Step::new(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        Step::new(LOAD, NUMBER),
    ];
    steps.extend(tree(&ranges(rules, others)));
    steps.into_iter().flat_map(Step::bytes).collect()
}

/// The numbers at which the action changes; the first is 0.
fn ranges<'a>(rules: &'a Rules, others: &'a Action) -> Vec<(u32, &'a Action)> {
    let mut ranges = vec![(0, others)];
    for (number, action) in rules {
        ranges.push((*number, action));
        ranges.push((number + 1, others));
    }
    // The last action for a number holds.
    let starts: BTreeMap<u32, &Action> = ranges.into_iter().collect();
    let mut merged: Vec<(u32, &Action)> = Vec::new();
    for (start, action) in starts {
        if merged.last().is_none_or(|(_, last)| *last != action) {
            merged.push((start, action));
        }
    }
    merged
}

fn tree(ranges: &[(u32, &Action)]) -> Vec<Step> {
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let Some((start, action)) = right.first() else {
        return Vec::new();
    };
    if left.is_empty() {
        return leaf(action);
    }
    let (left, right) = (tree(left), tree(right));
    let mut steps = match u8::try_from(left.len()) {
        Ok(length) => vec![Step::compare(JUMP_IF_AT_LEAST, *start, (length, 0))],
        Err(_) => vec![
            Step::compare(JUMP_IF_AT_LEAST, *start, (0, 1)),
            // A filter has at most 4096 steps.
            Step::new(JUMP, u32::try_from(left.len()).unwrap_or(u32::MAX)),
        ],
    };
    steps.extend(left);
    steps.extend(right);
    steps
}

fn leaf(action: &Action) -> Vec<Step> {
    let allow = Step::new(RETURN, libc::SECCOMP_RET_ALLOW);
    let refuse = Step::new(
        RETURN,
        libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
    );
    match action {
        Action::Refuse => vec![refuse],
        Action::Allow => vec![allow],
        Action::AllowIf(conditions) => {
            let mut steps = Vec::new();
            for condition in conditions {
                let low_half = ARGUMENTS + ARGUMENT_BYTES * condition.argument;
                steps.push(Step::new(LOAD, low_half));
                steps.push(Step::new(AND, condition.mask));
                steps.push(Step::compare(JUMP_IF_EQUAL, condition.value, (0, 1)));
                steps.push(allow);
            }
            steps.push(refuse);
            steps
        }
    }
}

/// Runs a filter as the kernel's documentation says that the kernel does.
#[cfg(test)]
pub(super) fn run(filter: &[u8], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.into_iter().flat_map(u64::to_ne_bytes));
    let (mut accumulator, mut position) = (0, 0);
    loop {
        let step = &filter[position * 8..][..8];
        let value = u32::from_ne_bytes(step[4..].try_into().unwrap());
        position += 1;
        let branch = |holds: bool| usize::from(if holds { step[2] } else { step[3] });
        match u16::from_ne_bytes([step[0], step[1]]) {
            LOAD => {
                let word = &data[value as usize..][..4];
                accumulator = u32::from_ne_bytes(word.try_into().unwrap());
            }
            AND => accumulator &= value,
            JUMP => position += value as usize,
            JUMP_IF_EQUAL => position += branch(accumulator == value),
            JUMP_IF_AT_LEAST => position += branch(accumulator >= value),
            RETURN => return value,
            code => panic!("no step {code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: u32 = 0xc000_003e;

    fn rules(calls: &[u32]) -> Rules {
        calls
            .iter()
            .map(|number| (*number, Action::Allow))
            .collect()
    }

    #[test]
    fn every_call_of_a_list_is_allowed_and_every_other_one_refused() {
        // Every third number, so that subtrees are longer than one jump reaches.
        let calls: Vec<u32> = (0..900).filter(|number| number % 3 == 1).collect();
        let filter = compile(&rules(&calls), &Action::Refuse, HERE);
        for number in (0..1000).chain([0x4000_0001, u32::MAX]) {
            let expected = if calls.contains(&number) {
                libc::SECCOMP_RET_ALLOW
            } else {
                libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()
            };
            assert_eq!(run(&filter, HERE, number, [0; 6]), expected, "{number}");
        }
    }

    #[test]
    fn a_condition_depends_only_on_its_argument_and_its_mask() {
        let conditions = vec![
            Condition {
                argument: 0,
                mask: 0x10,
                value: 0x10,
            },
            Condition {
                argument: 3,
                mask: u32::MAX,
                value: 7,
            },
        ];
        let rules = Rules::from([(56, Action::AllowIf(conditions))]);
        let filter = compile(&rules, &Action::Refuse, HERE);
        let is_allowed = |arguments| run(&filter, HERE, 56, arguments) == libc::SECCOMP_RET_ALLOW;

        assert!(is_allowed([0x1f, 0, 0, 0, 0, 0]));
        assert!(is_allowed([0, 0, 0, 7, 0, 0]));
        assert!(!is_allowed([0x0f, 0x10, 7, 0x17, 0, 0]));
    }

    #[test]
    fn calls_without_a_rule_get_the_action_for_others() {
        let rules = Rules::from([(7, Action::Refuse)]);
        let filter = compile(&rules, &Action::Allow, HERE);
        for number in [0, 6, 8, u32::MAX] {
            let action = run(&filter, HERE, number, [0; 6]);
            assert_eq!(action, libc::SECCOMP_RET_ALLOW, "{number}");
        }
        assert_ne!(run(&filter, HERE, 7, [0; 6]), libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn another_architecture_s_numbers_kill() {
        let filter = compile(&rules(&[1]), &Action::Refuse, HERE);
        let verdict = run(&filter, 0x4000_0003, 1, [0; 6]);
        assert_eq!(verdict, libc::SECCOMP_RET_KILL_PROCESS);
    }
}
