//! The router's objects as they stand on the bus.

use std::future::{poll_fn, Future as _};
use std::pin::pin;
use std::task::Poll;

use socketman::ubus::{Client, Error, Object, Request};

use super::fault::Faults;
use super::objects::catalogue;
use super::world::{News, World};

/// The objects that are offered at the moment.
#[derive(Debug)]
pub(super) struct Offers {
    client: Client,
    objects: Vec<(String, Object)>,
    /// Whose turn it is: a busy object must not starve the others.
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

    /// Offers what is there and withdraws what is absent by these faults, or not there in the world.
    pub(super) async fn adjust(&mut self, faults: &Faults, world: &World) -> Result<(), Error> {
        let is_there = |path: &str| !faults.absent(path) && world.shows(path);
        self.objects.retain(|(path, _)| is_there(path));
        if self.objects.len() == catalogue().len() {
            return Ok(());
        }
        for (path, methods) in catalogue() {
            if is_there(&path) && !self.objects.iter().any(|(have, _)| *have == path) {
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

    /// Notifies the subscribers of an object; nothing if it is absent.
    pub(super) fn notify(&self, news: &News) -> Result<(), Error> {
        match self.objects.iter().find(|(path, _)| *path == news.object) {
            Some((_, object)) => object.notify_raw(news.kind, news.data.to_members()),
            None => Ok(()),
        }
    }
}
