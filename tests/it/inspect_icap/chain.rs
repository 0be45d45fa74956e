//! Several scanners: each in its turn, each sees what the one before has left, and the first that finds something ends it.

use tether::inspect::settings::eicar;

use super::*;
use crate::icap::server::replace_by;

/// Services `av` and `dlp` behind the built-in scanner.
fn chain(av: &Scanner, dlp: &Scanner) -> Scene {
    Scene::with(vec![av.named("av"), dlp.named("dlp")], |settings| {
        settings.inspect.default.insert(0, ScannerName::BuiltIn);
    })
}

#[test]
fn everybody_sees_it_in_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &'static str| {
        let order = order.clone();
        Scanner::judging(move |_| {
            order.lock().expect("order").push(name);
            UNCHANGED.into()
        })
    };
    let (av, dlp) = (noting("av"), noting("dlp"));
    let scene = chain(&av, &dlp);
    let origin = page("hello");
    for _ in 0..5 {
        assert_eq!(scene.get(&origin, "/a").text(), "hello");
    }
    assert_eq!(*order.lock().expect("order"), ["av", "dlp"].repeat(5));
    assert_eq!(told(&scene.line(0)), ["done", "whole", "clean", "-"]);
}

#[test]
fn what_one_has_changed_is_what_the_next_one_sees() {
    let av = Scanner::judging(|shown| {
        let body = shown.text().replace("bad", "better");
        replaced("HTTP/1.1 200 OK\r\nContent-Type: text/x-changed\r\nX-By: av\r\n\r\n", body.as_bytes())
    });
    let dlp = Scanner::judging(|shown| replace_by(shown.text().replace("news", "word").as_bytes()));
    let clean = Scanner::clean();
    for (second, body) in [(&clean, "better news"), (&dlp, "better word")] {
        let scene = chain(&av, second);
        let got = scene.get(&page("bad news"), "/a");
        assert_eq!((got.status, got.text().as_str()), (200, body));
        assert_eq!(got.field("Content-Length"), Some("11"));
        let shown = second.shown().remove(0);
        assert_eq!(shown.text(), "better news");
        assert!(shown.inner.contains("Content-Type: text/x-changed\r\n"), "{}", shown.inner);
        assert!(shown.inner.contains("Content-Length: 11\r\n"), "{}", shown.inner);
        assert!(shown.inner.starts_with("GET http://"), "{}", shown.inner);
        assert_eq!(told(&scene.line(0))[2], "modified");
    }
}

#[test]
fn the_first_finding_wins() {
    let (av, dlp) = (Scanner::finding("virus"), Scanner::finding("secret"));
    let scene = chain(&av, &dlp);
    let eicar = String::from_utf8(eicar().to_vec()).expect("text");
    for (number, (body, by, asked)) in [
        (format!("{eicar} virus secret"), "builtin", (0, 0)),
        ("virus secret".into(), "av", (1, 0)),
        ("secret".into(), "dlp", (2, 1)),
        ("nothing".into(), "-", (3, 2)),
    ]
    .into_iter()
    .enumerate()
    {
        let got = scene.get(&page(&body), "/a");
        assert_eq!(got.status, if by == "-" { 200 } else { 403 });
        assert_eq!(told(&scene.line(number))[3], by, "{}", scene.line(number));
        assert_eq!((av.shown().len(), dlp.shown().len()), asked, "{by}");
    }
    scene.wait_until_empty();
}

#[test]
fn a_change_stays_when_a_later_service_fails_and_is_passed_by() {
    let av = Scanner::judging(|_| replace_by(b"cured"));
    let dlp = Scanner::judging(|_| b"ICAP/1.0 500 No\r\n\r\n".to_vec());
    let passed = IcapService { on_failure: OnFailure::Pass, ..dlp.named("dlp") };
    let scene = Scene::of(vec![av.named("av"), passed]);
    assert_eq!(scene.get(&page("ill"), "/a").text(), "cured");
    assert_eq!(scene.line(0)["unscanned"], "scanner_down");
    let scene = Scene::of(vec![av.named("av"), dlp.named("dlp")]);
    assert_eq!(scene.get(&page("ill"), "/a").status, 503);
    assert_eq!(told(&scene.line(0))[3], "dlp");
}

#[test]
fn requests_go_through_the_chain_too() {
    let origin = Scripted::start(|visit| {
        while let Some((head, body)) = visit.request() {
            visit.send(ok(&format!("{}|{}", head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&body))));
        }
    });
    let to = origin.address();
    let head = move |path: &str| format!("POST http://{to}{path} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let first = Scanner::judging(move |shown| replaced(&head("/one"), format!("{}+1", shown.text()).as_bytes()));
    let second = Scanner::judging(move |shown| {
        assert!(shown.inner.starts_with("POST http://") && shown.inner.contains("/one "), "{}", shown.inner);
        replaced(&head("/two"), format!("{}+2", shown.text()).as_bytes())
    });
    let services = [("first", &first), ("second", &second)];
    let services = services.map(|(name, scanner)| IcapService { name: name.into(), ..scanner.of_requests() });
    let scene = Scene::of(services.to_vec());
    let mut client = scene.asks(format!("POST http://{to}/ HTTP/1.1\r\nHost: {to}\r\nContent-Length: 1\r\n\r\n0"));
    assert_eq!(answer(&mut client).text(), "POST /two HTTP/1.1|0+1+2");
}
