//! JSON-RPC 2.0 as uhttpd speaks it at `/ubus`: one call or a list of them, checked against the
//! session's rights, with `ubus_rpc_session` added to the arguments.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{json, Map, Value};
use ubus::blobmsg;
use ubus::{Client, Error, Status};

use super::session::Sessions;
use super::uci::{Answer, Uci};
use super::{files, menu};
use crate::ubus_cli;

/// Time of an object to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Time of the bus to find one.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// Adds the caller to the arguments, as uhttpd does.
const CALLER: &str = "ubus_rpc_session";

/// JSON-RPC's errors for calls that never reached an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Parse,
    Method,
    Params,
    Internal,
    Object,
    Access,
    Timeout,
}

impl Fault {
    fn code_and_words(self) -> (i32, &'static str) {
        match self {
            Fault::Parse => (-32700, "Parse error"),
            Fault::Method => (-32601, "Method not found"),
            Fault::Params => (-32602, "Invalid parameters"),
            Fault::Internal => (-32603, "Internal error"),
            Fault::Object => (-32000, "Object not found"),
            Fault::Access => (-32002, "Access denied"),
            Fault::Timeout => (-32003, "ubus request timed out"),
        }
    }
}

/// The part between browser and bus.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    client: Client,
    /// Never held while something is waited for.
    sessions: Arc<Mutex<Sessions>>,
    uci: Arc<Uci>,
}

/// A call.
struct Call {
    session: String,
    object: String,
    method: String,
    args: Map<String, Value>,
}

impl Gate {
    pub(super) fn new(client: Client, sessions: Sessions, uci: Uci) -> Self {
        Gate {
            client,
            sessions: Arc::new(Mutex::new(sessions)),
            uci: Arc::new(uci),
        }
    }

    /// The app's menu, judged by the settings as they are now.
    pub(super) fn menu(&self) -> std::io::Result<Value> {
        Ok(menu::judged(&files::menu()?, &self.uci)?)
    }

    /// Answers the body of a request.
    pub(super) async fn answer(&self, body: &[u8]) -> Value {
        match serde_json::from_slice(body) {
            Ok(Value::Array(calls)) => {
                let mut answers = Vec::with_capacity(calls.len());
                for call in &calls {
                    answers.push(self.answer_one(call).await);
                }
                Value::Array(answers)
            }
            Ok(call) => self.answer_one(&call).await,
            Err(_) => framed(&Value::Null, Err(Fault::Parse)),
        }
    }

    async fn answer_one(&self, call: &Value) -> Value {
        let id = call.get("id").unwrap_or(&Value::Null);
        let outcome = match read(call) {
            Ok(call) => self.carry_out(call).await,
            Err(fault) => Err(fault),
        };
        framed(id, outcome)
    }

    async fn carry_out(&self, call: Call) -> Result<Value, Fault> {
        let Call {
            session,
            object,
            method,
            mut args,
        } = call;
        let of_rpcd = ["session", "uci"].contains(&object.as_str());
        if !of_rpcd {
            let found = self.client.lookup(&object, FOUND_WITHIN).await;
            if found.map_or(true, |found| found.is_empty()) {
                return Err(Fault::Object);
            }
        }
        if !self.with_sessions(|sessions| sessions.allow(&session, "ubus", &object, &method)) {
            return Err(Fault::Access);
        }
        if args.contains_key(CALLER) {
            return Err(Fault::Params);
        }
        match object.as_str() {
            "session" => {
                let answer = self.with_sessions(|sessions| {
                    sessions.answer(&session, &method, &args, || super::secret().ok())
                });
                Ok(result(answer.map(Some)))
            }
            "uci" => Ok(result(self.uci(&session, &method, &args).await)),
            _ => {
                args.insert(CALLER.to_owned(), json!(session));
                self.invoke(&object, &method, args).await
            }
        }
    }

    /// Object `uci`: what is committed reaches the agent, as procd would tell it.
    async fn uci(
        &self,
        session: &str,
        method: &str,
        args: &Map<String, Value>,
    ) -> Result<Option<Value>, Status> {
        let may = |package: &str, mode: &str| {
            self.with_sessions(|sessions| sessions.allow(session, "uci", package, mode))
        };
        let answer = self.uci.answer(session, method, args, may)?;
        if let Answer::Committed(packages) = &answer {
            if packages.iter().any(|package| package == "socketman") {
                // Nobody waits for what procd triggers. An agent that does not run reads everything
                // when it starts, and one that cannot read it says so in its status.
                let _ = self.invoke("socketman", "reload", Map::new()).await;
            }
        }
        Ok(answer.into_reply())
    }

    fn with_sessions<T>(&self, ask: impl FnOnce(&mut Sessions) -> T) -> T {
        // Whoever panicked with it left whole sessions behind: they change in single steps.
        ask(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn invoke(
        &self,
        object: &str,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Fault> {
        let args = ubus_cli::parse(&Value::Object(args).to_string()).ok_or(Fault::Params)?;
        let call = self
            .client
            .call_raw(object, method, args.to_members(), ANSWER_WITHIN);
        let answer = match call.await {
            Ok(replies) => Ok(replies.into_iter().next()),
            Err(Error::Status(status)) => Err(status),
            Err(Error::Disconnected) => Err(Status::CONNECTION_FAILED),
            Err(Error::Timeout(_)) => return Err(Fault::Timeout),
            Err(_) => return Err(Fault::Internal),
        };
        let answer = match answer {
            Ok(Some(data)) => {
                let table = blobmsg::Value::from_members(&data).map_err(|_| Fault::Internal)?;
                Ok(Some(json!(table)))
            }
            Ok(None) => Ok(None),
            Err(status) => Err(status),
        };
        Ok(result(answer))
    }
}

fn read(call: &Value) -> Result<Call, Fault> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Fault::Parse);
    }
    match call.get("method").and_then(Value::as_str) {
        Some("call") => {}
        Some(_) => return Err(Fault::Method),
        None => return Err(Fault::Parse),
    }
    let params = call.get("params").and_then(Value::as_array);
    let read = || match params?.as_slice() {
        [session, object, method, Value::Object(args), ..] => Some(Call {
            session: text(session)?,
            object: text(object)?,
            method: text(method)?,
            args: args.clone(),
        }),
        _ => None,
    };
    read().ok_or(Fault::Parse)
}

/// A status, and the data if there is some.
fn result(answer: Result<Option<Value>, Status>) -> Value {
    match answer {
        Ok(Some(data)) => json!([0, data]),
        Ok(None) => json!([0]),
        Err(status) => json!([status.0]),
    }
}

fn framed(id: &Value, outcome: Result<Value, Fault>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(fault) => {
            let (code, message) = fault.code_and_words();
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    }
}
