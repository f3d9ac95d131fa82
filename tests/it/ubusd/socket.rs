//! The broker on its socket: what depends on buffers, descriptors, credentials and restarts.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, PipeWriter, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::{getgid, getuid};
use socketman_lab::ubusd::{Acl, Credentials, Options, Peers, Ubusd, MAX_QUEUE};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::net::UnixStream;
use tokio::time::timeout;
use ubus::blob::Writer;
use ubus::blobmsg::{Type, Value};
use ubus::message::{attr, system_object, Attributes, Frame, Kind};
use ubus::Status;

use super::peer::{bytes, Peer, DEADLINE, PING, PING_SEQ};

fn start() -> (TempDir, Ubusd) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        peers: Peers::All(Credentials::root()),
        ..Options::default()
    };
    let daemon = Ubusd::start_with(directory.path().join("ubus.sock"), options).unwrap();
    (directory, daemon)
}

fn invoke(seq: u16, object: u32, method: &[u8], data: &[u8]) -> Vec<u8> {
    let attributes = Writer::new()
        .word(attr::OBJID, object)
        .text(attr::METHOD, method)
        .nested(attr::DATA, data);
    bytes(&Frame::new(Kind::Invoke, seq, object, attributes))
}

fn one_method() -> Writer {
    let mut signature = Writer::new();
    signature.member(Type::Table, b"m", &[]);
    signature
}

fn pipe() -> (Receiver, PipeWriter) {
    let (near, far) = std::io::pipe().unwrap();
    (Receiver::from_owned_fd(near.into()).unwrap(), far)
}

/// Everything that was written, once every copy of the other end is closed.
async fn rest(mut near: Receiver) -> String {
    let mut text = String::new();
    timeout(DEADLINE, near.read_to_string(&mut text))
        .await
        .expect("all copies are closed")
        .unwrap();
    text
}

/// Sends `frame` with a descriptor on it.
fn send_with(stream: &UnixStream, frame: &[u8], fd: &impl AsFd) {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let sent = sendmsg(
        stream,
        &[IoSlice::new(frame)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent, Ok(frame.len()));
}

/// Reads one frame of `len` bytes and the descriptor that came with it.
async fn receive_with(stream: &UnixStream, len: usize) -> (Vec<u8>, Option<OwnedFd>) {
    timeout(DEADLINE, stream.readable())
        .await
        .expect("an answer")
        .unwrap();
    let mut frame = vec![0; len];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut frame)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    assert_eq!(received.bytes, len);
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    (frame, fd)
}

#[tokio::test]
async fn a_stopped_daemon_is_gone_and_the_next_one_knows_nobody() {
    let (_directory, daemon) = start();
    let path = daemon.path().to_owned();
    let mut service = Peer::connect(&daemon).await;
    let object = service.publish(b"svc", one_method()).await;
    daemon.stop().await;
    assert!(service.next().await.is_none());
    assert!(!path.exists());
    assert!(UnixStream::connect(&path).await.is_err());

    let daemon = Ubusd::start(&path).unwrap();
    daemon.stop().await;
    let options = Options {
        peers: Peers::All(Credentials::root()),
        ..Options::default()
    };
    let daemon = Ubusd::start_with(&path, options).unwrap();
    let mut again = Peer::connect(&daemon).await;
    assert_ne!(again.id, service.id);
    let republished = again.publish(b"svc", one_method()).await;
    assert_ne!(republished, object);
}

#[tokio::test]
async fn dropping_the_handle_stops_the_daemon() {
    let (_directory, daemon) = start();
    let path = daemon.path().to_owned();
    let mut client = Peer::connect(&daemon).await;
    drop(daemon);
    assert!(client.next().await.is_none());
    assert!(!path.exists());
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_what_does_not_fit_and_keeps_the_small_rest() {
    let (_directory, daemon) = start();
    let mut client = Peer::connect(&daemon).await;
    let mut other = Peer::connect(&daemon).await;
    const PINGS: u16 = 60;
    const SIZE: usize = 100_000;
    for seq in 1..=PINGS {
        let attributes = Writer::new().nested(attr::DATA, &[0; SIZE]);
        let ping = Frame::new(Kind::Ping, seq, 0, attributes);
        client.send(&bytes(&ping)).await;
    }
    // Others are served meanwhile; and by then all of the PINGs have been taken.
    assert!(other.up_to_pong().await.is_empty());
    assert!(other.up_to_pong().await.is_empty());
    let frames = client.up_to_pong().await;
    let count = |kind: Kind| frames.iter().filter(|f| f.kind == kind as u8).count();
    assert_eq!(count(Kind::Status), usize::from(PINGS));
    let data = count(Kind::Data);
    assert!(data >= MAX_QUEUE / SIZE - 1, "{data}");
    assert!(data < usize::from(PINGS), "{data}");
    let seqs: Vec<u16> = frames.iter().map(|frame| frame.seq).collect();
    assert!(seqs.is_sorted());
}

#[tokio::test]
async fn lookups_wait_for_a_client_that_does_not_read_and_lose_nothing() {
    const OBJECTS: usize = 302;
    const LOOKUPS: u16 = 10;
    let (_directory, daemon) = start();
    let mut service = Peer::connect(&daemon).await;
    for number in 0..OBJECTS {
        let mut signature = Writer::new();
        signature.member(Type::Table, &[b'm'; 600], &[]);
        let path = format!("object.{number:03}");
        service.publish(path.as_bytes(), signature).await;
    }
    let mut client = Peer::connect(&daemon).await;
    let mut requests = vec![];
    for seq in 1..=LOOKUPS {
        requests.extend(bytes(&Frame::new(Kind::Lookup, seq, 0, Writer::new())));
    }
    requests.extend(PING);
    client.send(&requests).await;
    assert!(service.up_to_pong().await.is_empty());
    assert!(service.up_to_pong().await.is_empty());

    let mut paths = vec![];
    let (mut statuses, mut pong_after) = (0, None);
    while statuses < LOOKUPS {
        let frame = client.next().await.unwrap();
        let attributes = Attributes::parse(&frame.payload).unwrap();
        if frame.seq == PING_SEQ {
            pong_after = pong_after.or(Some(statuses));
        } else if let Some(path) = attributes.objpath {
            paths.push(path);
        } else {
            assert_eq!(attributes.status, Some(0));
            statuses += 1;
            assert_eq!(frame.seq, statuses);
            assert_eq!(paths.len(), OBJECTS, "lookup {statuses}");
            assert!(paths.is_sorted());
            paths.clear();
        }
    }
    // It overtook lookups that were put off.
    assert!(pong_after.is_some_and(|after| after < LOOKUPS));
}

#[tokio::test]
async fn what_one_client_says_before_another_is_heard_before_it() {
    let (_directory, daemon) = start();
    for round in 0..50 {
        let path = format!("object.{round}");
        let mut service = Peer::connect(&daemon).await;
        let mut client = Peer::connect(&daemon).await;
        let add = Writer::new()
            .text(attr::OBJPATH, path.as_bytes())
            .nested(attr::SIGNATURE, &[]);
        let add = bytes(&Frame::new(Kind::AddObject, 1, 0, add));
        let lookup = Writer::new().text(attr::OBJPATH, path.as_bytes());
        let lookup = bytes(&Frame::new(Kind::Lookup, 1, 0, lookup));
        service.send(&add).await;
        client.send(&lookup).await;
        assert_eq!(client.next().await.unwrap().kind, Kind::Data as u8);
    }
}

#[tokio::test]
async fn a_descriptor_rides_on_a_call_and_on_its_status() {
    let (_directory, daemon) = start();
    let mut service = Peer::connect(&daemon).await;
    let object = service.publish(b"svc", one_method()).await;
    let client = Peer::connect(&daemon).await;
    let (near, far) = pipe();

    let call = invoke(7, object, b"m", &[]);
    send_with(&client.stream, &call, &far);
    drop(far);
    let (forwarded, fd) = receive_with(&service.stream, call.len() + 24).await;
    assert_eq!(forwarded[1], Kind::Invoke as u8);
    writeln!(File::from(fd.unwrap()), "from the service").unwrap();
    assert_eq!(rest(near).await, "from the service\n");

    let (near, far) = pipe();
    let attributes = Writer::new().status(0).word(attr::OBJID, object);
    let status = bytes(&Frame::new(Kind::Status, 7, client.id, attributes));
    send_with(&service.stream, &status, &far);
    drop(far);
    let (relayed, fd) = receive_with(&client.stream, status.len()).await;
    assert_eq!(relayed[1], Kind::Status as u8);
    writeln!(File::from(fd.unwrap()), "from the client").unwrap();
    assert_eq!(rest(near).await, "from the client\n");
}

#[tokio::test]
async fn a_descriptor_on_anything_else_is_closed() {
    let (_directory, daemon) = start();
    let mut client = Peer::connect(&daemon).await;
    let (near, far) = pipe();
    send_with(&client.stream, PING, &far);
    drop(far);
    let (_, fd) = receive_with(&client.stream, PING.len()).await;
    assert!(fd.is_none());
    assert_eq!(client.next().await.unwrap().kind, Kind::Status as u8);
    assert_eq!(rest(near).await, "");
}

#[tokio::test]
async fn services_see_the_names_of_the_user_and_group_a_client_runs_as() {
    let directory = tempfile::tempdir().unwrap();
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let Some(me) = Credentials::resolve(uid, gid, None).unwrap() else {
        let daemon = Ubusd::start(directory.path().join("ubus.sock")).unwrap();
        let stream = UnixStream::connect(daemon.path()).await.unwrap();
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0]).unwrap(), 0, "turned away");
        return;
    };
    let mut acl = Acl::default();
    let rules = r#""publish":["svc"],"access":{"svc":{"methods":["m"]}}"#;
    acl.add(&format!(r#"{{"user":"{}",{rules}}}"#, me.user))
        .unwrap();
    let options = Options {
        acl,
        ..Options::default()
    };
    let daemon = Ubusd::start_with(directory.path().join("ubus.sock"), options).unwrap();
    let mut service = Peer::connect(&daemon).await;
    let object = service.publish(b"svc", one_method()).await;
    let mut client = Peer::connect(&daemon).await;
    client.send(&invoke(1, object, b"m", &[])).await;
    let call = service.next().await.unwrap();
    let attributes = Attributes::parse(&call.payload).unwrap();
    assert_eq!(attributes.user.as_deref(), Some(me.user.as_bytes()));
    assert_eq!(attributes.group.as_deref(), Some(me.group.as_bytes()));
}

#[tokio::test]
async fn reloaded_access_lists_are_announced_and_count_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = Credentials {
        uid: 65534,
        gid: 65534,
        user: "nobody".to_owned(),
        group: "nogroup".to_owned(),
        extra_gids: vec![0],
    };
    let acl = |json: &str| {
        let mut acl = Acl::default();
        acl.add(json).unwrap();
        acl
    };
    let options = Options {
        acl: acl(r#"{"group":"root","listen":["ubus.acl.*"]}"#),
        peers: Peers::All(nobody),
        seed: Some(1),
    };
    let daemon = Ubusd::start_with(directory.path().join("ubus.sock"), options).unwrap();
    let mut client = Peer::connect(&daemon).await;
    let add = bytes(&Frame::new(Kind::AddObject, 1, 0, Writer::new()));
    client.send(&add).await;
    let data = client.next().await.unwrap();
    let object = Attributes::parse(&data.payload).unwrap().objid.unwrap();
    client.next().await.unwrap();
    let register = Value::Table(vec![
        (b"object".to_vec(), Value::Int32(object as i32)),
        (b"pattern".to_vec(), Value::string("ubus.acl.sequence")),
    ]);
    let register = invoke(2, system_object::EVENT, b"register", &register.to_members());
    client.send(&register).await;
    let status = |frame: &Frame| Attributes::parse(&frame.payload).unwrap().status;
    assert_eq!(status(&client.next().await.unwrap()), Some(0));

    daemon
        .reload(acl(r#"{"group":"root","publish":["mine"]}"#))
        .await;
    let event = client.next().await.unwrap();
    let data = Attributes::parse(&event.payload).unwrap().data.unwrap();
    let sequence = Value::from_members(&data).unwrap().get("sequence").cloned();
    assert_eq!(sequence, Some(Value::Int32(2)));
    client.publish(b"mine", one_method()).await;
    client.send(&register).await;
    let denied = client.next().await.unwrap();
    assert_eq!(status(&denied), Some(Status::PERMISSION_DENIED.0));
}
