//! What the kernel says about this process and its sockets: evidence that does not come from the proxy itself.

use std::net::SocketAddr;

use super::wire::Wire;

/// A TCP socket of this network namespace.
pub struct TcpLine {
    /// Port of its own end.
    pub local: u16,
    /// Port of the other end.
    pub remote: u16,
    /// Whether it waits for the answer to its SYN.
    pub connecting: bool,
    /// Bytes sent or to be sent that the other end has not confirmed.
    pub unsent: u64,
    /// Bytes that nobody has read.
    pub unread: u64,
}

/// Every TCP socket over IPv4.
pub fn tcp_sockets() -> Vec<TcpLine> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel's table of sockets");
    table.lines().skip(1).map(line).collect()
}

/// Half-made connections to `port`.
pub fn connecting_to(port: SocketAddr) -> usize {
    tcp_sockets().iter().filter(|socket| socket.connecting && socket.remote == port.port()).count()
}

/// Bytes that were sent to `served`, which has read nothing: those in its queue, and those on their way to it.
pub fn taken_by_the_kernel(served: &Wire) -> u64 {
    let (own, other) = (served.local().port(), served.peer().port());
    let queues = tcp_sockets().into_iter().map(|socket| match (socket.local, socket.remote) {
        (local, remote) if (local, remote) == (own, other) => socket.unread,
        (local, remote) if (local, remote) == (other, own) => socket.unsent,
        _ => 0,
    });
    queues.sum()
}

/// Bytes that `wire` sent and the program at its other end has not read.
pub fn unread_by_the_peer_of(wire: &Wire) -> u64 {
    let (own, other) = (wire.local().port(), wire.peer().port());
    let queues = tcp_sockets().into_iter().map(|socket| match (socket.local, socket.remote) {
        (local, remote) if (local, remote) == (other, own) => socket.unread,
        (local, remote) if (local, remote) == (own, other) => socket.unsent,
        _ => 0,
    });
    queues.sum()
}

/// Open descriptors of this process.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").count()
}

fn line(text: &str) -> TcpLine {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let port = |field: &str| hex(field.rsplit(':').next().expect("a port")) as u16;
    let (unsent, unread) = fields[4].split_once(':').expect("two queues");
    TcpLine {
        local: port(fields[1]),
        remote: port(fields[2]),
        connecting: fields[3] == "02",
        unsent: hex(unsent),
        unread: hex(unread),
    }
}

fn hex(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).expect("a hexadecimal number")
}
