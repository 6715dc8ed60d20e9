//! Sockets without a guest; that they do what Linux does is tested with Python on both sides.

use super::*;
use crate::fd::{Moved, Readiness};
use std::task::{Context, Waker};

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn stream(network: &Arc<Network>) -> Arc<Socket> {
    Socket::new(network, Family::V4, Protocol::Stream).unwrap()
}

fn is_ready(socket: &Socket, readiness: Readiness) -> bool {
    socket.poll_ready(readiness, &Context::from_waker(Waker::noop())).is_ready()
}

fn receive(socket: &Socket) -> String {
    let mut out = [0; 64];
    match socket.receive(&mut out, false).unwrap() {
        Received::Stream(Moved::Bytes(n_bytes)) => String::from_utf8_lossy(&out[..n_bytes]).into(),
        Received::Datagram(datagram) => String::from_utf8_lossy(&datagram.data).into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_connection_carries_bytes_both_ways_and_ends() {
    let network = Network::new(NetworkMode::Loopback);
    let listener = stream(&network);
    listener.bind(loopback(8000)).unwrap();
    listener.listen(1).unwrap();
    assert!(!is_ready(&listener, Readiness::Read));
    let client = stream(&network);
    client.connect(loopback(8000)).unwrap();
    assert!(is_ready(&listener, Readiness::Read));
    let server = listener.accept().unwrap().unwrap();
    assert_eq!(server.peer().unwrap(), client.local());
    assert_eq!(client.peer().unwrap(), server.local());
    assert_eq!(client.send(b"ping"), Ok(Moved::Bytes(4)));
    assert_eq!(receive(&server), "ping");
    assert_eq!(server.send(b"pong"), Ok(Moved::Bytes(4)));
    drop(server);
    assert_eq!(receive(&client), "pong");
    assert_eq!(receive(&client), "Stream(Closed)");
    // The first that comes too late is lost, and tells so by a reset.
    assert_eq!(client.send(b"late"), Ok(Moved::Bytes(4)));
    assert_eq!(client.peer(), Err(Errno::NOTCONN));
    assert_eq!(client.send(b"later"), Err(Errno::PIPE));
}

#[test]
fn nothing_but_the_machine_itself_is_reached() {
    let network = Network::new(NetworkMode::Loopback);
    let outside: SocketAddr = ([93, 184, 215, 14], 80).into();
    assert_eq!(stream(&network).connect(outside), Err(Errno::NETUNREACH));
    assert_eq!(stream(&network).bind(outside), Err(Errno::ADDRNOTAVAIL));
    let datagrams = Socket::new(&network, Family::V4, Protocol::Datagram).unwrap();
    assert_eq!(datagrams.send_to(b"x", outside), Err(Errno::NETUNREACH));
    assert_eq!(datagrams.connect(outside), Err(Errno::NETUNREACH));
    assert_eq!(stream(&network).connect(loopback(1)), Err(Errno::CONNREFUSED));
}

#[test]
fn two_sandboxes_do_not_meet() {
    let (one, other) = (Network::new(NetworkMode::Loopback), Network::new(NetworkMode::Loopback));
    let listener = stream(&one);
    listener.bind(loopback(8000)).unwrap();
    listener.listen(1).unwrap();
    assert_eq!(stream(&other).connect(loopback(8000)), Err(Errno::CONNREFUSED));
    stream(&other).bind(loopback(8000)).unwrap();
}

#[test]
fn without_a_network_there_is_no_socket() {
    let network = Network::new(NetworkMode::None);
    assert_eq!(Socket::new(&network, Family::V4, Protocol::Stream).map(drop), Err(Errno::ACCES));
}

#[test]
fn sockets_are_as_many_as_may_be_and_closed_ones_are_forgotten() {
    let network = Network::new(NetworkMode::Loopback);
    let mut sockets: Vec<_> = (0..MAX_SOCKETS).map(|_| stream(&network)).collect();
    assert_eq!(Socket::new(&network, Family::V4, Protocol::Stream).map(drop), Err(Errno::NFILE));
    sockets.pop();
    let listener = stream(&network);
    listener.bind(loopback(9)).unwrap();
    assert_eq!(sockets[0].bind(loopback(9)), Err(Errno::ADDRINUSE));
    drop(listener);
    assert_eq!(sockets[0].bind(loopback(9)), Ok(()));
}

#[test]
fn a_full_queue_of_connections_refuses_and_one_of_datagrams_loses() {
    let network = Network::new(NetworkMode::Loopback);
    let listener = stream(&network);
    listener.bind(loopback(80)).unwrap();
    listener.listen(2).unwrap();
    let clients: Vec<_> = (0..3).map(|_| stream(&network)).collect();
    let results: Vec<_> = clients.iter().map(|client| client.connect(loopback(80))).collect();
    assert_eq!(results, [Ok(()), Ok(()), Err(Errno::CONNREFUSED)]);

    let inbox = Socket::new(&network, Family::V4, Protocol::Datagram).unwrap();
    inbox.bind(loopback(53)).unwrap();
    let sender = Socket::new(&network, Family::V4, Protocol::Datagram).unwrap();
    for _ in 0..1000 {
        assert_eq!(sender.send_to(&[7; 1000], loopback(53)), Ok(Moved::Bytes(1000)));
    }
    let mut n_received = 0;
    while let Received::Datagram(datagram) = inbox.receive(&mut [], false).unwrap() {
        assert_eq!(datagram.from, Address::Inet(loopback(32_771)));
        n_received += 1;
    }
    assert_eq!(n_received, 61);
}

#[test]
fn ports_are_given_out_in_order() {
    let network = Network::new(NetworkMode::Loopback);
    let ports: Vec<_> = (0..3)
        .map(|_| {
            let socket = stream(&network);
            socket.bind(loopback(0)).unwrap();
            let Address::Inet(local) = socket.local() else { panic!() };
            local.port()
        })
        .collect();
    assert_eq!(ports, [32_768, 32_769, 32_770]);
}
