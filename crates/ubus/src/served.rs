//! An object of ours, its calls and their answers.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::command::{Declared, Local};
use super::error::{Error, Status};
use super::protocol::{Incoming, Ticket};
use super::{from_arguments, to_members};

/// An object of ours; withdrawn when dropped.
#[derive(Debug)]
pub struct Object {
    pub(super) declared: Declared,
    pub(super) requests: mpsc::Receiver<Incoming>,
    pub(super) subscribers: watch::Receiver<bool>,
}

impl Object {
    /// The next call of one of its methods; `None` when the connection's driver ended.
    pub async fn next(&mut self) -> Option<Request> {
        let incoming = self.requests.recv().await?;
        Some(Request {
            method: incoming.method,
            user: incoming.user,
            group: incoming.group,
            data: incoming.data,
            answer: Responder {
                ticket: incoming.ticket,
                local: self.declared.local.clone(),
                open: true,
            },
        })
    }

    /// Sends a notification to all subscribers; nothing happens without any.
    pub fn notify<A: Serialize + ?Sized>(&self, kind: &str, data: &A) -> Result<(), Error> {
        self.notify_raw(kind, to_members(data)?)
    }

    /// [`Object::notify`] with members as they stand in DATA.
    pub fn notify_raw(&self, kind: &str, data: Vec<u8>) -> Result<(), Error> {
        self.declared
            .local
            .send(Local::Notify {
                token: self.declared.token,
                kind: kind.to_owned(),
                data,
            })
            .map_err(|_| Error::Disconnected)
    }

    /// True while somebody subscribes; can be waited on.
    pub fn subscribers(&self) -> watch::Receiver<bool> {
        self.subscribers.clone()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Calls that nobody took: for these callers the object was gone already.
        self.requests.close();
        while let Ok(incoming) = self.requests.try_recv() {
            let _ = self.declared.local.send(Local::Finish {
                ticket: incoming.ticket,
                status: Status::NOT_FOUND,
            });
        }
    }
}

/// A call of one of our methods. It may be answered at once or later, from anywhere.
#[derive(Debug)]
pub struct Request {
    /// The method that is called.
    pub method: String,
    /// The caller's user and group names, as the daemon vouches for them.
    pub user: String,
    /// The caller's group.
    pub group: String,
    data: Bytes,
    answer: Responder,
}

impl Request {
    /// The arguments, as a struct, read as [`from_arguments`] does; unknown ones are ignored.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, Error> {
        from_arguments(&self.data)
    }

    /// The arguments as they stand in DATA.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The part that answers, to be kept while the rest is done with.
    pub fn into_responder(self) -> Responder {
        self.answer
    }

    /// Answers with one DATA and success.
    pub fn reply<T: Serialize + ?Sized>(self, value: &T) {
        self.answer.reply(value);
    }

    /// Answers with a status alone.
    pub fn finish(self, status: Status) {
        self.answer.finish(status);
    }
}

/// Owes a caller an answer; if dropped without, the caller gets "unknown error", for the bus
/// itself would leave it waiting.
#[derive(Debug)]
pub struct Responder {
    ticket: Ticket,
    local: mpsc::UnboundedSender<Local>,
    open: bool,
}

impl Responder {
    /// Adds one DATA to the answer.
    pub fn data<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        self.data_raw(to_members(value)?);
        Ok(())
    }

    /// [`Responder::data`] with members as they stand in DATA.
    pub fn data_raw(&self, data: Vec<u8>) {
        // A caller on a connection that is gone is gone with it.
        let _ = self.local.send(Local::Reply {
            ticket: self.ticket,
            data,
        });
    }

    /// Answers with one DATA and success; "system error" if `value` has no wire form.
    pub fn reply<T: Serialize + ?Sized>(self, value: &T) {
        match self.data(value) {
            Ok(()) => self.finish(Status::OK),
            Err(error) => {
                log::error!("ubus: a reply: {error}");
                self.finish(Status::SYSTEM_ERROR);
            }
        }
    }

    /// Ends the answer.
    pub fn finish(mut self, status: Status) {
        self.end(status);
    }

    fn end(&mut self, status: Status) {
        if std::mem::replace(&mut self.open, false) {
            let _ = self.local.send(Local::Finish {
                ticket: self.ticket,
                status,
            });
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end(Status::UNKNOWN_ERROR);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::blobmsg::Value;

    /// Every step of an answer: the data, or the status that ends it.
    fn steps(answer: impl FnOnce(Responder)) -> Vec<Result<Vec<u8>, Status>> {
        let (local, mut done) = mpsc::unbounded_channel();
        answer(Responder {
            ticket: Ticket::SOME,
            local,
            open: true,
        });
        std::iter::from_fn(|| done.try_recv().ok())
            .map(|step| match step {
                Local::Reply { ticket, data } if ticket == Ticket::SOME => Ok(data),
                Local::Finish { ticket, status } if ticket == Ticket::SOME => Err(status),
                _ => panic!("no step of this answer"),
            })
            .collect()
    }

    #[test]
    fn an_answer_is_its_data_in_order_and_one_status() {
        let (first, second) = (json!({"n": 1}), json!({"n": 2}));
        let data = [&first, &second].map(|value| Ok(to_members(value).unwrap()));
        let all = steps(|answer| {
            answer.data(&first).unwrap();
            answer.reply(&second);
        });
        assert_eq!(all, [&data[..], &[Err(Status::OK)]].concat());
        let refused = steps(|answer| answer.finish(Status::NOT_FOUND));
        assert_eq!(refused, [Err(Status::NOT_FOUND)]);
        // A value without a wire form is not half an answer.
        assert_eq!(
            steps(|answer| answer.reply(&7)),
            [Err(Status::SYSTEM_ERROR)]
        );
    }

    #[test]
    fn an_answer_that_is_forgotten_is_an_unknown_error() {
        assert_eq!(steps(drop), [Err(Status::UNKNOWN_ERROR)]);
        let all = steps(|answer| answer.data(&json!({})).unwrap());
        assert_eq!(all, [Ok(Vec::new()), Err(Status::UNKNOWN_ERROR)]);
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Text(String),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Args {
        text: Option<String>,
        number: Option<i32>,
        count: Option<u32>,
        part: Option<f64>,
        truth: Option<bool>,
        list: Option<Vec<Args>>,
        any: Option<Any>,
    }

    fn args(name: &str, value: Value) -> Result<Args, Error> {
        let (local, _done) = mpsc::unbounded_channel();
        let request = Request {
            method: "method".to_owned(),
            user: "root".to_owned(),
            group: "root".to_owned(),
            data: Value::Table(vec![(name.into(), value)]).to_members().into(),
            answer: Responder {
                ticket: Ticket::SOME,
                local,
                open: true,
            },
        };
        request.args()
    }

    #[test]
    fn an_argument_is_never_taken_for_another_one() {
        let odd = || Value::String(b"/mnt/caf\xe9".to_vec());
        let nested =
            |name: &str, value| Value::Array(vec![Value::Table(vec![(name.into(), value)])]);
        for (name, value) in [
            ("text", odd()),
            ("any", odd()),
            ("list", nested("text", odd())),
            ("text", Value::Int32(1)),
            ("number", Value::Int8(1)),
            ("count", Value::Int8(1)),
            ("part", Value::Int8(1)),
            ("list", nested("number", Value::Int8(0))),
            ("number", Value::String(b"1".to_vec())),
            ("number", Value::Int64(1 << 40)),
            ("count", Value::Int64(-1)),
            ("truth", Value::Int32(1)),
        ] {
            let read = args(name, value.clone());
            assert!(read.is_err(), "{name}: {value:?}: {read:?}");
        }
        let number = |value| args("number", value).unwrap().number;
        assert_eq!(number(Value::Int32(-1)), Some(-1));
        assert_eq!(number(Value::Int64(7)), Some(7));
        assert_eq!(number(Value::Int16(7)), Some(7));
        assert_eq!(args("truth", Value::Int8(1)).unwrap().truth, Some(true));
        let text = args("text", Value::String("caf\u{e9}".into()));
        assert_eq!(text.unwrap().text.as_deref(), Some("caf\u{e9}"));
        // Nobody asks for it.
        assert!(args("else", odd()).is_ok());
    }
}
