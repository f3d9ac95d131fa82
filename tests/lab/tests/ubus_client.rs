//! The bus client against the lab's bus, which is proved equal to the real one, and against peers
//! that misbehave.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use socketman::ubus::blob::{Writer, MAX_BLOB};
use socketman::ubus::blobmsg::{Type, Value};
use socketman::ubus::message::{attr, Attributes, Frame, Kind};
use socketman::ubus::{self, Client, Error, Heard, Method, Notice, Object, Status};
use socketman_lab::ubusd::Ubusd;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{timeout, Instant};

const SOON: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(5);

struct Bus {
    dir: TempDir,
    ubusd: Option<Ubusd>,
}

impl Bus {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let ubusd = Some(Ubusd::start(dir.path().join("bus")).unwrap());
        Bus { dir, ubusd }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("bus")
    }

    async fn client(&self) -> Client {
        client(&self.path()).await
    }

    async fn stop(&mut self) {
        self.ubusd.take().unwrap().stop().await;
    }

    fn start_again(&mut self) {
        self.ubusd = Some(Ubusd::start(self.path()).unwrap());
    }
}

async fn client(path: &Path) -> Client {
    let (client, connection) = ubus::connect(path);
    tokio::spawn(connection.run());
    client.connected(SOON).await.unwrap();
    client
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it did not happen")
}

/// An object whose methods do what their names say.
async fn service(client: &Client, path: &str) {
    let methods = [
        "echo",
        "nothing",
        "twice",
        "refuse",
        "data_then_refuse",
        "silent",
        "later",
    ]
    .map(|name| Method::new(name, &[]));
    let object = client.offer(path, methods.to_vec()).await.unwrap();
    tokio::spawn(serve(object));
}

async fn serve(mut object: Object) {
    let mut kept = Vec::new();
    while let Some(request) = object.next().await {
        let data = request.data().to_vec();
        let method = request.method.clone();
        let responder = request.into_responder();
        match method.as_str() {
            "echo" => {
                responder.data_raw(data);
                responder.finish(Status::OK);
            }
            "nothing" => responder.finish(Status::OK),
            "twice" => {
                responder.data_raw(data.clone());
                responder.data_raw(data);
                responder.finish(Status::OK);
            }
            "refuse" => responder.finish(Status::NOT_SUPPORTED),
            "data_then_refuse" => {
                responder.data_raw(data);
                responder.finish(Status(-1));
            }
            "later" => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    responder.data_raw(data);
                    responder.finish(Status::OK);
                });
            }
            // A callee that never answers, and never dies either.
            _ => kept.push(responder),
        }
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn one<T>(name: &str, value: T) -> BTreeMap<String, T> {
    BTreeMap::from([(name.to_owned(), value)])
}

async fn raw(client: &Client, method: &str, args: &Value) -> Result<Vec<Value>, Error> {
    let replies = client
        .call_raw("test.service", method, args.to_members(), CALL)
        .await?;
    Ok(replies
        .iter()
        .map(|data| Value::from_members(data).unwrap())
        .collect())
}

#[tokio::test]
async fn hello_comes_before_anything_is_asked() {
    let bus = Bus::start();
    let (client, connection) = ubus::connect(&bus.path());
    // Not connected yet: an answer at once, not a wait.
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.lookup("", CALL).await }
    });
    tokio::spawn(connection.run());
    client.connected(SOON).await.unwrap();
    let early = soon(early).await.unwrap();
    assert!(
        matches!(early, Ok(_) | Err(Error::Disconnected)),
        "{early:?}"
    );
    assert_eq!(client.lookup("", CALL).await, Ok(vec![]));
}

#[tokio::test]
async fn look_ups_list_all_a_prefix_or_one_and_say_when_there_is_nothing() {
    let bus = Bus::start();
    let ours = bus.client().await;
    let asking = bus.client().await;
    let echo = vec![Method::new(
        "echo",
        &[("text", Type::String), ("n", Type::Int32)],
    )];
    let _a = ours.offer("a.one", echo.clone()).await.unwrap();
    let _b = ours.offer("a.two", vec![]).await.unwrap();
    let _c = ours.offer("b", vec![]).await.unwrap();
    let paths = |pattern: &'static str| {
        let asking = asking.clone();
        async move {
            let found = asking.lookup(pattern, CALL).await.unwrap();
            found.into_iter().map(|o| o.path).collect::<Vec<_>>()
        }
    };
    assert_eq!(paths("").await, ["a.one", "a.two", "b"]);
    assert_eq!(paths("a.*").await, ["a.one", "a.two"]);
    assert_eq!(paths("b").await, ["b"]);
    for nothing in ["nosuch", "zzz*"] {
        let found = asking.lookup(nothing, CALL).await;
        assert_eq!(found, Err(Error::Status(Status::NOT_FOUND)));
    }
    let found = asking.lookup("a.one", CALL).await.unwrap();
    assert_eq!(found[0].methods, echo);
}

#[tokio::test]
async fn calls_bring_data_once_twice_or_never_and_every_status() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let args = value(
        r#"{"s":"é","n":-1,"big":5000000000,"d":1.5,"b":true,"l":[1,"x",null],"t":{"u":{}}}"#,
    );
    assert_eq!(raw(&client, "echo", &args).await, Ok(vec![args.clone()]));
    assert_eq!(raw(&client, "later", &args).await, Ok(vec![args.clone()]));
    assert_eq!(raw(&client, "nothing", &args).await, Ok(vec![]));
    let twice = raw(&client, "twice", &args).await.unwrap();
    assert_eq!(twice, [args.clone(), args.clone()]);
    let refused = |status| Err(Error::Status(status));
    let result = raw(&client, "refuse", &args).await;
    assert_eq!(result, refused(Status::NOT_SUPPORTED));
    let result = raw(&client, "data_then_refuse", &args).await;
    assert_eq!(result, refused(Status(-1)));
    let both = client
        .call_whole("test.service", "data_then_refuse", args.to_members(), CALL)
        .await;
    assert_eq!(both, Ok((vec![args.to_members().into()], Status(-1))));
    let result = raw(&client, "nosuch", &args).await;
    assert_eq!(result, refused(Status::METHOD_NOT_FOUND));
    let missing = client.call_raw("no.such", "echo", vec![], CALL).await;
    assert_eq!(missing, Err(Error::Status(Status::NOT_FOUND)));
    let typed: Result<BTreeMap<String, i32>, Error> =
        client.call("test.service", "nothing", &(), CALL).await;
    assert_eq!(typed, Err(Error::NoData));
}

#[tokio::test]
async fn a_struct_is_read_straight_from_a_reply() {
    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    struct Board {
        kernel: String,
        memory: u64,
        load: Vec<u32>,
        up: bool,
    }
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let board = Board {
        kernel: "6.6.93".into(),
        memory: u64::MAX,
        load: vec![4512, u32::MAX],
        up: true,
    };
    let client = bus.client().await;
    let read: Result<Board, Error> = client.call("test.service", "echo", &board, CALL).await;
    assert_eq!(read, Ok(board));
}

#[tokio::test]
async fn many_calls_are_under_way_at_once_and_answered_in_any_order() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let (late, quick) = (value(r#"{"n":2}"#), value(r#"{"n":3}"#));
    let (a, b, c) = tokio::join!(
        raw(&client, "later", &late),
        raw(&client, "echo", &quick),
        raw(&client, "later", &quick),
    );
    assert_eq!(
        (a, b, c),
        (
            Ok(vec![late]),
            Ok(vec![quick.clone()]),
            Ok(vec![quick.clone()])
        )
    );
}

#[tokio::test]
async fn a_silent_callee_is_a_time_out_and_the_connection_goes_on() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let short = Duration::from_millis(200);
    let silent = client
        .call_raw("test.service", "silent", vec![], short)
        .await;
    assert_eq!(silent, Err(Error::Timeout(200)));
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
}

#[tokio::test]
async fn a_callee_that_dies_in_a_call_costs_only_that_call() {
    let bus = Bus::start();
    let (dying, connection) = ubus::connect(&bus.path());
    let driver = tokio::spawn(connection.run());
    dying.connected(SOON).await.unwrap();
    service(&dying, "test.service").await;
    let client = bus.client().await;
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
    let short = Duration::from_millis(300);
    let call = client.call_raw("test.service", "silent", vec![], short);
    let (result, ()) = tokio::join!(call, async { driver.abort() });
    // Nobody tells the caller; and the object is gone.
    assert!(
        matches!(
            result,
            Err(Error::Timeout(_) | Error::Status(Status::NOT_FOUND))
        ),
        "{result:?}"
    );
    assert_eq!(
        raw(&client, "nothing", &value("{}")).await,
        Err(Error::Status(Status::NOT_FOUND))
    );
}

#[tokio::test]
async fn a_path_is_offered_once_and_free_again_when_its_object_is_dropped() {
    let bus = Bus::start();
    let (owner, other, listener) = (bus.client().await, bus.client().await, bus.client().await);
    let mut events = listener.listen("ubus.object.*").await.unwrap();
    let object = owner.offer("me", vec![]).await.unwrap();
    let refused = other.offer("me", vec![]).await.unwrap_err();
    assert_eq!(refused, Error::Status(Status::INVALID_ARGUMENT));
    drop(object);
    for expected in ["ubus.object.add", "ubus.object.remove"] {
        let Some(Heard::Event { name, data }) = soon(events.next()).await else {
            panic!("no event");
        };
        assert_eq!(name, expected);
        let value = Value::from_members(&data).unwrap();
        assert_eq!(value.get("path"), Some(&Value::string("me")));
    }
    other.offer("me", vec![]).await.unwrap();
}

#[tokio::test]
async fn notifications_reach_subscribers_while_the_object_lives() {
    let bus = Bus::start();
    let (owner, reader) = (bus.client().await, bus.client().await);
    let mut subscription = reader.subscribe("ap.*").await.unwrap();
    let object = owner.offer("ap.wlan0", vec![]).await.unwrap();
    let path = "ap.wlan0".to_owned();
    let subscribed = Notice::Subscribed { path: path.clone() };
    assert_eq!(soon(subscription.next()).await, Some(subscribed));
    let mut subscribers = object.subscribers();
    soon(subscribers.wait_for(|any| *any)).await.unwrap();
    object.notify("assoc", &one("address", "aa")).unwrap();
    let Some(Notice::Notification {
        path: from,
        kind,
        data,
    }) = soon(subscription.next()).await
    else {
        panic!("no notification");
    };
    assert_eq!((from, kind), (path.clone(), "assoc".to_owned()));
    let data = Value::from_members(&data).unwrap();
    assert_eq!(data.get("address"), Some(&Value::string("aa")));
    drop(object);
    let gone = Notice::Gone { path };
    assert_eq!(soon(subscription.next()).await, Some(gone));
}

#[tokio::test]
async fn unsubscribing_is_dropping() {
    let bus = Bus::start();
    let (owner, reader) = (bus.client().await, bus.client().await);
    let object = owner.offer("ap", vec![]).await.unwrap();
    let mut subscribers = object.subscribers();
    let mut subscription = reader.subscribe("ap").await.unwrap();
    let news = soon(subscription.next()).await;
    assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
    soon(subscribers.wait_for(|any| *any)).await.unwrap();
    drop(subscription);
    soon(subscribers.wait_for(|any| !*any)).await.unwrap();
}

#[tokio::test]
async fn events_are_heard_by_pattern_but_not_by_their_sender() {
    let bus = Bus::start();
    let (sender, listener) = (bus.client().await, bus.client().await);
    let mut own = sender.listen("*").await.unwrap();
    let mut wild = listener.listen("net.*").await.unwrap();
    let mut exact = listener.listen("net.up").await.unwrap();
    sender.send_event("other", &one("n", 5)).await.unwrap();
    sender.send_event("net.up", &one("n", 5)).await.unwrap();
    for events in [&mut wild, &mut exact] {
        let Some(Heard::Event { name, data }) = soon(events.next()).await else {
            panic!("no event");
        };
        assert_eq!(name, "net.up");
        assert_eq!(Value::from_members(&data), Ok(value(r#"{"n":5}"#)));
    }
    let forbidden = sender.send_event("ubus.object.add", &one("n", 5)).await;
    assert_eq!(forbidden, Err(Error::Status(Status::PERMISSION_DENIED)));
    listener.send_event("last", &one("n", 5)).await.unwrap();
    let Some(Heard::Event { name, .. }) = soon(own.next()).await else {
        panic!("no event");
    };
    assert_eq!(name, "last", "the sender heard itself");
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_told_how_much_it_missed() {
    let bus = Bus::start();
    let (sender, listener) = (bus.client().await, bus.client().await);
    let mut events = listener.listen("e").await.unwrap();
    for n in 0..ubus::EVENTS + 50 {
        sender.send_event("e", &one("n", n as u32)).await.unwrap();
    }
    // The daemon delivered all of them to us before it answers this.
    listener.lookup("", CALL).await.unwrap();
    for _ in 0..ubus::EVENTS {
        let heard = soon(events.next()).await;
        assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
    }
    sender.send_event("e", &one("n", 0)).await.unwrap();
    assert_eq!(soon(events.next()).await, Some(Heard::Lost { count: 50 }));
    let heard = soon(events.next()).await;
    assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
}

#[tokio::test]
async fn after_a_restart_of_the_bus_all_is_back_within_a_second() {
    let mut bus = Bus::start();
    let (ours, other) = (bus.client().await, bus.client().await);
    service(&ours, "test.service").await;
    let mut events = other.listen("e").await.unwrap();
    let mut subscription = other.subscribe("test.*").await.unwrap();
    let news = soon(subscription.next()).await;
    assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
    for _ in 0..3 {
        bus.stop().await;
        let news = soon(subscription.next()).await;
        assert!(matches!(news, Some(Notice::Gone { .. })), "{news:?}");
        let refused = raw(&other, "echo", &value("{}")).await;
        assert_eq!(refused, Err(Error::Disconnected));
        bus.start_again();
        let started = Instant::now();
        let news = soon(subscription.next()).await;
        assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
        // The promise is 1 s; the rest is for a machine that is busy with other things.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let echoed = raw(&other, "echo", &value("{}")).await;
        assert_eq!(echoed, Ok(vec![value("{}")]));
        ours.send_event("e", &()).await.unwrap();
        let heard = soon(events.next()).await;
        assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
    }
}

#[tokio::test]
async fn large_messages_pass_up_to_the_limit_and_beyond_it_is_an_error_on_our_side() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let text = |size| Value::Table(vec![(b"s".to_vec(), Value::String(vec![b'x'; size]))]);
    for size in [100_000, 1_000_000] {
        assert_eq!(
            raw(&client, "echo", &text(size)).await,
            Ok(vec![text(size)])
        );
    }
    let refused = raw(&client, "echo", &text(MAX_BLOB - 100)).await;
    assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
}

#[tokio::test]
async fn a_reply_over_the_limit_does_not_cost_the_connection() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let mut object = owner.offer("big", methods).await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = object.next().await {
            let responder = request.into_responder();
            let mut writer = Writer::new();
            writer.string(b"s", &vec![b'x'; MAX_BLOB]);
            responder.data_raw(writer.into_bytes());
            responder.finish(Status::OK);
        }
    });
    let client = bus.client().await;
    for _ in 0..2 {
        let result = client.call_raw("big", "get", vec![], CALL).await;
        assert_eq!(result, Err(Error::Status(Status::NO_MEMORY)));
    }
}

#[tokio::test]
async fn a_responder_that_is_dropped_answers_for_itself() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let mut object = owner.offer("rude", methods).await.unwrap();
    tokio::spawn(async move { while object.next().await.is_some() {} });
    let client = bus.client().await;
    let result = client.call_raw("rude", "get", vec![], CALL).await;
    assert_eq!(result, Err(Error::Status(Status::UNKNOWN_ERROR)));
}

#[tokio::test]
async fn an_owner_that_does_not_read_makes_callers_fail_not_wait() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let _unread = owner.offer("busy", methods).await.unwrap();
    let client = bus.client().await;
    let calls: Vec<_> = (0..ubus::REQUESTS + 10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let short = Duration::from_millis(500);
                client.call_raw("busy", "get", vec![], short).await
            })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        match soon(call).await.unwrap() {
            Err(Error::Status(Status::NO_MEMORY)) => refused += 1,
            Err(Error::Timeout(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 10);
}

/// A daemon by hand.
struct Peer {
    listener: UnixListener,
    stream: UnixStream,
    input: bytes::BytesMut,
}

impl Peer {
    /// Greets a client of ours; both.
    async fn greet(dir: &TempDir) -> (Self, Client) {
        let path = dir.path().join("peer");
        let listener = UnixListener::bind(&path).unwrap();
        let (client, connection) = ubus::connect(&path);
        tokio::spawn(connection.run());
        let peer = Peer::accept(listener).await;
        client.connected(SOON).await.unwrap();
        (peer, client)
    }

    async fn accept(listener: UnixListener) -> Self {
        let (stream, _) = soon(listener.accept()).await.unwrap();
        let mut peer = Peer {
            listener,
            stream,
            input: bytes::BytesMut::new(),
        };
        let hello = Frame::new(Kind::Hello, 0, 0x1234, Writer::new());
        peer.send(&hello).await;
        peer
    }

    async fn send(&mut self, frame: &Frame) {
        let bytes = [&frame.head()[..], &frame.payload].concat();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn receive(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::split_from(&mut self.input).unwrap() {
                Attributes::parse(&frame.payload).unwrap();
                return frame;
            }
            let read = soon(self.stream.read_buf(&mut self.input)).await.unwrap();
            assert_ne!(read, 0, "the client left");
        }
    }

    /// Waits until the client, for its own reasons, comes anew.
    async fn again(self) -> Self {
        let listener = self.listener;
        let _until_accepted = self.stream;
        Peer::accept(listener).await
    }
}

fn status(seq: u16, peer: u32, status: i32) -> Frame {
    Frame::new(Kind::Status, seq, peer, Writer::new().status(status))
}

#[tokio::test]
async fn answers_that_come_byte_by_byte_are_the_same() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { tokio::join!(client.lookup("a", CALL), client.lookup("b", CALL)) }
    });
    let first = peer.receive().await;
    let second = peer.receive().await;
    let object = Writer::new()
        .text(attr::OBJPATH, b"a")
        .word(attr::OBJID, 77)
        .word(attr::OBJTYPE, 7)
        .nested(attr::SIGNATURE, &[]);
    let frames = [
        Frame::new(Kind::Data, first.seq, 0, object),
        status(first.seq, 0, 0),
        status(second.seq, 0, 4),
    ];
    for byte in frames
        .iter()
        .flat_map(|frame| [&frame.head()[..], &frame.payload].concat())
    {
        peer.stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (a, b) = soon(asked).await.unwrap();
    assert_eq!(a.unwrap()[0].id, 77);
    assert_eq!(b, Err(Error::Status(Status::NOT_FOUND)));
}

#[tokio::test]
async fn a_frame_length_out_of_bounds_is_a_reason_to_connect_anew() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for garbage in [
        &[0u8; 12][..],
        b"\0\0\0\0\0\0\0\0\0\0\0\x03",
        b"\0\0\0\0\0\0\0\0\0\x10\0\x01",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let mut state = client.state();
        state.mark_unchanged();
        peer.stream.write_all(garbage).await.unwrap();
        soon(state.wait_for(|state| !state.connected))
            .await
            .unwrap();
        peer = peer.again().await;
        client.connected(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn a_daemon_that_ends_in_the_middle_of_a_frame_fails_the_call_and_is_met_again() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for cut in [3, 8, 11, 14] {
        let asked = tokio::spawn({
            let client = client.clone();
            async move { client.lookup("a", CALL).await }
        });
        let frame = peer.receive().await;
        let answer = status(frame.seq, 0, 0);
        let bytes = [&answer.head()[..], &answer.payload].concat();
        peer.stream.write_all(&bytes[..cut]).await.unwrap();
        peer.stream.shutdown().await.unwrap();
        assert_eq!(soon(asked).await.unwrap(), Err(Error::Disconnected));
        peer = peer.again().await;
        client.connected(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn malformed_attributes_fail_the_call_they_answer_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for payload in [
        &b"\x01\0\0\x07\0\0\0\0"[..],
        b"\x01\0\0\x08\0\0",
        b"\x01\0\0\x03",
        b"\x03\0\0\x05\x01\0\0\0",
        b"\x02\0\0\x06ab\0\0",
    ] {
        let asked = tokio::spawn({
            let client = client.clone();
            async move { tokio::join!(client.lookup("a", CALL), client.lookup("b", CALL)) }
        });
        let first = peer.receive().await;
        let second = peer.receive().await;
        let mut bad = status(first.seq, 0, 0);
        bad.payload = bytes::Bytes::from_static(payload);
        peer.send(&bad).await;
        peer.send(&status(second.seq, 0, 0)).await;
        let (bad, good) = soon(asked).await.unwrap();
        assert!(matches!(bad, Err(Error::Malformed(_))), "{bad:?}");
        assert_eq!(good, Ok(vec![]));
    }
}

#[tokio::test]
async fn replies_nobody_asked_for_change_nothing() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    let bare = || Writer::new();
    let owned = || Writer::new().word(attr::OBJID, 5);
    for seq in 0..20 {
        peer.send(&status(seq, 0, 0)).await;
        for (kind, attributes) in [
            (Kind::Data, owned()),
            (Kind::Status, bare()),
            (Kind::Notify, bare()),
            (Kind::Unsubscribe, bare()),
            (Kind::Invoke, owned()),
            (Kind::Ping, bare()),
            (Kind::Hello, bare()),
        ] {
            peer.send(&Frame::new(kind, seq, 5, attributes)).await;
        }
    }
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.lookup("a", CALL).await }
    });
    let frame = peer.receive().await;
    peer.send(&status(frame.seq, 0, 0)).await;
    assert_eq!(soon(asked).await.unwrap(), Ok(vec![]));
}

#[tokio::test]
async fn a_daemon_that_reads_nothing_is_left_after_a_while() {
    let dir = TempDir::new().unwrap();
    let (peer, client) = Peer::greet(&dir).await;
    let mut state = client.state();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send_event_raw("x", vec![0; 900_000]).await })
        })
        .collect();
    let long = ubus::WRITE_TIMEOUT + SOON;
    let left = timeout(long, state.wait_for(|state| !state.connected)).await;
    left.expect("it stays").unwrap();
    for call in calls {
        let sent = soon(call).await.unwrap();
        assert!(sent.is_err(), "{sent:?}");
    }
    drop(peer);
}
