//! A layer around reqwest's connector that sets each new connection its deadline and notes that it is new.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::addresses::Addresses;
use super::stage::{connected_too_late, Stage};
use super::trouble::Trouble;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a [`Connector`].
#[derive(Clone)]
pub(super) struct Watched(pub(super) Arc<Addresses>);

/// The connector with a deadline: look-up, TCP and TLS.
#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
    addresses: Arc<Addresses>,
}

impl<S> Layer<S> for Watched {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector {
            inner,
            addresses: Arc::clone(&self.0),
        }
    }
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = BoxError>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let addresses = Arc::clone(&self.addresses);
        // For an address in the place of a name; a look-up says when it has ended.
        addresses.connect();
        let connected = self.inner.call(to);
        Box::pin(async move {
            let connection = tokio::select! {
                connected = connected => connected?,
                () = connected_too_late(addresses.stage()) => {
                    return Err(Trouble::NoConnection.into());
                }
            };
            addresses.reached(Stage::Opened(Instant::now()));
            Ok(connection)
        })
    }
}
