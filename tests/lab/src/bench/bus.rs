//! A call over the bus against a raw echo on a socket pair.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use ubus::{self, Client, Method};

use super::table::Table;
use super::times::Times;
use super::Failure;
use crate::ubusd::Ubusd;

const CALLS: usize = 2_000;

/// Bytes of a call, and of its answer.
const CALL: usize = 64;

/// A call has four hops and eight frames, an echo two hops and two.
const BOUND: f64 = 3.0;

const PATIENCE: Duration = Duration::from_secs(5);

/// Daemon and callee are on a thread of their own, the caller on another: each frame wakes somebody.
pub(super) fn latency(table: &mut Table) -> Result<(), Failure> {
    let echoed = echo()?;
    let called = thread::spawn(calls)
        .join()
        .map_err(|_| "the caller ended badly")??;
    table.plain("raw echo on a socket pair, p50", echoed.median(), "ms");
    table.plain("bus call, p50", called.median(), "ms");
    table.plain("bus call, p99", called.at(0.99), "ms");
    table.times(
        "bus call / raw echo, p50",
        called.median(),
        echoed.median(),
        BOUND,
    );
    Ok(())
}

fn echo() -> Result<Times, Failure> {
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let echo = thread::spawn(move || -> std::io::Result<()> {
        let mut bytes = [0; CALL];
        for _ in 0..CALLS {
            theirs.read_exact(&mut bytes)?;
            theirs.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut times = Times::new();
    let mut bytes = [0; CALL];
    for _ in 0..CALLS {
        let began = Instant::now();
        ours.write_all(&bytes)?;
        ours.read_exact(&mut bytes)?;
        times.since(began);
    }
    echo.join().map_err(|_| "the echo ended badly")??;
    Ok(times)
}

fn calls() -> Result<Times, Failure> {
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("bus");
    let at = socket.clone();
    let (is_there, there) = std::sync::mpsc::channel();
    let (_ends_with_us, ended) = tokio::sync::oneshot::channel::<()>();
    let bus = thread::spawn(move || -> Result<(), Failure> {
        Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let _daemon = Ubusd::start(&at)?;
                let callee = client(&at);
                callee.connected(PATIENCE).await?;
                let methods = vec![Method::new("echo", &[])];
                let mut object = callee.offer("echo", methods).await?;
                is_there.send(())?;
                let served = async {
                    while let Some(call) = object.next().await {
                        let data = call.data().to_vec();
                        let responder = call.into_responder();
                        responder.data_raw(data);
                        responder.finish(ubus::Status::OK);
                    }
                };
                tokio::select! {
                    () = served => {}
                    _ = ended => {}
                }
                Ok(())
            })
    });
    there.recv()?;
    let times = Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let client = client(&socket);
            client.connected(PATIENCE).await?;
            let text = "x".repeat(CALL - 16);
            let args = ubus::to_members(&std::collections::BTreeMap::from([("text", text)]))?;
            let mut times = Times::new();
            for _ in 0..CALLS {
                let began = Instant::now();
                client
                    .call_raw("echo", "echo", args.clone(), PATIENCE)
                    .await?;
                times.since(began);
            }
            Ok::<_, Failure>(times)
        });
    drop(_ends_with_us);
    bus.join().map_err(|_| "the bus ended badly")??;
    times
}

fn client(socket: &std::path::Path) -> Client {
    let (client, connection) = ubus::connect(socket);
    tokio::spawn(connection.run());
    client
}
