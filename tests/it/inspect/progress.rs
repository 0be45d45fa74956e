//! Pages that stand in for files while they are held: they tell how far those are, and hand them out once.

use std::time::Duration;

use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::inspect::book::InspectRule;
use tether::inspect::course::WhileHeld;
use tether::inspect::settings::eicar;

use super::wrapped::Framing;
use super::{logged, logging, noise, patient, scanning_with, wait_until_nothing_is_left};
use crate::support::answer::{Answer, BodyEnd, answer, answer_body, answer_head};
use crate::support::client::{asking, get};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

/// A page stands in for files from their first byte on.
fn with_pages(settings: &mut Settings) {
    patient(settings);
    settings.inspect.hold.trickle_after = Duration::ZERO;
    settings.inspect.while_held = WhileHeld::Page;
}

fn archive(size: usize) -> Vec<u8> {
    [&b"PK\x03\x04"[..], &noise(size - 4)].concat()
}

fn going_to(origin: &Origin, path: &str, fields: &str) -> String {
    let host = origin.address();
    format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html,*/*;q=0.8\r\n{fields}\r\n")
}

/// An origin that has sent half of `body`, and the client that went there.
fn begun(proxy: &Proxy, origin: &Origin, fields: &str, body: &[u8]) -> (Answer, Wire, Wire) {
    let mut client = asking(proxy, going_to(origin, "/files/setup%20one.zip", ""));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.head(&format!("Content-Type: application/zip\r\n{fields}"), body.len()));
    served.send(&body[..body.len() / 2]);
    let answer = answer_head(&mut client).expect("the head of the page");
    (answer, client, served)
}

/// The path that a page hands its file out from.
fn link(page: &str) -> Option<String> {
    let (_, link) = page.split_once("http-equiv=\"refresh\" content=\"0; url=")?;
    link.split_once('"').map(|(link, _)| link.replace("&#x2f;", "/"))
}

#[test]
fn a_page_tells_how_far_a_file_is_and_hands_it_out_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        with_pages(settings);
        logging(folder.path())(settings);
    });
    let (origin, body) = (Origin::bind(), archive(1 << 20));
    let (page, mut client, mut served) = begun(&proxy, &origin, "ETag: \"7\"\r\n", &body);
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((page.field("Cache-Control"), page.field("ETag")), (Some("no-store"), None));
    served.send(&body[body.len() / 2..]);
    let page = answer_body(&mut client, page);
    assert_eq!(page.end, BodyEnd::Framed);
    let text = page.text();
    assert!(text.contains("setup%20one.zip") && text.contains("of 1.0 MiB") && text.ends_with("</html>"), "{text}");
    let link = link(&text).expect("a link");
    assert!(link.ends_with("/setup%20one.zip"), "{link}");
    // Nobody else gets it, and nowhere else.
    let other = Origin::bind();
    assert_eq!(answer(&mut asking(&proxy, get(other.address(), &link))).status, 410);
    let file = answer(&mut asking(&proxy, get(origin.address(), &link)));
    assert_eq!((file.status, file.field("ETag"), file.body == body), (200, Some("\"7\""), true));
    assert_eq!(file.field("Content-Type"), Some("application/zip"));
    assert_eq!(answer(&mut asking(&proxy, get(origin.address(), &link))).status, 410);
    assert!(!origin.is_called(Duration::ZERO), "the origin was asked for a file of ours");
    let line = logged(&proxy, folder.path(), 1);
    assert_eq!([&line["verdict"], &line["scan"], &line["reason"]], ["clean", "whole", "done"], "{line}");
    drop(client);
    wait_until_nothing_is_left(&proxy);
    assert_eq!(proxy.tally().closed(Reason::DownloadGone), 2);
}

#[test]
fn the_file_may_be_fetched_on_the_connection_of_its_page() {
    let proxy = scanning_with(with_pages);
    let (origin, body) = (Origin::bind(), archive(700_000));
    let (page, mut client, mut served) = begun(&proxy, &origin, "", &body);
    served.send(&body[body.len() / 2..]);
    let text = answer_body(&mut client, page).text();
    client.send(get(origin.address(), &link(&text).expect("a link")));
    assert!(answer(&mut client).body == body);
}

#[test]
fn the_file_goes_with_the_client() {
    let proxy = scanning_with(with_pages);
    let (origin, body) = (Origin::bind(), archive(1 << 20));
    let (page, mut client, mut served) = begun(&proxy, &origin, "", &body);
    served.send(&body[body.len() / 2..]);
    let text = answer_body(&mut client, page).text();
    drop((client, served));
    wait_until_nothing_is_left(&proxy);
    let again = answer(&mut asking(&proxy, get(origin.address(), &link(&text).expect("a link"))));
    assert_eq!(again.status, 410);
    // And while it is fetched.
    let (_, client, served) = begun(&proxy, &origin, "", &body);
    drop(client);
    served.wait_for_reset();
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn what_is_found_is_told_on_the_page_and_not_handed_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = scanning_with(|settings| {
        with_pages(settings);
        logging(folder.path())(settings);
    });
    let (origin, body) = (Origin::bind(), [archive(1 << 20), eicar(), noise(500_000)].concat());
    let (page, mut client, mut served) = begun(&proxy, &origin, "", &body);
    let _ = served.try_send(&body[body.len() / 2..]);
    let page = answer_body(&mut client, page);
    let text = page.text();
    assert!(page.end == BodyEnd::Framed && link(&text).is_none() && text.contains("content_blocked"), "{text}");
    assert!(!text.contains("EICAR"), "{text}");
    let line = logged(&proxy, folder.path(), 1);
    assert_eq!([&line["verdict"], &line["reason"]], ["blocked", "content_blocked"], "{line}");
    // The connection goes on.
    client.send(going_to(&origin, "/next", ""));
    let mut next = origin.accept();
    next.head();
    next.send(Framing::Length.response("", b"fine"));
    assert_eq!(answer(&mut client).text(), "fine");
    drop((client, served, next));
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn an_origin_that_breaks_off_is_told_on_the_page() {
    let proxy = scanning_with(with_pages);
    let (origin, body) = (Origin::bind(), archive(1 << 20));
    let (page, mut client, served) = begun(&proxy, &origin, "", &body);
    drop(served);
    let page = answer_body(&mut client, page);
    assert!(page.end == BodyEnd::Framed && link(&page.text()).is_none(), "{}", page.text());
    drop(client);
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn only_who_went_there_with_a_window_gets_a_page() {
    let proxy = scanning_with(with_pages);
    let body = archive(1 << 20);
    for fields in ["Sec-Fetch-Dest: empty\r\n", "X-Requested-With: x\r\n", "Accept: text/html;q=0\r\n"] {
        let origin = Origin::bind();
        let request = match fields.starts_with("Accept") {
            true => get(origin.address(), "/a.zip"),
            false => going_to(&origin, "/a.zip", fields),
        };
        let mut client = asking(&proxy, request);
        let mut served = origin.accept();
        served.head();
        served.send(Framing::Length.head("Content-Type: application/zip\r\n", body.len()));
        served.send(&body[..body.len() / 2]);
        super::wait_until_read(&served);
        served.send(&body[body.len() / 2..]);
        assert!(answer(&mut client).body == body, "{fields}");
    }
    for kind in ["text/html", "video/mp4"] {
        let origin = Origin::bind();
        let mut client = asking(&proxy, going_to(&origin, "/a", ""));
        let mut served = origin.accept();
        served.head();
        let body = noise(400_000);
        served.send(Framing::Length.head(&format!("Content-Type: {kind}\r\n"), body.len()));
        served.send(&body[..200_000]);
        super::wait_until_read(&served);
        served.send(&body[200_000..]);
        assert!(answer(&mut client).body == body, "{kind}");
    }
    wait_until_nothing_is_left(&proxy);
}

#[test]
fn rules_say_what_clients_get() {
    let rule = InspectRule { while_held: Some(WhileHeld::Nothing), ..InspectRule::new("nothing") };
    let proxy = scanning_with(|settings| {
        with_pages(settings);
        settings.inspect_rules = vec![rule];
    });
    let (origin, body) = (Origin::bind(), archive(1 << 20));
    let mut client = asking(&proxy, going_to(&origin, "/a.zip", ""));
    let mut served = origin.accept();
    served.head();
    served.send(Framing::Length.head("Content-Type: application/zip\r\n", body.len()));
    served.send(&body[..body.len() / 2]);
    super::wait_until_read(&served);
    assert!(!client.comes_within(Duration::from_millis(50)), "something went out");
    served.send(&body[body.len() / 2..]);
    assert!(answer(&mut client).body == body);
}
