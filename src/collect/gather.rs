//! Asks the bus: everything at once, each answer with a deadline of its own, so that a daemon that
//! hangs costs what it alone knows.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::netdevs::device_of;
use super::network::Dump;
use super::question::Question;
use super::replies::{Replies, Reply};
use super::reply::Fields;
use crate::clock;
use crate::mac::Mac;
use crate::ubus::blob::Writer;
use crate::ubus::{Client, Error, Status};

/// How long one object may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long an agent without a configured identity waits for the bus at start.
const BUS_WITHIN: Duration = Duration::from_secs(5);

/// A question under way. All are one type, for each further one would be as much code again.
type Asked = Pin<Box<dyn Future<Output = (Question, Result<Reply, Error>)> + Send>>;

/// Asks every source once; `hints` if what rpcd makes of names is wanted too.
pub(super) async fn gather(client: &Client, wifi: bool, hints: bool) -> Replies {
    use Question::{Aps, Board, Devices, Dump, Hints, Info, Leases4, Leases6, LuciLeases, Netdevs};
    let mut questions = vec![Board, Info, Dump, Devices, Leases4];
    if wifi {
        questions.extend([Question::Radios, Aps, Netdevs, Leases6, LuciLeases]);
    }
    if wifi && hints {
        questions.push(Hints);
    }
    let mut replies = Replies::new(wifi);
    let mut asked: Vec<Asked> = Vec::new();
    loop {
        for question in questions.drain(..) {
            asked.push(Box::pin(ask(client.clone(), question)));
        }
        if asked.is_empty() {
            return replies;
        }
        let (question, reply) = poll_fn(|context| first(&mut asked, context)).await;
        questions = replies.take(question, reply, clock::epoch_seconds());
    }
}

async fn ask(client: Client, question: Question) -> (Question, Result<Reply, Error>) {
    let (path, method, args) = question.call();
    let reply = match question {
        Question::Aps => match client.lookup(&path, TIMEOUT).await {
            Ok(objects) => Ok(objects.into_iter().map(|object| object.path).collect()),
            Err(Error::Status(Status::NOT_FOUND)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
        .map(Reply::Paths),
        _ => call(&client, path, method, args).await.map(Reply::Data),
    };
    (question, reply)
}

async fn call(client: &Client, path: String, method: &str, args: Vec<u8>) -> Result<Bytes, Error> {
    let replies = client.call_raw(&path, method, args, TIMEOUT).await?;
    replies.into_iter().next().ok_or(Error::NoData)
}

/// Takes out the first that is done. Cheap enough: they are few, and one poll of a waiting call
/// looks at one channel.
fn first(
    asked: &mut Vec<Asked>,
    context: &mut Context<'_>,
) -> Poll<(Question, Result<Reply, Error>)> {
    for at in 0..asked.len() {
        if let Poll::Ready(answer) = asked[at].as_mut().poll(context) {
            drop(asked.swap_remove(at));
            return Poll::Ready(answer);
        }
    }
    Poll::Pending
}

/// The MAC of the device that owns the default route, as netifd knows it; `None` without a bus,
/// without netifd or without such a route.
pub async fn wan_mac(client: &Client) -> Option<Mac> {
    match ask_wan_mac(client).await {
        Ok(mac) => mac,
        Err(error) => {
            log::info!("WAN device not known: {error}");
            None
        }
    }
}

async fn ask_wan_mac(client: &Client) -> Result<Option<Mac>, Error> {
    client.connected(BUS_WITHIN).await?;
    let (path, method, args) = Question::Dump.call();
    let dump = call(client, path, method, args).await?;
    let Some(wan) = Dump::read(Fields::of(&dump)).and_then(|dump| dump.wan()) else {
        return Ok(None);
    };
    let (path, method, _) = Question::Devices.call();
    let mut name = Writer::new();
    name.string(b"name", wan.device.as_bytes());
    let status = call(client, path, method, name.into_bytes()).await?;
    Ok(device_of(wan.device, Fields::of(&status)).and_then(|device| device.mac))
}
