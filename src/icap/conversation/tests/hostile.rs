//! Servers that break the protocol or a limit: the conversation fails, whatever the pieces.

use super::*;

fn fault(answer: &str) -> Fault {
    fault_of(straight, answer.as_bytes())
}

fn fault_of(talk: impl Fn() -> Conversation, answer: &[u8]) -> Fault {
    let faults = [answer.len(), 1, 7].map(|step| {
        let mut talk = talk();
        write_all(&mut talk, b"hello");
        let came = read_in(&mut talk, answer, step);
        came.expect_err(&format!("{:?}", String::from_utf8_lossy(&answer[..answer.len().min(200)])))
    });
    assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
    faults[0]
}

fn with_parts(parts: &str) -> String {
    format!("ICAP/1.0 200 OK\r\nEncapsulated: {parts}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n")
}

#[test]
fn heads_that_are_none_or_have_no_end() {
    assert_eq!(fault("HTTP/1.1 200 OK\r\n\r\n"), Fault::StatusLine);
    assert_eq!(fault("ICAP/1.0 1000 What\r\n\r\n"), Fault::StatusLine);
    assert_eq!(fault("ICAP/1.0 200 OK\r\nno colon\r\n\r\n"), Fault::Field);
    for status in [100, 200, 204, 404] {
        assert_eq!(fault(&format!("ICAP/1.0 {status} OK\r\ntransfer-encoding: chunked\r\n\r\n")), Fault::Field);
    }
    assert_eq!(fault(&format!("ICAP/1.0 200 OK\r\nA: {}", "b".repeat(1 << 20))), Fault::HeadTooLarge);
    assert_eq!(fault(&format!("ICAP/1.0 200 OK\r\n{}", "A: b\r\n".repeat(1000))), Fault::HeadTooLarge);
}

#[test]
fn wrong_offsets() {
    assert_eq!(fault("ICAP/1.0 200 OK\r\n\r\n"), Fault::NoEncapsulated);
    assert_eq!(fault(&with_parts("")), Fault::NoEncapsulated);
    for parts in [
        "res-hdr=-1, res-body=19",
        "res-hdr=19, res-body=0",
        "res-hdr=0, res-body=999999",
        "res-body=0",
        "res-hdr=0, res-body=0",
        "req-hdr=0, req-body=19",
        "res-hdr=0, res-body=19\r\nEncapsulated: res-hdr=0, res-body=19",
    ] {
        assert_eq!(fault(&with_parts(parts)), Fault::Encapsulated, "{parts}");
    }
    for parts in ["res-hdr=0, res-body=18", "res-hdr=0, res-body=20", "res-hdr=0, res-body=1"] {
        assert_eq!(fault(&with_parts(parts)), Fault::InnerHead, "{parts}");
    }
}

#[test]
fn inner_heads_are_read_strictly() {
    for inner in [
        "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ] {
        assert_eq!(fault(&adapted(inner, "0\r\n\r\n")), Fault::InnerHead, "{inner:?}");
    }
}

#[test]
fn broken_chunks() {
    for body in [
        "x\r\n",
        "8000000000000000\r\n",
        "ffffffff\r\n",
        "-1\r\n",
        "1\r\nab\r\n",
        &format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(200 * 1024)),
        &format!("0\r\n{}\r\n", "A: b\r\n".repeat(100)),
    ] {
        assert_eq!(fault(&adapted("HTTP/1.1 200 OK\r\n\r\n", body)), Fault::Chunk);
    }
}

#[test]
fn the_body_is_as_long_as_its_head_says() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for body in ["3\r\nhel\r\n0\r\n\r\n", "0\r\n\r\n", "6\r\nhello!\r\n0\r\n\r\n"] {
        assert_eq!(fault(&adapted(head, body)), Fault::AdaptedLength, "{body:?}");
    }
    assert_eq!(fault(&adapted(head, "").replace("res-body", "null-body")), Fault::AdaptedLength);
}

#[test]
fn what_was_not_offered_is_refused() {
    let partial = adapted("HTTP/1.1 200 OK\r\n\r\n", "0; use-original-body=0\r\n\r\n");
    assert_eq!(fault(&partial.replace("200 OK\r\nISTag", "206 P\r\nISTag")), Fault::Partial);
    assert_eq!(fault(&partial), Fault::Partial, "a 200 must bring everything");
    let strict = || {
        let allow_unchanged = AllowUnchanged::InPreview;
        about(&response(), &Opening { length: Some(5), allow_unchanged, ..Opening::default() })
    };
    assert_eq!(fault_of(strict, b"ICAP/1.0 204 No Content\r\n\r\n"), Fault::UnaskedUnchanged);
    let previewed = || {
        let allow_unchanged = AllowUnchanged::InPreview;
        about(&response(), &Opening { length: Some(5), allow_unchanged, preview: begun(b"hel"), ..Opening::default() })
    };
    let late = b"ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 204 No Content\r\n\r\n";
    assert_eq!(fault_of(previewed, late), Fault::UnaskedUnchanged);
    let mut talk = previewed();
    write_all(&mut talk, b"hello");
    let came = read(&mut talk, b"ICAP/1.0 204 No Content\r\n\r\n").expect("allowed in a preview");
    assert_eq!(came.verdict, Some(Verdict::Unchanged));
}

#[test]
fn continue_without_end() {
    assert_eq!(fault(&"ICAP/1.0 100 Continue\r\n\r\n".repeat(4)), Fault::TooManyContinues);
}

#[test]
fn an_answer_before_the_question() {
    let mut talk = straight();
    assert_eq!(talk.feed(b"ICAP/1.0 204 No Content\r\n\r\n"), Err(Fault::Unasked));
}

#[test]
fn an_adapted_body_without_end() {
    let mut talk = straight();
    write_all(&mut talk, b"hello");
    read(&mut talk, adapted("HTTP/1.1 200 OK\r\n\r\n", "").as_bytes()).expect("a head");
    let mut chunk = b"100000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10_0000, b'x');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..64 {
        read(&mut talk, &chunk).expect("64 MiB");
    }
    assert_eq!(read(&mut talk, &chunk), Err(Fault::AdaptedTooLarge));
}

#[test]
fn a_body_of_another_length_than_was_known() {
    let mut talk = straight();
    talk.written(talk.pending().len());
    assert_eq!(talk.give_body(b"hello!"), Err(ErrorKind::BodyCut));
    let mut talk = straight();
    talk.written(talk.pending().len());
    talk.give_body(b"hel").expect("not yet all");
    assert_eq!(talk.give_body(b""), Err(ErrorKind::BodyCut));
    assert!(!talk.pending().ends_with(b"0\r\n\r\n"), "no end is made up");
}

#[test]
fn random_answers_never_panic() {
    let samples = [
        adapted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "5\r\nHELLO\r\n0\r\n\r\n"),
        "ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 204 No Content\r\nISTag: \"x\"\r\n\r\n".to_owned(),
    ];
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..20_000 {
        let mut answer = samples[round % samples.len()].clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(answer.len());
            match random(3) {
                0 => answer[at] = b"\r\n ;:=0fF\0\xff"[random(11)],
                1 => drop(answer.remove(at)),
                _ => answer.insert(at, b"\r\n0,-"[random(5)]),
            }
        }
        let mut talk = previewed();
        write_all(&mut talk, b"hello");
        let step = 1 + random(answer.len());
        if let Ok(came) = read_in(&mut talk, &answer, step) {
            assert!(came.data.is_empty() || came.verdict.is_some(), "data without an answer");
        }
    }
}
