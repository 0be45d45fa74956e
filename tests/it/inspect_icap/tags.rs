//! Tags of services: what one says of itself in any answer tells for how long its verdicts are kept.

use tether::inspect::course::StreamScan;

use super::streams::{EVENTS, seen};
use super::*;
use crate::support::origin::Origin;
use crate::support::wire::How;

/// A service whose verdicts are kept, under this tag in each answer; `told` is what it tells of itself in OPTIONS.
fn tagged(told: &'static str, tag: impl Fn(&Shown) -> &'static str + Send + Sync + 'static) -> Scanner {
    Scanner::answering(told, move |visit, shown| {
        visit.send(UNCHANGED.replace("t1", tag(shown)));
    })
}

fn kept(scanner: &Scanner) -> IcapService {
    IcapService { verdicts: VerdictUse::Kept, ..scanner.named("av") }
}

#[test]
fn a_new_tag_in_the_middle_of_a_stream_ends_what_was_kept() {
    let scanner = tagged(PREVIEW, |shown| if shown.field("X-Scan-Window") == Some("1") { "t2" } else { "t1" });
    let scene = Scene::with(vec![kept(&scanner)], seen(StreamScan::Sync));
    let (origin, live) = (page("hello"), Origin::bind());
    for _ in 0..2 {
        assert_eq!(scene.get(&origin, "/a").text(), "hello");
    }
    assert_eq!(scanner.shown().len(), 1, "once is enough");
    let mut client = scene.asks(get(live.address(), "/live"));
    let mut served = live.accept();
    served.head();
    served.send([EVENTS, "data: one\n\n"].concat());
    client.head();
    assert_eq!(client.exactly(11), b"data: one\n\n");
    served.send("data: two\n\n");
    served.finish();
    assert_eq!(client.rest(), (b"data: two\n\n".to_vec(), How::Fin));
    assert_eq!(scanner.shown().len(), 3);
    assert_eq!(scene.get(&origin, "/a").text(), "hello");
    assert_eq!(scanner.shown().len(), 4, "its rules are others now");
}
