//! A bus, and a service on it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socketman_lab::ubusd::Ubusd;
use tempfile::TempDir;
use tokio::time::timeout;
use ubus::blobmsg::Value;
use ubus::{Client, Error, Method, Object, Status};

use super::{CALL, SOON};

pub(crate) struct Bus {
    dir: TempDir,
    ubusd: Option<Ubusd>,
}

impl Bus {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let ubusd = Some(Ubusd::start(dir.path().join("bus")).unwrap());
        Bus { dir, ubusd }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("bus")
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.path()).await
    }

    pub(crate) async fn stop(&mut self) {
        self.ubusd.take().unwrap().stop().await;
    }

    pub(crate) fn start_again(&mut self) {
        self.ubusd = Some(Ubusd::start(self.path()).unwrap());
    }
}

pub(crate) async fn client(path: &Path) -> Client {
    let (client, connection) = ubus::connect(path);
    tokio::spawn(connection.run());
    client.connected(SOON).await.unwrap();
    client
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it did not happen")
}

/// An object whose methods do what their names say.
pub(crate) async fn service(client: &Client, path: &str) {
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

pub(crate) async fn serve(mut object: Object) {
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

pub(crate) fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn one<T>(name: &str, value: T) -> BTreeMap<String, T> {
    BTreeMap::from([(name.to_owned(), value)])
}

pub(crate) async fn raw(client: &Client, method: &str, args: &Value) -> Result<Vec<Value>, Error> {
    let replies = client
        .call_raw("test.service", method, args.to_members(), CALL)
        .await?;
    Ok(replies
        .iter()
        .map(|data| Value::from_members(data).unwrap())
        .collect())
}
