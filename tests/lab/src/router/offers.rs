//! The router's objects as they stand on the bus.

use std::future::{poll_fn, Future as _};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ubus::blobmsg::Value;
use ubus::{Client, Error, Object, Request};

use super::fault::Faults;
use super::objects::catalogue_of;
use super::world::{News, World};

/// The agent has taken up a reload after this time, or is not there.
const RELOADED_WITHIN: Duration = Duration::from_secs(10);

/// The objects that are offered at the moment.
#[derive(Debug)]
pub(super) struct Offers {
    client: Client,
    objects: Vec<(String, Object)>,
    /// The object whose turn it is: a busy object must not starve the others.
    turn: usize,
}

impl Offers {
    pub(super) fn new(client: Client) -> Self {
        Offers {
            client,
            objects: Vec::new(),
            turn: 0,
        }
    }

    /// Offers what is there and withdraws what is absent by these faults or in this world, or is an
    /// interface that is none of these; `None` stands for those of the sample.
    pub(super) async fn adjust(
        &mut self,
        faults: &Faults,
        world: &World,
        interfaces: Option<Vec<String>>,
    ) -> Result<(), Error> {
        let mut catalogue = catalogue_of(interfaces);
        catalogue.retain(|(path, _)| !faults.absent(path) && world.shows(path));
        self.objects
            .retain(|(path, _)| catalogue.iter().any(|(there, _)| there == path));
        for (path, methods) in catalogue {
            if !self.objects.iter().any(|(have, _)| *have == path) {
                let object = self.client.offer(&path, methods).await?;
                self.objects.push((path, object));
            }
        }
        Ok(())
    }

    /// The next call of any of them; `None` when the connection's driver ended. Nothing is lost if
    /// the wait is given up.
    pub(super) async fn next(&mut self) -> Option<(String, Request)> {
        let (objects, turn) = (&mut self.objects, &mut self.turn);
        poll_fn(|cx| {
            let count = objects.len();
            for step in 0..count {
                let index = (*turn + step) % count;
                let (path, object) = &mut objects[index];
                if let Poll::Ready(request) = pin!(object.next()).poll(cx) {
                    *turn = index + 1;
                    return Poll::Ready(request.map(|request| (path.clone(), request)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends an event to whoever listens; without a bus nobody does.
    pub(super) async fn send_event(&self, name: &str, data: &Value) {
        let sent = self.client.send_event_raw(name, data.to_members()).await;
        match sent {
            // As with netifd, nobody hears what is said while the bus is gone.
            Ok(()) | Err(Error::Disconnected) => {}
            Err(error) => eprintln!("event {name} of the lab's router: {error}"),
        }
    }

    /// Has the agent read its configuration again, if it is there.
    pub(super) fn reload_agent(&self) {
        let client = self.client.clone();
        tokio::spawn(async move {
            let none = Vec::new();
            let _ = client
                .call_raw("socketman", "reload", none, RELOADED_WITHIN)
                .await;
        });
    }

    /// Notifies the subscribers of an object; nothing if it is absent.
    pub(super) fn notify(&self, news: &News) -> Result<(), Error> {
        match self.objects.iter().find(|(path, _)| *path == news.object) {
            Some((_, object)) => object.notify_raw(news.kind, news.data.to_members()),
            None => Ok(()),
        }
    }
}
