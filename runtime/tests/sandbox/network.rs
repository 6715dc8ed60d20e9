//! What sockets ask for, and that the record has it.

use crate::support::{Ran, World, guest};
use playpen_runtime::{NetworkMode, audit::Event};

/// `EACCES`, `ENETUNREACH` and success, as preview 1 numbers them.
const ACCES: u32 = 2;
const NETUNREACH: u32 = 40;
const SUCCESS: u32 = 0;

/// Addresses as Linux lays them out, at these places.
const HERE: (u32, &str) = (64, "\x02\x00\x1f\x40\x7f\x00\x00\x01\0\0\0\0\0\0\0\0");
const OUTSIDE: (u32, &str) = (96, "\x02\x00\x00\x50\x08\x08\x08\x08\0\0\0\0\0\0\0\0");
const SIX: (u32, &str) =
    (128, "\x0a\x00\x00\x35\0\0\0\0\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0");
const NAME: (u32, &str) = (192, "\x01\x00\0bus");
const FILE: (u32, &str) = (224, "\x01\x00/workspace/s\0");
const PATH: (u32, &str) = (256, "/workspace/s");

/// Makes a call and ends with its errno if it is another than expected.
fn call(text: &str, errno: u32) -> String {
    format!(
        "(local.set $e (call {text}))
         (if (i32.ne (local.get $e) (i32.const {errno})) (then (call $exit (local.get $e))))"
    )
}

/// Makes a socket of a family and a type, and does something with it.
fn with_socket(family: u32, kind: u32, then: &str) -> String {
    let open = call(
        &format!("$socket (i32.const {family}) (i32.const {kind}) (i32.const 0) (i32.const 8)"),
        SUCCESS,
    );
    format!("{open} {then}")
}

fn on_address(name: &str, at: (u32, &str), errno: u32) -> String {
    let path = if at == FILE { (PATH.0, PATH.1.len()) } else { (0, 0) };
    call(
        &format!(
            "{name} (i32.load (i32.const 8)) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {})",
            at.0,
            at.1.len(),
            path.0,
            path.1
        ),
        errno,
    )
}

fn send_to(at: (u32, &str), errno: u32) -> String {
    call(
        &format!(
            "$transmit (i32.load (i32.const 8)) (i32.const 16) (i32.const 0) (i32.const 0)
               (i32.const {}) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 24)",
            at.0,
            at.1.len()
        ),
        errno,
    )
}

fn run(network: NetworkMode, body: &[String]) -> Ran {
    let data = [HERE, OUTSIDE, SIX, NAME, FILE, PATH];
    let body = format!("(local $e i32) {}", body.concat());
    let world = World::of(&guest(&data, &body));
    World { network, ..world }.run()
}

/// Operation, address, and the error if there was one.
fn told(ran: &Ran) -> Vec<String> {
    let line = |event: &Event| {
        let errno = event.errno.as_deref().map_or_else(String::new, |errno| format!(" {errno}"));
        event.address.as_deref().map(|address| format!("{} {address}{errno}", event.op.name()))
    };
    ran.events.iter().filter_map(line).collect()
}

#[test]
fn every_address_is_in_the_record() {
    let body = [
        with_socket(2, 1, &on_address("$bind", HERE, SUCCESS)),
        with_socket(1, 1, &on_address("$bind", NAME, SUCCESS)),
        with_socket(1, 1, &on_address("$bind", FILE, SUCCESS)),
        with_socket(2, 2, &(on_address("$connect", HERE, SUCCESS) + &send_to(HERE, SUCCESS))),
    ];
    let ran = run(NetworkMode::Loopback, &body);
    assert_eq!(ran.exit(), "exit code 0");
    let expected = [
        "socket tcp",
        "bind tcp://127.0.0.1:8000",
        "socket unix",
        "bind unix:@bus",
        "socket unix",
        "bind unix:/workspace/s",
        "socket udp",
        "connect udp://127.0.0.1:8000",
        "send udp://127.0.0.1:8000",
    ];
    assert_eq!(told(&ran), expected);
    let made = ran.events.iter().find(|event| event.path.as_deref() == Some("/workspace/s"));
    assert!(made.unwrap().created, "a name that is a path is made like a file");
    let n_calls = ran.events.iter().filter(|event| event.op.is_call()).count();
    assert_eq!(ran.host.calls, n_calls as u64, "the host functions counted the same");
}

#[test]
fn an_address_outside_is_denied() {
    let body = [
        with_socket(2, 1, &on_address("$connect", OUTSIDE, NETUNREACH)),
        with_socket(2, 2, &send_to(OUTSIDE, NETUNREACH)),
        with_socket(10, 2, &on_address("$connect", SIX, NETUNREACH)),
    ];
    let ran = run(NetworkMode::Loopback, &body);
    assert_eq!(ran.exit(), "exit code 0");
    let expected = [
        "Connect tcp://8.8.8.8:80 -> - by network loopback (ENETUNREACH)",
        "Send udp://8.8.8.8:80 -> - by network loopback (ENETUNREACH)",
        "Connect udp://[2001::1]:53 -> - by network loopback (ENETUNREACH)",
    ];
    assert_eq!(ran.denied(), expected);
}

#[test]
fn without_a_network_there_is_no_socket() {
    let open = |family: u32| {
        let text =
            format!("$socket (i32.const {family}) (i32.const 1) (i32.const 0) (i32.const 8)");
        call(&text, ACCES)
    };
    let ran = run(NetworkMode::None, &[open(2), open(1)]);
    assert_eq!(ran.exit(), "exit code 0");
    let expected =
        ["Socket tcp -> - by network none (EACCES)", "Socket unix -> - by network none (EACCES)"];
    assert_eq!(ran.denied(), expected);
}
