//! The socket of one client: bytes ↔ packets.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use super::Event;

/// Largest packet either way, bytes.
const PACKET_MAX: usize = 64 * 1024 * 1024;

/// Time to send CONNECT, and for the client to take what is written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Packets that wait to be written to a client.
pub(super) const OUTGOING: usize = 4096;

/// Serves a client until either side ends, and says so. How it ended is only printed: for the broker
/// a connection without DISCONNECT is lost, whatever the reason.
pub(super) async fn serve(socket: TcpStream, number: u64, events: Sender<Event>) {
    if let Err(error) = exchange(socket, number, &events).await {
        eprintln!("broker: connection {number}: {error}");
    }
    // The broker may have stopped listening to us.
    let _ = events.send(Event::Closed(number)).await;
}

async fn exchange(mut socket: TcpStream, number: u64, events: &Sender<Event>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = BytesMut::new();
    let first = timeout(PATIENCE, read(&mut socket, &mut input)).await??;
    let Some(Packet::Connect(connect)) = first else {
        return Err(io::Error::other("the first packet is not CONNECT"));
    };
    let (sender, mut outgoing) = mpsc::channel(OUTGOING);
    let connected = events.send(Event::Connect(number, connect, sender));
    connected.await.map_err(io::Error::other)?;
    let mut output = BytesMut::new();
    loop {
        tokio::select! {
            packet = read(&mut socket, &mut input) => {
                let Some(packet) = packet? else {
                    return Ok(());
                };
                if matches!(&packet, Packet::Publish(p) if p.qos == QoS::ExactlyOnce) {
                    return Err(io::Error::other("a PUBLISH at QoS 2, which is not spoken here"));
                }
                // After DISCONNECT the broker drops the sender, which ends the connection.
                events.send(Event::Packet(number, packet)).await.map_err(io::Error::other)?;
            }
            packet = outgoing.recv() => {
                let Some(packet) = packet else {
                    return Ok(());
                };
                packet.write(&mut output, PACKET_MAX).map_err(io::Error::other)?;
                timeout(PATIENCE, socket.write_all_buf(&mut output)).await??;
            }
        }
    }
}

/// The next packet; None at the end. Cancel safe: what was read stays in `input`.
async fn read(socket: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<Packet>> {
    loop {
        match Packet::read(input, PACKET_MAX) {
            Ok(packet) => return Ok(Some(packet)),
            Err(rumqttc::Error::InsufficientBytes(_)) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        if socket.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}
