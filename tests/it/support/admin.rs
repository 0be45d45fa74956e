//! What the admin port says.

use super::proxy::Proxy;
use super::wire::Wire;

/// Asks the admin port; gives the status and the body.
pub fn ask(proxy: &Proxy, path: &str) -> (u16, String) {
    ask_by(proxy, "GET", path, "")
}

/// The same by another method, with a body of JSON.
pub fn ask_by(proxy: &Proxy, method: &str, path: &str, body: &str) -> (u16, String) {
    let (mut client, length) = (Wire::connect(proxy.admin()), body.len());
    let fields = format!("Connection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n{body}", proxy.admin()));
    let head = client.head();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, String::from_utf8(client.rest().0).expect("a body in UTF-8"))
}
