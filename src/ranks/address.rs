//! At which address of its node a rank listens: one that the other nodes reach, and no other.

use std::{
    env, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs as _, UdpSocket},
};

use super::RankError;

/// A listener of this node that other nodes reach: in the network of an address, or else at the address of the node's
/// name, or at the one that Slurm gives.
pub(super) fn listen(network: Option<IpAddr>) -> Result<TcpListener, RankError> {
    let addresses = match network {
        Some(network) => towards(network).into_iter().collect(),
        None => named(),
    };
    for address in addresses {
        // An address that is not of this node is refused by the system.
        if let Ok(listener) = TcpListener::bind((address, 0)) {
            return Ok(listener);
        }
    }
    Err(RankError::NoAddress)
}

/// The address of this node from which packets go to another one; none is sent.
fn towards(other: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match other {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // The port of `discard`: a socket of this kind needs one to choose its way.
    socket.connect((other, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// The addresses of this node's name, and the address of the node where its step of Slurm was started.
fn named() -> Vec<IpAddr> {
    let host = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = env::var("SLURMD_NODENAME").ok().or_else(host);
    let name = name.unwrap_or_default();
    let found = (name.trim(), 0).to_socket_addrs();
    let found = found.into_iter().flatten().map(|address| address.ip());
    let given = env::var("SLURM_LAUNCH_NODE_IPADDR").ok();
    let given = given.and_then(|address| address.parse().ok());
    reachable(found.chain(given))
}

/// Without those that no other node reaches: some systems give one to their own name.
fn reachable(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let reaches = |address: &IpAddr| !address.is_loopback() && !address.is_unspecified();
    addresses.filter(reaches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_listens_in_the_network_that_is_named_and_nowhere_else() {
        // Oracle: RFC 1122: 127.0.0.0/8 is this machine, whose own address there is 127.0.0.1 on Linux.
        let listener = listen(Some("127.0.0.7".parse().unwrap())).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip().to_string(), "127.0.0.1");
    }

    #[test]
    fn an_address_that_no_other_node_reaches_is_not_chosen() {
        let all = ["127.0.1.1", "10.0.0.7", "::1", "0.0.0.0"].map(|text| text.parse().unwrap());
        assert_eq!(reachable(all.into_iter()), [all[1]]);
    }
}
