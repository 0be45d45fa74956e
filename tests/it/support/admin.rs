//! What the admin port says.

use super::proxy::Proxy;
use super::wire::Wire;

/// Asks the admin port; gives the status and the body.
pub fn ask(proxy: &Proxy, path: &str) -> (u16, String) {
    let mut client = Wire::connect(proxy.admin());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin()));
    let head = client.head();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, String::from_utf8(client.rest().0).expect("a body in UTF-8"))
}
