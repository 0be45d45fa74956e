//! New rules for our server while it runs: for the next message, with another service tag.

use std::sync::{Arc, Mutex};

use tether::icap::server::settings::IcapServerSettings;
use tether::inspect::settings::{Literal, ScanRule, built_in};

use super::asking::{END, ENDLESS, UNCHANGED, chunk, judged, respmod};
use crate::support::proxy::{Proxy, settings};
use crate::support::wire::Wire;

#[test]
fn new_rules_hold_for_the_next_message_of_an_open_connection() {
    let rules = Arc::new(Mutex::new(built_in()));
    let read = rules.clone();
    let proxy = Proxy::reloading(Arc::new(move || {
        let mut settings = settings();
        settings.icap_server = vec![IcapServerSettings::new("filter", "127.0.0.1:0".parse().expect("address"))];
        settings.scan_rules.rules = read.lock().expect("rules").clone();
        Ok(settings)
    }));
    let mut wire = Wire::connect(proxy.app().icap_server_addresses()[0]);
    let asked = [respmod("Allow: 204\r\n", ENDLESS).as_bytes(), &chunk(b"a new word"), END].concat();
    wire.send(&asked);
    let before = wire.head();
    assert!(before.starts_with(UNCHANGED), "{before}");
    let mut word = ScanRule::new("word");
    word.literals = vec![Literal::text("new word").expect("a literal")];
    rules.lock().expect("rules").push(word);
    proxy.app().reloader().reload().expect("reloaded");
    wire.send(&asked);
    let after = judged(&mut wire);
    assert!(after.head.contains("Threat=word;"), "{}", after.head);
    let tag = |head: &str| head.lines().find(|line| line.starts_with("ISTag: ")).map(str::to_owned);
    assert!(tag(&before).is_some() && tag(&before) != tag(&after.head));
}
