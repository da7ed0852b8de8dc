//! The arguments that say how processes share a job; `launch::Sharing` writes them.

use std::{net::IpAddr, time::Duration};

use clap::Args;

use crate::{launch::Sharing, spec::RunSettings};

/// How processes share a job.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Arguments {
    /// How many processes share the job
    #[arg(long, default_value_t = 1)]
    ranks: usize,

    /// On how many machines they are, as many on each
    #[arg(long, default_value_t = 1)]
    nodes: usize,

    /// An address in the network over which the machines talk
    #[arg(long, value_name = "ADDRESS")]
    network: Option<IpAddr>,

    /// How many seconds a process that lives is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = Sharing::among(1).patience.as_secs())]
    rank_timeout: u64,
}

impl Arguments {
    /// What they say.
    pub(super) fn sharing(self) -> Sharing {
        let nodes = self.nodes.clamp(1, self.ranks.max(1));
        Sharing {
            // As many on each machine.
            ranks: self.ranks.max(1) / nodes * nodes,
            nodes,
            network: self.network,
            patience: self.patience(),
        }
    }

    /// How long a process that lives is waited for.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(self.rank_timeout.max(1))
    }
}

/// How the jobs of a spec are shared.
pub(super) fn of_settings(run: &RunSettings) -> Sharing {
    Sharing {
        ranks: run.ranks,
        nodes: run.nodes,
        network: run.network_address(),
        patience: Duration::from_secs(run.rank_timeout.seconds()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn a_worker_reads_what_its_launcher_writes() {
        let few = Sharing::among(3);
        let many = Sharing {
            ranks: 8,
            nodes: 2,
            network: Some("10.0.0.1".parse().unwrap()),
            patience: Duration::from_secs(90),
        };
        for sharing in [Sharing::default(), few, many] {
            let command = Arguments::augment_args(Command::new("job").no_binary_name(true));
            let matches = command.get_matches_from(sharing.arguments());
            let read = Arguments::from_arg_matches(&matches).unwrap();
            assert_eq!(read.sharing(), sharing);
        }
    }
}
