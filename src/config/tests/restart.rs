//! Which changes a running proxy cannot follow.

use super::good;
use crate::config::changes_needing_restart;

const OLD: &str = "workers = 1\n[[forward]]\nname = \"a\"\nbind = \"127.0.0.1:1\"\n";

#[test]
fn each_key_that_needs_a_restart_is_named_alone() {
    for (new, named) in [
        (OLD.to_owned(), &[][..]),
        (OLD.replace("workers = 1", "workers = 2"), &["workers"]),
        (format!("{OLD}[admin]\nbind = \"127.0.0.1:2\"\n"), &["admin.bind"]),
        (format!("{OLD}[[forward]]\nname = \"b\"\nbind = \"127.0.0.1:2\"\n"), &["forward"]),
        (OLD.replace("\"a\"", "\"b\""), &["forward.name"]),
        (OLD.replace(".1:1\"", ".1:2\""), &["forward.bind"]),
        (format!("{OLD}[[icap_server]]\nbind = \"127.0.0.1:3\"\n"), &["icap_server"]),
        (format!("{OLD}[resolver]\nkind = \"system\"\n"), &["resolver.kind"]),
        (format!("{OLD}[resolver.hosts]\n\"a.example\" = \"::1\"\n"), &["resolver.hosts"]),
        (format!("{OLD}[log]\naccess = \"off\"\n"), &["log.access"]),
        (format!("{OLD}[log]\nformat = \"squid\"\n"), &["log.format"]),
        (format!("{OLD}[state]\ndir = \"/proc/x\"\n"), &["state.dir"]),
        (format!("{OLD}[timeouts]\nresolve = \"1s\"\n"), &["timeouts.resolve"]),
        (OLD.replace("workers = 1", "workers = 2").replace("\"a\"", "\"b\""), &["workers", "forward.name"]),
    ] {
        assert_eq!(changes_needing_restart(&good(OLD), &good(&new)), named, "{new}");
    }
}

#[test]
fn everything_else_holds_at_once() {
    let new = format!(
        "{OLD}on_client_fin = \"finish\"\nprofile = \"cgnat\"\n[destinations]\nallow = [\"10.0.0.0/8\"]\n[limits]\nmode = \"off\"\n\
         stream_lane = 10\n[bypass]\nlearn = \"on\"\n[policies]\ndir = \"/proc\"\n[inspect]\ndefault = []\nhold = \"1s\"\nmemory = \"4KiB\"\n\
         spool_dir = \"/proc\"\n[timeouts]\nclient_idle = \"1s\"\ndrain = \"1s\"\n"
    );
    let (old, new) = (good(OLD), good(&new));
    assert_ne!(old, new);
    assert_eq!(changes_needing_restart(&old, &new), [""; 0]);
}
