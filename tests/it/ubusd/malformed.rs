//! Inputs that no library produces, over a real socket: what becomes of each is what became of it
//! when the real daemon got it.

use std::fs;

use serde::Deserialize;
use socketman_lab::ubusd::{Credentials, Options, Peers, Ubusd};
use tokio::io::AsyncWriteExt;
use ubus::blob::Writer;
use ubus::blobmsg::Type;
use ubus::message::{Attributes, Frame, Kind};

use super::peer::{bytes, Peer, PING};
use crate::recording::ids::Ids;
use crate::recording::{directory, unhex};

const INPUTS: usize = 65;
const PONG: [&str; 2] = [
    "000242420000000000000004",
    "00014242000000000000000c0100000800000000",
];

#[derive(Debug, Deserialize)]
struct Input {
    file: String,
    mutation: String,
    result: String,
    status: Vec<i32>,
    replies: Vec<String>,
    forwarded: Vec<String>,
    ping_after: Option<String>,
    #[serde(default)]
    after_ping: Vec<String>,
    #[serde(default)]
    subst: Subst,
}

#[derive(Debug, Default, Deserialize)]
struct Subst {
    service_objid: Option<String>,
    caller_id: Option<String>,
}

fn inputs() -> Vec<Input> {
    let index = fs::read_to_string(directory().join("malformed/index.jsonl")).unwrap();
    index
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn replace(bytes: &mut [u8], recorded: u32, now: u32) {
    let recorded = recorded.to_be_bytes();
    for at in 0..bytes.len().saturating_sub(3) {
        if bytes[at..at + 4] == recorded {
            bytes[at..at + 4].copy_from_slice(&now.to_be_bytes());
        }
    }
}

fn assert_same(ids: &mut Ids, expected: &[&String], came: &[Frame], place: &str) {
    assert_eq!(came.len(), expected.len(), "{place}: {came:02x?}");
    for (expected, came) in expected.iter().zip(came) {
        let (mut expected, came) = (unhex(expected), bytes(came));
        ids.put_in(&mut expected, &came)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(came, expected, "{place}");
    }
}

async fn try_one(input: &Input, daemon: &Ubusd, service: &mut Peer, object: u32) {
    let place = format!("{} ({})", input.file, input.mutation);
    let mut client = Peer::connect(daemon).await;
    let hex = fs::read_to_string(directory().join("malformed").join(&input.file)).unwrap();
    let mut sent = unhex(hex.trim());
    let mut ids = Ids::default();
    for (recorded, now) in [
        (&input.subst.service_objid, object),
        (&input.subst.caller_id, client.id),
    ] {
        if let Some(recorded) = recorded {
            let recorded = u32::from_str_radix(recorded, 16).unwrap();
            assert!(ids.heard(recorded, now));
            replace(&mut sent, recorded, now);
        }
    }
    client.send(&sent).await;
    // The daemon has seen what was sent before by the time the service has its second answer; the
    // first may be given in the same round.
    let mut forwarded = service.up_to_pong().await;
    forwarded.extend(service.up_to_pong().await);
    let expected: Vec<_> = input.forwarded.iter().collect();
    assert_same(&mut ids, &expected, &forwarded, &place);

    let mut expected: Vec<&String> = input.replies.iter().collect();
    let silent = matches!(input.result.as_str(), "forwarded" | "ignored" | "waiting");
    if silent {
        assert!(client.is_quiet(), "{place}");
    }
    assert_eq!(silent || input.result == "disconnect", expected.is_empty());
    let pong = PONG.map(str::to_owned);
    match input.ping_after.as_deref() {
        None => assert_eq!(input.result, "disconnect", "{place}"),
        Some(ping_after) => {
            client.send(PING).await;
            match ping_after {
                "answered" => expected.extend(&pong),
                "disconnect" => {}
                "swallowed" => {
                    assert!(service.up_to_pong().await.is_empty());
                    assert!(service.up_to_pong().await.is_empty());
                    assert_eq!(client.is_quiet(), input.after_ping.is_empty(), "{place}");
                }
                other => panic!("{place}: {other}"),
            }
            if ping_after != "disconnect" {
                client.stream.shutdown().await.unwrap();
            }
        }
    }
    expected.extend(&input.after_ping);
    let mut came = vec![];
    while let Some(frame) = client.next().await {
        came.push(frame);
    }
    assert_same(&mut ids, &expected, &came, &place);
    let own = came.iter().take(input.replies.len());
    let statuses: Vec<i32> = own
        .filter(|frame| frame.kind == Kind::Status as u8)
        .map(|frame| Attributes::parse(&frame.payload).unwrap().status.unwrap())
        .collect();
    assert_eq!(statuses, input.status, "{place}");
}

#[tokio::test]
async fn malformed_input_is_taken_as_the_real_daemon_takes_it() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        peers: Peers::All(Credentials::root()),
        ..Options::default()
    };
    let daemon = Ubusd::start_with(directory.path().join("ubus.sock"), options).unwrap();
    let mut service = Peer::connect(&daemon).await;
    let mut signature = Writer::new();
    let method = signature.open_member(Type::Table, b"m");
    signature.member(Type::Int32, b"a", &(Type::String as i32).to_be_bytes());
    signature.close(method);
    let object = service.publish(b"mal.svc", signature).await;
    service.publish(b"mal.ev", Writer::new()).await;

    let inputs = inputs();
    assert_eq!(inputs.len(), INPUTS);
    for input in &inputs {
        try_one(input, &daemon, &mut service, object).await;
    }
    daemon.stop().await;
}
