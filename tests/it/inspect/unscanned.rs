//! What nobody has seen is counted by its own bytes: uploads, tunnels, switched connections.

use tether::policy::bypass::entry::BypassRule;
use tether::policy::bypass::pattern::Pattern;

use super::{logged, logging, metric, noise, scanning_with};
use crate::support::answer::{answer, answer_head};
use crate::support::client::{asking, connect};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;

const SIZE: usize = 300_000;

fn unscanned(proxy: &Proxy, why: &str) -> u64 {
    metric(proxy, &format!("tether_unscanned_bytes_total{{reason=\"{why}\"}}"))
}

/// Bytes go both ways once the client has had an answer of this status to `asked`; gives what was counted.
fn joined(proxy: &Proxy, origin: &Origin, asked: &str, status: u16, why: &str) -> u64 {
    let before = unscanned(proxy, why);
    let mut client = asking(proxy, asked);
    let mut served = origin.accept();
    if status == 101 {
        served.head();
        served.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    }
    assert_eq!(answer_head(&mut client).expect("a head").status, status);
    let (up, down) = (noise(SIZE), noise(SIZE / 3));
    let (mut sender, sent) = (client.twin(), up.clone());
    let sending = std::thread::spawn(move || sender.send(sent));
    assert!(served.exactly(SIZE) == up);
    sending.join().expect("sent");
    served.send(&down);
    assert!(client.exactly(down.len()) == down);
    drop((client, served));
    proxy.wait_until_empty();
    unscanned(proxy, why) - before
}

#[test]
fn what_is_joined_counts_both_ways() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(logging(folder.path()));
    let origin = Origin::bind();
    let host = origin.address();
    let chat =
        format!("GET http://{host}/chat HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let rows = [(connect(host), 200, "tunnel"), (chat.clone(), 101, "websocket")];
    for (number, (asked, status, why)) in rows.iter().enumerate() {
        let counted = joined(&proxy, &origin, asked, *status, why);
        let all = (SIZE + SIZE / 3) as u64;
        assert!((all..all + 1000).contains(&counted), "{why}: {counted}");
        let line = logged(&proxy, folder.path(), number + 1);
        let told = [&line["scan"], &line["verdict"], &line["unscanned"], &line["upload_unscanned"]];
        assert_eq!(told, ["none", "unscanned", why, why], "{line}");
    }
    // Where they are bypassed, that is why.
    let entry = BypassRule::new(Pattern::parse("127.0.0.1").expect("a pattern"));
    let proxy = scanning_with(|settings| settings.bypass_book.entries = vec![entry]);
    for (asked, status) in [(connect(host), 200), (chat.clone(), 101)] {
        assert!(joined(&proxy, &origin, &asked, status, "bypassed") > SIZE as u64);
    }
    assert_eq!(unscanned(&proxy, "tunnel") + unscanned(&proxy, "websocket"), 0);
    // Where nothing is scanned, nothing is left out.
    let proxy = scanning_with(|settings| settings.inspect.default.clear());
    assert_eq!(joined(&proxy, &origin, &connect(host), 200, "tunnel"), 0);
}

#[test]
fn an_upload_counts_by_its_own_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let entry = BypassRule::new(Pattern::parse("127.0.0.1").expect("a pattern"));
    let proxy = scanning_with(|settings| {
        settings.bypass_book.entries = vec![entry];
        logging(folder.path())(settings);
    });
    let origin = Origin::bind();
    let host = origin.address();
    let mut client =
        asking(&proxy, format!("POST http://{host}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: {SIZE}\r\n\r\n"));
    let (mut sender, body) = (client.twin(), noise(SIZE));
    let sending = std::thread::spawn(move || sender.send(body));
    let mut served = origin.accept();
    served.head();
    served.exactly(SIZE);
    sending.join().expect("sent");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    assert_eq!(answer(&mut client).text(), "done");
    let line = logged(&proxy, folder.path(), 1);
    assert_eq!([&line["unscanned"], &line["upload_unscanned"]], ["bypassed"; 2], "{line}");
    let counted = unscanned(&proxy, "bypassed");
    assert!((SIZE as u64..SIZE as u64 + 1000).contains(&counted), "{counted}");
}
