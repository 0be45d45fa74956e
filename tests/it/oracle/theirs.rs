//! Messages as hyper reads them, from memory.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tether::base::authority::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{Body, Message};

/// More than any case, and any answer to it, takes.
const ROOM: usize = 1024 * 1024;

/// Every request in `input` that hyper's server hands to its application.
pub async fn requests(input: &[u8]) -> Vec<Message> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (mut near, far) = duplex(ROOM);
    near.write_all(input).await.expect("room");
    near.shutdown().await.expect("an end");
    let service = service_fn(|request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let what = describe(&request);
            let body = read_body(request.into_body()).await;
            seen.borrow_mut().push(Message { what, body });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let server =
        hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(far), service);
    // It fails at the first request it refuses; what it saw before counts.
    let _ = server.await;
    seen.take()
}

/// The response in `input`, which ends with it, as hyper's client takes it for an answer to `method`.
pub async fn response(input: &[u8], method: &str) -> Option<Message> {
    let (mut near, far) = duplex(ROOM);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(far)).await.expect("no input yet");
    let asked =
        Request::builder().method(method).uri("/").header("host", "h").body(Empty::<Bytes>::new()).expect("good");
    let answer = async move {
        let response = sender.send_request(asked).await.ok()?;
        let what = response.status().as_u16().to_string();
        Some(Message { what, body: read_body(response.into_body()).await })
    };
    let origin = async {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") && near.read_buf(&mut heard).await.is_ok_and(|count| count > 0) {}
        // The client may refuse it before its end.
        let _ = near.write_all(input).await;
        let _ = near.shutdown().await;
    };
    let (answer, _, ()) = tokio::join!(answer, connection, origin);
    answer
}

async fn read_body(body: Incoming) -> Body {
    match body.collect().await {
        Ok(body) => Body::Whole(body.to_bytes().to_vec()),
        Err(_) => Body::Unfinished,
    }
}

fn describe(request: &Request<Incoming>) -> String {
    let (method, uri) = (request.method().as_str(), request.uri());
    let authority = uri.authority().map(|authority| {
        let default = uri.scheme().map(|_| 80);
        match Authority::parse(authority.as_str().as_bytes(), default) {
            Ok(authority) => authority.to_string(),
            Err(_) => format!("bad {authority}"),
        }
    });
    match (authority, uri.path_and_query()) {
        (Some(authority), None) => format!("{method} {authority}"),
        (Some(authority), Some(path)) => format!("{method} {authority} {path}"),
        (None, _) => format!("{method} "),
    }
}
