//! How many processes share a job, and where they are.

use std::{net::IpAddr, time::Duration};

/// How processes, *ranks*, share a job; none of it changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// How many processes share the job.
    pub ranks: usize,
    /// On how many machines they are, as many on each.
    pub nodes: usize,
    /// An address in the network over which machines talk; without it, each listens at the address of its name.
    pub network: Option<IpAddr>,
    /// How long a rank that lives is waited for.
    pub patience: Duration,
}

impl Default for Sharing {
    fn default() -> Self {
        Self::among(1)
    }
}

impl Sharing {
    /// So many ranks on this machine.
    pub const fn among(ranks: usize) -> Self {
        Self {
            ranks,
            nodes: 1,
            network: None,
            patience: Duration::from_hours(1),
        }
    }

    /// How a job is shared that so many ranks share: one rank is on one machine.
    #[must_use]
    pub fn of(self, ranks: usize) -> Self {
        if ranks == 1 { Self::among(1) } else { self }
    }

    /// The ranks on each machine.
    pub fn ranks_here(&self) -> usize {
        (self.ranks / self.nodes.max(1)).max(1)
    }

    /// The arguments of `recode job` and `recode slurm-task` that say this.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["--ranks".to_owned(), self.ranks.to_string()];
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if self.nodes > 1 {
            add("--nodes", self.nodes.to_string());
        }
        if let Some(network) = self.network {
            add("--network", network.to_string());
        }
        if self.patience != Self::default().patience {
            add("--rank-timeout", self.patience.as_secs().to_string());
        }
        words
    }
}
