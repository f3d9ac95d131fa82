//! The way of a job through a real mosquitto and the packaged agent, against what nothing can be faster
//! than on this machine in the same run: an MQTT client that echoes, a shell that is spawned, a record
//! that is synced. Printed with the bound each ratio has to keep; nothing is asserted, machines differ.
//!
//!     cargo bench -p socketman-lab --bench jobs

mod measure;

use std::error::Error;
use std::fs::{self, File};
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::symlink;
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

use measure::{build, cpu};

/// Rounds in which everything is measured in turn, so that a machine that is busy for a while is so for all.
const ROUNDS: usize = 10;

/// Of everything in a round, one after the other.
const EACH: usize = 30;

/// Jobs at once.
const BURST: usize = 200;

/// A sync on flash that is slow.
const SLOW: Duration = Duration::from_millis(20);

/// Jobs between two looks at the memory, as many at once as before the first look.
const MANY: usize = 9_500;
const GROUP: usize = 100;

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
    let memory_dir = TempDir::new_in("/dev/shm")?;
    let (_broker, port) = broker(dir.path()).await?;
    let mut echo = Echo::start(port).await?;
    let mut sync = sync_in(dir.path())?;
    let mut flash = Site::start(binary, port, "aa", &dir.path().join("flash")).await?;
    let mut ram = Site::start(binary, port, "bb", &memory_dir.path().join("ram")).await?;
    let [mut spawned, mut echoed, mut synced] = [const { Times(Vec::new()) }; 3];
    let [mut durable, mut quick] = [const { Times(Vec::new()) }; 2];
    let (mut rates, mut cores) = (Times(Vec::new()), Times(Vec::new()));
    let before = ram.cpu()?;
    for round in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..EACH {
            spawn()?;
        }
        cores.0.push(EACH as f64 / began.elapsed().as_secs_f64());
        for n in 0..EACH {
            let id = format!("{round} {n}");
            echoed.add(echo.once(&id)).await?;
            durable.add(flash.once(&id)).await?;
            synced.add(async { sync() }).await?;
            quick.add(ram.once(&id)).await?;
            spawned.add(async { spawn() }).await?;
        }
        let began = Instant::now();
        ram.at_once(BURST, &format!("burst {round}")).await?;
        rates.0.push(BURST as f64 / began.elapsed().as_secs_f64());
    }
    let jobs = (ROUNDS * (EACH + BURST)) as f64;
    let cpu = (ram.cpu()? - before) / jobs;
    let floor = |part| echoed.at(part) + spawned.at(part);
    let floors = [0.5, 0.99].map(|part| floor(part) + 2.0 * synced.at(part));
    spawned.say("spawn of sh -c");
    echoed.say("MQTT echo");
    synced.say("append and fdatasync, state_dir");
    durable.say("job, durable");
    let [p50, p99] = floors;
    ratio("p50 / (echo + spawn + 2 syncs)", durable.at(0.5), p50, 1.3);
    ratio("p99 / (echo + spawn + 2 syncs)", durable.at(0.99), p99, 2.0);
    quick.say("job, state_dir on tmpfs");
    ratio("p50 / (echo + spawn)", quick.at(0.5), floor(0.5), 1.15);
    let (rate, core) = (rates.at(0.5), cores.at(0.5));
    println!("{:<40} {rate:>9.0} /s", "200 jobs at once");
    ratio("rate / spawns on one core", rate, core, 0.8);
    println!("{:<40} {cpu:>9.2} ms", "CPU of the agent for a job, tmpfs");
    flash.end().await?;

    let slow_dir = TempDir::new()?;
    let slow = SlowSync::new(slow_dir.path(), SLOW)?;
    let state_dir = slow_dir.path().join("flash");
    let mut flash = Site::with(binary, port, "cc", &state_dir, Some(slow)).await?;
    let mut slowed = Times(Vec::new());
    for n in 0..EACH {
        slowed.add(flash.once(&n.to_string())).await?;
    }
    flash.end().await?;
    slowed.say("job, durable, 20 ms a sync");
    let sync = 2.0 * SLOW.as_secs_f64() * 1e3;
    ratio(
        "p50 / (echo + spawn + 2 syncs)",
        slowed.at(0.5),
        p50 + sync,
        1.3,
    );
    ram.end().await?;

    let mut ram = Site::start(binary, port, "dd", &memory_dir.path().join("many")).await?;
    ram.at_once(GROUP, "few").await?;
    let few = ram.memory()?;
    for group in 0..MANY / GROUP {
        ram.at_once(GROUP, &format!("many {group}")).await?;
    }
    let grown = ram.memory()? - few;
    println!(
        "{:<40} {grown:>9.0} KiB  (bound 256)",
        format!("RSS after {MANY} more jobs")
    );
    ram.end().await
}

/// Times, ms.
struct Times(Vec<f64>);

impl Times {
    async fn add<E>(&mut self, work: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let began = Instant::now();
        work.await?;
        self.0.push(began.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    /// The value below which this part of them lies.
    fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        sorted[(last as f64 * part).round() as usize]
    }

    fn say(&self, name: &str) {
        let (p50, p99) = (self.at(0.5), self.at(0.99));
        println!("{name:<40} {p50:>9.2} ms p50  {p99:>9.2} ms p99");
    }
}

fn ratio(what: &str, value: f64, floor: f64, bound: f64) {
    println!("{what:>40} {:>9.2}     (bound {bound:.2})", value / floor);
}

fn spawn() -> std::io::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "echo x"]).stdin(Stdio::null());
    shell.output().map(drop)
}

/// A record of the size of a job's, appended and synced.
fn sync_in(dir: &Path) -> std::io::Result<impl FnMut() -> std::io::Result<()>> {
    let mut file = File::create(dir.join("synced"))?;
    Ok(move || file.write_all(&[7; 120]).and_then(|()| file.sync_data()))
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

/// A process that echoes, and its asker. It ends with the benchmark.
struct Echo {
    process: Process,
    asker: Client,
}

impl Echo {
    async fn start(port: u16) -> Result<Self, Box<dyn Error>> {
        let own = std::env::current_exe()?;
        let process = Command::new(own).args([ECHO, &port.to_string()]).spawn()?;
        let asker = Client::connect("asker", port, "echo/out").await?;
        let mut echo = Echo { process, asker };
        // The first ones are lost while the other side still connects.
        while tokio::time::timeout(Duration::from_millis(100), echo.once("x"))
            .await
            .is_err()
        {}
        Ok(echo)
    }

    async fn once(&mut self, id: &str) -> Result<(), Box<dyn Error>> {
        let job = json!({"id": id, "meta": {"msg": "echo x"}});
        publish(&self.asker.client, "echo/in", job).await?;
        self.asker.hear().await.map(drop)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
    /// Of the topics.
    base: String,
}

impl Site {
    async fn start(
        binary: &Path,
        port: u16,
        name: &str,
        state_dir: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        Site::with(binary, port, name, state_dir, None).await
    }

    /// `name` is two hex digits.
    async fn with(
        binary: &Path,
        port: u16,
        name: &str,
        state_dir: &Path,
        slow: Option<SlowSync>,
    ) -> Result<Self, Box<dyn Error>> {
        let options = Options {
            stations: 0,
            ..Options::default()
        };
        let mac = format!("94:83:c4:a1:b2:{name}");
        let mut lab = Lab::start(&options, binary.to_owned(), 1).await?;
        // The agent's paths are below the lab's root, which is on another file system.
        let parent = state_dir.parent().ok_or("no parent")?;
        let inside = lab.program().root.join(parent.strip_prefix("/")?);
        fs::create_dir_all(inside.parent().ok_or("no parent")?)?;
        if !inside.exists() {
            symlink(parent, inside)?;
        }
        lab.program().configure(&json!({
            "mac": mac,
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
        let base = format!("fleet/secret/{mac}");
        let operator = Client::connect(&mac, port, &format!("pub/{base}")).await?;
        Ok(Site {
            lab,
            operator,
            base,
        })
    }

    async fn send(&self, id: &str) -> Result<(), Box<dyn Error>> {
        let job = json!({"id": id, "meta": {"msg": "echo x"}});
        publish(&self.operator.client, &format!("sub/{}", self.base), job).await
    }

    /// From a publish to its result.
    async fn once(&mut self, id: &str) -> Result<(), Box<dyn Error>> {
        self.send(id).await?;
        self.operator.hear().await.map(drop)
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

    /// Resident memory of the agent, KiB, as its page tables have it: the counters of its status are wrong by
    /// hundreds.
    fn memory(&mut self) -> Result<f64, Box<dyn Error>> {
        let pid = self.lab.agent().ok_or("no agent")?.pid();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let number = line.ok_or("no such line")?.trim().trim_end_matches(" kB");
        Ok(number.parse()?)
    }

    /// CPU time of the agent so far, ms.
    fn cpu(&mut self) -> Result<f64, Box<dyn Error>> {
        let pid = self.lab.agent().ok_or("no agent")?.pid();
        cpu(pid)
    }

    async fn end(self) -> Result<(), Box<dyn Error>> {
        self.lab.end().await?;
        Ok(())
    }
}
