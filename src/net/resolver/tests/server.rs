//! A name server that answers, refuses, keeps silent or waits, as the test says.

use std::collections::{HashSet, VecDeque};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does with a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// `192.0.2.1` and `2001:db8::1` for every name, with this TTL in seconds.
    Answer(u32),
    /// As `Answer`, but AAAA questions vanish.
    OnlyV4(u32),
    /// NXDOMAIN with an SOA that allows this TTL in seconds.
    Missing(u32),
    /// SERVFAIL.
    Broken,
    /// No answer at all.
    Silent,
    /// The answer comes when the mode is next set to something else.
    Held,
    /// Too long for UDP: truncated there, 40 addresses by TCP.
    Long,
}

/// A server on a port of its own, UDP and TCP, ended when dropped.
pub struct NameServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    udp: UdpSocket,
}

struct Shared {
    state: Mutex<State>,
    asked: Condvar,
}

struct State {
    mode: Mode,
    over: Over,
    /// With the id of the message, by which a question sent again is known.
    questions: HashSet<(String, RecordType, u16)>,
    held: VecDeque<(Vec<u8>, SocketAddr)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    No,
    Yes,
}

impl NameServer {
    pub fn start(mode: Mode) -> Self {
        let (tcp, udp) = sockets();
        let address = tcp.local_addr().unwrap();
        let state = State { mode, over: Over::No, questions: HashSet::new(), held: VecDeque::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), asked: Condvar::new() });
        let (for_udp, socket) = (Arc::clone(&shared), udp.try_clone().unwrap());
        thread::spawn(move || serve_udp(&socket, &for_udp));
        let for_tcp = Arc::clone(&shared);
        thread::spawn(move || serve_tcp(&tcp, &for_tcp));
        Self { address, shared, udp }
    }

    /// Changes the mode, and answers what was held in the new one.
    pub fn set(&self, mode: Mode) {
        let mut state = self.shared.state.lock().unwrap();
        state.mode = mode;
        for (question, from) in std::mem::take(&mut state.held) {
            if let Some(answer) = answer_to(&question, mode, Carrier::Udp) {
                self.udp.send_to(&answer, from).unwrap();
            }
        }
    }

    /// How often `name` was asked for in this family; a question sent again counts once.
    pub fn asked(&self, name: &str, family: RecordType) -> usize {
        let questions = &self.shared.state.lock().unwrap().questions;
        questions.iter().filter(|(asked, kind, _)| asked == name && *kind == family).count()
    }

    /// Waits until this many questions have come in.
    pub fn wait_for_questions(&self, count: usize) {
        let state = self.shared.state.lock().unwrap();
        let too_few = |state: &mut State| state.questions.len() < count;
        let (state, _timed) = self.shared.asked.wait_timeout_while(state, PATIENCE, too_few).unwrap();
        assert!(state.questions.len() >= count, "only {} questions of {count} came", state.questions.len());
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().over = Over::Yes;
        let _ = self.udp.send_to(&[], self.address);
        let _ = TcpStream::connect(self.address);
    }
}

/// The same port for TCP and UDP; a resolver next door may hold a UDP port that is free for TCP.
fn sockets() -> (TcpListener, UdpSocket) {
    let both = || {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let udp = UdpSocket::bind(tcp.local_addr().ok()?).ok()?;
        Some((tcp, udp))
    };
    (0..100).find_map(|_| both()).expect("a free port")
}

#[derive(Clone, Copy, PartialEq)]
enum Carrier {
    Udp,
    Tcp,
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 4_096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let question = &buffer[..length];
        let mut state = shared.state.lock().unwrap();
        if state.over == Over::Yes {
            return;
        }
        note(&mut state, question);
        if state.mode == Mode::Held {
            state.held.push_back((question.to_vec(), from));
        } else if let Some(answer) = answer_to(question, state.mode, Carrier::Udp) {
            let _ = socket.send_to(&answer, from);
        }
        shared.asked.notify_all();
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.state.lock().unwrap().over == Over::Yes {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || drop(talk_tcp(stream, &shared)));
    }
}

fn talk_tcp(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let mode = shared.state.lock().unwrap().mode;
        if let Some(answer) = answer_to(&question, mode, Carrier::Tcp) {
            stream.write_all(&(answer.len() as u16).to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }
}

fn note(state: &mut State, question: &[u8]) {
    let Ok(message) = Message::from_vec(question) else { return };
    let Some(query) = message.queries.first() else { return };
    state.questions.insert((query.name().to_ascii(), query.query_type(), message.id));
}

/// The bytes of the answer, if the mode has one.
fn answer_to(question: &[u8], mode: Mode, carrier: Carrier) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?;
    let query = message.queries.first()?.clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    match mode {
        Mode::Silent | Mode::Held => return None,
        Mode::OnlyV4(_) if query.query_type() == RecordType::AAAA => return None,
        Mode::Broken => message.metadata.response_code = ResponseCode::ServFail,
        Mode::Missing(ttl) => {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.authorities.push(soa(ttl));
        }
        Mode::Long if carrier == Carrier::Udp => message.metadata.truncation = true,
        Mode::Long => message.answers.extend((0..40).map(|host| record(query.name(), query.query_type(), host, 60))),
        Mode::Answer(ttl) | Mode::OnlyV4(ttl) => {
            message.answers.push(record(query.name(), query.query_type(), 1, ttl));
        }
    }
    message.to_vec().ok()
}

fn record(name: &Name, family: RecordType, host: u8, ttl: u32) -> Record {
    let data = match family {
        RecordType::AAAA => RData::AAAA(AAAA(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()))),
        _ => RData::A(A(Ipv4Addr::new(192, 0, 2, host))),
    };
    Record::from_rdata(name.clone(), ttl, data)
}

fn soa(ttl: u32) -> Record {
    let data = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, ttl);
    Record::from_rdata(Name::root(), ttl, RData::SOA(data))
}
