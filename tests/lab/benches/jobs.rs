//! The way of a job through a real mosquitto and the packaged agent, against what nothing can be faster
//! than on this machine in the same run: an MQTT client that echoes, a shell that is spawned, a record
//! that is synced. Printed with the bound each ratio has to keep; nothing is asserted, machines differ.
//!
//!     cargo bench -p socketman-lab --bench jobs

mod measure;

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, QoS};
use serde_json::{json, Value};
use socketman_lab::lab::Lab;
use socketman_lab::mosquitto;
use socketman_lab::options::Options;
use socketman_lab::slow_sync::SlowSync;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::mpsc;

use measure::{build, memory};

/// Jobs one after the other.
const JOBS: usize = 300;

/// Jobs at once.
const BURST: usize = 200;

/// A sync on flash that is slow.
const SLOW: Duration = Duration::from_millis(20);

/// Jobs between two looks at the memory.
const MANY: usize = 9_000;

const MAC: &str = "94:83:c4:a1:b2:00";
const BASE: &str = "fleet/secret/94:83:c4:a1:b2:00";

/// As an argument: this program is the client that echoes, at the broker of this port.
const ECHO: &str = "--echo";

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut arguments = std::env::args().skip_while(|argument| argument != ECHO);
    if let Some(port) = arguments.nth(1) {
        return runtime.block_on(echo(port.parse()?));
    }
    let binary = build()?;
    runtime.block_on(measure_all(&binary))
}

async fn measure_all(binary: &Path) -> Result<(), Box<dyn Error>> {
    let dir = TempDir::new()?;
    let (_broker, port) = broker(dir.path()).await?;
    let spawned = times(JOBS, || async { spawn() }).await?;
    say("spawn of sh -c", &spawned);
    let echoed = echoes(port).await?;
    say("MQTT echo", &echoed);
    let synced = times(JOBS, sync_in(dir.path())?).await?;
    say("append and fdatasync, state_dir", &synced);

    let floor = |part: f64| at(&echoed, part) + at(&spawned, part);
    let mut flash = Site::start(binary, port, &dir.path().join("flash")).await?;
    let durable = flash.one_by_one(JOBS, "d").await?;
    flash.end().await?;
    say("job, durable", &durable);
    let sync = 2.0 * at(&synced, 0.5);
    ratio(
        "p50 / (echo + spawn + 2 syncs)",
        at(&durable, 0.5),
        floor(0.5) + sync,
        1.3,
    );
    let sync = 2.0 * at(&synced, 0.99);
    ratio(
        "p99 / (echo + spawn + 2 syncs)",
        at(&durable, 0.99),
        floor(0.99) + sync,
        2.0,
    );

    let slow_dir = TempDir::new()?;
    let slow = SlowSync::new(slow_dir.path(), SLOW)?;
    let mut flash = Site::with(binary, port, &slow_dir.path().join("flash"), Some(slow)).await?;
    let slowed = flash.one_by_one(JOBS / 10, "s").await?;
    flash.end().await?;
    say("job, durable, 20 ms a sync", &slowed);
    let sync = 2.0 * (at(&synced, 0.5) + SLOW.as_secs_f64() * 1e3);
    ratio(
        "p50 / (echo + spawn + 2 syncs)",
        at(&slowed, 0.5),
        floor(0.5) + sync,
        1.3,
    );

    let memory_dir = TempDir::new_in("/dev/shm")?;
    let mut site = Site::start(binary, port, &memory_dir.path().join("ram")).await?;
    let quick = site.one_by_one(JOBS, "q").await?;
    say("job, state_dir on tmpfs", &quick);
    ratio("p50 / (echo + spawn)", at(&quick, 0.5), floor(0.5), 1.15);
    let began = Instant::now();
    site.at_once(BURST, "b").await?;
    let rate = BURST as f64 / began.elapsed().as_secs_f64();
    let core = 1e3 / (spawned.iter().sum::<f64>() / spawned.len() as f64);
    println!("{:<40} {rate:>9.0} /s", "200 jobs at once");
    ratio("rate / spawns on one core", rate, core, 0.8);
    let pid = site.lab.agent().ok_or("no agent")?.pid();
    let few = memory(pid, "VmRSS:")?;
    site.at_once(MANY, "m").await?;
    let grown = (memory(pid, "VmRSS:")? - few) * 1024.0;
    println!(
        "{:<40} {grown:>9.0} KiB  (bound 256)",
        "RSS after 9,000 more jobs"
    );
    site.end().await
}

/// The value below which this part of `sorted` lies, ms.
fn at(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[(last as f64 * part).round() as usize]
}

fn say(what: &str, sorted: &[f64]) {
    let (p50, p99) = (at(sorted, 0.5), at(sorted, 0.99));
    println!("{what:<40} {p50:>9.2} ms p50  {p99:>9.2} ms p99");
}

fn ratio(what: &str, value: f64, floor: f64, bound: f64) {
    println!("{what:>40} {:>9.2}     (bound {bound:.2})", value / floor);
}

/// Times of `count` runs, ms, sorted.
async fn times<F>(count: usize, mut run: impl FnMut() -> F) -> Result<Vec<f64>, Box<dyn Error>>
where
    F: std::future::Future<Output = std::io::Result<()>>,
{
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        run().await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn spawn() -> std::io::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "echo x"]).stdin(Stdio::null());
    shell.output().map(drop)
}

/// A record of the size of a job's, appended and synced.
fn sync_in(dir: &Path) -> std::io::Result<impl FnMut() -> std::future::Ready<std::io::Result<()>>> {
    let mut file = File::create(dir.join("synced"))?;
    Ok(move || {
        let written = file.write_all(&[7; 120]).and_then(|()| file.sync_data());
        std::future::ready(written)
    })
}

async fn broker(dir: &Path) -> Result<(Child, u16), Box<dyn Error>> {
    let free = TcpListener::bind("127.0.0.1:0").await?;
    let port = free.local_addr()?.port();
    drop(free);
    let conf = dir.join("mosquitto.conf");
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
         max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type all\n"
    );
    fs::write(&conf, settings)?;
    Ok((mosquitto::start(&conf).await?, port))
}

/// A client of the broker that hears of `filter`.
struct Client {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Client {
    async fn connect(name: &str, port: u16, filter: &str) -> Result<Self, Box<dyn Error>> {
        let mut options = MqttOptions::new(name, ("127.0.0.1", port));
        options.set_inflight(u16::MAX);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(20_000).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        client.subscribe(filter, QoS::AtLeastOnce).await?;
        let (sender, heard) = mpsc::unbounded_channel();
        let (ready_sender, mut ready) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = ready_sender.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let _ = sender.send(publish.payload.to_vec());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("{error}");
                        return;
                    }
                }
            }
        });
        ready.recv().await.ok_or("no connection to the broker")?;
        Ok(Client { client, heard })
    }

    async fn hear(&mut self) -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(self.heard.recv().await.ok_or("the broker has gone")?)
    }
}

/// Echoes until it is killed.
async fn echo(port: u16) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect("echo", port, "echo/in").await?;
    loop {
        let payload = client.hear().await?;
        let client = &client.client;
        client
            .publish(
                "echo/out",
                payload,
                rumqttc::PublishOptions::new(QoS::AtLeastOnce),
            )
            .await?;
    }
}

/// Ends with the benchmark.
struct Echo(Process);

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn echoes(port: u16) -> Result<Vec<f64>, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let echo = Command::new(own).args([ECHO, &port.to_string()]).spawn()?;
    let _echo = Echo(echo);
    let mut client = Client::connect("asker", port, "echo/out").await?;
    let mut times = Vec::new();
    // The first ones are lost while the other side still connects.
    loop {
        publish(&client.client, "echo/in", json!({"id": "x"})).await?;
        let heard = tokio::time::timeout(Duration::from_millis(100), client.hear()).await;
        if heard.is_ok() {
            break;
        }
    }
    for n in 0..JOBS {
        let began = Instant::now();
        publish(
            &client.client,
            "echo/in",
            json!({"id": n, "meta": {"msg": "echo x"}}),
        )
        .await?;
        client.hear().await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

async fn publish(client: &AsyncClient, topic: &str, payload: Value) -> Result<(), Box<dyn Error>> {
    let options = rumqttc::PublishOptions::new(QoS::AtLeastOnce);
    client.publish(topic, payload.to_string(), options).await?;
    Ok(())
}

/// An agent at the broker, and its operator.
struct Site {
    lab: Lab,
    operator: Client,
}

impl Site {
    async fn start(binary: &Path, port: u16, state_dir: &Path) -> Result<Self, Box<dyn Error>> {
        Site::with(binary, port, state_dir, None).await
    }

    async fn with(
        binary: &Path,
        port: u16,
        state_dir: &Path,
        slow: Option<SlowSync>,
    ) -> Result<Self, Box<dyn Error>> {
        let options = Options {
            stations: 0,
            ..Options::default()
        };
        let mut lab = Lab::start(&options, binary.to_owned(), 1).await?;
        lab.program().configure(&json!({
            "mac": MAC,
            "mqtt_host": "127.0.0.1",
            "port": port,
            "topic": "fleet",
            "key": "secret",
            "state_dir": state_dir,
            "job_workers": 2,
            "spread": 0,
        }))?;
        if let Some(slow) = slow {
            lab.slow_down_syncs(slow);
        }
        lab.start_agent()?;
        lab.status_when(|status| status["mqtt"]["connected"] == true)
            .await;
        let operator = Client::connect("operator", port, &format!("pub/{BASE}")).await?;
        Ok(Site { lab, operator })
    }

    async fn send(&self, id: &str) -> Result<(), Box<dyn Error>> {
        let job = json!({"id": id, "meta": {"msg": "echo x"}});
        publish(&self.operator.client, &format!("sub/{BASE}"), job).await
    }

    /// Times from a publish to its result, ms, sorted.
    async fn one_by_one(&mut self, count: usize, name: &str) -> Result<Vec<f64>, Box<dyn Error>> {
        let mut times = Vec::with_capacity(count);
        for n in 0..count {
            let began = Instant::now();
            self.send(&format!("{name} {n}")).await?;
            self.operator.hear().await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    async fn at_once(&mut self, count: usize, name: &str) -> Result<(), Box<dyn Error>> {
        for n in 0..count {
            self.send(&format!("{name} {n}")).await?;
        }
        for _ in 0..count {
            self.operator.hear().await?;
        }
        Ok(())
    }

    async fn end(self) -> Result<(), Box<dyn Error>> {
        self.lab.end().await?;
        Ok(())
    }
}
